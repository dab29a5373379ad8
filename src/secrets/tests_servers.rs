//! The stores behind a server, over real HTTP: moto for AWS, and a KV version 2 server for Vault, both in
//! `tests/fixtures`, started with the Python that `infra/python.sh` sets up.

#![expect(
    clippy::disallowed_methods,
    clippy::let_underscore_must_use,
    reason = "a test, with programs of its own"
)]

use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use aws_config::BehaviorVersion;
use aws_sdk_secretsmanager::config::Credentials;
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{
    Keyring, SecretStore,
    aws::AwsStore,
    deployment_key, open_store,
    tests::{bytes, contract, name, races},
};
use crate::config::SecretStoreSettings;

const TOKEN: &str = "s.token-canary";

/// A server that ends with the test, also when the test is killed: it reads its standard input until that closes.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(script: &str, args: &[&str]) -> Self {
        let cache = env::var_os("XDG_CACHE_HOME")
            .filter(|dir| !dir.is_empty())
            .map_or_else(|| PathBuf::from(env::var_os("HOME").expect("HOME")).join(".cache"), PathBuf::from);
        let python = cache.join("lastmile/venv/bin/python");
        assert!(python.exists(), "{} is missing: run infra/python.sh", python.display());
        let fixture = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(script);
        let mut child = Command::new(&python)
            .arg(&fixture)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{} does not start ({e}): run infra/python.sh", python.display()));
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("ready ").and_then(|port| port.parse().ok());
        let Some(port) = port else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{script} did not come up (its own words are above): run infra/python.sh");
        };
        let server = Self { child, port };
        drop(TcpStream::connect(("127.0.0.1", port)).expect("the server says ready and does not accept"));
        server
    }

    fn moto() -> Self {
        Self::start("aws_secrets.py", &[])
    }

    fn vault(args: &[&str]) -> Self {
        Self::start("vault_kv2.py", &[&["--token", TOKEN], args].concat())
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// One request by hand; returns status and body.
    fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    fn tell_vault(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask(method, path, &format!("X-Vault-Token: {TOKEN}\r\n"), body)
    }

    fn requests(&self) -> u64 {
        let (_, body) = self.ask("GET", "/test/requests", "", "");
        serde_json::from_str::<serde_json::Value>(&body).unwrap()["requests"].as_u64().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn vault_settings(address: String, token: &str) -> SecretStoreSettings {
    SecretStoreSettings::Vault {
        address,
        mount: "secret".into(),
        prefix: "lastmile".into(),
        token: token.into(),
        namespace: None,
        ca_file: None,
    }
}

async fn vault_store(server: &Server) -> Arc<dyn SecretStore> {
    open_store(&vault_settings(server.url(), TOKEN)).await.unwrap()
}

/// With credentials given by hand; the usual chain is used by the processes of `five_processes_agree`.
async fn aws_store(endpoint: &str) -> Arc<dyn SecretStore> {
    let credentials = Credentials::new("AKIDTEST", "key-canary", None, None, "test");
    let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(credentials);
    Arc::new(AwsStore::open_with(loader, Some("eu-west-1"), Some(endpoint), "lastmile").await.unwrap())
}

#[tokio::test]
async fn aws_keeps_the_contract() {
    let server = Server::moto();
    let store = aws_store(&server.url()).await;
    contract(store.as_ref()).await;
    assert_eq!(
        store.describe(),
        format!("AWS Secrets Manager in eu-west-1 at {}, below \"lastmile\"", server.url())
    );

    // Deleted is not gone: a second set of keys beside a restorable first one is refused, until somebody decides.
    let key = name("deleted");
    store.put(&key, &bytes("precious")).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    let refusal = store.put_if_absent(&key, &bytes("usurper")).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (409, "secret_deleted"));
    store.delete(&key).await.unwrap();
    store.put(&key, &bytes("again")).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("again")));

    // The prefix is part of the name: a store with another prefix sees none of it.
    let loader = aws_config::defaults(BehaviorVersion::latest()).credentials_provider(Credentials::new(
        "AKIDTEST",
        "key-canary",
        None,
        None,
        "test",
    ));
    let other = AwsStore::open_with(loader, Some("eu-west-1"), Some(&server.url()), "/other/").await.unwrap();
    assert_eq!(other.get(&key).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn aws_stands_races() {
    let server = Server::moto();
    let mut stores = Vec::new();
    for _ in 0..5 {
        stores.push(aws_store(&server.url()).await);
    }
    races(stores).await;
}

#[tokio::test]
async fn vault_keeps_the_contract() {
    let server = Server::vault(&[]);
    let store = vault_store(&server).await;
    contract(store.as_ref()).await;
    assert_eq!(store.describe(), format!("Vault at {}, below secret/lastmile", server.url()));

    let key = name("deleted");
    store.put(&key, &bytes("precious")).await.unwrap();
    store.delete(&key).await.unwrap();
    let refusal = store.put_if_absent(&key, &bytes("usurper")).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (409, "secret_deleted"));
    assert_eq!(
        server.tell_vault("POST", "/v1/secret/undelete/lastmile/deleted", r#"{"versions":[1]}"#).0,
        204
    );
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("precious")), "an operator can have it back");
    // Wiped for good, it may be made anew.
    assert_eq!(server.tell_vault("DELETE", "/v1/secret/metadata/lastmile/deleted", "").0, 204);
    assert_eq!(store.put_if_absent(&key, &bytes("new")).await.unwrap(), bytes("new"));

    // What is not ours is neither used nor written over.
    let by_hand = r#"{"data":{"password":"hand-canary"}}"#;
    assert_eq!(server.tell_vault("POST", "/v1/secret/data/lastmile/by-hand", by_hand).0, 200);
    for refusal in [
        store.get(&name("by-hand")).await.unwrap_err(),
        store.put(&name("by-hand"), &bytes("x")).await.unwrap_err(),
        store.put_if_absent(&name("by-hand"), &bytes("x")).await.unwrap_err(),
    ] {
        assert!(!format!("{refusal:?}").contains("hand-canary"));
    }
    assert!(server.tell_vault("GET", "/v1/secret/data/lastmile/by-hand", "").1.contains("hand-canary"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn vault_stands_races() {
    let server = Server::vault(&["--cas-required"]);
    let mut stores = Vec::new();
    for _ in 0..5 {
        stores.push(vault_store(&server).await);
    }
    races(Vec::clone(&stores)).await;
    contract(stores[0].as_ref()).await;
}

#[tokio::test]
async fn vault_namespaces_and_mounts_are_told_apart() {
    let server = Server::vault(&["--namespace", "isp/one", "--mount", "kv/apps"]);
    let settings = |mount: &str, namespace: Option<&str>| SecretStoreSettings::Vault {
        address: server.url(),
        mount: mount.into(),
        prefix: String::new(),
        token: TOKEN.into(),
        namespace: namespace.map(str::to_owned),
        ca_file: None,
    };
    let store = open_store(&settings("kv/apps", Some("isp/one"))).await.unwrap();
    store.put(&name("a"), &bytes("value")).await.unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));
    // An unknown mount is 404 as an unknown secret is; it must not be taken for one, or new keys would be made.
    for wrong in [
        settings("kv/other", Some("isp/one")),
        settings("kv/apps", Some("isp/two")),
        settings("kv/apps", None),
    ] {
        let store = open_store(&wrong).await.unwrap();
        assert_eq!(store.get(&name("a")).await.unwrap_err().code(), "secret_store_denied", "{wrong:?}");
        assert_eq!(
            store.put_if_absent(&name("a"), &bytes("x")).await.unwrap_err().code(),
            "secret_store_denied"
        );
    }
}

