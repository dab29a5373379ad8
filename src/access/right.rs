//! The permission catalogue: code, not data. A feature declares its permissions in its own folder with [`rights!`].

/// One thing that a role may allow.
#[derive(Debug, PartialEq, Eq)]
pub struct Permission {
    /// `customers.view`
    pub code: &'static str,
    /// The heading that it stands under: `Customers`.
    pub category: &'static str,
    pub label: &'static str,
    pub description: &'static str,
    /// The API-key scope that holds it: `customers.read`.
    pub scope: &'static str,
    /// The roles of a new tenant that hold it, besides those that hold it by their nature (see [`DefaultRole::holds`]).
    pub default_roles: &'static [DefaultRole],
}

/// A role that every new tenant begins with, beside the owner's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultRole {
    Admin,
    Manager,
    Cashier,
    Technician,
    Support,
    Viewer,
}

impl DefaultRole {
    pub const ALL: [Self; 6] =
        [Self::Admin, Self::Manager, Self::Cashier, Self::Technician, Self::Support, Self::Viewer];

    pub fn name(self) -> &'static str {
        match self {
            Self::Admin => "Admin",
            Self::Manager => "Manager",
            Self::Cashier => "Cashier",
            Self::Technician => "Technician",
            Self::Support => "Support",
            Self::Viewer => "Viewer",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Admin => "Runs the portal: everything but what is the owner's alone.",
            Self::Manager => "Runs the business: everything but staff, roles, keys and settings.",
            Self::Cashier => "Takes payments and looks customers up.",
            Self::Technician => "Works in the field: looks customers and places up.",
            Self::Support => "Speaks with customers, and keeps what is known of them right.",
            Self::Viewer => "Sees, and changes nothing.",
        }
    }

    /// Admin holds everything, Manager everything that is not administration (`.manage`, `.settings`) and what a permission names
    /// it for; the others only that.
    fn holds(self, permission: &Permission) -> bool {
        match self {
            Self::Admin => true,
            Self::Manager if ![".manage", ".settings"].iter().any(|end| permission.code.ends_with(end)) => {
                true
            }
            named => permission.default_roles.contains(&named),
        }
    }
}

/// What an extractor or a guarded page asks for, as a type.
pub trait Right: Send + Sync + 'static {
    /// None: being signed in is enough.
    const PERMISSION: Option<&'static Permission>;
    const OWNER_ONLY: bool = false;
    /// Whether it is also for those whose role asks for a second factor that they have not set up yet.
    const WHILE_ENROLLING: bool = false;
    /// Whether it writes nothing of the tenant's, so that also support which may only look has it.
    const IS_LEAVING: bool = false;
    /// What stands in the API's document; `web::document` takes it apart.
    const SCHEME: &'static str;
}

/// Anyone who is signed in here, or a key of this tenant.
pub struct SignedIn;

impl Right for SignedIn {
    const PERMISSION: Option<&'static Permission> = None;
    const SCHEME: &'static str = "credential";
}

/// Anyone who is signed in here, also before they have set up the second factor that their role asks for.
pub struct Enrolling;

impl Right for Enrolling {
    const PERMISSION: Option<&'static Permission> = None;
    const WHILE_ENROLLING: bool = true;
    const SCHEME: &'static str = "credential";
}

/// Anyone who is here and wants to go.
pub struct Leaving;

impl Right for Leaving {
    const PERMISSION: Option<&'static Permission> = None;
    const IS_LEAVING: bool = true;
    const SCHEME: &'static str = "credential";
}

/// The owner of the tenant.
pub struct Owner;

impl Right for Owner {
    const PERMISSION: Option<&'static Permission> = None;
    const OWNER_ONLY: bool = true;
    const SCHEME: &'static str = "credential owner";
}

/// Declares permissions and the types that stand for them.
///
/// ```ignore
/// rights! { "Areas", AREAS:
///     ViewAreas = "areas.view", "areas.read", "View areas", "See the list of areas.", for [Cashier, Viewer];
/// }
/// ```
///
/// `for` names the roles of a new tenant that hold it; Admin holds everything anyway, and Manager everything but `.manage` and
/// `.settings`.
macro_rules! rights {
    ($category:literal, $list:ident: $($name:ident = $code:literal, $scope:literal, $label:literal, $description:literal $(, for [$($role:ident),+])?;)+) => {
        /// The permissions of this feature, in the order in which a role's page shows them.
        pub const $list: &[&$crate::access::Permission] = &[$(&$name::PERMISSION),+];
        $(
            #[doc = $description]
            pub struct $name;

            impl $name {
                const PERMISSION: $crate::access::Permission = $crate::access::Permission {
                    code: $code,
                    category: $category,
                    label: $label,
                    description: $description,
                    scope: $scope,
                    default_roles: &[$($($crate::access::DefaultRole::$role),+)?],
                };
            }

            impl $crate::access::Right for $name {
                const PERMISSION: Option<&'static $crate::access::Permission> = Some(&$name::PERMISSION);
                const SCHEME: &'static str = concat!("credential ", $code);
            }
        )+
    };
}
pub(crate) use rights;

/// Every permission of the program, as `app.rs` gathers them from the features.
#[derive(Debug, Clone)]
pub struct Catalogue(std::sync::Arc<Vec<&'static Permission>>);

impl Catalogue {
    pub fn new(features: &[&[&'static Permission]]) -> Self {
        Self(std::sync::Arc::new(features.iter().flat_map(|list| list.iter().copied()).collect()))
    }

    pub fn all(&self) -> &[&'static Permission] {
        &self.0
    }

    pub fn find(&self, code: &str) -> Option<&'static Permission> {
        self.0.iter().copied().find(|permission| permission.code == code)
    }

    /// The codes that a role of a new tenant holds.
    pub fn default_permissions(&self, role: DefaultRole) -> Vec<&'static str> {
        self.0.iter().filter(|permission| role.holds(permission)).map(|permission| permission.code).collect()
    }

    /// The permissions that the scopes of an API key hold. `.write` of a feature holds its `.read` too.
    pub fn of_scopes<'a>(&'a self, scopes: &'a [String]) -> impl Iterator<Item = &'static Permission> + 'a {
        self.0.iter().copied().filter(|permission| {
            scopes.iter().any(|scope| {
                scope == permission.scope
                    || scope
                        .strip_suffix(".write")
                        .is_some_and(|feature| permission.scope.strip_suffix(".read") == Some(feature))
            })
        })
    }

    /// Every scope that an API key may have, sorted.
    pub fn scopes(&self) -> Vec<&'static str> {
        let mut scopes: Vec<&str> = self.0.iter().map(|permission| permission.scope).collect();
        scopes.sort_unstable();
        scopes.dedup();
        scopes
    }
}
