//! Beside the queues that an operator would otherwise run, when the variable PEERS names a folder that holds them ready to start.
//!
//! The folder holds, besides what the Django peer needs, `queue/redis.sh` and `queue/worker.sh` (Celery), `nodeq/gw.sh`
//! (graphile-worker) and `queue/drive.py`, which fills a table of so many messages, enqueues them and waits until all were sent. Their provider
//! is the same as ours, on port 5591; each of theirs sends a message with two committed UPDATEs and one POST.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use super::{Bench, through::Costs};
use crate::{
    clock::Spent,
    peer::{first_number, script},
    process,
    table::{Line, Table},
};

const MESSAGES: &str = "10000";
const WARMING: &str = "200";
const ROUNDS: usize = 3;
const CELERY_TIMES: f64 = 12.0;
const GRAPHILE_TIMES: f64 = 3.0;

/// A queue, and how it is started, driven and stopped.
struct Queue {
    name: &'static str,
    start: (&'static str, &'static [&'static str]),
    pid: &'static str,
    /// Processes besides it that it needs.
    also: &'static [&'static str],
    word: &'static str,
    times: f64,
}

const QUEUES: [Queue; 2] = [
    Queue {
        name: "Celery (gevent, 64)",
        start: ("queue/worker.sh", &["start", "gevent", "64"]),
        pid: "queue/cel.pid",
        also: &["queue/redis.pid"],
        word: "celery",
        times: CELERY_TIMES,
    },
    Queue {
        name: "graphile-worker (local queue)",
        start: ("nodeq/gw.sh", &["start"]),
        pid: "nodeq/gw.pid",
        also: &[],
        word: "graphile",
        times: GRAPHILE_TIMES,
    },
];

/// Whatever was started is stopped.
struct Stops(PathBuf, Vec<&'static str>);

impl Drop for Stops {
    fn drop(&mut self) {
        for name in self.1.iter().rev() {
            let args: &[&str] = if name.ends_with("pg_stop.sh") { &[] } else { &["stop"] };
            script(&self.0, name, args);
        }
    }
}

pub async fn measure(bench: &Bench<'_>, folder: &str, ours: &Costs, table: &mut Table) {
    eprintln!("queues of others");
    let folder = Path::new(folder);
    script(folder, "pg_start.sh", &[]);
    let mut stops = Stops(folder.to_owned(), vec!["pg_stop.sh"]);
    script(folder, "queue/redis.sh", &["start"]);
    stops.1.push("queue/redis.sh");
    let postmaster = first_number(&folder.join("pg/postmaster.pid"));
    for queue in &QUEUES {
        script(folder, queue.start.0, queue.start.1);
        let _stop = Stops(folder.to_owned(), vec![queue.start.0]);
        let mut pids = vec![first_number(&folder.join(queue.pid))];
        pids.extend(queue.also.iter().map(|file| first_number(&folder.join(file))));
        drive(bench, folder, queue.word, WARMING).await;
        let mut costs = Costs::default();
        for _ in 0..ROUNDS {
            let (server, postgres) = (process::cpu_of(&pids), process::cpu_of(&[postmaster]));
            let lasted = drive(bench, folder, queue.word, MESSAGES).await;
            let spent = Spent(
                (process::cpu_of(&pids) - server).as_secs_f64(),
                (process::cpu_of(&[postmaster]) - postgres).as_secs_f64(),
            );
            costs.push(spent, lasted, 0.0);
        }
        let times = costs.us() / ours.us();
        let line = Line::new(format!("{MESSAGES} messages beside {}: CPU of each", queue.name), ours.shown())
            .beside(&format!("{}, {:.0}/s", queue.name, costs.rate()), &costs.shown(), times);
        table.push(line.bound(format!("at least {} x less", queue.times), times >= queue.times));
    }
}

/// Sends so many messages by way of a queue; how long that took from the first to the last.
async fn drive(bench: &Bench<'_>, folder: &Path, queue: &str, messages: &str) -> Duration {
    bench.gateway.forget();
    let mut command = Command::new(folder.join("venv/bin/python"));
    command
        .args(["drive.py", messages, queue])
        .current_dir(folder.join("queue"))
        .env("PEERS", folder)
        .stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .expect("it does not panic")
        .expect("the peers' python");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    said.split_whitespace()
        .find_map(|word| word.strip_prefix("secs=")?.parse().ok())
        .map(Duration::from_secs_f64)
        .unwrap_or_else(|| panic!("drive.py: {said}{}", String::from_utf8_lossy(&output.stderr)))
}
