//! The composition root: builds every part once, and mounts what the features offer. The only room that names them all.

mod background;
mod catalogue;
mod docs;
mod front;
mod probes;
mod processes;
mod server;

use std::sync::Arc;

use poem::{Endpoint, EndpointExt, Response, Route, http::Method};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;
use tokio::sync::Notify;

pub use catalogue::catalogue;
pub use server::{Role, serve};

use catalogue::navigation;

use crate::{
    access::{
        self, Access, AccessApi, AccessKeys, ApiKeyApi, MachinesApi, PasskeyApi, People, ProfileApi,
        RolesApi, SessionsApi, SsoApi, StaffApi,
    },
    audit::AnchorKey,
    backup::{
        sandbox::{self, SandboxApi, Sandboxes},
        takeouts::{self, Takeouts, TakeoutsApi},
    },
    certificates::Orders,
    config::Settings,
    db::{Db, LoginRoles, PoolSettings, Server},
    error::Result,
    invoicing::{self, Invoicing},
    isp::{
        areas::{self, AreasApi},
        audience::Audience,
        billing::{self, BillingSettingsApi, PaymentsApi, ReceiptsApi, ShiftsApi, SubscriptionsApi},
        customers::{self, CustomersApi},
        erasure::{self, Eraser, ErasuresApi},
        imports::{self, ImportsApi},
        installations::{self, InstallationsApi},
        outages::{self, OutagesApi},
        plans::{self, PlansApi},
        plant,
        reports::{self, ReportFilesApi, ReportSchedulesApi, ReportsApi},
        routers::{self, RoutersApi},
        subscribers::{self, Office, SubscribersApi},
        tickets::{self, AttachmentsApi, CannedRepliesApi, TicketsApi},
        visits::{self, VisitsApi},
    },
    jobs::Runner,
    mail::{self, PlatformPost, Post},
    messaging::{
        Messaging,
        accounts::{self, AccountsApi, senders::SenderKey},
        campaigns::{self, CampaignsApi},
        contacts::{self, ContactsApi},
        dispatch::Dispatcher,
        figures::{self, FiguresApi},
        hooks::{self, HooksApi},
        live::{self, Hub},
        messages::{self, FileLinks, ListsApi, MessagesApi},
        policy::{self, PolicyApi},
        suppression::{self, Links, SuppressionsApi},
        templates::{self, LibraryApi, TemplatesApi},
    },
    outbound::Outbound,
    platform::{self, Captcha, SignupDoor},
    portal::{audit_trail, dashboard, notices, plan, retention, search, settings},
    secrets::{Keyring, SecretStore, TenantKeys, deployment_key, open_store, role_password},
    telemetry::Metrics,
    tenancy::{self, Dns, News, Registry, Resolver, Sightings},
    web::{Assets, Pages, RateLimits, RouteTable, Routed, Surface, document, operations_of},
};

/// Where the API lies on every host that has it.
pub const API_PREFIX: &str = "/api/v1";
/// Where the platform's own API lies.
pub const PLATFORM_API_PREFIX: &str = "/api/platform/v1";

/// The parts of this process that everything else is made of.
#[derive(Clone)]
pub struct Parts {
    pub settings: Arc<Settings>,
    pub store: Arc<dyn SecretStore>,
    pub keyring: Arc<Keyring>,
    pub db: Db,
    pub registry: Registry,
    pub resolver: Resolver,
    pub metrics: Arc<Metrics>,
}

impl Parts {
    /// Opens the secret store and names the pools; connects to nothing yet.
    pub async fn open(settings: Settings) -> Result<Self> {
        let settings = Arc::new(settings);
        let store = open_store(&settings.secrets).await?;
        let role_key = deployment_key(store.as_ref(), tenancy::ROLE_KEY).await?;
        let server = Server::of(&settings)?;
        let prefix = settings
            .database
            .role_prefix
            .clone()
            .or_else(|| server.config().get_dbname().map(str::to_owned))
            .unwrap_or_else(|| "lastmile".into());
        let roles = LoginRoles {
            prefix,
            password: Box::new(move |role| {
                role_password(&role_key, role).unwrap_or_else(|_| String::new().into())
            }),
        };
        let db = Db::new(server, roles, pool_settings(&settings));
        let sightings = Sightings::new(*deployment_key(store.as_ref(), "sightings").await?.expose());
        let registry = Registry::new(db.clone(), News::new(), sightings);
        let resolver = Resolver::new(registry.clone(), settings.clone());
        let keyring = Arc::new(Keyring::open(store.clone()).await?);
        let metrics = Arc::new(Metrics::new()?);
        Ok(Self { settings, store, keyring, db, registry, resolver, metrics })
    }

