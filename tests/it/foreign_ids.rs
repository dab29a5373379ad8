//! Ids of another provider's rows in every place of every operation that takes one: path, query and body. Generated over the
//! document: what a new operation takes is tried as soon as it is there.
//!
//! One id is foreign at a time and all others are the asking provider's own, so that a refusal is about that one: 404 for a path,
//! 404 or 422 for a query, and 422 that names the field for a body. Afterwards the other provider's rows are what they were.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::{
    harness::{Answer, Api, PASSWORD, Tenant, sql, tenant, text},
    isolation_http::rows_of,
    schemathesis::walk::Walk,
};

/// Which collection an id of this name is of. A name that is missing here fails the test.
const NAMES: &[(&str, &str)] = &[
    ("a", "roles"),
    ("account_id", "message-accounts"),
    ("account_ids", "message-accounts"),
    ("actor", "staff"),
    ("area_id", "areas"),
    ("b", "roles"),
    ("assigned_to", "staff"),
    ("contact_id", "contacts"),
    ("contact_ids", "contacts"),
    ("customer_id", "customers"),
    ("default_role_id", "roles"),
    ("group_id", "contact-groups"),
    ("contacts", "contacts"),
    ("customers", "customers"),
    ("group_ids", "contact-groups"),
    ("groups", "contact-groups"),
    ("ids", "customers"),
    ("installation_id", "installations"),
    ("installation_ids", "installations"),
    ("lcp_id", "lcps"),
    ("message_id", "messages"),
    ("nap_id", "naps"),
    ("newest", "notices"),
    ("node_id", "naps"),
    ("object_id", "customers"),
    ("outage_id", "outages"),
    ("parent_id", "splitters"),
    ("plan_id", "plans"),
    ("received_by", "staff"),
    ("reserved_for", "customers"),
    ("lists", "recipient-lists"),
    ("attachments", "attachments"),
    ("role_id", "roles"),
    ("role_ids", "roles"),
    ("router_id", "routers"),
    ("shift_id", "shifts"),
    ("splitter_id", "splitters"),
    ("staff_id", "staff"),
    ("subscription_id", "subscriptions"),
    ("technician_id", "staff"),
    ("template_id", "templates"),
    ("ticket_id", "tickets"),
];

/// Filters that only compare, and look nothing up: of anybody else there is nothing here, and the list is empty. The trail outlives
/// whom and what it tells of: who did something and what it was done to may be gone long since, and is asked for all the same.
const FINDS_NOTHING: &[(&str, &str)] = &[
    ("/api/v1/audit-events", "actor"),
    ("/api/v1/audit-events", "object_id"),
    ("/api/v1/audit-events/export", "actor"),
    ("/api/v1/audit-events/export", "object_id"),
    // Calls and figures outlive accounts and templates, too.
    ("/api/v1/hook-calls", "account_id"),
    ("/api/v1/message-figures", "template_id"),
    ("/api/v1/message-figures/export", "template_id"),
];

/// Parameters of a query that take an id among other words.
const ALSO_IDS: &[&str] = &["assigned_to"];

/// What goes with an id, so that nothing else is wrong.
fn companions(path: &str, name: &str) -> Value {
    match name {
        "attachments" if path.contains("/messages") => json!({
            "channels": ["email"], "to": {"addresses": [{"address": "ana@walk.example"}]},
            "content": {"subject": "Hello", "text": "Hello"},
        }),
        "nap_id" if path.ends_with("/budget") => json!({}),
        "nap_id" => json!({"nap_port": 7}),
        "id" => json!({"kind": "area"}),
        "contact_id" | "customer_id" if path.ends_with("/templates/preview") => {
            json!({"channel": "sms", "contents": {"sms": {"en": {"text": "Hi"}}}})
        }
        "template_id" if path.contains("/campaigns") => json!({"name": "Foreign"}),
        "template_id" if path.contains("/messages") => {
            json!({"to": {"addresses": [{"address": "+639171234567"}]}})
        }
        "splitter_id" => json!({"splitter_output": 7}),
        "parent_id" => json!({"parent_output": 7}),
        "node_id" => json!({"node_kind": "nap"}),
        "contact_ids" => json!({"action": "delete"}),
        "reserved_for" => json!({"state": "reserved", "reserved_until": "2030-01-01T00:00:00Z"}),
        _ => json!({}),
    }
}

