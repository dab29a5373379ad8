//! How requests are read and how failures and answers become bytes. Knows nothing of the database.

mod answer;
mod assets;
mod body;
pub mod choices;
mod content_policy;
pub mod file_body;
mod form;
mod host;
mod moment;
mod openapi;
mod origin;
mod pages;
pub mod parts;
mod problem;
mod rate;
mod routes;
mod schema;
pub mod sheet;
pub mod typed;

pub use answer::{Created, Download, Json, NoContent, Pdf, Zip, compressed, plain_name, redirect, see_other};
pub use assets::Assets;
pub use body::{Body, read_body};
pub use content_policy::ContentPolicy;
pub use form::{Form, FormView};
pub use host::Host;
pub use moment::Moment;
pub use openapi::{Authority, document, operations_of};
pub use origin::{Origin, TrustedProxies};
pub use pages::{Flash, PageMeta, Pages, Shared};
pub use problem::{failure_headers, from_poem, problem};
pub use rate::{RateLimits, StandingNote};
pub use routes::{CallerNote, RouteNote, RouteTable, Routed, Surface, allowed_methods};
