//! Servers under test: the real program, as a process.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, ChildStdin, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    time::Duration,
};

use tempfile::TempDir;
use tokio::sync::OnceCell;

use super::{Api, Browser, database, postgres::PROGRAM};

/// How a server of a test's own differs from the shared one.
#[derive(Clone, Default)]
pub struct Settings {
    /// `LASTMILE_..` without the prefix, and its value.
    pub set: Vec<(String, String)>,
    pub args: Vec<String>,
}

impl Settings {
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.set.push((name.to_owned(), value.to_string()));
        self
    }
}

/// A running server.
pub struct Server {
    pub address: SocketAddr,
    pub database: String,
    /// Secrets, mail and whatever else it keeps.
    pub folder: Arc<TempDir>,
    child: Mutex<Child>,
    log: Arc<Mutex<Vec<String>>>,
    /// As long as this is held, the server lives; see [`die_with_us`].
    life: Mutex<Option<ChildStdin>>,
}

/// The servers of one test: they end with it. Left to the end of the process they would all run on beside the tests that follow.
struct OfThisTest(RefCell<Vec<&'static Server>>);

impl Drop for OfThisTest {
    fn drop(&mut self) {
        for server in self.0.take() {
            server.life.lock().unwrap().take();
        }
    }
}

thread_local! {
    // A test has a thread to itself, which ends with it.
    static OF_THIS_TEST: OfThisTest = const { OfThisTest(RefCell::new(Vec::new())) };
}

/// The server that most tests share. It ends with the test process.
pub async fn shared() -> &'static Server {
    static SHARED: OnceCell<&'static Server> = OnceCell::const_new();
    SHARED
        .get_or_init(|| async {
            let url = database("shared").await;
            let settings = Settings::default().with("POOL__WARM_SCHEMAS", 8);
            &*Box::leak(Box::new(Server::start(&url, None, settings)))
        })
        .await
}

/// Settings that every server under test has: nothing of one test may stop another.
fn environment(url: &str, folder: &std::path::Path) -> Vec<(String, String)> {
    let set = |name: &str, value: String| (format!("LASTMILE_{name}"), value);
    vec![
        set("DATABASE_URL", url.to_owned()),
        set("LISTEN", "127.0.0.1:0".into()),
        set("METRICS_LISTEN", "127.0.0.1:0".into()),
        set("BASE_DOMAIN", "isp.test".into()),
        set("PUBLIC_URL_SCHEME", "https".into()),
        set("ENVIRONMENT", "test".into()),
        set("SECRETS__KIND", "file".into()),
        set("SECRETS__PATH", folder.join("secrets").display().to_string()),
        set("MAIL__FOLDER", folder.join("mail").display().to_string()),
        // Providers of the tests are on this machine.
        set("OUTBOUND__ALLOWED_NETWORKS", "[\"127.0.0.0/8\"]".into()),
        set("LIMITS__ADDRESS_PER_SECOND", "100000".into()),
        set("LIMITS__CREDENTIAL_PER_SECOND", "100000".into()),
        set("LIMITS__TENANT_PER_SECOND", "100000".into()),
        set("LIMITS__SIGNUPS_PER_HOUR", "1000000".into()),
        // What tests do in numbers is nobody's news.
        set("ALERTS__LETTERS", "false".into()),
        set("LIMITS__PASSWORD_LINKS_PER_HOUR", "1000000".into()),
    ]
}

/// A command of the program with the settings of a server under test.
pub fn program(url: &str, folder: &std::path::Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).envs(environment(url, folder));
    command
}

impl Server {
    /// Starts a server and waits until it takes requests. Servers that share a folder share their secrets.
    pub fn start(url: &str, folder: Option<Arc<TempDir>>, settings: Settings) -> Self {
        let folder = folder.unwrap_or_else(|| Arc::new(TempDir::new().unwrap()));
        let mut command = program(url, folder.path());
        command.arg("serve").args(&settings.args);
        for (name, value) in &settings.set {
            command.env(format!("LASTMILE_{name}"), value);
        }
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let life = Mutex::new(die_with_us(child.id()));
        let log = Arc::new(Mutex::new(Vec::new()));
        let (said, heard) = mpsc::channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (kept, complaints) = (log.clone(), log.clone());
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in errors.map_while(Result::ok) {
                complaints.lock().unwrap().push(line);
            }
        });
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some(address) = ready_address(&line) {
                    let _ = said.send(address);
                }
                kept.lock().unwrap().push(line);
            }
        });
        let address = heard.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("the server did not start:\n{}", log.lock().unwrap().join("\n"))
        });
        Self { address, database: url.to_owned(), folder, child: Mutex::new(child), log, life }
    }

    /// A server of a test's own on a database of its own.
    pub async fn own(name: &str, settings: Settings) -> &'static Server {
        let url = database(name).await;
        Self::start(&url, None, settings).for_this_test()
    }

    /// Kept as long as the test lasts.
    pub fn for_this_test(self) -> &'static Server {
        let kept: &'static Server = Box::leak(Box::new(self));
        OF_THIS_TEST.with(|all| all.0.borrow_mut().push(kept));
        kept
    }

    /// Another process on the same database, with the same secrets.
    pub fn sibling(&self, settings: Settings) -> &'static Server {
        Self::start(&self.database, Some(self.folder.clone()), settings).for_this_test()
    }

    /// The same, for as long as there are tests.
    pub fn second_process(&self) -> &'static Server {
        let folder = Some(self.folder.clone());
        Box::leak(Box::new(Self::start(&self.database, folder, Settings::default())))
    }

    /// Requests to a host.
    pub fn at(&self, host: &str) -> Api {
        Api::new(self.address, host)
    }

    /// Requests to the base domain.
    pub fn platform(&self) -> Api {
        self.at("isp.test")
    }

    /// Requests to the API host.
    pub fn api_host(&self) -> Api {
        self.at("api.isp.test")
    }

    pub fn browser(&self, host: &str) -> Browser {
        Browser::new(self.address, host)
    }

    /// What the server has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Whether the process is still there.
    pub fn is_running(&self) -> bool {
        matches!(self.child.lock().unwrap().try_wait(), Ok(None))
    }

    /// kill -9.
    pub fn kill(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// SIGTERM; answers whether it ended well.
    pub fn terminate(&self) -> bool {
        let mut child = self.child.lock().unwrap();
        Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
        child.wait().unwrap().success()
    }
}

/// A watcher that holds the other end of a pipe to this process: when the pipe is let go of, or this process ends, however it ends,
/// the server is killed.
pub(super) fn die_with_us(server: u32) -> Option<ChildStdin> {
    let mut watcher = Command::new("sh")
        .args(["-c", &format!("cat >/dev/null; kill -9 {server}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    watcher.stdin.take()
}

fn ready_address(line: &str) -> Option<SocketAddr> {
    let event: serde_json::Value = serde_json::from_str(line).ok()?;
    let is_ready = event.get("message")?.as_str()? == "ready";
    if is_ready { event.get("address")?.as_str()?.parse().ok() } else { None }
}