/// Values of fields that a schema cannot give.
fn known(name: &str) -> Option<Value> {
    Some(match name {
        "value" => json!("active"),
        "at_hour" | "minutes" | "splitter_output" => json!(7),
        "counted_cash" | "opening_cash" => json!("10"),
        "starts_at" => json!("2031-01-01T00:00:00Z"),
        "ends_at" => json!("2031-01-01T01:00:00Z"),
        "amount" | "price" => json!("10"),
        "report" => json!("daily-collection"),
        "every" => json!("day"),
        "email" => json!("somebody@walk.example"),
        "preset" => json!("google"),
        "issuer" => json!("https://id.walk.example"),
        "algorithms" => json!("RS256"),
        "domains" => json!("walk.example"),
        "current_password" => json!(PASSWORD),
        "channel" | "channels" => json!("sms"),
        "contents" => json!({"sms": {"en": {"text": "Hello"}}}),
        _ => return None,
    })
}

pub type Ids = BTreeMap<String, Vec<String>>;

/// The id of a list's item, which may stand in the row that the item is about.
fn id_of(item: &Value) -> Option<String> {
    let within = || item.as_object()?.values().find_map(|field| field["id"].as_str());
    item["id"].as_str().or_else(within).map(str::to_owned)
}

/// The ids that a provider sees, by collection; the nested ones by their whole path.
pub async fn ids_of(api: &Api, document: &Value) -> Ids {
    let mut ids = Ids::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let Some(collection) = path.strip_prefix("/api/v1/").filter(|path| !path.contains('{')) else {
            continue;
        };
        if item.get("get").is_none() || collection.ends_with("export") {
            continue;
        }
        let answer = api.get(&format!("{path}?limit=200")).await;
        let items = serde_json::from_slice::<Value>(&answer.body).unwrap_or_default();
        let found = items["items"].as_array().into_iter().flatten();
        let found: Vec<String> = found.filter_map(id_of).collect();
        if !found.is_empty() {
            ids.insert(collection.to_owned(), found);
        }
    }
    for (state, collection) in [
        ("status=active", "installations"),
        ("status=active", "subscriptions"),
        ("status=pending", "tickets"),
        ("status=restored", "outages"),
        ("status=planned", "visits"),
    ] {
        let list = api.get(&format!("/api/v1/{collection}?{state}")).await.expect(200);
        let first = id_of(&list["items"][0]).unwrap_or_else(|| panic!("no {collection} with {state}"));
        ids.get_mut(collection).unwrap().insert(0, first);
    }
    let payments = api.get("/api/v1/payments").await.expect(200);
    ids.insert("receipts".into(), vec![text(&payments, "/items/0/receipt_id")]);
    for person in ids["staff"].clone() {
        let stays = api.get(&format!("/api/v1/staff/{person}/sessions")).await.expect(200);
        if let Some(stay) = id_of(&stays["items"][0]) {
            ids.insert("staff/{id}/sessions".into(), vec![stay]);
        }
    }
    for ticket in ids["tickets"].clone() {
        let files = api.get(&format!("/api/v1/tickets/{ticket}/attachments")).await.expect(200);
        if let Some(file) = id_of(&files["items"][0]) {
            ids.insert("tickets/{id}/attachments".into(), vec![file]);
        }
    }
    ids
}

/// `1.0` as `1`.
fn whole(number: f64) -> i64 {
    format!("{number:.0}").parse().unwrap()
}

pub struct Operation<'a> {
    document: &'a Value,
    pub method: Method,
    pub path: &'a str,
    pub says: &'a Value,
}

/// Every operation of a document.
pub fn operations(document: &Value) -> Vec<Operation<'_>> {
    let paths = document["paths"].as_object().unwrap();
    let verbs = paths.iter().flat_map(|(path, item)| {
        item.as_object().unwrap().iter().map(move |(verb, says)| (path.as_str(), verb, says))
    });
    verbs
        .map(|(path, verb, says)| {
            let method = verb.to_uppercase().parse().unwrap();
            Operation { document, method, path, says }
        })
        .collect()
}