#[tokio::test]
async fn vault_over_tls_needs_a_known_authority() {
    let home = tempfile::tempdir().unwrap();
    let certificate = home.path().join("ca.pem");
    let server = Server::vault(&["--tls", certificate.to_str().unwrap()]);
    let settings = |ca_file: Option<PathBuf>| SecretStoreSettings::Vault {
        address: format!("https://127.0.0.1:{}", server.port),
        mount: "secret".into(),
        prefix: "lastmile".into(),
        token: TOKEN.into(),
        namespace: None,
        ca_file,
    };
    let store = open_store(&settings(Some(certificate.clone()))).await.unwrap();
    assert_eq!(store.put_if_absent(&name("a"), &bytes("value")).await.unwrap(), bytes("value"));
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));

    let wary = open_store(&settings(None)).await.unwrap();
    assert_eq!(wary.get(&name("a")).await.unwrap_err().code(), "secret_store_unavailable");

    let missing = open_store(&settings(Some(home.path().join("missing.pem")))).await;
    assert!(missing.err().unwrap().to_string().contains("missing.pem"));
    std::fs::write(&certificate, "-----BEGIN CERTIFICATE-----\nnot one\n-----END CERTIFICATE-----\n")
        .unwrap();
    assert!(open_store(&settings(Some(certificate))).await.is_err());
}