    /// Sets the deployment up where it is not, and brings the control plane up to date.
    pub async fn prepare(&self) -> Result<()> {
        if !tenancy::is_set_up(&self.db).await {
            tenancy::bootstrap(&self.db, &Server::of(&self.settings)?).await?;
        }
        tenancy::migrate_public(&self.db).await
    }
}

fn pool_settings(settings: &Settings) -> PoolSettings {
    let database = &settings.database;
    PoolSettings {
        control_connections: database.control_connections,
        owner_connections: database.owner_connections,
        shard_connections: database.shard_connections,
        wait_ms: database.wait_ms,
        tenants_per_connection: database.tenants_per_connection,
        connection_age_seconds: database.connection_age_seconds,
    }
}

/// The key that the heads of audit chains are anchored with.
pub async fn anchor_key(store: &dyn SecretStore) -> Result<AnchorKey> {
    Ok(AnchorKey::new(deployment_key(store, "audit-anchor").await?.expose()))
}

/// What the server is made of, beyond [`Parts`].
#[derive(Clone)]
pub struct App {
    pub parts: Parts,
    pub access: Access,
    pub pages: Pages,
    pub limits: Arc<RateLimits>,
    pub dns: Dns,
    pub tenant_keys: TenantKeys,
    pub people: People,
    pub post: Post,
    /// Letters of the platform itself.
    pub platform_post: PlatformPost,
    pub messaging: Messaging,
    /// What the platform asks its providers for.
    pub invoicing: Invoicing,
    /// What the platform's people are told of by itself.
    pub alerts: platform::Alerts,
    /// Orders certificates of tenants' own domains, where the settings name an authority.
    pub orders: Option<Orders>,
    /// What the console of the platform works with.
    pub console: platform::Console,
    /// What is asked of those who sign up.
    pub signup_door: SignupDoor,
    /// Who watches what happens, in this process.
    pub hub: Hub,
    /// The heads of audit chains are anchored with it.
    pub anchor: AnchorKey,
    /// Rings when a job was enqueued in this process.
    pub bell: Arc<Notify>,
}

impl App {
    pub async fn build(parts: Parts) -> Result<Self> {
        let pages = Pages::load(Assets::load()?)?;
        let tenant_keys = TenantKeys::new(parts.db.clone(), parts.keyring.clone());
        let keys = AccessKeys::open(&parts.store, tenant_keys.clone()).await?;
        let outbound = Outbound::new(&parts.settings.outbound)?;
        let access = Access::new(
            &parts.registry,
            parts.settings.clone(),
            catalogue(),
            (navigation(), pages.clone()),
            keys,
            outbound.clone(),
        );
        let limits = Arc::new(RateLimits::new(&parts.settings.limits));
        let dns = Dns::new(parts.settings.tenants.dns_server)?;
        let people = People::new(access.clone(), tenant_keys.clone(), parts.resolver.clone());
        let post = Post::open(&parts.settings.mail)?;
        let platform_post = PlatformPost::new(post.clone(), parts.store.as_ref()).await?;
        let messaging = open_messaging(&parts, &tenant_keys, &outbound).await?;
        let signups = &parts.settings.signups;
        let captcha = signups.captcha.as_ref().map(|captcha| Captcha::open(captcha, outbound.clone()));
        let signup_door =
            SignupDoor { allow_disposable: signups.allow_disposable, captcha: captcha.transpose()? };
        let invoicing = Invoicing::open(
            access.clone(),
            parts.registry.clone(),
            parts.settings.clone(),
            outbound,
            platform_post.clone(),
        )?;
        let console = open_console(&parts, &access, &invoicing).await?;
        let alerts = platform::Alerts::new(
            parts.registry.clone(),
            parts.settings.clone(),
            pages.clone(),
            platform_post.clone(),
        );
        let orders = open_orders(&parts, &tenant_keys).await?;
        let anchor = anchor_key(parts.store.as_ref()).await?;
        let bell = Arc::new(Notify::new());
        let hub = Hub::default();
        Ok(Self {
            parts,
            access,
            pages,
            limits,
            dns,
            tenant_keys,
            people,
            post,
            platform_post,
            messaging,
            invoicing,
            alerts,
            orders,
            signup_door,
            console,
            hub,
            anchor,
            bell,
        })
    }

