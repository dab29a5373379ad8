//! What happened: every change and every sign-in event, in the same transaction as the change itself.
//!
//! Owns `audit_event`, `audit_seal` and `public.audit_anchor`; `platform_seal` and `platform_anchor` of the platform's own log. Append-only by grant: the tenant's role may insert and read
//! events and read seals. [`Sealer`] chains committed events and anchors the chain's head by a MAC outside the tenant;
//! [`verify()`] holds all of it against each other.

mod chain;
mod erase;
mod platform;
mod record;
mod seal;
mod store;
#[cfg(test)]
mod tests;
mod trail;
mod verify;

pub use chain::AnchorKey;
pub use erase::{Traces, erase, erase_person};
pub use platform::{PlatformEntry, PlatformFilter, PlatformSealer, list_platform, verify_platform};
pub use record::{Actor, ActorKind, Event, changes, record, record_all};
pub use seal::{Sealer, adopt};
pub use store::{known_actors, known_object_types};
pub use trail::{Entry, Filter, Who, count, find, list};
pub use verify::verify;
