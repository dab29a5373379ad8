//! The private PostgreSQL, through `lastmile postgres`: it survives whatever ends the process that started it.

use std::{
    fs,
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;
use tokio_postgres::NoTls;

/// A folder for one server, which is stopped and removed at the end, also when the test fails.
struct Place {
    around: TempDir,
    dir: PathBuf,
}

/// What one `lastmile postgres` said.
struct Said {
    succeeded: bool,
    out: String,
    err: String,
}

impl Place {
    /// A folder that PostgreSQL's user can enter, whoever that is.
    fn open() -> Self {
        Self::with_mode(0o755)
    }

    fn with_mode(mode: u32) -> Self {
        let around = TempDir::new().unwrap();
        fs::set_permissions(around.path(), fs::Permissions::from_mode(mode)).unwrap();
        let dir = around.path().canonicalize().unwrap().join("it's a folder");
        Self { around, dir }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lastmile"));
        command.arg("postgres").arg("--dir").arg(&self.dir).args(args).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        said_by(self.command(args).spawn().unwrap())
    }

    /// The URL, and whether it was started rather than found.
    fn start(&self) -> (String, bool) {
        let said = self.run(&[]);
        assert!(said.succeeded, "{}", said.err);
        assert_eq!(said.out.lines().count(), 1, "{}", said.out);
        (said.out.trim().to_owned(), said.started())
    }

    fn stop(&self) {
        let said = self.run(&["--stop"]);
        assert!(said.succeeded, "{}", said.err);
        assert_eq!(said.out, "");
    }

    /// Where the cluster lies: the folder, or the one used in its place.
    fn home(&self) -> PathBuf {
        match fs::read_to_string(self.dir.join("elsewhere")) {
            Ok(path) => PathBuf::from(path),
            Err(_) => self.dir.clone(),
        }
    }

    fn pid_file(&self) -> PathBuf {
        self.home().join("data/postmaster.pid")
    }

    fn postmaster(&self) -> String {
        fs::read_to_string(self.pid_file()).unwrap().lines().next().unwrap().to_owned()
    }

    fn unfinished(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.home()).into_iter().flatten().flatten().map(|entry| entry.path());
        entries.filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("data.new-")).collect()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.run(&["--stop"]);
        if self.home() != self.dir {
            let _ = fs::remove_dir_all(self.home());
        }
        let _ = fs::remove_dir_all(self.around.path());
    }
}

impl Said {
    fn started(&self) -> bool {
        assert!(self.err.contains("started") != self.err.contains("attached"), "{}", self.err);
        self.err.contains("started")
    }
}

