//! Who may: staff, sessions, tokens, API keys, roles, and the types that carry a caller's authority.
//!
//! Owns `staff`, `role`, `staff_role`, `portal_session`, `refresh_token`, `one_time_link`, `sign_in_failure`,
//! `idempotency`, and `api_key`, `api_key_day`, `api_key_warning` in keys/, `machine_issuer`, `machine_role` in machines/, `totp`, `recovery_code`, `sign_in_step` in mfa/, `passkey`, `passkey_challenge` in
//! passkeys/, `sso`, `sso_identity`, `sso_attempt` in sso/; reads `company` for the shell. Support access is in support/; its
//! tables are the control plane's.

mod account;
mod api;
mod by;
mod company;
mod credentials;
mod extract;
mod forgot;
mod gate;
mod guard;
mod idempotency;
mod key_sets;
mod keys;
mod landing;
mod letters;
mod links;
mod lockout;
mod machines;
mod mfa;
mod pages;
mod passkeys;
mod passwords;
mod people;
mod profile;
mod profile_api;
mod profile_pages;
mod profile_store;
mod proof;
mod right;
mod roles;
mod seed;
mod sessions;
mod sessions_api;
mod shell;
mod sign_in;
mod signing;
mod sso;
mod staff;
mod store;
mod support;
mod tokens;
mod well_known;

pub use api::AccessApi;
pub use by::{By, Credential, Reach, Rights};
pub use company::{Addressee, Registered, list_owners, registered};
pub use credentials::{Held, TokenHash, hash_of, known_here};
pub use extract::ApiUser;
pub use forgot::pages as forgot_pages;
pub use gate::{Access, AccessKeys};
pub use guard::{Bare, CheckedForm, FORM_MAX_BYTES, Guarded, PageUser, Visitor, checked_form};
pub use idempotency::{AcceptedOnce, CreatedOnce, Fingerprint, IdempotencyKey, once};
pub use keys::{API_KEY_PERMISSIONS, ApiKeyApi, NAV, handlers as key_handlers};
pub use landing::issue_landing;
pub use letters::ink_on;
pub use lockout::{
    Attempt, Charge, FREE_OF_ACCOUNT, FREE_OF_ADDRESS, charge, forgive, forgive_account, network, network_of,
    wait_after,
};
pub use machines::{MachinesApi, pages as machine_pages};
pub use mfa::{recovery, totp};
pub use pages::{device_of, local_path, pages};
pub use passkeys::PasskeyApi;
pub use passwords::{PASSWORD_MAX_CHARS, check_password, hash_password, line_up, verify_password};
pub use people::{Invitation, People};
pub use profile_api::ProfileApi;
pub(crate) use right::rights;
pub use right::{Catalogue, DefaultRole, Owner, Permission, Right, SignedIn};
pub use roles::{ROLES, ROLES_NAV, RolesApi, pages as role_pages};
pub use seed::{NewOwner, seed_tenant};
pub use sessions::random_token;
pub use sessions_api::SessionsApi;
pub use shell::{Brand, NavItem, Shell};
pub use signing::SigningKeys;
pub use sso::{SsoApi, settings_pages as sso_pages};
pub use staff::{
    Colleague, Member, NewStaff, STAFF, STAFF_NAV, StaffApi, colleagues, count_active_staff, find_colleague,
    pages as staff_pages,
};
pub use support::pages as support_pages;
pub use well_known::well_known;
