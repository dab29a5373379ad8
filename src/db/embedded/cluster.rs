//! One cluster in its home: made, set, launched, stopped.

use std::{
    fs::{self, DirBuilder, File},
    io::{Read as _, Seek as _, SeekFrom},
    net::{Ipv4Addr, TcpListener},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    process::Output,
};

use super::{
    Options,
    account::{self, Account},
    binaries::Binaries,
    home::{Home, random_text, read_if_there, write_whole},
    postmaster::{self, State},
};
use crate::error::{Error, OrInternal, Result};

const PASSWORD_LENGTH: usize = 32;
const LOG_LIMIT_BYTES: u64 = 16 << 20;
const LOG_LINES_SHOWN: usize = 15;
/// What begins the name of everything that an unfinished `initdb` may leave behind.
const UNFINISHED: &str = "data.new-";

#[derive(Debug)]
pub(super) struct Cluster {
    home: Home,
}

#[derive(Debug)]
pub(super) enum Launch {
    Started,
    TryAgain(String),
}

impl Cluster {
    pub(super) fn new(home: Home) -> Self {
        Self { home }
    }

    pub(super) fn exists(&self) -> bool {
        self.data().is_dir()
    }

    /// The major version that made the data; None while there are none.
    pub(super) fn major(&self) -> Result<Option<u32>> {
        Ok(read_if_there(&self.data().join("PG_VERSION"))?.and_then(|text| text.trim().parse().ok()))
    }

    pub(super) fn password(&self) -> Result<String> {
        let path = self.home.join("password");
        read_if_there(&path)?.ok_or_else(|| {
            Error::unavailable(
                "postgres_password_missing",
                format!(
                    "{} is missing. Put it back, or remove {} to begin anew.",
                    path.display(),
                    self.home.path().display()
                ),
            )
        })
    }

    pub(super) async fn state(&self) -> Result<State> {
        if !self.exists() {
            return Ok(State::Down);
        }
        postmaster::state(&self.data(), &self.password()?).await
    }

    /// Makes the cluster. Done beside its place and moved there when whole, so that a killed `initdb` leaves no half of one.
    pub(super) async fn init(
        &self,
        binaries: &Binaries,
        account: Option<&Account>,
        durable: bool,
    ) -> Result<()> {
        self.sweep()?;
        let password = random_text(PASSWORD_LENGTH);
        write_whole(&self.home.join("password"), password.as_bytes(), 0o600)?;
        // A name of its own: an orphan of a killed starter may still be writing into the last one.
        let fresh = self.home.join(&format!("{UNFINISHED}{}", random_text(8)));
        DirBuilder::new().mode(0o700).create(&fresh).internal()?;
        account::give(&fresh, account)?;
        let handed_over = fresh.with_extension("password");
        write_whole(&handed_over, password.as_bytes(), 0o600)?;
        account::give(&handed_over, account)?;

        let made = initdb(binaries, account, durable, &fresh, &handed_over).await;
        fs::remove_file(&handed_over).internal()?;
        made?;
        fs::rename(&fresh, self.data()).internal()?;
        File::open(self.home.path()).and_then(|folder| folder.sync_all()).internal()
    }

    /// Starts the server and waits until it takes connections.
    pub(super) async fn launch(
        &self,
        binaries: &Binaries,
        account: Option<&Account>,
        options: &Options,
    ) -> Result<Launch> {
        let port = self.free_port()?;
        let settings = self.home.join("settings.conf");
        write_whole(&settings, settings_text(options, port).as_bytes(), 0o644)?;
        let log_began = self.turn_log_over()?;

        let mut pg_ctl = account::command(binaries.program("pg_ctl"), account);
        pg_ctl.args(["start", "--wait", "--silent", "--timeout=120"]);
        pg_ctl.arg("-D").arg(self.data()).arg("-l").arg(self.log());
        // pg_ctl hands these to a shell.
        pg_ctl.arg("-o").arg(format!("-c config_file={}", shell_quoted(&settings)?));
        // Ctrl-C in our terminal must not reach it; pg_ctl moves the server itself to a session of its own.
        let said = pg_ctl.process_group(0).kill_on_drop(false).output().await.internal()?;
        if said.status.success() {
            return Ok(Launch::Started);
        }
        let log = self.log_since(log_began);
        let passing =
            ["pre-existing shared memory block", "postmaster.pid\" already exists", "Address already in use"];
        if passing.iter().any(|reason| log.contains(reason)) {
            return Ok(Launch::TryAgain(last_lines(&log)));
        }
        Err(self.failure(&format!("{}{}", text_of(&said), last_lines(&log))))
    }