    /// The jobs that a worker runs.
    pub fn runner(&self) -> Runner {
        let mut runner = Runner::new(self.parts.registry.clone(), self.bell.clone());
        mail::handlers(&mut runner, &self.parts.db, &self.tenant_keys, &self.post);
        imports::handlers(&mut runner, &self.parts.db);
        outages::handlers(&mut runner, &self.parts.db);
        billing::handlers(&mut runner, &self.parts.db);
        reports::handlers(&mut runner, &self.parts.db);
        messages::handlers(&mut runner, &self.messaging);
        campaigns::handlers(&mut runner, &self.messaging);
        hooks::handlers(&mut runner, &self.messaging);
        contacts::handlers(&mut runner, &self.parts.db);
        erasure::handlers(&mut runner, &self.eraser());
        plan::handlers(&mut runner, &self.parts.db);
        retention::handlers(&mut runner, &self.eraser());
        access::key_handlers(&mut runner, &self.people);
        takeouts::handlers(&mut runner, &self.takeouts());
        sandbox::handlers(&mut runner, &self.sandboxes());
        runner
    }

    /// What the owner's files of all data are made with.
    fn takeouts(&self) -> Takeouts {
        let parts = &self.parts;
        Takeouts::new(parts.registry.clone(), parts.keyring.clone(), self.tenant_keys.clone())
    }

    /// What copies to try things out in are made with.
    fn sandboxes(&self) -> Sandboxes {
        Sandboxes::new(self.parts.registry.clone(), self.parts.keyring.clone())
    }

    /// What brings messages to providers.
    pub fn dispatcher(&self) -> Arc<Dispatcher> {
        let failpoint = self.parts.settings.dev.failpoint.as_deref();
        Dispatcher::new(self.messaging.clone(), self.parts.registry.clone(), failpoint)
    }

    /// The API inside a tenant.
    fn tenant_api(&self) -> impl OpenApi + use<> {
        let parts = &self.parts;
        let settings_api = settings::SettingsApi::new(
            self.access.clone(),
            parts.registry.clone(),
            parts.settings.clone(),
            self.dns.clone(),
        );
        (
            docs::DocsApi,
            AccessApi::new(self.access.clone()),
            (
                ApiKeyApi::new(self.access.clone()),
                PasskeyApi::new(self.access.clone()),
                SsoApi::new(self.access.clone(), self.people.clone()),
                MachinesApi::new(self.access.clone()),
                ProfileApi::new(self.access.clone()),
                SessionsApi::new(self.access.clone()),
            ),
            StaffApi::new(self.people.clone()),
            RolesApi::new(self.people.clone()),
            (CustomersApi::new(parts.db.clone()), SubscribersApi::new(self.office())),
            ImportsApi::new(parts.db.clone()),
            AreasApi::new(parts.db.clone()),
            plant::api(&parts.db),
            (
                RoutersApi::new(parts.db.clone()),
                InstallationsApi::new(parts.db.clone()),
                VisitsApi::new(parts.db.clone()),
            ),
            (
                TicketsApi::new(parts.db.clone()),
                AttachmentsApi::new(parts.db.clone()),
                CannedRepliesApi::new(parts.db.clone()),
                OutagesApi::new(parts.db.clone()),
            ),
            (
                PlansApi::new(parts.db.clone()),
                SubscriptionsApi::new(parts.db.clone(), parts.resolver.clone()),
                PaymentsApi::new(parts.db.clone(), parts.resolver.clone()),
                ReceiptsApi::new(parts.db.clone()),
                ShiftsApi::new(parts.db.clone()),
                BillingSettingsApi::new(parts.db.clone()),
            ),
            (
                ReportsApi::new(parts.db.clone()),
                ReportSchedulesApi::new(parts.db.clone()),
                ReportFilesApi::new(parts.db.clone()),
            ),
            self.messaging_api(),
            (
                audit_trail::AuditApi::new(parts.db.clone(), self.anchor.clone()),
                ErasuresApi::new(self.eraser()),
            ),
            (
                (settings_api, settings::AddressApi::new(parts.resolver.clone())),
                plan::PlanApi::new(parts.registry.clone()),
                plan::InvoicesApi::new(parts.registry.clone(), self.invoicing.clone()),
                notices::NoticesApi::new(parts.db.clone()),
                TakeoutsApi::new(self.takeouts()),
                SandboxApi::new(self.sandboxes(), parts.resolver.clone()),
                retention::RetentionApi::new(parts.db.clone()),
            ),
        )
    }

