//! The floors of the house and the bans that no lint can express, held against the tree.
//!
//! ARCHITECTURE.md explains the floors; this table is what counts.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A room and how high it lies. A file may name rooms that lie strictly lower than its own, and those of [`EDGES`].
const ROOMS: &[(&str, u32)] = &[
    // Floor 0: parsed values, the meaning of failure, settings, pools, bytes. web and db do not know each other.
    ("words", 0),
    ("error", 1),
    ("types", 2),
    ("config", 3),
    ("trace", 3),
    ("outbound", 4),
    ("sheets", 4),
    ("print", 4),
    ("db", 5),
    ("web", 5),
    // Floor 1: who the tenants are.
    ("tenancy", 10),
    // Floor 2: what is hidden, kept, due, told and remembered; on top of them who may.
    ("secrets", 20),
    ("files", 21),
    ("certificates", 21),
    ("jobs", 21),
    ("events", 22),
    ("mail", 22),
    ("audit", 23),
    ("access", 24),
    ("telemetry", 25),
    // Floor 3: the features.
    ("assistant", 30),
    ("bookings", 30),
    ("campaigns", 30),
    ("inbox", 30),
    ("insight", 30),
    ("integrations", 30),
    ("isp", 30),
    ("messaging", 30),
    // What the platform asks its providers for.
    ("invoicing", 35),
    // Floor 4: the control plane's own pages and API, the shared shell.
    ("platform", 40),
    ("portal", 40),
    ("backup", 41),
    ("telemetry", 41),
    ("demo", 42),
    // Floor 5 and 6: the composition root, the commands.
    ("app", 50),
    ("cli", 60),
    ("lib", 70),
    ("main", 71),
];

/// The one-way edges between rooms of one height.
const EDGES: &[(&str, &str)] =
    &[("isp", "messaging"), ("campaigns", "messaging"), ("inbox", "messaging"), ("bookings", "messaging")];

const LINES_MAX: usize = 600;
/// Tests tell one story after the other; they may be longer.
const TEST_LINES_MAX: usize = 900;

/// Who may leave a ban, and why. The list may only shrink.
const EXCEPTIONS: &[(&str, &str)] = &[
    // Finding programs and the user that PostgreSQL runs as is about the machine, not about settings.
    ("src/db/embedded/binaries.rs", "environment"),
    ("src/db/embedded/account.rs", "environment"),
];

#[test]
fn the_tree_keeps_to_its_floors_and_bans() {
    let mut broken = Vec::new();
    for (path, text) in sources() {
        broken.extend(rules_broken(&path, &text));
    }
    assert!(broken.is_empty(), "{} rules are broken:\n{}", broken.len(), broken.join("\n"));
}

#[test]
fn no_exception_outlives_its_reason() {
    let tree: BTreeMap<String, String> = sources().into_iter().collect();
    for (path, ban) in EXCEPTIONS {
        let text = tree.get(*path).unwrap_or_else(|| panic!("{path} is gone: take its exception away"));
        assert!(bans_broken(path, text).iter().any(|b| b.0 == *ban), "{path} no longer needs {ban}");
    }
}