    /// `mode` is `pg_ctl`'s: `fast` or `immediate`.
    pub(super) async fn stop(
        &self,
        binaries: &Binaries,
        account: Option<&Account>,
        mode: &str,
    ) -> Result<()> {
        let mut pg_ctl = account::command(binaries.program("pg_ctl"), account);
        pg_ctl.args(["stop", "--wait", "--silent", "--timeout=120", "-m", mode, "-D"]).arg(self.data());
        let said = pg_ctl.process_group(0).kill_on_drop(false).output().await.internal()?;
        if said.status.success() || matches!(self.state().await?, State::Down) {
            return Ok(());
        }
        Err(self.failure(&text_of(&said)))
    }

    /// Says so when the running server was started with less than is asked for now.
    pub(super) fn warn_of_other_settings(&self, options: &Options) {
        let wanted = settings_text(options, 0);
        let running = fs::read_to_string(self.home.join("settings.conf")).unwrap_or_default();
        let without_port =
            |text: &str| text.lines().filter(|line| !line.starts_with("port")).map(str::to_owned).collect();
        let (wanted, running): (Vec<String>, Vec<String>) = (without_port(&wanted), without_port(&running));
        if wanted != running {
            tracing::warn!(folder = %self.home.path().display(), "the running PostgreSQL has other settings; stop it to have them changed");
        }
    }

    pub(super) fn failure(&self, reason: &str) -> Error {
        let text = format!(
            "PostgreSQL in {} does not start or stop: {}\nIts log is {}.",
            self.home.path().display(),
            reason.trim(),
            self.log().display()
        );
        Error::unavailable("postgres_failed", text)
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn log(&self) -> PathBuf {
        self.data().join("server.log")
    }

    /// Removes what killed runs left. An orphaned `initdb` may still be adding files: what resists goes next time.
    fn sweep(&self) -> Result<()> {
        for entry in fs::read_dir(self.home.path()).internal()?.flatten() {
            if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
                continue;
            }
            let gone = match entry.file_type() {
                Ok(kind) if kind.is_dir() => fs::remove_dir_all(entry.path()),
                _ => fs::remove_file(entry.path()),
            };
            if let Err(refusal) = gone {
                tracing::debug!(left = %entry.path().display(), %refusal, "an unfinished cluster is left for the next start");
            }
        }
        Ok(())
    }

    /// The port of the last time if nobody has taken it since, else another.
    fn free_port(&self) -> Result<u16> {
        let kept = read_if_there(&self.home.join("settings.conf"))?;
        let kept = kept.as_deref().and_then(port_in).and_then(|port| bound_port(port).ok());
        kept.map_or_else(|| bound_port(0).internal(), Ok)
    }

    /// Puts a log that has grown aside. Returns where this start's part of it begins.
    fn turn_log_over(&self) -> Result<u64> {
        let log = self.log();
        let length = log.metadata().map_or(0, |found| found.len());
        if length < LOG_LIMIT_BYTES {
            return Ok(length);
        }
        fs::rename(&log, log.with_extension("log.1")).internal()?;
        Ok(0)
    }

    fn log_since(&self, began: u64) -> String {
        let mut bytes = Vec::new();
        let read = File::open(self.log()).and_then(|mut log| {
            log.seek(SeekFrom::Start(began))?;
            log.take(1 << 20).read_to_end(&mut bytes)
        });
        match read {
            Ok(_) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => String::new(),
        }
    }
}