/// Both sides of the wall.
pub struct Sides {
    pub own: Ids,
    pub foreign: Ids,
}

impl Operation<'_> {
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    pub fn resolve<'b>(&'b self, schema: &'b Value) -> &'b Value {
        let schema = schema.pointer("/allOf/0").unwrap_or(schema);
        let reference = schema["$ref"].as_str().map(|path| path.trim_start_matches('#'));
        reference.and_then(|path| self.document.pointer(path)).unwrap_or(schema)
    }

    fn parameters(&self, place: &str) -> impl Iterator<Item = &Value> {
        let all = self.says["parameters"].as_array().into_iter().flatten();
        all.filter(move |parameter| parameter["in"] == place)
    }

    /// The collection that an id belongs to.
    fn collection(&self, name: &str) -> String {
        let rest = self.path.strip_prefix("/api/v1/").unwrap();
        // The library is everybody's, and no provider's id is one of it.
        if rest.starts_with("template-library/") {
            return "templates".to_owned();
        }
        // Of a part of the customers.
        if name == "id" && !rest.contains("/{") {
            return "areas".to_owned();
        }
        if name == "from" || name == "id" {
            return rest.split_once("/{").unwrap().0.to_owned();
        }
        if let Some((before, _)) = rest.split_once(&format!("/{{{name}}}")) {
            return before.to_owned();
        }
        let known = NAMES.iter().find(|(known, _)| *known == name);
        known.unwrap_or_else(|| panic!("of which collection is {name} of {}?", self.name())).1.to_owned()
    }

    fn id<'b>(&self, ids: &'b Ids, name: &str) -> &'b str {
        let collection = self.collection(name);
        &ids.get(&collection).unwrap_or_else(|| panic!("{} needs a row of {collection}", self.name()))[0]
    }

    /// The path with own ids, but for the one that is to be foreign.
    pub fn path_with(&self, sides: &Sides, foreign: Option<&str>) -> String {
        let fill = |path: String, parameter: &Value| {
            let name = parameter["name"].as_str().unwrap();
            let value = match (name, self.resolve(&parameter["schema"])["format"].as_str()) {
                (_, Some("uuid")) if foreign == Some(name) => self.id(&sides.foreign, name),
                (_, Some("uuid")) => self.id(&sides.own, name),
                ("number", _) => "7",
                ("version", _) => "1",
                ("channel", _) => "sms",
                ("name", _) => "daily-collection",
                ("slug", _) => "some-slug",
                ("right", _) => "customers.view",
                _ => panic!("what is {name} of {}?", self.name()),
            };
            path.replace(&format!("{{{name}}}"), value)
        };
        self.parameters("path").fold(self.path.to_owned(), fill)
    }

    /// The query that cannot be left out.
    pub fn needed_query(&self) -> Vec<String> {
        let needed = self.parameters("query").filter(|parameter| parameter["required"] == true);
        needed
            .map(|parameter| match parameter["name"].as_str().unwrap() {
                "format" => "format=csv".to_owned(),
                "bbox" => "bbox=124,8,125,9".to_owned(),
                "lat" => "lat=8".to_owned(),
                "lng" => "lng=124".to_owned(),
                other => other.to_owned(),
            })
            .filter(|pair| pair.contains('='))
            .collect()
    }

    pub fn body_schema(&self) -> Option<&Value> {
        let content = self.says["requestBody"]["content"].as_object()?;
        content.iter().find(|(kind, _)| kind.starts_with("application/json")).map(|(_, body)| &body["schema"])
    }

    /// Where a body takes ids: the names from the outside in.
    fn places(&self, schema: &Value, above: &[String], found: &mut Vec<Vec<String>>) {
        let schema = self.resolve(schema);
        if schema["format"] == "uuid" {
            found.push(above.to_vec());
        }
        if let Some(items) = schema.get("items") {
            self.places(items, above, found);
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let mut path = above.to_vec();
            path.push(name.clone());
            self.places(property, &path, found);
        }
    }

    /// A body with what is required and what leads to `place`, where the foreign id stands.
    pub fn body(&self, schema: &Value, sides: &Sides, name: &str, place: Option<&[String]>) -> Value {
        let schema = self.resolve(schema);
        if let Some(first) = schema["enum"].as_array().and_then(|choices| choices.first()) {
            return first.clone();
        }
        let bounds = |key: &str| schema[key].as_u64();
        let Some(kind) = schema["type"].as_str() else { return known(name).unwrap_or(json!({})) };
        match kind {
            "object" => self.object(schema, sides, place),
            "array" => json!([self.body(&schema["items"], sides, name, place)]),
            "string" if schema["format"] == "uuid" => {
                let ids = if place.is_some() { &sides.foreign } else { &sides.own };
                json!(self.id(ids, name))
            }
            "string" => known(name).unwrap_or_else(|| {
                json!(
                    "walkers1".repeat(8)[..usize::try_from(bounds("maxLength").unwrap_or(8).min(8)).unwrap()]
                )
            }),
            "integer" => {
                known(name).unwrap_or_else(|| json!(whole(schema["minimum"].as_f64().unwrap_or(1.0))))
            }
            "number" => schema.get("minimum").cloned().unwrap_or(json!(1)),
            "boolean" => json!(true),
            other => panic!("a body of {} has a {other}", self.name()),
        }
    }

    fn object(&self, schema: &Value, sides: &Sides, place: Option<&[String]>) -> Value {
        let required: Vec<&str> =
            schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut body = Map::new();
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            let inside = place.and_then(|place| place.split_first()).filter(|(first, _)| *first == name);
            // One of two is needed, which a schema cannot say.
            let is_needed = match name.as_str() {
                "lcp_id" => self.path.starts_with("/api/v1/splitters") && self.method == Method::POST,
                "value" => self.path.ends_with("/bulk"),
                _ => required.contains(&name.as_str()),
            };
            let has_parent = name == "lcp_id" && place.is_some_and(|place| place == ["parent_id"]);
            if inside.is_some() || (is_needed && !has_parent) {
                let value = self.body(property, sides, name, inside.map(|(_, rest)| rest));
                body.insert(name.clone(), value);
            }
        }
        if let Some([name]) = place {
            body.extend(companions(self.path, name).as_object().unwrap().clone());
        }
        Value::Object(body)
    }
}

