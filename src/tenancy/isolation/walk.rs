//! The walk over HTTP: every operation of the API with one tenant's credential against another tenant's ids, host and header.
//!
//! It writes where a wall is open, so it is for two tenants of one's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{
    Finding, Report, Weight,
    sample::{Ids, has_ids, sample},
};
use crate::error::{Error, OrInternal, Result};

const TRIES: usize = 5;
/// Fields that change because somebody looked, or by themselves: `position` is an audit event's place once it is sealed.
const VOLATILE: &[&str] = &["last_used_at", "last_seen_at", "last_signed_in_at", "expires_in", "position"];

/// A tenant, its host, and a credential of its owner: an API key with every scope, or an access token.
#[derive(Debug, Clone)]
pub struct Visitor {
    pub slug: String,
    pub host: String,
    pub credential: SecretString,
}

/// Walks the API at `url` as `a` against everything of `b`. `api_host` is the host that goes by `X-Tenant-ID`.
pub async fn walk(url: &str, api_host: &str, a: &Visitor, b: &Visitor) -> Result<Report> {
    let client = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()
        .internal()?;
    let mut walk = Walk { client, url: url.trim_end_matches('/'), api_host, a, b, report: Report::default() };
    let document = walk.document().await?;
    let operations = operations_of(&document);
    let (ids, before) = walk.look_at_b(&operations).await?;
    if ids.is_empty() {
        return Err(Error::invalid("b", "empty", "The second tenant shows no rows to try for: add some."));
    }
    for operation in operations.iter().filter(|operation| operation.is_secured) {
        walk.try_operation(&document, operation, &ids).await?;
    }
    let (_, after) = walk.look_at_b(&operations).await?;
    for (path, was) in &before {
        if after.get(path) != Some(was) {
            walk.find("changed", path, "the other tenant's data is not what it was before the walk");
        }
    }
    walk.report.checks = operations.len();
    Ok(walk.report)
}

/// One operation of the document.
struct Operation {
    method: reqwest::Method,
    path: String,
    is_secured: bool,
    body: Option<Value>,
    id_queries: Vec<String>,
}

impl Operation {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    fn takes_id(&self) -> bool {
        self.path.contains('{')
    }

    /// The path with `id` in every place that takes one.
    fn path_with(&self, id: &str) -> String {
        let mut filled = String::new();
        let mut rest = self.path.as_str();
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            filled.push_str(id);
            rest = after.split_once('}').map_or("", |(_, after)| after);
        }
        filled + rest
    }
}

fn operations_of(document: &Value) -> Vec<Operation> {
    let prefix = document
        .pointer("/servers/0/url")
        .and_then(Value::as_str)
        .map(|url| {
            url.split_once("://").map_or(url, |(_, rest)| rest.find('/').map_or("", |at| rest.split_at(at).1))
        })
        .unwrap_or_default()
        .trim_end_matches('/');
    let mut found = Vec::new();
    for (path, item) in document.get("paths").and_then(Value::as_object).into_iter().flatten() {
        for (verb, operation) in item.as_object().into_iter().flatten() {
            let Ok(method) = verb.to_uppercase().parse::<reqwest::Method>() else { continue };
            let Some(operation) = operation.as_object() else { continue };
            let parameters = operation.get("parameters").and_then(Value::as_array);
            found.push(Operation {
                method,
                path: if path.starts_with(prefix) { path.clone() } else { format!("{prefix}{path}") },
                is_secured: operation.contains_key("security"),
                body: operation
                    .get("requestBody")
                    .and_then(|body| {
                        body.pointer("/content/application~1json; charset=utf-8/schema")
                            .or_else(|| body.pointer("/content/application~1json/schema"))
                    })
                    .cloned(),
                id_queries: parameters
                    .into_iter()
                    .flatten()
                    .filter(|parameter| {
                        parameter.get("in").and_then(Value::as_str) == Some("query")
                            && parameter.pointer("/schema/format").and_then(Value::as_str) == Some("uuid")
                    })
                    .filter_map(|parameter| parameter.get("name").and_then(Value::as_str).map(str::to_owned))
                    .collect(),
            });
        }
    }
    found
}

