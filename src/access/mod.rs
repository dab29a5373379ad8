//! Who may: staff, sessions, tokens, API keys, roles, and the types that carry a caller's authority.
//!
//! Owns `staff`, `role`, `staff_role`, `portal_session`, `refresh_token`, `api_key`, `one_time_link`, `sign_in_failure`,
//! `idempotency`, and `totp`, `recovery_code`, `sign_in_step` in mfa/; reads `company` for the shell.

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
mod keys;
mod keys_api;
mod keys_pages;
mod keys_store;
mod landing;
mod letters;
mod links;
mod lockout;
mod mfa;
mod pages;
mod passwords;
mod people;
mod right;
mod roles;
mod seed;
mod sessions;
mod shell;
mod sign_in;
mod signing;
mod staff;
mod store;
mod tokens;
mod well_known;

pub use api::AccessApi;
pub use by::{By, Credential, Reach, Rights};
pub use credentials::{Held, TokenHash, hash_of};
pub use extract::ApiUser;
pub use forgot::pages as forgot_pages;
pub use gate::{Access, AccessKeys};
pub use guard::{Bare, CheckedForm, FORM_MAX_BYTES, Guarded, PageUser, Visitor, checked_form};
pub use idempotency::{AcceptedOnce, CreatedOnce, Fingerprint, IdempotencyKey, once};
pub use keys::API_KEY_PERMISSIONS;
pub use keys_api::ApiKeyApi;
pub use keys_pages::NAV;
pub use landing::issue_landing;
pub use letters::ink_on;
pub use lockout::{Attempt, Charge, charge, forgive, forgive_account};
pub use pages::{device_of, local_path, pages};
pub use passwords::{PASSWORD_MAX_CHARS, check_password, hash_password, verify_password};
pub use people::{Invitation, People};
pub(crate) use right::rights;
pub use right::{Catalogue, DefaultRole, Owner, Permission, Right, SignedIn};
pub use roles::{ROLES, ROLES_NAV, RolesApi, pages as role_pages};
pub use seed::{NewOwner, seed_tenant};
pub use sessions::random_token;
pub use shell::{Brand, NavItem, Shell};
pub use signing::SigningKeys;
pub use staff::{
    Colleague, Member, NewStaff, STAFF, STAFF_NAV, StaffApi, colleagues, find_colleague, pages as staff_pages,
};
pub use well_known::well_known;