#[tokio::test]
async fn vault_troubles_are_named() {
    let server = Server::vault(&[]);
    let store = vault_store(&server).await;
    store.put(&name("a"), &bytes("value")).await.unwrap();

    let stranger = open_store(&vault_settings(server.url(), "s.wrong")).await.unwrap();
    let before = server.requests();
    let refusal = stranger.get(&name("a")).await.unwrap_err();
    assert_eq!((refusal.status(), refusal.code()), (503, "secret_store_denied"));
    assert_eq!(server.requests() - before, 1, "a refusal is not asked for again");

    // Two failures pass; three do not.
    server.ask("PUT", "/test/fail/2", "", "");
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));
    server.ask("PUT", "/test/fail/3", "", "");
    assert_eq!(store.get(&name("a")).await.unwrap_err().code(), "secret_store_unavailable");

    server.tell_vault("PUT", "/v1/sys/seal", "");
    let sealed = store.get(&name("a")).await.unwrap_err();
    assert_eq!((sealed.status(), sealed.code()), (503, "secret_store_unavailable"));
    assert!(store.put_if_absent(&name("a"), &bytes("x")).await.is_err());
    server.tell_vault("PUT", "/v1/sys/unseal", r#"{"key":"any"}"#);
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));
}

#[tokio::test]
async fn vault_writes_once_although_the_answer_was_lost() {
    let server = Server::vault(&[]);
    let store = vault_store(&server).await;
    let lose = || assert_eq!(server.ask("PUT", "/test/lose-reply", "", "").0, 204);
    lose();
    assert_eq!(store.put_if_absent(&name("a"), &bytes("one")).await.unwrap(), bytes("one"));
    lose();
    assert!(store.replace(&name("a"), &bytes("one"), &bytes("two")).await.unwrap());
    let (_, metadata) = server.tell_vault("GET", "/v1/secret/metadata/lastmile/a", "");
    assert!(metadata.contains("\"current_version\": 2"), "{metadata}");
    lose();
    store.put(&name("a"), &bytes("three")).await.unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("three")));
}

/// A port on which nobody listens.
fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn stores_that_are_away_are_unavailable() {
    let address = format!("http://127.0.0.1:{}", closed_port());
    for store in [aws_store(&address).await, open_store(&vault_settings(address, TOKEN)).await.unwrap()] {
        for refusal in [
            store.get(&name("a")).await.unwrap_err(),
            store.put(&name("a"), &bytes("value-canary")).await.unwrap_err(),
            store.put_if_absent(&name("a"), &bytes("value-canary")).await.unwrap_err(),
            store.delete(&name("a")).await.unwrap_err(),
        ] {
            assert_eq!((refusal.status(), refusal.code()), (503, "secret_store_unavailable"));
            assert!(!format!("{refusal:?} {refusal}").contains("canary"));
        }
        assert!(Keyring::open(Arc::clone(&store)).await.is_err());
        assert!(deployment_key(store.as_ref(), "csrf").await.is_err());
    }
}

