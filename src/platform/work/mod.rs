//! What runs behind the providers' portals, across all of them: jobs, dead letters, migrations. Counts alone; what a job is about
//! lies in its tenant's schema.

mod pages;
mod store;

pub use pages::pages;
