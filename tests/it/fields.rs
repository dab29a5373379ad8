//! Fields: which of them each role is shown, and that no operation takes one that is only shown.
//!
//! What is expected stands in `tests/fields.txt`, reviewed by people like `tests/permissions.txt`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    fs,
    path::Path,
};

use serde_json::{Map, Value, json};

use crate::{
    foreign_ids::{Operation, Sides, furnished, ids_of, operations, own_passkey},
    harness::{Api, PASSWORD, text},
    isolation_http::rows_of,
    permissions::ROLES,
};

const SHOWN: &str = include_str!("../fields.txt");
/// What is one's own, and differs from person to person.
const ONES_OWN: [&str; 3] = ["/api/v1/me", "/api/v1/notices", "/api/v1/takeouts"];

/// The schema of the JSON that an operation answers with, if it does.
fn answered<'a>(operation: &'a Operation<'_>) -> Option<&'a Value> {
    let content = operation.says["responses"]["200"]["content"].as_object()?;
    content.iter().find(|(kind, _)| kind.starts_with("application/json")).map(|(_, body)| &body["schema"])
}

/// The names of all members, as `items.area.name`.
fn named(operation: &Operation<'_>, schema: &Value, at: &str, depth: usize, found: &mut BTreeSet<String>) {
    let schema = operation.resolve(schema);
    if let Some(items) = schema.get("items") {
        named(operation, items, at, depth, found);
    }
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema[key].as_array()).flatten();
    parts.for_each(|part| named(operation, part, at, depth, found));
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        // A tree holds itself.
        if depth < 6 {
            named(operation, property, &path, depth + 1, found);
        }
        found.insert(path);
    }
}

/// Members that have a value somewhere in an answer, and lists that are empty.
#[derive(Default)]
struct Seen {
    given: BTreeSet<String>,
    empty: BTreeSet<String>,
}

impl Seen {
    fn of(answer: &Value) -> Self {
        let mut seen = Self::default();
        seen.look(answer, "");
        seen
    }

    fn look(&mut self, value: &Value, at: &str) {
        match value {
            Value::Null => return,
            Value::Array(items) if items.is_empty() => drop(self.empty.insert(at.to_owned())),
            Value::Array(items) => items.iter().for_each(|item| self.look(item, at)),
            Value::Object(members) => {
                for (name, value) in members {
                    self.look(value, &if at.is_empty() { name.clone() } else { format!("{at}.{name}") });
                }
            }
            _ => {}
        }
        if !at.is_empty() {
            self.given.insert(at.to_owned());
        }
    }

    /// What others were given and this one was not, though it was given something there.
    fn without(&self, others: &Self) -> Vec<String> {
        let is_empty = |path: &str| self.empty.iter().any(|empty| path.starts_with(&format!("{empty}.")));
        let missing = others.given.difference(&self.given);
        missing.filter(|path| !is_empty(path)).cloned().collect()
    }
}

async fn seen_by(api: &Api, path: &str) -> Option<Seen> {
    let answer = api.get(path).await;
    (answer.status == 200).then(|| Seen::of(&answer.json()))
}