struct Answer {
    status: u16,
    text: String,
}

struct Walk<'a> {
    client: reqwest::Client,
    url: &'a str,
    api_host: &'a str,
    a: &'a Visitor,
    b: &'a Visitor,
    report: Report,
}

/// Where a request is sent and what it says.
struct Try<'a> {
    host: &'a str,
    header: Option<&'a str>,
    who: &'a Visitor,
    body: Option<&'a Value>,
}

impl Walk<'_> {
    fn find(&mut self, check: &'static str, object: &str, detail: &str) {
        self.report.findings.push(Finding {
            check,
            weight: Weight::Hole,
            object: object.to_owned(),
            detail: detail.to_owned(),
            mend: "Look at the operation's guard and at what its rule looks up.".into(),
        });
    }

    async fn document(&mut self) -> Result<Value> {
        let a = self.a;
        let asked = Try { host: &a.host, header: None, who: a, body: None };
        let answer = self.send(&reqwest::Method::GET, "/api/openapi.json", asked).await?;
        serde_json::from_str(&answer.text).internal()
    }

    async fn send(&mut self, method: &reqwest::Method, path: &str, asked: Try<'_>) -> Result<Answer> {
        for _ in 0..TRIES {
            let mut request = self
                .client
                .request(method.clone(), format!("{}{path}", self.url))
                .header(reqwest::header::HOST, asked.host)
                .bearer_auth(asked.who.credential.expose_secret());
            if let Some(tenant) = asked.header {
                request = request.header("X-Tenant-ID", tenant);
            }
            if *method == reqwest::Method::POST {
                request = request.header("Idempotency-Key", uuid::Uuid::new_v4().to_string());
            }
            if let Some(body) = asked.body {
                request = request.json(body);
            }
            let answer = request.send().await.internal()?;
            self.report.requests += 1;
            let status = answer.status().as_u16();
            if status == 429 {
                let wait =
                    answer.headers().get("retry-after").and_then(|wait| wait.to_str().ok()?.parse().ok());
                tokio::time::sleep(Duration::from_secs(wait.unwrap_or(1))).await;
                continue;
            }
            return Ok(Answer { status, text: answer.text().await.internal()? });
        }
        Err(Error::too_many(Duration::from_secs(60), "The walk meets rate limits: try again later."))
    }

    /// What `b` itself sees: the ids of its rows by path, and every list and document as it is.
    async fn look_at_b(
        &mut self,
        operations: &[Operation],
    ) -> Result<(BTreeMap<String, BTreeSet<String>>, BTreeMap<String, Value>)> {
        let b = self.b;
        let (mut ids, mut seen) = (BTreeMap::new(), BTreeMap::new());
        for operation in operations {
            // An export is itself an event of the trail: looking would change what is looked at.
            let is_export = operation.path.ends_with("/export");
            if operation.method != reqwest::Method::GET
                || operation.takes_id()
                || !operation.is_secured
                || is_export
            {
                continue;
            }
            let asked = Try { host: &b.host, header: None, who: b, body: None };
            let answer = self.send(&operation.method, &operation.path, asked).await?;
            if answer.status != 200 {
                continue;
            }
            let Ok(mut value) = serde_json::from_str::<Value>(&answer.text) else { continue };
            let mut found = BTreeSet::new();
            collect_ids(&value, &mut found);
            if !found.is_empty() {
                ids.insert(operation.path.clone(), found);
            }
            forget_volatile(&mut value);
            seen.insert(operation.path.clone(), value);
        }
        Ok((ids, seen))
    }

    async fn try_operation(
        &mut self,
        document: &Value,
        operation: &Operation,
        ids: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<()> {
        let (a, b) = (self.a, self.b);
        let id = fitting_id(operation, ids);
        let path = operation.path_with(&id);
        let plain = operation.body.as_ref().and_then(|schema| sample(document, schema, Ids::LeftOut));
        let doors = [
            ("foreign_host", b.host.as_str(), None, &[401, 404][..]),
            ("foreign_header", self.api_host, Some(b.slug.as_str()), &[401, 404]),
            ("two_names", b.host.as_str(), Some(a.slug.as_str()), &[400]),
        ];
        for (check, host, header, allowed) in doors {
            let asked = Try { host, header, who: a, body: plain.as_ref() };
            let answer = self.send(&operation.method, &path, asked).await?;
            if !allowed.contains(&answer.status) {
                let detail = format!("a foreign credential was answered with {}", answer.status);
                self.find(check, &operation.name(), &detail);
            }
            self.look_for(ids, operation, &answer);
        }
        if operation.takes_id() {
            let asked = Try { host: &a.host, header: None, who: a, body: plain.as_ref() };
            let answer = self.send(&operation.method, &path, asked).await?;
            if !matches!(answer.status, 400 | 401 | 403 | 404 | 409 | 415 | 422) {
                let detail = format!("the id of a foreign row was answered with {}", answer.status);
                self.find("foreign_id", &operation.name(), &detail);
            }
            self.look_for(ids, operation, &answer);
        }
        self.try_ids_inside(document, operation, &id, ids).await
    }

    /// Foreign ids in the query and in the body, at the caller's own door.
    async fn try_ids_inside(
        &mut self,
        document: &Value,
        operation: &Operation,
        id: &str,
        ids: &BTreeMap<String, BTreeSet<String>>,
    ) -> Result<()> {
        let a = self.a;
        for name in &operation.id_queries {
            let asked = Try { host: &a.host, header: None, who: a, body: None };
            let path = format!("{}?{name}={id}", operation.path_with(id));
            let answer = self.send(&operation.method, &path, asked).await?;
            self.look_for(ids, operation, &answer);
        }
        let Some(schema) = operation.body.as_ref().filter(|schema| has_ids(document, schema)) else {
            return Ok(());
        };
        let Some(body) = sample(document, schema, Ids::All(id)) else { return Ok(()) };
        let asked = Try { host: &a.host, header: None, who: a, body: Some(&body) };
        let answer = self.send(&operation.method, &operation.path_with(id), asked).await?;
        if !(400..500).contains(&answer.status) {
            let detail = format!("the id of a foreign row in the body was answered with {}", answer.status);
            self.find("foreign_id_in_body", &operation.name(), &detail);
        }
        Ok(())
    }

    /// No answer to `a` may hold an id that only `b` knows, but for what `a` itself sent in the path.
    fn look_for(&mut self, ids: &BTreeMap<String, BTreeSet<String>>, operation: &Operation, answer: &Answer) {
        let leaked = (200..300).contains(&answer.status)
            && ids.values().flatten().any(|id| answer.text.contains(id.as_str()));
        if leaked {
            self.find("leaked", &operation.name(), "the answer holds ids of the other tenant's rows");
        }
    }
}

/// An id of the collection that the path begins with, else any.
fn fitting_id(operation: &Operation, ids: &BTreeMap<String, BTreeSet<String>>) -> String {
    let collection = operation.path.split_once("/{").map_or(operation.path.as_str(), |(before, _)| before);
    ids.get(collection)
        .or_else(|| ids.values().next())
        .and_then(|found| found.iter().next().cloned())
        .unwrap_or_default()
}

fn collect_ids(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_ids(item, found)),
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text)
                        if (name == "id" || name.ends_with("_id")) && text.parse::<uuid::Uuid>().is_ok() =>
                    {
                        found.insert(text.clone());
                    }
                    _ => collect_ids(field, found),
                }
            }
        }
        _ => {}
    }
}

fn forget_volatile(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(forget_volatile),
        Value::Object(fields) => {
            fields.retain(|name, _| !VOLATILE.contains(&name.as_str()));
            fields.values_mut().for_each(forget_volatile);
        }
        _ => {}
    }
}
