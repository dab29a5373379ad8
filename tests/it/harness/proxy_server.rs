//! The real proxy before servers under test, and a certificate authority that orders can be made at.

use std::{
    fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{ChildStdin, Command, Stdio},
    sync::Mutex,
    time::Duration,
};

use rcgen::{CertificateParams, CertifiedKey, generate_simple_self_signed};
use reqwest::{Certificate, Client, tls::TlsInfo};
use tempfile::TempDir;

use super::{Server, mailbox::until, server::die_with_us};

const BASE: &str = "isp.test";

/// A port that nobody listens at just now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A program that runs as long as this is there.
struct Running(Mutex<Option<ChildStdin>>);

impl Running {
    fn start(command: &mut Command, needs: &str) -> Self {
        let child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap_or_else(|error| {
                panic!("{needs} is needed, infra/setup.sh test installs it: {error}")
            });
        Self(Mutex::new(die_with_us(child.id())))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.lock().unwrap().take();
    }
}

async fn listening(port: u16) {
    until("it listens", async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
}

/// nginx with the configuration of nginx/, on ports of its own.
pub struct Proxy {
    pub http: u16,
    pub https: u16,
    folder: TempDir,
    base: Certificate,
    running: Option<Running>,
}

impl Proxy {
    /// Knows its ports and has the base domain's certificate; serves once it was started.
    pub fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let names = [BASE.to_owned(), format!("*.{BASE}")];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let own = folder.path().join("tls").join(BASE);
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("fullchain.pem"), cert.pem()).unwrap();
        fs::write(own.join("privkey.pem"), signing_key.serialize_pem()).unwrap();
        let base = Certificate::from_pem(cert.pem().as_bytes()).unwrap();
        Self { http: free_port(), https: free_port(), folder, base, running: None }
    }

    /// Where certificates are laid down.
    pub fn tls(&self) -> PathBuf {
        self.folder.path().join("tls")
    }

    /// Starts it before these servers.
    pub async fn start(&mut self, servers: &[&Server]) {
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("nginx/render.sh");
        let at = |name: &str| self.folder.path().join(name).display().to_string();
        let conf = at("conf");
        let (http, https) = (self.http.to_string(), self.https.to_string());
        let is_root =
            fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0);
        let mut render = Command::new(sources);
        render.args([
            "--base-domain",
            BASE,
            "--out",
            &conf,
            "--tls-dir",
            &at("tls"),
            "--acme-dir",
            &at("acme"),
        ]);
        render.args([
            "--run-dir",
            &at("run"),
            "--access-log",
            &at("access.log"),
            "--error-log",
            &at("error.log"),
        ]);
        render.args(["--http-port", &http, "--https-port", &https, "--no-ipv6"]);
        render.args(["--user", if is_root { "root" } else { "" }]);
        for server in servers {
            render.args(["--upstream", &server.address.to_string()]);
        }
        assert!(render.status().unwrap().success());
        let mut nginx = Command::new("/usr/sbin/nginx");
        nginx.args(["-c", &format!("{conf}/nginx.conf"), "-g", "daemon off;"]);
        self.running = Some(Running::start(&mut nginx, "nginx"));
        listening(self.https).await;
    }

    /// A browser of sorts for one host: it believes the base domain's certificate and what is given, and nothing else.
    pub fn client(&self, host: &str, roots: &[Certificate]) -> Visitor {
        let roots: Vec<Certificate> = roots.iter().cloned().chain([self.base.clone()]).collect();
        let client = client(host, &roots);
        Visitor { client, roots, host: host.to_owned(), http: self.http, https: self.https }
    }
}

fn client(host: &str, roots: &[Certificate]) -> Client {
    Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .resolve(host, ([127, 0, 0, 1], 0).into())
        .tls_certs_only(roots.iter().cloned())
        .tls_info(true)
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(20))
        .build()
        .unwrap()
}

/// Visits one host through the proxy.
pub struct Visitor {
    pub client: Client,
    roots: Vec<Certificate>,
    host: String,
    http: u16,
    https: u16,
}

impl Visitor {
    pub fn url(&self, path: &str) -> String {
        format!("https://{}:{}{path}", self.host, self.https)
    }

    pub async fn get(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(self.url(path)).send().await
    }

    pub async fn get_plain(&self, path: &str) -> reqwest::Result<reqwest::Response> {
        self.client.get(format!("http://{}:{}{path}", self.host, self.http)).send().await
    }

    /// The certificate that the host shows to somebody who comes for the first time: who was here before takes up an older session.
    /// None when the handshake is refused, or what it shows is not believed.
    pub async fn certificate(&self) -> Option<Vec<u8>> {
        match client(&self.host, &self.roots).get(self.url("/sign-in")).send().await {
            Ok(answer) => {
                let shown = answer.extensions().get::<TlsInfo>().unwrap();
                Some(shown.peer_certificate().unwrap().to_vec())
            }
            Err(error) if error.is_connect() => None,
            Err(error) => panic!("{error:?}"),
        }
    }
}

/// A certificate authority, made by those who made the protocol, for tests.
pub struct Authority {
    port: u16,
    management: u16,
    folder: TempDir,
    _running: Running,
}

impl Authority {
    /// Asks `names` for addresses, and looks for proofs at `http`.
    pub async fn start(names: SocketAddr, http: u16) -> Self {
        let folder = TempDir::new().unwrap();
        let at = |name: &str| folder.path().join(name);
        let key = rcgen::KeyPair::generate().unwrap();
        let own = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap().self_signed(&key).unwrap();
        fs::write(at("own.pem"), own.pem()).unwrap();
        fs::write(at("own.key"), key.serialize_pem()).unwrap();
        let (port, management) = (free_port(), free_port());
        let settings = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"), "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": at("own.pem"), "privateKey": at("own.key"), "httpPort": http, "tlsPort": free_port(),
            "ocspResponderURL": "", "externalAccountBindingRequired": false, "certificateValidityPeriod": 864_000,
        }});
        fs::write(at("settings.json"), settings.to_string()).unwrap();
        let mut pebble = Command::new("pebble");
        pebble.arg("-config").arg(at("settings.json")).args(["-dnsserver", &names.to_string(), "-strict"]);
        let running = Running::start(pebble.env("PEBBLE_VA_NOSLEEP", "1"), "pebble");
        listening(port).await;
        listening(management).await;
        Self { port, management, folder, _running: running }
    }

    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// What its own door is to be believed by.
    pub fn own_certificate(&self) -> PathBuf {
        self.folder.path().join("own.pem")
    }

    /// What its certificates are to be believed by.
    pub async fn root(&self) -> Certificate {
        let own = Certificate::from_pem(&fs::read(self.own_certificate()).unwrap()).unwrap();
        let client = Client::builder().no_proxy().tls_certs_only([own]).build().unwrap();
        let url = format!("https://127.0.0.1:{}/roots/0", self.management);
        Certificate::from_pem(&client.get(url).send().await.unwrap().bytes().await.unwrap()).unwrap()
    }
}
