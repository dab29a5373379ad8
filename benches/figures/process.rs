//! What processes use, as Linux counts it in /proc.

use std::{collections::HashMap, fs, time::Duration};

/// Linux counts in hundredths of a second wherever this runs.
const TICKS_PER_SECOND: u64 = 100;

struct Stat {
    parent: u32,
    ticks: u64,
}

/// `utime`, `stime` and those of children that have ended.
fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().filter_map(|field| field.parse::<u64>().ok()).sum();
    Some(Stat { parent: fields.get(1)?.parse().ok()?, ticks })
}

fn all() -> HashMap<u32, Stat> {
    fs::read_dir("/proc")
        .expect("this needs /proc: the figures are measured on Linux")
        .flatten()
        .filter_map(|entry| entry.file_name().to_string_lossy().parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?)))
        .collect()
}

/// CPU time so far of these processes and all below them.
pub fn cpu_of(roots: &[u32]) -> Duration {
    let every = all();
    let below = |mut pid: u32| loop {
        if roots.contains(&pid) {
            return true;
        }
        match every.get(&pid) {
            Some(stat) if stat.parent > 1 => pid = stat.parent,
            _ => return false,
        }
    };
    let ticks: u64 = every.iter().filter(|(pid, _)| below(**pid)).map(|(_, stat)| stat.ticks).sum();
    Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
}

pub fn parent_of(pid: u32) -> Option<u32> {
    stat(pid).map(|stat| stat.parent)
}

/// The memory of a process in MiB: its own pages, and its share of those that it has in common with others (PSS).
pub fn memory_of(pid: u32) -> f64 {
    let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let kib: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix("Pss:"))
        .and_then(|rest| rest.trim().trim_end_matches("kB").trim().parse().ok())
        .unwrap_or(0.0);
    kib / 1024.0
}

/// CPU time that the whole machine has used so far, whoever used it.
pub fn machine() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<u64> = text
        .lines()
        .next()
        .map(|line| line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect())
        .unwrap_or_default();
    // user, nice, system, idle, iowait, irq, softirq, steal
    let busy: u64 = [0, 1, 2, 5, 6, 7].iter().filter_map(|at| fields.get(*at)).sum();
    Duration::from_millis(busy * 1000 / TICKS_PER_SECOND)
}

/// The most memory that a process has, looked at ten times a second until it is asked for.
pub struct Peak {
    stop: tokio_util::sync::CancellationToken,
    task: tokio::task::JoinHandle<f64>,
}

impl Peak {
    pub fn watch(pid: u32) -> Self {
        let stop = tokio_util::sync::CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut most = memory_of(pid);
            while !stopped.is_cancelled() {
                tokio::time::sleep(Duration::from_millis(100)).await;
                most = most.max(memory_of(pid));
            }
            most
        });
        Self { stop, task }
    }

    /// In MiB.
    pub async fn most(self) -> f64 {
        self.stop.cancel();
        self.task.await.expect("it does not panic")
    }
}