struct Tried {
    api: Api,
    wrong: Vec<String>,
    count: usize,
}

impl Tried {
    async fn send(&mut self, operation: &Operation<'_>, path: &str, body: Option<Value>) -> Answer {
        self.count += 1;
        let is_file = operation.says.pointer("/requestBody/content/multipart~1form-data").is_some()
            || operation.says["requestBody"]["content"].to_string().contains("multipart");
        match body {
            Some(body) => self.api.json(operation.method.clone(), path, body).await,
            None if is_file => {
                let form = b"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.pdf\"\r\n\r\n%PDF-1.7\n\r\n--b--\r\n";
                let kind = Some("multipart/form-data; boundary=b");
                self.api.send(operation.method.clone(), path, kind, form.to_vec()).await
            }
            None => self.api.send(operation.method.clone(), path, None, Vec::new()).await,
        }
    }

    fn judge(&mut self, is_refused: bool, operation: &Operation<'_>, place: &str, answer: &Answer) {
        if !is_refused {
            self.wrong.push(format!(
                "{} with a foreign {place}: {} {}",
                operation.name(),
                answer.status,
                answer.text()
            ));
        }
    }

    async fn operation(&mut self, operation: &Operation<'_>, sides: &Sides) {
        let schema = operation.body_schema();
        let needed = operation.needed_query();
        let query = |more: Option<String>| {
            let pairs: Vec<String> = needed.iter().cloned().chain(more).collect();
            if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
        };
        for parameter in operation.parameters("path").filter(|one| is_id(operation, one)) {
            let name = parameter["name"].as_str().unwrap();
            let path = operation.path_with(sides, Some(name)) + &query(None);
            let body = schema.map(|schema| operation.body(schema, sides, "", None));
            let answer = self.send(operation, &path, body).await;
            self.judge(answer.status == 404, operation, &format!("{name} in its path"), &answer);
        }
        for parameter in operation.parameters("query").filter(|one| is_id(operation, one)) {
            let name = parameter["name"].as_str().unwrap();
            let foreign = format!("{name}={}", operation.id(&sides.foreign, name));
            let path = operation.path_with(sides, None) + &query(Some(foreign));
            let answer = self.send(operation, &path, None).await;
            let nothing = FINDS_NOTHING.contains(&(operation.path, name))
                && answer.status == 200
                && !answer.text().contains(operation.id(&sides.foreign, name));
            self.judge(
                matches!(answer.status, 404 | 422) || nothing,
                operation,
                &format!("{name} in its query"),
                &answer,
            );
        }
        let mut places = Vec::new();
        schema.into_iter().for_each(|schema| operation.places(schema, &[], &mut places));
        for place in places {
            let body = operation.body(schema.unwrap(), sides, "", Some(&place));
            let path = operation.path_with(sides, None);
            let answer = self.send(operation, &path, Some(body)).await;
            let names_it = answer.status == 422
                && answer.wrong_fields().iter().any(|field| place.iter().any(|name| field.contains(name)));
            self.judge(names_it, operation, &format!("{} in its body", place.join(".")), &answer);
        }
    }
}