    /// Its part that talks to customers.
    fn messaging_api(&self) -> impl OpenApi + use<> {
        let db = &self.parts.db;
        (
            (
                MessagesApi::new(self.messaging.clone()),
                ListsApi::new(self.messaging.clone()),
                messages::AttachmentsApi::new(self.messaging.clone()),
                CampaignsApi::new(self.messaging.clone()),
                PolicyApi::new(db.clone()),
            ),
            (TemplatesApi::new(self.messaging.clone()), LibraryApi::new(self.messaging.clone())),
            SuppressionsApi::new(self.messaging.clone()),
            HooksApi::new(db.clone()),
            AccountsApi::new(self.messaging.clone()),
            ContactsApi::new(db.clone()),
            contacts::GroupsApi::new(db.clone()),
            contacts::ImportsApi::new(db.clone()),
            FiguresApi::new(db.clone()),
        )
    }

    /// What a tenant's host serves, and the API host for a tenant that was named by header.
    fn tenant_routes(&self) -> Mounted {
        let mut table = RouteTable::new(Surface::Tenant);
        docs::pages(&mut table, "/api/openapi.json");
        dashboard::pages(&mut table);
        search::pages(&mut table);
        notices::pages(&mut table);
        customers::pages(&mut table);
        imports::pages(&mut table);
        areas::pages(&mut table);
        plant::pages(&mut table);
        tickets::pages(&mut table);
        outages::pages(&mut table);
        routers::pages(&mut table);
        installations::pages(&mut table);
        visits::pages(&mut table);
        plans::pages(&mut table);
        billing::pages(&mut table);
        reports::pages(&mut table);
        messages::pages(&mut table);
        campaigns::pages(&mut table);
        policy::pages(&mut table);
        templates::pages(&mut table);
        accounts::pages(&mut table);
        contacts::pages(&mut table);
        suppression::pages(&mut table);
        hooks::pages(&mut table);
        figures::pages(&mut table);
        hooks::mount(&mut table, &self.messaging);
        live::mount(&mut table, &self.messaging, &self.hub);
        subscribers::pages(&mut table);
        access::pages(&mut table);
        access::well_known(&mut table, &self.access);
        access::forgot_pages(&mut table);
        access::staff_pages(&mut table);
        access::sso_pages(&mut table);
        access::machine_pages(&mut table);
        access::role_pages(&mut table);
        access::support_pages(&mut table);
        audit_trail::pages(&mut table);
        erasure::pages(&mut table);
        settings::pages(&mut table, self.parts.settings.limits.logo_bytes);
        settings::address_pages(&mut table);
        plan::pages(&mut table);
        plan::invoice_pages(&mut table);
        takeouts::pages(&mut table);
        retention::pages(&mut table);
        sandbox::pages(&mut table);
        let service = OpenApiService::new(self.tenant_api(), "Lastmile", env!("CARGO_PKG_VERSION"))
            .url_prefix(API_PREFIX)
            .description("One provider's customers, plant, money and messages. Name the provider by its host, or on the API host by `X-Tenant-ID`.");
        let document = document(&service.spec());
        let mut listed = operations_of(&document, Surface::TenantApi, API_PREFIX);
        docs::spec(&mut table, &document);
        let (route, pages) = table.finish();
        listed.extend(pages);
        Mounted {
            endpoint: route.nest_no_strip(API_PREFIX, Route::new().nest(API_PREFIX, service)),
            listed,
            document,
        }
    }

