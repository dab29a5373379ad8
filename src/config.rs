//! Typed settings: flags over `LASTMILE_*` variables (and `*_FILE`) over `lastmile.toml` over defaults. Unknown keys are refused.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use figment::{
    Figment,
    providers::{Format, Serialized, Toml},
    value::{Dict, Map, Value},
};
use ipnet::IpNet;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};

use crate::error::{Error, Result};

mod acme;
mod alerts;
mod errors;
mod otlp;
mod outbound;
mod payments;
mod signups;
#[cfg(test)]
mod tests;

pub use acme::AcmeSettings;
pub use alerts::AlertSettings;
pub use errors::ErrorSettings;
pub use otlp::OtlpSettings;
pub use outbound::{HostPattern, OutboundSettings};
pub use payments::{PaymentSettings, PaymongoSettings, PaystackSettings};
pub use signups::{CaptchaKind, CaptchaSettings, SignupSettings};

const ENV_PREFIX: &str = "LASTMILE_";

/// Variables that are documented without the section they belong to.
const ALIASES: &[(&str, &str)] = &[("DATABASE_URL", "DATABASE__URL"), ("PG_BIN", "DEV__PG_BIN")];

/// Everything an operator may set.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Tenants live at `{slug}.{base_domain}`, the API at `api.{base_domain}`.
    pub base_domain: String,
    /// What people type: `https`, or `http` in development.
    pub public_url_scheme: UrlScheme,
    /// Set when it is not the scheme's own.
    pub public_port: Option<u16>,
    pub listen: SocketAddr,
    pub metrics_listen: Option<SocketAddr>,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Shown in the portal when it is not production.
    pub environment: String,
    pub migrate_on_start: bool,
    pub shutdown_grace_ms: u64,
    pub database: DatabaseSettings,
    pub secrets: SecretStoreSettings,
    pub log: LogSettings,
    pub otlp: OtlpSettings,
    pub errors: ErrorSettings,
    pub mail: MailSettings,
    pub outbound: OutboundSettings,
    pub pool: PoolSection,
    pub limits: LimitSettings,
    pub map: MapSettings,
    pub tenants: TenantSettings,
    pub acme: AcmeSettings,
    pub payments: PaymentSettings,
    pub signups: SignupSettings,
    pub alerts: AlertSettings,
    pub dev: DevSettings,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum UrlScheme {
    Http,
    Https,
}

impl UrlScheme {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DatabaseSettings {
    /// A role that may create roles; used to set the deployment up, never by a request.
    #[serde(serialize_with = "redacted_url")]
    pub url: Option<SecretString>,
    /// A PEM file of certificate authorities to trust instead of the machine's own, where the URL asks for TLS.
    pub ca_certificates: Option<PathBuf>,
    /// Begins the names of this deployment's roles; the database's name when absent.
    pub role_prefix: Option<String>,
    pub control_connections: usize,
    pub owner_connections: usize,
    /// Per shard of at most 500 tenants.
    pub shard_connections: usize,
    pub wait_ms: u64,
    pub tenants_per_connection: usize,
    pub connection_age_seconds: u64,
}

/// Which store holds the secrets of this deployment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SecretStoreSettings {
    /// A folder of this machine, for development and for a single server.
    File {
        /// The folder; made with mode 0700 when missing.
        path: PathBuf,
    },
    /// AWS Secrets Manager, with the credentials that the machine or the environment offers.
    Aws {
        /// Only where the environment does not name it.
        #[serde(default)]
        region: Option<String>,
        /// Another address than Amazon's: a private endpoint.
        #[serde(default)]
        endpoint: Option<String>,
        /// What the names of all our secrets begin with.
        #[serde(default = "default_prefix")]
        prefix: String,
    },
    /// A Vault (or compatible) server with the KV engine, version 2.
    Vault {
        /// `https://vault.example.net:8200`
        address: String,
        /// Where the KV engine is mounted.
        #[serde(default = "default_mount")]
        mount: String,
        /// What the paths of all our secrets begin with.
        #[serde(default = "default_prefix")]
        prefix: String,
        /// Vault Enterprise only.
        #[serde(default)]
        namespace: Option<String>,
        /// A PEM file of certificate authorities to trust besides the machine's own.
        #[serde(default)]
        ca_file: Option<PathBuf>,
        /// A token whose policy may create, read, update and delete below the prefix, and read its metadata.
        #[serde(serialize_with = "redacted")]
        token: SecretString,
    },
}

