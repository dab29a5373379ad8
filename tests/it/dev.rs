//! `lastmile dev`: from nothing to a demo provider, and back again after a kill.

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::json;
use tempfile::TempDir;

use crate::harness::Api;

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_lastmile");

/// A running `lastmile dev`, and what it printed.
pub struct Dev {
    child: Child,
    said: String,
}

impl Dev {
    /// Starts it and waits for the addresses.
    pub fn start(folder: &Path) -> Self {
        let mut child = Command::new(PROGRAM)
            .args(["dev", "--customers", "60", "--set", "listen=127.0.0.1:0"])
            .current_dir(folder)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
            said.push_str(&line);
            said.push('\n');
            if line.contains("Ctrl-C stops it") {
                return Self { child, said };
            }
        }
        let _ = child.kill();
        panic!("it did not start:\n{said}");
    }

    pub fn api(&self) -> Api {
        let line = self.said.lines().find(|line| line.contains("Demo portal")).unwrap();
        let port = line.rsplit(':').next().unwrap().trim().parse::<u16>().unwrap();
        Api::new(([127, 0, 0, 1], port).into(), "cdeo.localhost")
    }

    pub fn password(&self, email: &str) -> String {
        let line =
            self.said.lines().find(|line| line.contains(email)).unwrap_or_else(|| panic!("{}", self.said));
        line.split_whitespace().last().unwrap().to_owned()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Stops the PostgreSQL of a folder, whatever became of the test.
pub struct Stops<'a>(pub &'a Path);

impl Drop for Stops<'_> {
    fn drop(&mut self) {
        let _ = Command::new(PROGRAM)
            .args(["postgres", "--stop", "--dir", ".lastmile/pg"])
            .current_dir(self.0)
            .output();
    }
}

#[tokio::test]
async fn it_starts_is_killed_and_starts_again() {
    let folder = TempDir::new().unwrap();
    let _stops = Stops(folder.path());
    let mut first = Dev::start(folder.path());
    let password = first.password("owner@cdeo.example");
    for role in ["admin", "cashier", "technician", "support", "viewer"] {
        let email = format!("{role}@cdeo.example");
        let body = json!({"email": email, "password": first.password(&email)});
        first.api().post("/api/v1/auth/token", body).await.expect_status(200);
    }
    let sign_in = json!({"email": "owner@cdeo.example", "password": password});
    let token = first.api().post("/api/v1/auth/token", sign_in.clone()).await.expect(200);
    let api = first.api().bearer(token["access_token"].as_str().unwrap());
    let customers = api.get("/api/v1/customers?limit=1&total=true").await.expect(200);
    assert_eq!(customers["total"], 60);
    first.child.kill().unwrap();
    first.child.wait().unwrap();

    let began = Instant::now();
    let mut second = Dev::start(folder.path());
    assert!(
        began.elapsed() < Duration::from_secs(15),
        "a second start takes seconds, not {:?}",
        began.elapsed()
    );
    assert!(!second.said.contains(&password) && second.said.contains("user reset-link"), "{}", second.said);
    second.api().post("/api/v1/auth/token", sign_in).await.expect_status(200);
    // Other commands find the deployment of the folder by themselves.
    let link = Command::new(PROGRAM)
        .args(["user", "reset-link", "owner@cdeo.example", "--tenant", "cdeo"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(link.status.success(), "{}", String::from_utf8_lossy(&link.stderr));
    assert!(String::from_utf8_lossy(&link.stdout).contains("http://cdeo.localhost:"), "{link:?}");

    Command::new("kill").args(["-INT", &second.child.id().to_string()]).status().unwrap();
    assert!(second.child.wait().unwrap().success());
    let stopped = Command::new(PROGRAM)
        .args(["postgres", "--stop", "--dir", ".lastmile/pg"])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert_eq!(
        String::from_utf8_lossy(&stopped.stderr).trim(),
        "not running",
        "Ctrl-C stopped PostgreSQL, too"
    );
}
