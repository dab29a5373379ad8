//! Archives: one tenant, or all of them and the control plane.
//!
//! An archive is a ZIP file with `manifest.json` and one part for each table, in PostgreSQL's binary COPY format. Every part's
//! digest stands in the manifest and is looked at before anything is written. Sealed values stay sealed: the data keys come along
//! as they lie in the database, wrapped by the deployment's own master key, so that an archive alone opens nothing. To be opened by
//! another deployment an archive is made with a passphrase: its key wraps the data keys once more and vouches for the manifest.
//!
//! What people and other programs are to read is another file (`readable`), and the owner asks for either in the portal (`takeouts`).
//!
//! Sessions, tokens, single-use links and counters of failed sign-ins do not travel: nobody is to be signed in by a restore.

mod archive;
mod manifest;
mod readable;
pub mod sandbox;
pub mod takeouts;
mod tenant;
mod whole;

pub use readable::{Written, export_readable};
pub use tenant::{Export, Import, Imported, Progress, export_tenant, import_tenant};
pub use whole::{back_up, restore};