#[test]
fn each_rule_bites() {
    for (path, text, expected) in [
        ("src/web/form.rs", "use crate::db::Db;", "floor: web names db"),
        ("src/db/pool.rs", "use crate::{error::Result, web::{Host, Json}};", "floor: db names web"),
        ("src/tenancy/place.rs", "fn f() { crate::access::gate() }", "floor: tenancy names access"),
        ("src/isp/areas/rules.rs", "use crate::campaigns::Audience;", "floor: isp names campaigns"),
        (
            "src/isp/areas/rules.rs",
            "use super::super::super::campaigns::Audience;",
            "floor: climbs out of its room",
        ),
        ("src/messaging/send.rs", "use crate::isp::Customer;", "floor: messaging names isp"),
        (
            "src/audit/seal.rs",
            "use crate::{\n    access::{By, Right},\n    db::Db,\n};",
            "floor: audit names access",
        ),
        ("src/new_room/mod.rs", "use crate::error::Result;", "floor: new_room is in no floor"),
        ("src/isp/areas/store.rs", "const S: &str = \"SELECT * FROM area\";", "star"),
        ("src/isp/areas/store.rs", "const S: &str = \"INSERT INTO area VALUES ($1) RETURNING *\";", "star"),
        ("migrations_tenant/V9__x.sql", "CREATE VIEW v AS SELECT  * FROM area;", "star"),
        ("src/isp/areas/rules.rs", "db.as_owner(async |tx| Ok(())).await", "owner"),
        ("src/access/gate.rs", "let room = Room::from_registry(id, schema, 1);", "room"),
        ("src/isp/areas/store.rs", "let sql = format!(\"SELECT id FROM {table}\");", "made_sql"),
        (
            "src/isp/areas/store.rs",
            "let sql = format!(\n    \"\n  UPDATE area SET {column} = $1\"\n);",
            "made_sql",
        ),
        ("src/isp/areas/store.rs", "let sql: &'static str = sql.leak();", "leak"),
        ("src/isp/areas/store.rs", "let sql = Box::leak(sql.into_boxed_str());", "leak"),
        ("src/isp/areas/mod.rs", "pub mod store;", "open_store"),
        ("src/app/front.rs", "let home = std::env::var(\"HOME\");", "environment"),
        ("src/app/front.rs", "let home = env::var_os(\"HOME\");", "environment"),
        ("src/app/front.rs", "// TODO: later", "left_behind"),
        ("src/app/front.rs", "// FIXME later", "left_behind"),
        ("templates/areas/list.html", "{{ area.name | safe }}", "safe"),
        ("templates/areas/list.html", "{{ area.name|safe }}", "safe"),
        ("src/web/utils.rs", "", "name"),
        ("src/web/helpers/mod.rs", "", "name"),
        ("src/web/long.rs", &"\n".repeat(LINES_MAX + 1), "long"),
    ] {
        let broken = rules_broken(path, text);
        let bitten = broken.len() == 1 && broken[0].contains(expected);
        assert!(bitten, "{path} with {text:?} should break {expected:?}, but: {broken:?}");
    }
}

#[test]
fn what_is_allowed_is_let_be() {
    for (path, text) in [
        ("src/access/by.rs", "use crate::{audit::{self, Event}, tenancy::Tenant};"),
        ("src/isp/areas/rules.rs", "use crate::messaging::Message;"),
        ("src/isp/areas/rules.rs", "// see crate::campaigns\nuse super::super::search::Found;"),
        ("src/isp/areas/store.rs", "const S: &str = \"SELECT count(*) FROM area\";"),
        (
            "src/tenancy/provisioning.rs",
            "db.as_owner(f); let sql = format!(\"DROP SCHEMA {s}\"); Room::from_registry(a, b, c);",
        ),
        ("src/isp/areas/tests.rs", "use crate::campaigns::Audience;"),
        ("src/isp/areas/mod.rs", "mod store;\n#[cfg(test)]\nmod tests { use crate::campaigns::X; }"),
        ("src/isp/areas/pages.rs", "let text = format!(\"Selected {n}\");"),
    ] {
        let broken = rules_broken(path, text);
        assert!(broken.is_empty(), "{path} with {text:?} breaks {broken:?}");
    }
}

/// Every source of the program, with its path from the root.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for (folder, ending) in [
        ("src", "rs"),
        ("tests", "rs"),
        ("benches", "rs"),
        ("templates", "html"),
        ("migrations_public", "sql"),
        ("migrations_tenant", "sql"),
    ] {
        collect(&root.join(folder), ending, &mut found);
    }
    assert!(found.len() > 100, "the tree was not found");
    found
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            (path.strip_prefix(root).unwrap().to_str().unwrap().to_owned(), text)
        })
        .collect()
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "node_modules") {
                collect(&path, ending, found);
            }
        } else if path.extension().is_some_and(|e| e == ending) {
            found.push(path);
        }
    }
}

fn rules_broken(path: &str, text: &str) -> Vec<String> {
    let mut broken: Vec<String> = bans_broken(path, text)
        .into_iter()
        .filter(|(ban, _)| !EXCEPTIONS.contains(&(path, ban)))
        .map(|(ban, why)| format!("{path}: {ban}: {why}"))
        .collect();
    if path.starts_with("src/") {
        broken.extend(floors_broken(path, text).into_iter().map(|what| format!("{path}: floor: {what}")));
    }
    broken
}

fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap();
    path.starts_with("tests/") || name.starts_with("tests") || path.contains("/tests/")
}