/// Each operation that shows something, all that it may show, and what a role that may ask is not given of what the owner is.
#[tokio::test]
async fn each_role_is_shown_what_the_file_says() {
    let (acme, api) = furnished().await;
    let document = api.get("/api/openapi.json").await.expect(200);
    let rights = api.get("/api/v1/permissions").await.expect(200);
    let rights =
        rights["items"].as_array().unwrap().iter().flat_map(|group| group["permissions"].as_array().unwrap());
    let views: Vec<String> =
        rights.map(|right| text(right, "/code")).filter(|code| code.ends_with(".view")).collect();
    assert!(views.len() > 10, "{views:?}");
    let mut others = Vec::new();
    for role in &ROLES[1..] {
        let person = acme.person_with(&acme.role(role).await).await;
        others.push(((*role).to_owned(), acme.api_as(&person.email, PASSWORD).await));
    }
    for right in views {
        let person = acme.person(&[right.as_str()]).await;
        let api = acme.api_as(&person.email, PASSWORD).await;
        others.push((right, api));
    }
    own_passkey(&acme).await;
    let sides = Sides { own: ids_of(&api, &document).await, foreign: BTreeMap::new() };
    let mut shown = String::new();
    let mut looked_at = 0;
    for operation in operations(&document) {
        let Some(schema) = answered(&operation).filter(|_| operation.method == "GET") else { continue };
        let mut fields = BTreeSet::new();
        named(&operation, schema, "", 0, &mut fields);
        let fields: Vec<String> = fields.into_iter().collect();
        writeln!(shown, "{}\n  {}", operation.name(), fields.join(" ")).unwrap();
        if ONES_OWN.iter().any(|own| operation.path.starts_with(own)) {
            continue;
        }
        let query = operation.needed_query().join("&");
        let path = format!("{}?{query}", operation.path_with(&sides, None));
        let Some(whole) = seen_by(&api, &path).await else { continue };
        looked_at += 1;
        for (role, other) in &others {
            let Some(part) = seen_by(other, &path).await else { continue };
            let missing = part.without(&whole);
            if !missing.is_empty() {
                writeln!(shown, "  {role} without {}", missing.join(" ")).unwrap();
            }
            assert_eq!(whole.without(&part), [""; 0], "{role} is shown more than the owner by {path}");
        }
    }
    assert!(looked_at > 100, "only {looked_at} could be looked at");
    let expected: Vec<&str> =
        SHOWN.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect();
    if shown.lines().collect::<Vec<_>>() != expected {
        let here = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fields.txt");
        fs::write(&here, &shown).unwrap();
        let new: Vec<&str> = shown.lines().filter(|line| !expected.contains(line)).collect();
        panic!(
            "what is shown is not what tests/fields.txt says; it is in {}:\n{}",
            here.display(),
            new.join("\n")
        );
    }
}

/// `body` with a member of each of these names in every object that its schema describes, and where they were put.
fn stuffed(
    operation: &Operation<'_>,
    schema: &Value,
    body: Value,
    names: &BTreeSet<String>,
    at: &str,
    put: &mut Vec<String>,
) -> Value {
    let schema = operation.resolve(schema);
    match (body, schema["properties"].as_object()) {
        (Value::Object(members), Some(known)) if !known.is_empty() => {
            let below = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
            let mut stuffed_members = Map::new();
            for (name, value) in members {
                let inner = known.get(&name).unwrap_or(&Value::Null);
                let value = stuffed(operation, inner, value, names, &below(&name), put);
                stuffed_members.insert(name, value);
            }
            for name in names.iter().filter(|name| !known.contains_key(*name)) {
                put.push(below(name));
                stuffed_members.insert(name.clone(), json!("x"));
            }
            Value::Object(stuffed_members)
        }
        (Value::Array(items), _) => {
            let each =
                |(n, item)| stuffed(operation, &schema["items"], item, names, &format!("{at}[{n}]"), put);
            Value::Array(items.into_iter().enumerate().map(each).collect())
        }
        (other, _) => other,
    }
}

/// Every field that any operation shows is sent to every operation that takes a body and does not list it there: each is refused by
/// its name, and nothing changes.
#[tokio::test]
async fn no_operation_takes_a_field_that_is_only_shown() {
    let (acme, api) = furnished().await;
    own_passkey(&acme).await;
    let document = api.get("/api/openapi.json").await.expect(200);
    let sides = Sides { own: ids_of(&api, &document).await, foreign: BTreeMap::new() };
    let all = operations(&document);
    let mut readable = BTreeSet::new();
    for operation in &all {
        let mut fields = BTreeSet::new();
        answered(operation).into_iter().for_each(|schema| named(operation, schema, "", 0, &mut fields));
        readable.extend(fields.iter().map(|path| path.rsplit('.').next().unwrap().to_owned()));
    }
    assert!(readable.len() > 300, "{}", readable.len());
    let before = rows_of(&acme).await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for operation in &all {
        let Some(schema) = operation.body_schema() else { continue };
        let mut put = Vec::new();
        let body = operation.body(schema, &sides, "", None);
        let body = stuffed(operation, schema, body, &readable, "", &mut put);
        if put.is_empty() {
            wrong.push(format!("{} lists no fields", operation.name()));
            continue;
        }
        tried += 1;
        let path = operation.path_with(&sides, None);
        let answer = api.json(operation.method.clone(), &path, body).await;
        let refused: BTreeSet<String> = answer.wrong_fields().into_iter().collect();
        let taken: Vec<&String> = put.iter().filter(|field| !refused.contains(*field)).collect();
        if answer.status != 422 || !taken.is_empty() {
            wrong.push(format!(
                "{} answered {} and said nothing of {taken:?}",
                operation.name(),
                answer.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 100, "only {tried} were tried");
    assert_eq!(rows_of(&acme).await, before);
}
