//! Whether a server runs in a folder. `postmaster.pid` claims it; the claim is checked, because after a crash the number
//! may by now belong to another program.

use std::{fs, path::Path};

use tokio_postgres::error::SqlState;

use super::{account, connection, home::read_if_there};
use crate::error::{Error, Result};

#[derive(Debug)]
pub(super) enum State {
    Down,
    /// Answers as ours.
    Up {
        port: u16,
    },
    /// A process of ours is there and does not answer: it is coming up, recovering or going down.
    Changing {
        reason: String,
    },
}

/// The lines of `postmaster.pid` that are of use.
#[derive(Debug, PartialEq, Eq)]
struct Claim {
    pid: u32,
    /// Written a moment after the first line.
    port: Option<u16>,
}

/// What runs on the cluster in `data`. A claim that is provably another program's is removed, since it would keep
/// PostgreSQL from starting.
pub(super) async fn state(data: &Path, password: &str) -> Result<State> {
    let pid_file = data.join("postmaster.pid");
    let Some(text) = read_if_there(&pid_file)? else { return Ok(State::Down) };
    let Some(claim) = Claim::read(&text) else {
        // Not written yet, or cut by a full disk: PostgreSQL itself decides about such a file.
        return Ok(State::Down);
    };
    let silence = match claim.port {
        Some(port) => match connection::is_cluster_at(port, password, data).await {
            Ok(true) => return Ok(State::Up { port }),
            Ok(false) => None,
            Err(refusal) => Some(refusal),
        },
        None => None,
    };
    let Some(command_line) = command_line(claim.pid).await else { return Ok(State::Down) };
    if !command_line.iter().any(|word| Path::new(word) == data) {
        tracing::info!(pid = claim.pid, "postmaster.pid names another program's process; it is removed");
        drop(fs::remove_file(&pid_file));
        return Ok(State::Down);
    }
    if silence.as_ref().and_then(tokio_postgres::Error::code) == Some(&SqlState::INVALID_PASSWORD) {
        return Err(Error::unavailable(
            "postgres_password_wrong",
            format!("The server in {} does not accept the password kept beside it.", data.display()),
        ));
    }
    let reason = silence.map_or_else(|| "it is still starting".to_owned(), |refusal| refusal.to_string());
    Ok(State::Changing { reason: format!("process {} does not answer ({reason})", claim.pid) })
}

impl Claim {
    fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let pid = lines.next()?.parse().ok()?;
        let port = lines.nth(2).and_then(|port| port.parse().ok());
        Some(Self { pid, port })
    }
}

/// The words that a process was started with; empty for one that is dead and not yet buried, None when there is none.
async fn command_line(pid: u32) -> Option<Vec<String>> {
    if Path::new("/proc/self/cmdline").exists() {
        let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        return Some(
            words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect(),
        );
    }
    // Elsewhere only the joined line is to be had: every rest of it is offered, so that a path with blanks is found.
    let answer =
        account::command("ps", None).args(["-o", "args=", "-p", &pid.to_string()]).output().await.ok()?;
    let line = String::from_utf8_lossy(&answer.stdout).trim().to_owned();
    answer.status.success().then(|| {
        let (_, after) = line.split_once(" -D ").unwrap_or_default();
        let ends = after.match_indices(" -").filter_map(|(end, _)| after.get(..end));
        ends.chain([after]).map(str::to_owned).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_is_read_while_it_is_still_being_written() {
        let whole = "4711\n/data\n1690000000\n40123\n\n127.0.0.1\n  1234 5\nready   \n";
        assert_eq!(Claim::read(whole), Some(Claim { pid: 4711, port: Some(40_123) }));
        assert_eq!(Claim::read("4711\n/data\n"), Some(Claim { pid: 4711, port: None }));
        assert_eq!(Claim::read(""), None);
        assert_eq!(Claim::read("what\n"), None);
    }

    #[tokio::test]
    async fn the_words_of_a_process_are_found_and_a_missing_process_has_none() {
        let mine = command_line(std::process::id()).await.unwrap();
        assert!(!mine.is_empty());
        assert_eq!(command_line(u32::MAX - 1).await, None);
    }
}
