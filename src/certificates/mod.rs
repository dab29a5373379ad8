//! Certificates of tenants' own domains: ordered from an ACME authority when a domain becomes active, proved over http, kept sealed,
//! laid down for the proxy, renewed, and gone with the domain.
//!
//! Owns `public.tenant_certificate`, `public.acme_account` and `public.acme_challenge`. Who holds a lease on a certificate's row orders
//! it; everybody answers the authority's question; and each process that has a folder named keeps it as the table says.

mod authority;
mod folder;
mod orders;
mod store;

pub use authority::reach;
pub use folder::Folder;
pub use orders::Orders;
pub use store::{Certificate, answer_to, count_by_state, list_certificates, order_again};
