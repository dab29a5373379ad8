//! `lastmile doctor`: each check is made to fail, and says how it is mended.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio_rustls::{TlsAcceptor, rustls};

use crate::{
    fake_providers::Fake,
    harness::{Server, Settings, program, sql, tenant_on},
};

/// What doctor says in this environment; whether it ended with 0.
fn examined(server: &Server, env: &[(&str, &str)], args: &[&str]) -> (Vec<Value>, bool) {
    let mut command = program(&server.database, server.folder.path());
    for (name, value) in env {
        command.env(name, value);
    }
    let output = command.args(["doctor", "--json"]).args(args).output().unwrap();
    let findings: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| {
        panic!("{error}: {}", String::from_utf8_lossy(&output.stderr));
    });
    (findings.as_array().unwrap().clone(), output.status.success())
}

/// The findings of one check: state and detail. Whatever is not well says how it is mended.
fn of(findings: &[Value], check: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    findings
        .iter()
        .filter(|one| one["check"] == check)
        .inspect(|one| assert_eq!(one["state"] != "ok", one["mend"].is_string(), "{one}"))
        .map(|one| (text(&one["state"]), text(&one["detail"])))
        .collect()
}

#[track_caller]
fn finds(findings: &[Value], check: &str, state: &str, part: &str) {
    let all = of(findings, check);
    assert!(
        all.iter().any(|(s, detail)| s == state && detail.contains(part)),
        "{check}: {all:?} of {findings:?}"
    );
}