/// The program's own part of a file: what stands before its inline tests, without comments.
fn program_part(path: &str, text: &str) -> String {
    if is_test(path) {
        return String::new();
    }
    let own = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    own.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn room_of(path: &str) -> &str {
    let first = path.strip_prefix("src/").unwrap().split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

fn height(room: &str) -> Option<u32> {
    ROOMS.iter().find(|(name, _)| *name == room).map(|(_, height)| *height)
}

fn floors_broken(path: &str, text: &str) -> Vec<String> {
    let own = room_of(path);
    if own == "lib" {
        return Vec::new();
    }
    let Some(own_height) = height(own) else { return vec![format!("{own} is in no floor")] };
    let text = program_part(path, text);
    let mut broken = Vec::new();
    for named in rooms_named(&text) {
        let fine = named == own
            || height(&named).is_some_and(|height| height < own_height)
            || EDGES.contains(&(own, &named));
        if !fine {
            broken.push(format!("{own} names {named}"));
        }
    }
    let inner = path.strip_prefix("src/").unwrap().trim_end_matches(".rs").trim_end_matches("/mod");
    let depth = inner.split('/').count();
    if text.contains(&format!("{}::", vec!["super"; depth].join("::"))) {
        broken.push("climbs out of its room".into());
    }
    broken
}

/// The rooms that a text reaches by `crate::`, alone or in braces.
fn rooms_named(text: &str) -> Vec<String> {
    let mut named = Vec::new();
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => named.extend(word_at(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut is_start = true;
                for (i, c) in list.char_indices() {
                    match c {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' if depth == 0 => is_start = true,
                        c if is_start && !c.is_whitespace() => {
                            named.extend(word_at(&list[i..]));
                            is_start = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    // Macros of the crate's root are no room.
    named.retain(|name| name != "rights");
    named.sort();
    named.dedup();
    named
}

fn word_at(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

/// Which bans a file breaks, and why there is such a ban.
fn bans_broken(path: &str, text: &str) -> Vec<(&'static str, &'static str)> {
    let mut broken = Vec::new();
    let mut ban = |is_broken: bool, name, why| {
        if is_broken {
            broken.push((name, why));
        }
    };
    let most = if is_test(path) { TEST_LINES_MAX } else { LINES_MAX };
    ban(text.lines().count() > most, "long", "split the file by noun");
    let vague = ["utils", "util", "helpers", "common", "manager", "service", "misc"];
    let parts = path.trim_end_matches(".rs").split('/');
    ban(parts.into_iter().any(|part| vague.contains(&part)), "name", "name it by what it is");
    if path.ends_with(".html") {
        let squeezed: String = text.split_whitespace().collect();
        ban(squeezed.contains("|safe"), "safe", "a template never prints unescaped text");
        return broken;
    }
    let code = program_part(path, text);
    let words = one_spaced(&code).to_lowercase();
    ban(
        words.replace("select * from unnest(", "").contains("select *") || words.contains("returning *"),
        "star",
        "columns are listed, or cached statements break when a migration adds one",
    );
    if !path.starts_with("src/") || is_test(path) {
        return broken;
    }
    let marks = ["TODO", "FIXME", "XXX", "HACK"];
    ban(marks.iter().any(|mark| text.contains(mark)), "left_behind", "finish it, or open an issue");
    let room = room_of(path);
    let is_close_to_schemas = matches!(room, "db" | "tenancy" | "backup");
    ban(!is_close_to_schemas && code.contains(".as_owner("), "owner", "the owner role is tenancy's alone");
    ban(
        !matches!(room, "db" | "tenancy") && code.contains("Room::from_registry"),
        "room",
        "a room made up elsewhere is a way around the resolver",
    );
    ban(
        !is_close_to_schemas && makes_sql(&code),
        "made_sql",
        "statements are constants; values are parameters",
    );
    ban(
        code.contains(".leak()") || code.contains("Box::leak("),
        "leak",
        "a leaked text would pass for a constant statement",
    );
    ban(code.contains("pub mod store"), "open_store", "a feature's tables are its own");
    ban(
        room != "config"
            && ["env::var(", "env::var_os(", "env::vars("].iter().any(|call| code.contains(call)),
        "environment",
        "settings come in through config.rs",
    );
    broken
}

fn one_spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether a text that begins like a statement is put together at run time.
fn makes_sql(code: &str) -> bool {
    const VERBS: [&str; 14] = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE ",
        "WITH ",
        "GRANT ",
        "REVOKE ",
        "CREATE ",
        "ALTER ",
        "DROP ",
        "SET ",
        "COPY ",
        "BEGIN",
        "TRUNCATE ",
    ];
    code.match_indices("format!(").any(|(at, call)| {
        let rest = code[at + call.len()..].trim_start();
        rest.strip_prefix('"').is_some_and(|literal| {
            let literal = one_spaced(&literal.chars().take(60).collect::<String>());
            VERBS.iter().any(|verb| literal.starts_with(verb))
        })
    })
}
