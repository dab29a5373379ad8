//! What is hidden: the store that keeps the deployment's own secrets, and the envelope that seals tenants' data.
//!
//! The secret store (AWS Secrets Manager, Vault, or a folder in development) holds a handful of small values: the
//! master keys, and one key for each purpose of the deployment (role passwords, CSRF, audit anchors, cursors). Every
//! tenant has a data key of its own; it lies in the database, wrapped by a master key. Credentials and other columns
//! that must not be readable in a dump are sealed with that data key, bound to the very cell they lie in.
//!
//! `public.tenant_key` belongs to tenancy, which stores a tenant's first [`WrappedKey`] as it is; [`TenantKeys`] reads it and
//! [`rewrap_all`] exchanges its wrappings. Nothing else here knows SQL.

mod aws;
mod envelope;
mod file;
mod keys;
mod portable;
mod store;
mod tenant;
mod traced;
mod vault;

pub use envelope::{Aad, DataKey, SecretKey, open, role_password, seal, sealed_version};
pub use keys::{Keyring, WrappedKey, deployment_key};
pub use portable::{Passphrase, TravelKey, TravelParams};
pub use store::{SecretBytes, SecretName, SecretStore, open as open_store};
pub use tenant::{DataKeys, TenantKeys, rewrap_all};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_servers;