async fn initdb(
    binaries: &Binaries,
    account: Option<&Account>,
    durable: bool,
    data: &Path,
    password: &Path,
) -> Result<()> {
    let mut said = String::new();
    // Not every system has C.UTF-8; C differs only in what it calls a letter.
    for locale in ["C.UTF-8", "C"] {
        let mut initdb = account::command(binaries.program("initdb"), account);
        initdb.args(["--username=postgres", "--encoding=UTF8", "--auth=scram-sha-256", "--no-instructions"]);
        initdb.args(["--locale-provider=libc", &format!("--locale={locale}")]);
        if !durable {
            initdb.arg("--no-sync");
        }
        let output = initdb.arg("--pwfile").arg(password).arg("-D").arg(data).output().await.internal()?;
        if output.status.success() {
            return Ok(());
        }
        said = text_of(&output);
        if !said.contains("locale") {
            break;
        }
    }
    Err(Error::unavailable("postgres_failed", format!("initdb failed: {}", last_lines(&said).trim())))
}

/// Everything that differs from PostgreSQL's own defaults; the file that `initdb` writes is not used.
fn settings_text(options: &Options, port: u16) -> String {
    // synchronous_commit stays on: without it a killed server loses commits that were already answered, and with fsync
    // off it costs next to nothing.
    let durability = if options.durable {
        ""
    } else {
        "fsync = off\nfull_page_writes = off\n\
         wal_level = minimal\nmax_wal_senders = 0\ncheckpoint_timeout = 30min\n"
    };
    format!(
        "# Written at every start.\n\
         listen_addresses = '127.0.0.1'\n\
         port = {port}\n\
         unix_socket_directories = ''\n\
         max_connections = {}\n\
         shared_buffers = 128MB\n\
         max_locks_per_transaction = 256\n\
         jit = off\n\
         password_encryption = 'scram-sha-256'\n\
         timezone = 'UTC'\n\
         log_timezone = 'UTC'\n\
         lc_messages = 'C'\n\
         log_line_prefix = '%m [%p] %u@%d '\n\
         {durability}",
        options.max_connections
    )
}

fn port_in(settings: &str) -> Option<u16> {
    settings.lines().find_map(|line| line.strip_prefix("port = ")?.parse().ok())
}

/// Takes the port and lets it go again: whether it can be had. 0 takes any.
fn bound_port(port: u16) -> std::io::Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port))?.local_addr().map(|address| address.port())
}

fn shell_quoted(path: &Path) -> Result<String> {
    match path.to_str() {
        Some(text) if !text.contains('\n') => Ok(format!("'{}'", text.replace('\'', r"'\''"))),
        _ => Err(Error::invalid("dir", "not_a_path", "The folder's path must be UTF-8 and on one line.")),
    }
}

fn text_of(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let shown = lines.get(lines.len().saturating_sub(LOG_LINES_SHOWN)..).unwrap_or_default();
    shown.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_port_is_read_back_from_the_settings() {
        let options = Options { dir: "x".into(), max_connections: 7, durable: false, bin: None };
        assert_eq!(port_in(&settings_text(&options, 40_123)), Some(40_123));
        assert_eq!(port_in("listen_addresses = 'x'\n"), None);
    }

    #[test]
    fn a_durable_server_keeps_fsync() {
        let options = Options { dir: "x".into(), max_connections: 7, durable: true, bin: None };
        assert!(!settings_text(&options, 1).contains("fsync"));
    }

    #[test]
    fn a_path_with_quotes_stays_one_word_of_the_shell() {
        assert_eq!(shell_quoted(Path::new("/a b/it's")).unwrap(), r"'/a b/it'\''s'");
    }

    #[test]
    fn only_the_end_of_a_long_log_is_shown() {
        let log: Vec<String> = (0..100).map(|n| n.to_string()).collect();
        let shown = last_lines(&log.join("\n"));
        assert!(shown.starts_with("85\n") && shown.ends_with("99"), "{shown}");
    }
}
