//! PostgreSQL over TLS: everything that connects does, and a certificate that proves nothing is not taken.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Command,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

use crate::harness::{Server, Settings, program, sql, tenant_on};

/// A PostgreSQL of its own that speaks TLS with a certificate for `host`, and the authority that signed it.
struct Secured {
    around: TempDir,
    url: String,
    authority: PathBuf,
}

impl Secured {
    async fn start(host: &str) -> Self {
        let around = TempDir::new().unwrap();
        fs::set_permissions(around.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let dir = around.path().canonicalize().unwrap().join("pg");
        let output = Command::new(env!("CARGO_BIN_EXE_lastmile"))
            .args(["postgres", "--database", "secured", "--dir"])
            .arg(&dir)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let url = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let authority = around.path().join("authority.pem");
        let client = sql(&url).await;
        let data: String = client.query_one("SHOW data_directory", &[]).await.unwrap().get(0);
        certify(host, Path::new(&data), &authority);
        client.batch_execute("ALTER SYSTEM SET ssl = on").await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
        Self { around, url, authority }
    }

    fn secure_url(&self) -> String {
        format!("{}?sslmode=verify-full", self.url)
    }

    /// What `doctor` says of the database under these settings.
    fn doctor(&self, ca_certificates: Option<&Path>) -> String {
        let folder = TempDir::new().unwrap();
        let mut command = program(&self.secure_url(), folder.path());
        if let Some(path) = ca_certificates {
            command.env("LASTMILE_DATABASE__CA_CERTIFICATES", path);
        }
        let output = command.args(["doctor", "--json"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Secured {
    fn drop(&mut self) {
        let dir = self.around.path().canonicalize().unwrap().join("pg");
        let _ = Command::new(env!("CARGO_BIN_EXE_lastmile"))
            .args(["postgres", "--stop", "--dir"])
            .arg(dir)
            .output();
    }
}

/// A certificate for `host` and its key where PostgreSQL looks for them, readable by its own user alone.
fn certify(host: &str, data: &Path, authority: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![host.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    fs::write(authority, issuer.pem()).unwrap();
    let owner = fs::metadata(data).unwrap();
    for (name, text) in [("server.crt", certificate.pem()), ("server.key", key.serialize_pem())] {
        let path = data.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

#[tokio::test]
async fn every_connection_is_encrypted_when_the_url_asks_for_it() {
    let secured = Secured::start("127.0.0.1").await;
    let settings = Settings::default().with("DATABASE__CA_CERTIFICATES", secured.authority.display());
    let server = Server::start(&secured.secure_url(), None, settings).for_this_test();
    tenant_on(server).await.api().await.get("/api/v1/me").await.expect(200);
    let watching = sql(&secured.url).await;
    let rows = watching
        .query(
            "SELECT a.usename, s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)
             WHERE a.application_name = 'lastmile'",
            &[],
        )
        .await
        .unwrap();
    let seen: Vec<(String, bool)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    for role in ["_control", "_app_01"] {
        assert!(seen.iter().any(|(name, _)| name.ends_with(role)), "no connection of {role}: {seen:?}");
    }
    assert!(seen.iter().all(|(_, encrypted)| *encrypted), "{seen:?}");
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_is_not_taken() {
    let secured = Secured::start("127.0.0.1").await;
    let well = secured.doctor(Some(&secured.authority));
    assert!(!well.contains("cannot be reached"), "{well}");
    let unknown = secured.doctor(None);
    assert!(unknown.contains("cannot be reached"), "an authority that nobody named was believed: {unknown}");
    let other = Secured::start("db.example.net").await;
    let foreign = other.doctor(Some(&other.authority));
    assert!(foreign.contains("cannot be reached"), "a certificate of another host was taken: {foreign}");
}