#[tokio::test]
async fn stores_that_never_answer_are_given_up() {
    // Accepts (the kernel does) and stays silent.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let (aws, vault) =
        (aws_store(&address).await, open_store(&vault_settings(address, TOKEN)).await.unwrap());
    let (key, began) = (name("a"), Instant::now());
    let (from_aws, from_vault) = tokio::join!(aws.get(&key), vault.get(&key));
    assert_eq!(from_aws.unwrap_err().code(), "secret_store_unavailable");
    assert_eq!(from_vault.unwrap_err().code(), "secret_store_unavailable");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    drop(silent);
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, buf: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// In a process of its own: what a library's line is worth is decided once for a whole process, and tests beside it decide it, too.
#[test]
fn logs_carry_no_secret() {
    let done = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture", "secrets::tests_servers::logs_of_one_process"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("1 passed"),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test]
#[ignore = "started as a process of its own by logs_carry_no_secret"]
async fn logs_of_one_process() {
    let lines = Lines::default();
    let writer = lines.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let (moto, vault) = (Server::moto(), Server::vault(&[]));
    let home = tempfile::tempdir().unwrap();
    let files = SecretStoreSettings::File { path: home.path().join("s") };
    for store in [aws_store(&moto.url()).await, vault_store(&vault).await, open_store(&files).await.unwrap()]
    {
        store.put(&name("a"), &bytes("value-canary")).await.unwrap();
        store.replace(&name("a"), &bytes("value-canary"), &bytes("second-canary")).await.unwrap();
        store.put_if_absent(&name("a"), &bytes("third-canary")).await.unwrap();
        store.delete(&name("a")).await.unwrap();
        Keyring::open(store).await.unwrap().rotate().await.unwrap();
    }
    vault.tell_vault("PUT", "/v1/sys/seal", "");
    vault_store(&vault).await.get(&name("a")).await.unwrap_err();
    drop(guard);
    let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(text.contains("the secret store did not answer") && text.contains("Vault is sealed"), "{text}");
    // The libraries' own lines are among them, or this would prove nothing.
    assert!(text.contains("TRACE") && text.contains("vaultrs") && text.contains("aws_smithy"), "{text}");
    for canary in ["canary", &STANDARD.encode("value-canary"), &STANDARD.encode("second-canary")] {
        let line = text.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "a secret in the log");
    }
}

/// What one of the processes of `five_processes_agree` does; it writes what it got into a file of its own.
#[tokio::test]
#[ignore = "started as a process of its own by five_processes_agree"]
async fn one_process() {
    let (Ok(settings), Some(out)) = (env::var("LASTMILE_TEST_STORE"), env::var_os("LASTMILE_TEST_OUT"))
    else {
        panic!("not for running by hand")
    };
    let store = open_store(&serde_json::from_str(&settings).unwrap()).await.unwrap();
    let csrf = deployment_key(store.as_ref(), "csrf").await.unwrap();
    let ring = Keyring::open(store).await.unwrap();
    let key = super::DataKey::generate(1).unwrap();
    let wrapped = ring.wrap(uuid::Uuid::nil(), &key).await.unwrap();
    let text = format!(
        "{} {}",
        data_encoding::HEXLOWER.encode(csrf.expose()),
        data_encoding::HEXLOWER.encode(&wrapped.bytes)
    );
    std::fs::write(out, text).unwrap();
}

#[tokio::test]
async fn five_processes_agree() {
    let home = tempfile::tempdir().unwrap();
    let (moto, vault) = (Server::moto(), Server::vault(&[]));
    let stores = [
        format!(r#"{{"kind":"file","path":"{}"}}"#, home.path().join("secrets").display()),
        format!(r#"{{"kind":"aws","endpoint":"{}"}}"#, moto.url()),
        format!(r#"{{"kind":"vault","address":"{}","token":"{TOKEN}"}}"#, vault.url()),
    ];
    for (i, settings) in stores.iter().enumerate() {
        let mut children = Vec::new();
        for j in 0..5 {
            let out = home.path().join(format!("{i}-{j}"));
            let child = Command::new(env::current_exe().unwrap())
                .args(["--exact", "--ignored", "secrets::tests_servers::one_process"])
                .env("LASTMILE_TEST_STORE", settings)
                .env("LASTMILE_TEST_OUT", &out)
                .env("AWS_ACCESS_KEY_ID", "AKIDTEST")
                .env("AWS_SECRET_ACCESS_KEY", "key-canary")
                .env("AWS_REGION", "eu-west-1")
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            children.push((child, out));
        }
        let mut answers = Vec::new();
        for (mut child, out) in children {
            assert!(child.wait().unwrap().success(), "{settings}");
            answers.push(std::fs::read_to_string(out).unwrap());
        }
        let keys: Vec<_> = answers.iter().map(|answer| answer.split_once(' ').unwrap()).collect();
        assert!(keys.iter().all(|(csrf, _)| *csrf == keys[0].0), "{settings}: two deployment keys");
        // All five wrapped with one master key: whoever opens the store now reads every one of them.
        let settings: SecretStoreSettings = serde_json::from_str(settings).unwrap();
        let store = match &settings {
            SecretStoreSettings::Aws { .. } => aws_store(&moto.url()).await,
            other => open_store(other).await.unwrap(),
        };
        let ring = Keyring::open(store).await.unwrap();
        for (_, wrapped) in keys {
            let bytes = data_encoding::HEXLOWER.decode(wrapped.as_bytes()).unwrap();
            let wrapped = super::WrappedKey { version: 1, master_version: 1, bytes };
            ring.unwrap(uuid::Uuid::nil(), &wrapped).await.expect("two sets of master keys");
        }
    }
}
