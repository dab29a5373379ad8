use std::net::IpAddr;

use super::*;

fn env(pairs: &[(&str, &str)]) -> Result<Dict> {
    environment(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

fn load(pairs: &[(&str, &str)]) -> std::result::Result<Settings, String> {
    let given = Figment::from(Serialized::defaults(env(pairs).unwrap()));
    over_defaults(&Settings::default(), given)
        .unwrap()
        .extract::<Settings>()
        .map_err(|error| error.to_string())
}

#[test]
fn variables_reach_sections_and_aliases() {
    let settings = load(&[
        ("LASTMILE_BASE_DOMAIN", "isp.example"),
        ("LASTMILE_LOG__LEVEL", "debug"),
        ("LASTMILE_DATABASE_URL", "postgres://u:hunter2@h/db"),
        ("LASTMILE_TRUSTED_PROXIES", "[\"10.0.0.0/8\"]"),
        ("HOME", "/root"),
    ])
    .unwrap();
    assert_eq!(settings.base_domain, "isp.example");
    assert_eq!(settings.log.level, "debug");
    assert_eq!(settings.trusted_proxies.len(), 1);
    assert_eq!(settings.database_url().unwrap(), "postgres://u:hunter2@h/db");
    assert!(!settings.redacted().to_string().contains("hunter2"));
}

#[test]
fn unknown_keys_are_refused_by_name() {
    let error = load(&[("LASTMILE_LOG__LEVLE", "debug")]).unwrap_err();
    assert!(error.contains("levle"), "{error}");
    assert!(load(&[("LASTMILE_COLOUR", "red")]).unwrap_err().contains("colour"));
}

/// The names of the variables that a deployment file sets.
fn set_by(file: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = std::fs::read_to_string(path).unwrap();
    let names = text.lines().filter_map(|line| line.trim().strip_prefix("LASTMILE_")?.split_once(':'));
    names.map(|(name, _)| format!("LASTMILE_{}", name.strip_suffix("_FILE").unwrap_or(name))).collect()
}

#[test]
fn deployment_files_set_what_there_is() {
    for file in ["infra/compose.yaml", "infra/helm/lastmile/templates/_parts.tpl"] {
        let names = set_by(file);
        assert!(names.len() > 5, "{file}: {names:?}");
        // Which names a store of secrets has depends on its kind; the password is for PostgreSQL's own container.
        let others = |name: &&String| name.starts_with("LASTMILE_SECRETS__") || *name == "LASTMILE_PASSWORD";
        // Any value will do: a wrong one is another matter than a name that nobody knows.
        for name in names.iter().filter(|name| !others(name)) {
            let refused = load(&[(name, "1")]).err().unwrap_or_default();
            assert!(!refused.contains("unknown field"), "{file}: {name}: {refused}");
        }
    }
}

#[test]
fn a_file_variable_gives_the_files_content() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "postgres://u:p@h/db\n").unwrap();
    let settings = load(&[("LASTMILE_DATABASE__URL_FILE", file.path().to_str().unwrap())]).unwrap();
    assert_eq!(settings.database_url().unwrap(), "postgres://u:p@h/db");
    assert!(env(&[("LASTMILE_DATABASE__URL_FILE", "/nonexistent")]).is_err());
}

#[test]
fn values_that_make_no_sense_are_refused() {
    for (mutate, field) in [
        ((|s: &mut Settings| s.base_domain = "Not A Domain".into()) as fn(&mut Settings), "base_domain"),
        (|s| s.limits.burst_seconds = 0, "limits.burst_seconds"),
        (|s| s.mail.kind = MailKind::Smtp, "mail.url"),
        (|s| s.outbound.timeout_ms = 0, "outbound.timeout_ms"),
        (|s| s.otlp.sample = 1.5, "otlp.sample"),
        (|s| s.otlp.sample = f64::NAN, "otlp.sample"),
        (|s| s.alerts.window_minutes = 0, "alerts.window_minutes"),
        (|s| s.alerts.quiet_minutes = 2_000, "alerts.quiet_minutes"),
    ] {
        let mut settings = Settings::default();
        mutate(&mut settings);
        let Err(Error::Invalid(fields)) = settings.check() else { panic!("{field} was accepted") };
        assert_eq!(fields[0].field, field);
    }
}

#[test]
fn another_secret_store_replaces_the_default_one_whole() {
    let settings =
        load(&[("LASTMILE_SECRETS__KIND", "aws"), ("LASTMILE_SECRETS__REGION", "eu-west-1")]).unwrap();
    assert!(matches!(settings.secrets, SecretStoreSettings::Aws { .. }));
    assert!(matches!(load(&[]).unwrap().secrets, SecretStoreSettings::File { .. }));
}

#[test]
fn only_development_may_call_its_own_machine() {
    assert!(load(&[]).unwrap().outbound.allowed_networks.is_empty());
    let allowed = Settings::development().outbound.allowed_networks;
    let is_allowed = |ip: &str| allowed.iter().any(|net| net.contains(&ip.parse::<IpAddr>().unwrap()));
    assert!(is_allowed("127.0.0.1") && is_allowed("127.9.9.9") && is_allowed("::1"));
    assert!(!is_allowed("10.0.0.1") && !is_allowed("169.254.169.254") && !is_allowed("::2"));
    let given = load(&[("LASTMILE_OUTBOUND__ALLOWED_NETWORKS", "[\"10.1.0.0/16\"]")]).unwrap();
    assert_eq!(given.outbound.allowed_networks, ["10.1.0.0/16".parse::<IpNet>().unwrap()]);
}
