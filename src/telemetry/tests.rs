//! What is said of metrics holds: the program's own list, the documents, and what watches it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::metrics::METRICS;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(folder: &Path, extensions: &[&str], found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extensions, found);
        } else if path.extension().is_some_and(|extension| extensions.iter().any(|e| extension == *e)) {
            found.push(path);
        }
    }
}

/// Words that begin with `lastmile_`, behind this.
fn words_behind(text: &str, before: &str) -> BTreeSet<String> {
    let start = format!("{before}lastmile_");
    let rest = text.match_indices(&start).filter_map(|(at, _)| text.get(at + before.len()..));
    rest.map(|rest| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect()).collect()
}

fn listed() -> BTreeSet<String> {
    METRICS.iter().map(|(_, name, _)| (*name).to_owned()).collect()
}

/// Also the series that a histogram is made of.
fn series() -> BTreeSet<String> {
    let mut all = listed();
    for suffix in ["_bucket", "_sum", "_count"] {
        all.extend(listed().into_iter().map(|name| format!("{name}{suffix}")));
    }
    all
}

#[test]
fn every_metric_that_is_written_is_listed_and_every_listed_one_is_written() {
    let mut sources = Vec::new();
    files(&at("src"), &["rs"], &mut sources);
    let mut written = BTreeSet::new();
    for path in sources.iter().filter(|path| !path.ends_with("telemetry/tests.rs")) {
        let text = fs::read_to_string(path).unwrap();
        for before in
            ["counter!(\"", "gauge!(\"", "histogram!(\"", ".set(\"", "GAUGE: &str = \"", "SEND: &str = \""]
        {
            written.extend(words_behind(&text, before));
        }
        for before in ["REQUESTS: &str = \"", "DURATION: &str = \""] {
            written.extend(words_behind(&text, before));
        }
    }
    assert_eq!(written, listed());
}

#[test]
fn every_metric_is_explained_to_those_who_run_it() {
    let text = fs::read_to_string(at("docs/operations.md")).unwrap();
    let text = text.replace(
        "lastmile_db_pool_{size,available,waiting}",
        "lastmile_db_pool_size lastmile_db_pool_available lastmile_db_pool_waiting",
    );
    let explained: BTreeSet<String> =
        ["`", " "].iter().flat_map(|before| words_behind(&text, before)).collect();
    let missing: Vec<String> = listed().difference(&explained).cloned().collect();
    assert!(missing.is_empty(), "not in docs/operations.md: {missing:?}");
}

#[test]
fn boards_and_rules_ask_for_what_there_is() {
    let mut watching = Vec::new();
    files(&at("infra/monitoring"), &["json", "yaml"], &mut watching);
    assert!(watching.len() >= 4, "{watching:?}");
    let known = series();
    for path in watching {
        let text = fs::read_to_string(&path).unwrap();
        let asked = words_behind(&text, "");
        let unknown: Vec<&String> = asked.difference(&known).collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
        if path.extension().is_some_and(|extension| extension == "json") {
            let board: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert!(
                board["panels"].as_array().is_some_and(|panels| !panels.is_empty()),
                "{}",
                path.display()
            );
        }
    }
}

#[test]
fn a_histogram_has_buckets() {
    let metrics = super::Metrics::new().unwrap();
    metrics.install();
    metrics::histogram!("lastmile_send_seconds", "provider" => "hubtel").record(0.2);
    let text = metrics.render();
    // Another test of this process may have been quicker with its recorder.
    if text.contains("lastmile_send_seconds") {
        assert!(text.contains("lastmile_send_seconds_bucket"), "{text}");
    }
}