fn default_prefix() -> String {
    "lastmile".to_owned()
}

fn default_mount() -> String {
    "secret".to_owned()
}

fn redacted<S: Serializer>(_secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("***")
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogSettings {
    pub format: LogFormat,
    /// `info`, or a filter such as `lastmile=debug,info`.
    pub level: String,
    /// Daily rotated files go here instead of stdout.
    pub dir: Option<PathBuf>,
    /// How many of those files are kept.
    pub keep_files: usize,
    /// One line per request.
    pub requests: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailSettings {
    pub kind: MailKind,
    /// `smtp://user:password@host:port`, or `smtps://` for TLS from the first byte.
    #[serde(serialize_with = "redacted_url")]
    pub url: Option<SecretString>,
    pub folder: PathBuf,
    pub from: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailKind {
    Smtp,
    Folder,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PoolSection {
    /// Schemas made ahead of the sign-ups that will take them.
    pub warm_schemas: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Requests a second that one address, credential and tenant may make, and how many at once above that.
    pub address_per_second: u32,
    pub credential_per_second: u32,
    pub tenant_per_second: u32,
    pub burst_seconds: u32,
    /// Sign-ups one address may make in an hour.
    pub signups_per_hour: u32,
    /// Times one address may say in an hour that it forgot a password.
    pub password_links_per_hour: u32,
    pub body_bytes: u64,
    pub import_bytes: u64,
    pub logo_bytes: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MapSettings {
    /// Where map tiles come from, with `{z}`, `{x}` and `{y}`.
    pub tile_url: String,
    pub attribution: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TenantSettings {
    /// How long a closing tenant's data is kept.
    pub closing_grace_days: u32,
    /// Where the proof of custom domains is looked up; the system's resolver when absent.
    pub dns_server: Option<SocketAddr>,
    pub domain_recheck_hours: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DevSettings {
    /// The folder of everything that `lastmile dev` keeps.
    pub dir: PathBuf,
    pub pg_bin: Option<PathBuf>,
    /// Where this process dies while it sends messages, for tests: `before_send`, or `in_settle:3` for the third time.
    pub failpoint: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            base_domain: "localhost".into(),
            public_url_scheme: UrlScheme::Https,
            public_port: None,
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            metrics_listen: Some(SocketAddr::from(([127, 0, 0, 1], 9464))),
            trusted_proxies: Vec::new(),
            environment: "production".into(),
            migrate_on_start: true,
            shutdown_grace_ms: 20_000,
            database: DatabaseSettings::default(),
            secrets: SecretStoreSettings::File { path: PathBuf::from(".lastmile/secrets") },
            log: LogSettings::default(),
            otlp: OtlpSettings::default(),
            errors: ErrorSettings::default(),
            mail: MailSettings::default(),
            outbound: OutboundSettings::default(),
            pool: PoolSection::default(),
            limits: LimitSettings::default(),
            map: MapSettings::default(),
            tenants: TenantSettings::default(),
            payments: PaymentSettings::default(),
            signups: SignupSettings::default(),
            acme: AcmeSettings::default(),
            alerts: AlertSettings::default(),
            dev: DevSettings::default(),
        }
    }
}

impl Default for DatabaseSettings {
    fn default() -> Self {
        Self {
            url: None,
            ca_certificates: None,
            role_prefix: None,
            control_connections: 8,
            owner_connections: 3,
            shard_connections: 8,
            wait_ms: 5_000,
            tenants_per_connection: 100,
            connection_age_seconds: 3_600,
        }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { format: LogFormat::Json, level: "info".into(), dir: None, keep_files: 30, requests: true }
    }
}

impl Default for MailSettings {
    fn default() -> Self {
        Self {
            kind: MailKind::Folder,
            url: None,
            folder: PathBuf::from(".lastmile/mail"),
            from: "Lastmile <no-reply@localhost>".into(),
        }
    }
}

impl Default for PoolSection {
    fn default() -> Self {
        Self { warm_schemas: 3 }
    }
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            address_per_second: 100,
            credential_per_second: 50,
            tenant_per_second: 200,
            burst_seconds: 5,
            signups_per_hour: 10,
            password_links_per_hour: 30,
            body_bytes: 1_048_576,
            import_bytes: 20 * 1_048_576,
            logo_bytes: 4 * 1_048_576,
        }
    }
}

impl Default for MapSettings {
    fn default() -> Self {
        Self {
            tile_url: "https://tile.openstreetmap.org/{z}/{x}/{y}.png".into(),
            attribution: "© OpenStreetMap contributors".into(),
        }
    }
}

impl Default for TenantSettings {
    fn default() -> Self {
        Self { closing_grace_days: 30, dns_server: None, domain_recheck_hours: 24 }
    }
}

impl Default for DevSettings {
    fn default() -> Self {
        Self { dir: PathBuf::from(".lastmile"), pg_bin: None, failpoint: None }
    }
}

impl Settings {
    /// Reads the file (when it is there, or was named), then the environment, then the flags.
    pub fn load(file: Option<&Path>, flags: Dict) -> Result<Self> {
        Self::load_over(&Self::default(), file, flags)
    }

    fn load_over(defaults: &Self, file: Option<&Path>, flags: Dict) -> Result<Self> {
        if let Some(named) = file
            && !named.exists()
        {
            return Err(Error::invalid(
                "config",
                "no_such_file",
                format!("{} is not there.", named.display()),
            ));
        }
        #[expect(clippy::disallowed_methods, reason = "the one place where settings are read")]
        let variables = std::env::vars();
        let given = Figment::new()
            .merge(Toml::file(file.unwrap_or(Path::new("lastmile.toml"))))
            .merge(Serialized::defaults(environment(variables)?))
            .merge(Serialized::defaults(flags));
        let settings: Self = over_defaults(defaults, given)?.extract().map_err(|error| {
            let told = |e: figment::Error| {
                let place = e.path.join(".");
                if place.is_empty() { e.kind.to_string() } else { format!("{place}: {}", e.kind) }
            };
            let detail = error.into_iter().map(told).collect::<Vec<_>>().join("; ");
            Error::invalid("config", "bad_setting", detail)
        })?;
        settings.check()?;
        Ok(settings)
    }

    /// What `lastmile dev` starts from: everything on this machine, in one folder.
    pub fn development() -> Self {
        Self {
            public_url_scheme: UrlScheme::Http,
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            environment: "development".into(),
            outbound: OutboundSettings::on_this_machine(),
            log: LogSettings {
                format: LogFormat::Text,
                level: "warn,lastmile=info".into(),
                ..LogSettings::default()
            },
            ..Self::default()
        }
    }

    /// The settings of a development deployment, by the same order of precedence.
    pub fn load_for_development(file: Option<&Path>, flags: Dict) -> Result<Self> {
        let mut settings = Self::load_over(&Self::development(), file, flags)?;
        let (dir, usual) = (settings.dev.dir.clone(), DevSettings::default().dir);
        // What nobody placed elsewhere lies in that folder, too.
        if let SecretStoreSettings::File { path } = &mut settings.secrets
            && *path == usual.join("secrets")
        {
            *path = dir.join("secrets");
        }
        if settings.mail.folder == usual.join("mail") {
            settings.mail.folder = dir.join("mail");
        }
        Ok(settings)
    }

    /// Flags of the form `key=value`, as settings.
    pub fn flags<'a>(pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Dict {
        let mut dict = Dict::new();
        for (key, value) in pairs {
            let path: Vec<String> = key.split('.').map(str::to_owned).collect();
            insert(&mut dict, &path, value.parse::<Value>().unwrap_or_else(|never| match never {}));
        }
        dict
    }

    fn check(&self) -> Result<()> {
        let domain = &self.base_domain;
        let plain = !domain.is_empty()
            && *domain == domain.to_ascii_lowercase()
            && domain.split('.').all(|label| {
                !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            });
        if !plain {
            return Err(Error::invalid(
                "base_domain",
                "not_a_domain",
                "base_domain is a lower-case domain name.",
            ));
        }
        if self.mail.kind == MailKind::Smtp && self.mail.url.is_none() {
            return Err(Error::invalid("mail.url", "required", "mail.kind = smtp needs mail.url."));
        }
        self.acme.check()?;
        self.alerts.check()?;
        self.otlp.check()?;
        let limits = &self.limits;
        let zero = [
            ("limits.address_per_second", limits.address_per_second),
            ("limits.credential_per_second", limits.credential_per_second),
            ("limits.tenant_per_second", limits.tenant_per_second),
            ("limits.burst_seconds", limits.burst_seconds),
            ("limits.signups_per_hour", limits.signups_per_hour),
            ("limits.password_links_per_hour", limits.password_links_per_hour),
            ("outbound.connect_ms", u32::try_from(self.outbound.connect_ms).unwrap_or(u32::MAX)),
            ("outbound.timeout_ms", u32::try_from(self.outbound.timeout_ms).unwrap_or(u32::MAX)),
        ]
        .into_iter()
        .find(|(_, n)| *n == 0);
        if let Some((name, _)) = zero {
            return Err(Error::invalid(name, "out_of_range", format!("{name} must be at least 1.")));
        }
        Ok(())
    }

    /// The settings as they may be logged and printed: no password in them.
    pub fn redacted(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// `https://acme.example.com` for a host of this deployment.
    pub fn url_of(&self, host: &str) -> String {
        let port = self.public_port.map(|port| format!(":{port}")).unwrap_or_default();
        format!("{}://{host}{port}", self.public_url_scheme.as_str())
    }

    /// Whether cookies may carry the `Secure` mark and `__Host-` names.
    pub fn is_https(&self) -> bool {
        self.public_url_scheme == UrlScheme::Https
    }

    pub fn shutdown_grace(&self) -> Duration {
        Duration::from_millis(self.shutdown_grace_ms)
    }

    pub fn database_url(&self) -> Result<&str> {
        self.database.url.as_ref().map(ExposeSecret::expose_secret).ok_or_else(|| {
            Error::invalid("database.url", "required", "Set LASTMILE_DATABASE_URL, or use `lastmile dev`.")
        })
    }
}

/// What was given over what is the default. A secret store is given whole: the default's folder is nothing to Vault.
fn over_defaults(defaults: &Settings, given: Figment) -> Result<Figment> {
    let mut defaults = Figment::from(Serialized::defaults(defaults))
        .extract::<Dict>()
        .map_err(|error| Error::internal(error.to_string()))?;
    if given.find_value("secrets.kind").is_ok() {
        defaults.remove("secrets");
    }
    Ok(Figment::from(Serialized::defaults(defaults)).merge(given))
}

/// Settings out of environment variables: `LASTMILE_LOG__LEVEL=debug`, `LASTMILE_DATABASE__URL_FILE=/run/secrets/db`.
fn environment(vars: impl Iterator<Item = (String, String)>) -> Result<Dict> {
    let mut dict = Dict::new();
    for (key, value) in vars {
        let Some(name) = key.strip_prefix(ENV_PREFIX) else { continue };
        let (name, value) = match name.strip_suffix("_FILE") {
            Some(stem) => {
                let text = std::fs::read_to_string(&value).map_err(|error| {
                    Error::invalid("config", "unreadable_file", format!("{key}={value}: {error}"))
                })?;
                (stem, text.trim_end_matches(['\r', '\n']).to_owned())
            }
            None => (name, value),
        };
        let name = ALIASES.iter().find(|(alias, _)| *alias == name).map_or(name, |(_, full)| *full);
        let path: Vec<String> = name.to_ascii_lowercase().split("__").map(str::to_owned).collect();
        insert(&mut dict, &path, value.parse::<Value>().unwrap_or_else(|never| match never {}));
    }
    Ok(dict)
}

fn insert(dict: &mut Map<String, Value>, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        dict.insert(first.clone(), value);
        return;
    }
    let mut inner = match dict.remove(first) {
        Some(Value::Dict(_, inner)) => inner,
        _ => BTreeMap::new(),
    };
    insert(&mut inner, rest, value);
    dict.insert(first.clone(), Value::from(inner));
}

fn redacted_url<S: Serializer>(url: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    let shown = url.as_ref().map(|url| match url::Url::parse(url.expose_secret()) {
        Ok(mut url) => {
            if url.password().is_some() {
                url.set_password(Some("***")).unwrap_or_default();
            }
            url.to_string()
        }
        Err(_) => "***".to_owned(),
    });
    shown.serialize(serializer)
}