    /// What the base domain serves.
    fn platform_routes(&self) -> Mounted {
        let mut table = RouteTable::new(Surface::Platform);
        platform::pages(&mut table);
        platform::console_pages(&mut table);
        platform::tenant_pages(&mut table);
        platform::approval_pages(&mut table);
        platform::work_pages(&mut table);
        platform::sender_pages(&mut table);
        platform::plan_pages(&mut table);
        platform::invoice_pages(&mut table);
        platform::alert_pages(&mut table);
        platform::announcement_pages(&mut table);
        platform::library_pages(&mut table);
        invoicing::pages(&mut table);
        invoicing::mount(&mut table, &self.invoicing);
        access::well_known(&mut table, &self.access);
        docs::pages(&mut table, "/api/platform/openapi.json");
        let service = OpenApiService::new(
            platform::SignupApi::new(self.signups()),
            "Lastmile platform",
            env!("CARGO_PKG_VERSION"),
        )
        .url_prefix(PLATFORM_API_PREFIX)
        .description("Signing providers up.");
        let document = document(&service.spec());
        let mut listed = operations_of(&document, Surface::Platform, PLATFORM_API_PREFIX);
        docs::platform_spec(&mut table, &document);
        let (route, pages) = table.finish();
        listed.extend(pages);
        let endpoint =
            route.nest_no_strip(PLATFORM_API_PREFIX, Route::new().nest(PLATFORM_API_PREFIX, service));
        Mounted { endpoint, listed, document }
    }

    /// Everything that a page's handler may ask for.
    fn with_state(&self, route: Route) -> impl Endpoint<Output = Response> + use<> {
        route
            .data(self.parts.settings.clone())
            .data(self.parts.db.clone())
            .data(self.parts.resolver.clone())
            .data(self.parts.registry.clone())
            .data(self.dns.clone())
            .data(self.takeouts())
            .data(self.sandboxes())
            .data(self.signups())
            .data(self.console.clone())
            .data(self.people.clone())
            .data(self.office())
            .data(self.eraser())
            .data(self.messaging.clone())
            .data(self.invoicing.clone())
            .map_to_response()
    }

    /// What people are erased with.
    fn eraser(&self) -> Eraser {
        Eraser { db: self.parts.db.clone(), keys: self.tenant_keys.clone(), anchor: self.anchor.clone() }
    }

    /// What the accounts of subscribers are worked on with.
    fn office(&self) -> Office {
        let parts = &self.parts;
        let keys = self.tenant_keys.clone();
        Office::new(parts.db.clone(), self.access.clone(), keys, parts.resolver.clone())
    }

    pub fn signups(&self) -> Arc<platform::Signups> {
        Arc::new(platform::Signups::new(
            self.parts.resolver.clone(),
            self.parts.keyring.clone(),
            self.access.clone(),
            self.platform_post.clone(),
            self.signup_door.clone(),
        ))
    }

    /// Every route of the program with its authority.
    pub fn routes(&self) -> Vec<Routed> {
        let mut listed = probes::listed();
        listed.extend(self.platform_routes().listed);
        listed.extend(self.tenant_routes().listed);
        listed
    }

    /// The API's document; the platform's own on request.
    pub fn openapi(&self, platform: bool) -> Value {
        if platform { self.platform_routes().document } else { self.tenant_routes().document }
    }
}

/// What the console's pages work with.
async fn open_console(parts: &Parts, access: &Access, invoicing: &Invoicing) -> Result<platform::Console> {
    let (db, registry) = (parts.db.clone(), parts.registry.clone());
    let sightings = registry.sightings().clone();
    Ok(platform::Console {
        access: access.clone(),
        door: platform::staff::Door::new(db.clone(), parts.store.as_ref(), sightings).await?,
        db,
        registry,
        settings: parts.settings.clone(),
        invoicing: invoicing.clone(),
    })
}

async fn open_orders(parts: &Parts, keys: &TenantKeys) -> Result<Option<Orders>> {
    let settings = &parts.settings;
    let (db, keys) = (parts.db.clone(), keys.clone());
    Orders::open(&settings.acme, &settings.outbound, db, keys, parts.store.as_ref()).await
}

async fn open_messaging(parts: &Parts, keys: &TenantKeys, outbound: &Outbound) -> Result<Messaging> {
    let store = parts.store.as_ref();
    Ok(Messaging::new(
        parts.db.clone(),
        keys.clone(),
        parts.resolver.clone(),
        outbound.clone(),
        Arc::new(Audience),
        (Links::open(store).await?, FileLinks::open(store).await?),
        SenderKey::open(store).await?,
    ))
}

/// A surface's router, what it serves, and the document of its API.
struct Mounted {
    endpoint: Route,
    listed: Vec<Routed>,
    document: Value,
}

/// Methods that the front door lets in at all.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];