fn said_by(child: Child) -> Said {
    let output = child.wait_with_output().unwrap();
    Said {
        succeeded: output.status.success(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn port_of(url: &str) -> u16 {
    url.rsplit_once(':').unwrap().1.split_once('/').unwrap().0.parse().unwrap()
}

fn signal(signal: &str, target: &str) -> bool {
    Command::new("kill").args([signal, "--", target]).stderr(Stdio::null()).status().unwrap().success()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < give_up, "never: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs one statement and gives the first column of its first row, if it has one.
async fn ask(url: &str, statement: &str) -> Result<Option<String>, tokio_postgres::Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    let driver = tokio::spawn(connection);
    let answer = client.query(statement, &[]).await.map(|rows| rows.first().map(|row| row.get(0)));
    drop(client);
    driver.await.unwrap()?;
    answer
}

async fn remember(url: &str, word: &str) {
    ask(url, "CREATE TABLE IF NOT EXISTS memory (word text)").await.unwrap();
    ask(url, &format!("INSERT INTO memory VALUES ('{word}')")).await.unwrap();
}

async fn remembered(url: &str) -> String {
    ask(url, "SELECT string_agg(word, ' ' ORDER BY word) FROM memory").await.unwrap().unwrap()
}

#[tokio::test]
async fn starts_attaches_stops_and_keeps_the_data() {
    let place = Place::open();
    let (url, started) = place.start();
    assert!(started);
    remember(&url, "kept").await;

    let (again, started) = place.start();
    assert!(!started, "the running one is found");
    assert_eq!(again, url);

    place.stop();
    assert!(!place.pid_file().exists());
    assert!(ask(&url, "SELECT 'x'").await.is_err(), "a stopped server does not answer");
    place.stop();

    let (again, started) = place.start();
    assert!(started);
    assert_eq!(again, url, "port and password are kept");
    assert_eq!(remembered(&again).await, "kept");
}

#[tokio::test]
async fn the_settings_are_those_asked_for() {
    let place = Place::open();
    let said = place.run(&["--max-connections", "37", "--database", "isp-1"]);
    assert!(said.succeeded, "{}", said.err);
    let url = said.out.trim();
    assert!(url.ends_with("/isp-1"), "{url}");
    for (setting, value) in [
        ("max_connections", "37"),
        ("listen_addresses", "127.0.0.1"),
        ("unix_socket_directories", ""),
        ("max_locks_per_transaction", "256"),
        ("fsync", "off"),
        ("jit", "off"),
        ("server_encoding", "UTF8"),
    ] {
        let shown = ask(url, &format!("SELECT current_setting('{setting}')")).await.unwrap().unwrap();
        assert_eq!(shown, value, "{setting}");
    }

    place.stop();
    let said = place.run(&["--durable", "--database", "isp-1"]);
    assert_eq!(ask(said.out.trim(), "SELECT current_setting('fsync')").await.unwrap().unwrap(), "on");
}

#[tokio::test]
async fn nobody_enters_without_the_password_and_it_is_kept_for_the_owner_alone() {
    let place = Place::open();
    let (url, _) = place.start();
    let file = place.home().join("password");
    assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(place.home().join("data").metadata().unwrap().mode() & 0o777, 0o700);
    let password = fs::read_to_string(file).unwrap();
    assert_eq!(password.len(), 32);
    assert!(url.contains(&password));

    let refusal = ask(&url.replace(&password, "wrong"), "SELECT 'x'").await.unwrap_err();
    assert_eq!(refusal.code().unwrap().code(), "28P01", "{refusal}");
    let refusal = ask(&url.replace(&format!(":{password}"), ""), "SELECT 'x'").await.unwrap_err();
    assert!(format!("{refusal:?}").contains("password missing"), "{refusal:?}");
}

#[tokio::test]
async fn a_killed_postmaster_is_started_again_and_loses_nothing() {
    let place = Place::open();
    let (url, _) = place.start();
    remember(&url, "committed").await;

    // A session that computes does not notice the death, and holds the dead server's memory until it is done.
    let computing = "DO $$ BEGIN WHILE clock_timestamp() < now() + interval '2 s' LOOP END LOOP; END $$";
    let busy = tokio::spawn({
        let url = url.clone();
        async move { ask(&url, computing).await }
    });
    let at_work = "SELECT count(*)::text FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'DO %'";
    while ask(&url, at_work).await.unwrap().unwrap() != "1" {}

    let killed = place.postmaster();
    assert!(signal("-KILL", &killed));
    let (again, started) = place.start();
    assert!(started);
    assert_ne!(place.postmaster(), killed);
    assert_eq!(again.rsplit_once('@').unwrap().0, url.rsplit_once('@').unwrap().0);
    assert_eq!(remembered(&again).await, "committed");
    let _ = busy.await;
}

#[test]
fn a_stale_pid_file_that_names_a_living_process_is_seen_through() {
    let place = Place::open();
    place.start();
    let claim = fs::read_to_string(place.pid_file()).unwrap();
    let was = place.postmaster();
    place.stop();

    // A process that PostgreSQL itself would take for a server of this folder: it is of the server's own user.
    let owner = place.home().join("data").metadata().unwrap();
    let mut other = Command::new("sleep").arg("600").uid(owner.uid()).gid(owner.gid()).spawn().unwrap();
    fs::write(place.pid_file(), claim.replacen(&was, &other.id().to_string(), 1)).unwrap();
    let said = place.run(&[]);
    let outlived = other.try_wait().unwrap().is_none();
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(said.succeeded, "{}", said.err);
    assert!(said.started());
    assert!(outlived, "the other process is left alone");
}

#[test]
fn an_initdb_that_was_killed_is_done_again() {
    let place = Place::open();
    let mut starter = place.command(&[]).spawn().unwrap();
    until("initdb is at work", || place.unfinished().iter().any(|path| path.join("base").is_dir()));
    starter.kill().unwrap();
    starter.wait().unwrap();
    assert!(!place.home().join("data").exists(), "what is half made is not in the cluster's place");

    let (_, started) = place.start();
    assert!(started);
    assert!(place.home().join("data/PG_VERSION").exists());
}

#[tokio::test]
async fn of_many_starters_at_once_one_starts_and_all_get_the_same_server() {
    let place = Place::open();
    let starters: Vec<Child> =
        (0..5).map(|_| place.command(&["--database", "shared"]).spawn().unwrap()).collect();
    let said: Vec<Said> = starters.into_iter().map(said_by).collect();
    for one in &said {
        assert!(one.succeeded, "{}", one.err);
        assert_eq!(one.out, said[0].out);
    }
    assert_eq!(said.iter().filter(|one| one.started()).count(), 1);
    assert_eq!(ask(said[0].out.trim(), "SELECT 'answers'").await.unwrap().unwrap(), "answers");
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_left_to_its_taker() {
    let place = Place::open();
    let (url, _) = place.start();
    remember(&url, "kept").await;
    place.stop();
    let taker = TcpListener::bind(("127.0.0.1", port_of(&url))).unwrap();
    let (again, started) = place.start();
    assert!(started);
    assert_ne!(port_of(&again), port_of(&url));
    assert_eq!(remembered(&again).await, "kept");
    drop(taker);
}

#[test]
fn ctrl_c_in_the_starters_terminal_does_not_reach_the_server() {
    let place = Place::open();
    let starter = place.command(&[]).process_group(0).spawn().unwrap();
    let group = format!("-{}", starter.id());
    assert!(said_by(starter).succeeded);
    assert!(!signal("-INT", &group), "nobody is left in the starter's process group");
    assert!(!place.start().1, "the server still runs");
}

/// As under /root, where PostgreSQL's stand-in for root cannot enter. An ordinary user's server is that user's own and can.
#[tokio::test]
async fn a_folder_that_is_closed_to_the_servers_user_works_all_the_same() {
    let place = Place::with_mode(0o700);
    let (url, _) = place.start();
    remember(&url, "kept").await;
    let is_root = place.dir.metadata().unwrap().uid() == 0;
    assert_eq!(place.home() != place.dir, is_root);
    place.stop();
    let (again, started) = place.start();
    assert!(started);
    assert_eq!(remembered(&again).await, "kept");

    // Whoever removes the folder wants to begin anew, and nothing of the old server to stay.
    let abandoned = place.home();
    fs::remove_dir_all(&place.dir).unwrap();
    let (anew, started) = place.start();
    assert!(started);
    assert!(ask(&anew, "SELECT word FROM memory").await.is_err());
    if is_root {
        assert!(!abandoned.exists());
        assert!(ask(&again, "SELECT 'x'").await.is_err(), "the abandoned server is stopped");
    }
}

#[test]
fn what_is_missing_is_named() {
    let place = Place::open();
    let empty = place.around.path().to_str().unwrap();
    let said = place.run(&["--pg-bin", empty]);
    assert!(!said.succeeded);
    assert_eq!(said.out, "");
    assert!(said.err.contains(empty) && said.err.contains("initdb"), "{}", said.err);

    place.start();
    place.stop();
    fs::write(place.home().join("data/PG_VERSION"), "99\n").unwrap();
    let said = place.run(&[]);
    assert!(said.err.contains("made by PostgreSQL 99") && said.err.contains("postgresql-99"), "{}", said.err);

    fs::remove_file(place.home().join("password")).unwrap();
    let said = place.run(&[]);
    assert!(!said.succeeded && said.err.contains("password is missing"), "{}", said.err);
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let place = Place::open();
    place.start();
    place.stop();
    fs::write(place.home().join("data/postgresql.auto.conf"), "no_such_setting = 1\n").unwrap();
    let said = place.run(&[]);
    assert!(!said.succeeded);
    assert!(said.err.contains("no_such_setting") && said.err.contains("server.log"), "{}", said.err);
}

#[test]
fn bad_input_is_refused() {
    let place = Place::open();
    for name in ["", "a\"b", "a/b", "a b", &"x".repeat(64)] {
        let said = place.run(&["--database", name]);
        assert!(!said.succeeded && said.out.is_empty(), "{name:?}");
    }
    assert!(!place.run(&["--max-connections", "0"]).succeeded);
    let file = place.around.path().join("file");
    fs::write(&file, "").unwrap();
    let below: &Path = &file.join("below");
    let said = place.run(&["--dir", below.to_str().unwrap()]);
    assert!(!said.succeeded, "a folder inside a file");
}