#[tokio::test]
async fn what_surrounds_a_server_is_looked_at() {
    let server = Server::own("doctor_around", Settings::default()).await;
    let (well, is_well) = examined(server, &[], &[]);
    assert!(is_well, "{well:?}");
    for check in ["database", "clock", "disk", "secret store", "extension", "walls", "providers"] {
        finds(&well, check, "ok", "");
    }
    let nobody = [("LASTMILE_MAIL__KIND", "smtp"), ("LASTMILE_MAIL__URL", "smtp://127.0.0.1:9")];
    let (ill, is_well) = examined(server, &nobody, &[]);
    assert!(!is_well);
    finds(&ill, "mail", "problem", "");
    let (ill, is_well) = examined(server, &[("LASTMILE_SECRETS__PATH", "/proc/version")], &[]);
    assert!(!is_well);
    finds(&ill, "secret store", "problem", "");
    // A machine whose `df` says that nearly nothing is left.
    let tools = TempDir::new().unwrap();
    let df = tools.path().join("df");
    fs::write(&df, "#!/bin/sh\necho head\necho '/dev/x 100 99 2048 99% /'\n").unwrap();
    fs::set_permissions(&df, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:/usr/bin:/bin", tools.path().display());
    let (ill, is_well) = examined(server, &[("PATH", &path)], &[]);
    assert!(is_well, "a warning alone is 0");
    finds(&ill, "disk", "warning", "2 MiB are free");
}

#[tokio::test]
async fn rights_paths_extension_and_clock_of_the_database_are_looked_at() {
    let server = Server::own("doctor_database", Settings::default()).await;
    let client = sql(&server.database).await;
    let database: String = client.query_one("SELECT current_database()::text", &[]).await.unwrap().get(0);
    let control: String = client
        .query_one("SELECT rolname::text FROM pg_roles WHERE rolname = $1", &[&format!("{database}_control")])
        .await
        .unwrap()
        .get(0);
    for (harm, check, part, cure) in [
        (
            format!("ALTER ROLE {control} SET search_path = public"),
            "walls",
            "search_path",
            format!("ALTER ROLE {control} SET search_path = pg_catalog, pg_temp"),
        ),
        (
            "GRANT SELECT ON public.tenant TO PUBLIC".to_owned(),
            "walls",
            "tenant",
            "REVOKE SELECT ON public.tenant FROM PUBLIC".to_owned(),
        ),
        (
            "ALTER EXTENSION pg_trgm SET SCHEMA public".to_owned(),
            "extension",
            "schema public",
            "ALTER EXTENSION pg_trgm SET SCHEMA ext".to_owned(),
        ),
        (
            format!(
                "CREATE SCHEMA skew; CREATE FUNCTION skew.clock_timestamp() RETURNS timestamptz LANGUAGE sql
                    AS $$ SELECT pg_catalog.clock_timestamp() + interval '1 hour' $$;
                 ALTER DATABASE {database} SET search_path = skew, pg_catalog, public"
            ),
            "clock",
            "3600 s apart",
            format!("ALTER DATABASE {database} RESET search_path; DROP SCHEMA skew CASCADE"),
        ),
    ] {
        client.batch_execute(&harm).await.unwrap();
        let (ill, is_well) = examined(server, &[], &[]);
        client.batch_execute(&cure).await.unwrap();
        assert!(!is_well, "{harm}");
        finds(&ill, check, "problem", part);
    }
    client.batch_execute("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC").await.unwrap();
    finds(&examined(server, &[], &[]).0, "rights", "warning", "plpgsql");
}

#[tokio::test]
async fn credentials_and_keys_that_cannot_be_opened_are_named() {
    let server = Server::own("doctor_providers", Settings::default()).await;
    let (tenant, fake) = (tenant_on(server).await, Fake::start().await);
    let account = json!({"kind": "hubtel", "label": "Ours", "credential": fake.values("hubtel")});
    tenant.api().await.post("/api/v1/message-accounts", account).await.expect(201);
    finds(&examined(server, &[], &[]).0, "providers", "ok", "1 credentials");
    let client = sql(&server.database).await;
    let schema = tenant.schema().await;
    let spoil = format!("UPDATE {schema}.provider_account SET sealed = sealed || '\\x00'::bytea");
    client.batch_execute(&spoil).await.unwrap();
    let (ill, is_well) = examined(server, &[], &[]);
    assert!(!is_well);
    finds(&ill, "providers", "problem", &format!("(hubtel) of {}", tenant.slug));
    client.batch_execute("UPDATE public.tenant_key SET wrapped = wrapped || '\\x00'::bytea").await.unwrap();
    let (ill, _) = examined(server, &[], &[]);
    finds(&ill, "providers", "problem", &format!("the data key of {}", tenant.slug));
}

/// A proxy that shows one certificate to everybody, good for so many days from yesterday.
async fn proxy(names: &[&str], days: i64, authority: &Path) -> String {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    fs::write(authority, issuer.pem()).unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    let date = |days: i64| {
        let day = (chrono::Utc::now() + chrono::Duration::days(days)).date_naive();
        use chrono::Datelike;
        rcgen::date_time_ymd(day.year(), u8::try_from(day.month()).unwrap(), u8::try_from(day.day()).unwrap())
    };
    (params.not_before, params.not_after) = (date(-1), date(days));
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(std::sync::Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move { drop(acceptor.accept(stream).await) });
        }
    });
    address
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_that_end_or_are_of_others_are_told_of() {
    let server = Server::own("doctor_certificates", Settings::default()).await;
    let folder = TempDir::new().unwrap();
    let ask = async |names: &[&str], days: i64| {
        let authority = folder.path().join(format!("{days}-{}.pem", names.len()));
        let address = proxy(names, days, &authority).await;
        let trusted = [("SSL_CERT_FILE", authority.to_str().unwrap())];
        examined(server, &trusted, &["--proxy", &address])
    };
    let all = ["isp.test", "*.isp.test"];
    let (well, is_well) = ask(&all, 90).await;
    assert!(is_well, "{well:?}");
    finds(&well, "certificates", "ok", "3 are good");
    let (soon, is_well) = ask(&all, 5).await;
    assert!(is_well);
    finds(&soon, "certificates", "warning", "isp.test ends within 14 days");
    let (gone, is_well) = ask(&all, 0).await;
    assert!(!is_well);
    finds(&gone, "certificates", "problem", "is refused");
    let (part, is_well) = ask(&["isp.test"], 90).await;
    assert!(!is_well);
    finds(&part, "certificates", "problem", "api.isp.test is refused");
    finds(&part, "certificates", "ok", "1 are good");
    let (silent, is_well) = examined(server, &[], &["--proxy", "127.0.0.1:9"]);
    assert!(is_well);
    finds(&silent, "certificates", "warning", "nobody answers");
}