fn is_id(operation: &Operation<'_>, parameter: &Value) -> bool {
    let is_also = parameter["in"] == "query" && ALSO_IDS.contains(&parameter["name"].as_str().unwrap());
    is_also || operation.resolve(&parameter["schema"])["format"] == "uuid"
}

pub async fn furnished() -> (Tenant, Api) {
    let tenant = tenant().await;
    let api = tenant.api().await;
    // A stay of the owner, for what ends one.
    tenant.browser().await;
    let mut walk = Walk::new(&api, &tenant.owner_id);
    walk.areas_and_customers().await;
    walk.imports().await;
    walk.contacts().await;
    walk.erasures().await;
    walk.people().await;
    walk.isp(&sql(&tenant.server.database).await, &tenant.schema().await).await;
    walk.messaging().await;
    walk.messages(&sql(&tenant.server.database).await, &tenant.schema().await).await;
    crate::invoices::given(&sql(&tenant.server.database).await, &tenant.id).await;
    walk.takeout().await;
    walk.make("POST /domains", json!({"domain": format!("{}.example", tenant.slug)})).await;
    (tenant, api)
}

/// A passkey of the owner's, as if it had been made in a browser.
pub async fn own_passkey(tenant: &Tenant) -> String {
    let made = format!(
        "INSERT INTO {}.passkey (id, staff_id, credential_id, host, name, credential)
         VALUES (gen_random_uuid(), $1, 'x', $2, 'Laptop', '{{}}') RETURNING id",
        tenant.schema().await
    );
    let owner: uuid::Uuid = tenant.owner_id.parse().unwrap();
    let client = sql(&tenant.server.database).await;
    client.query_one(&made, &[&owner, &tenant.host]).await.unwrap().get::<_, uuid::Uuid>(0).to_string()
}

#[tokio::test]
async fn no_operation_takes_an_id_of_another_provider() {
    let ((a, api), (b, theirs)) = tokio::join!(furnished(), furnished());
    own_passkey(&a).await;
    own_passkey(&b).await;
    let document = api.get("/api/openapi.json").await.expect(200);
    let sides = Sides { own: ids_of(&api, &document).await, foreign: ids_of(&theirs, &document).await };
    let before = rows_of(&b).await;
    assert!(before.len() > 200, "nothing to lose: {}", before.len());
    let mut tried = Tried { api, wrong: Vec::new(), count: 0 };
    for operation in operations(&document) {
        tried.operation(&operation, &sides).await;
    }
    assert!(tried.wrong.is_empty(), "of {}:\n{}", tried.count, tried.wrong.join("\n"));
    assert!(tried.count > 180, "only {} were tried", tried.count);
    assert_eq!(rows_of(&b).await, before, "the other provider's rows changed");
}
