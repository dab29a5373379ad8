//! The API's document, as programs read it: authority written out, statuses cut to what a verb can meet.

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::routes::{Routed, Surface};
use crate::types::Limit;

/// What a route asks of its caller.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Anyone, for the reason given.
    Anyone(String),
    /// Anyone who is signed in here.
    SignedIn,
    /// A caller who holds this permission.
    Permission(String),
    /// The owner of the tenant.
    Owner,
    /// A customer who is signed in to the subscriber portal.
    Subscriber,
    /// Somebody of the platform at its console, who has at least this role.
    Console(&'static str),
    /// A program on the same machine.
    Loopback,
}

/// Security schemes that guards write into the document begin with it; what follows is the permission's code, if any.
pub const CREDENTIAL: &str = "credential";

const VERBS: [&str; 7] = ["get", "put", "post", "delete", "patch", "head", "options"];

/// poem-openapi's document made whole: `permission` beside each operation, one security scheme, statuses per verb, and what
/// the program asks of its input said in the words that OpenAPI has for it.
pub fn document(spec: &str) -> Value {
    let mut document: Value = serde_json::from_str(spec).unwrap_or_default();
    if let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) {
        for (path, item) in paths.iter_mut() {
            let Some(item) = item.as_object_mut() else { continue };
            for (verb, operation) in item.iter_mut().filter(|(verb, _)| VERBS.contains(&verb.as_str())) {
                if let Some(operation) = operation.as_object_mut() {
                    write_authority(operation);
                    cut_statuses(path, verb, operation);
                    bound_limit(operation);
                }
            }
        }
    }
    close_bodies(&mut document);
    name_dates(&mut document);
    let schemes = json!({ CREDENTIAL: {
        "type": "http", "scheme": "bearer",
        "description": "An access token from /auth/token, an API key (lm_live_...), or a token of the provider's outside issuer for machine clients."
    }});
    if let Some(components) = document.get_mut("components").and_then(Value::as_object_mut) {
        components.insert("securitySchemes".into(), schemes);
    }
    document
}

fn write_authority(operation: &mut Map<String, Value>) {
    let Some(name) = operation
        .get("security")
        .and_then(|security| security.get(0))
        .and_then(Value::as_object)
        .and_then(|scheme| scheme.keys().next().cloned())
    else {
        return;
    };
    operation.insert("security".into(), json!([{ CREDENTIAL: [] }]));
    let permission = name.strip_prefix(CREDENTIAL).map(str::trim).unwrap_or_default();
    if !permission.is_empty() {
        operation.insert("x-permission".into(), permission.into());
    }
}

fn cut_statuses(path: &str, verb: &str, operation: &mut Map<String, Value>) {
    let has_body = operation.contains_key("requestBody");
    let secured = operation.contains_key("security");
    let names_one = path.contains('{');
    let on_signups = path.contains("/signups") || path.contains("/slugs");
    if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
        responses.retain(|status, _| match status.as_str() {
            "413" | "415" => has_body,
            "409" => verb != "get",
            "401" => secured || path.contains("/auth/"),
            "403" => secured || !on_signups,
            "404" => names_one || !on_signups,
            _ => true,
        });
    }
}

/// Every list has the same bounds of `limit`; `Limit` enforces them.
fn bound_limit(operation: &mut Map<String, Value>) {
    let Some(parameters) = operation.get_mut("parameters").and_then(Value::as_array_mut) else { return };
    for parameter in parameters.iter_mut().filter(|parameter| parameter["name"] == "limit") {
        if let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
            schema.insert("minimum".into(), 1.into());
            schema.insert("maximum".into(), Limit::MAX.into());
        }
    }
}

/// A JSON body is refused when it has a field that is not in its schema, and the schemas say so.
fn close_bodies(document: &mut Value) {
    let mut open: Vec<String> = Vec::new();
    for operation in
        document["paths"].as_object().into_iter().flat_map(Map::values).filter_map(Value::as_object)
    {
        for operation in operation.values() {
            if let Some(body) = operation.pointer("/requestBody/content/application~1json") {
                collect_references(body, &mut open);
            }
        }
    }
    let Some(schemas) = document.pointer_mut("/components/schemas").and_then(Value::as_object_mut) else {
        return;
    };
    let mut closed = BTreeSet::new();
    while let Some(name) = open.pop() {
        let Some(schema) = schemas.get_mut(&name) else { continue };
        if !closed.insert(name) {
            continue;
        }
        collect_references(schema, &mut open);
        if let Some(schema) = schema.as_object_mut().filter(|schema| schema.contains_key("properties")) {
            schema.entry("additionalProperties").or_insert(false.into());
        }
    }
}

fn collect_references(within: &Value, found: &mut Vec<String>) {
    match within {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str);
            found.extend(reference.and_then(|to| to.rsplit('/').next()).map(str::to_owned));
            members.values().for_each(|value| collect_references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
        _ => {}
    }
}

/// A day is `date` in OpenAPI; poem-openapi has a word of its own for it.
fn name_dates(within: &mut Value) {
    match within {
        Value::Object(members) => {
            if let Some(format) = members.get_mut("format").filter(|format| *format == "naive-date") {
                *format = "date".into();
            }
            members.values_mut().for_each(name_dates);
        }
        Value::Array(items) => items.iter_mut().for_each(name_dates),
        _ => {}
    }
}

/// The document's operations as routes of the registry.
pub fn operations_of(document: &Value, surface: Surface, prefix: &str) -> Vec<Routed> {
    let Some(paths) = document.get("paths").and_then(Value::as_object) else { return Vec::new() };
    let mut found = Vec::new();
    for (path, item) in paths {
        let Some(item) = item.as_object() else { continue };
        for (verb, operation) in item.iter().filter(|(verb, _)| VERBS.contains(&verb.as_str())) {
            let authority =
                match (operation.get("x-permission").and_then(Value::as_str), operation.get("security")) {
                    (Some("owner"), _) => Authority::Owner,
                    (Some(code), _) => Authority::Permission(code.to_owned()),
                    (None, Some(_)) => Authority::SignedIn,
                    (None, None) => Authority::Anyone("the document says so".into()),
                };
            found.push(Routed {
                surface,
                method: verb.to_uppercase(),
                // The document of a service that knows its prefix writes whole paths.
                path: if path.starts_with(prefix) { path.clone() } else { format!("{prefix}{path}") },
                authority,
            });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_says_what_the_program_asks_for() {
        let spec = json!({
            "paths": {"/things": {
                "get": {
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "format": "int64"}},
                        {"name": "from", "in": "query", "schema": {"type": "string", "format": "naive-date"}},
                    ],
                    "responses": {"200": {}, "409": {}, "413": {}},
                },
                "post": {
                    "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}},
                    "responses": {"201": {}, "409": {}, "413": {}},
                },
            }},
            "components": {"schemas": {
                "New": {"type": "object", "properties": {"part": {"$ref": "#/components/schemas/Part"}}},
                "Part": {"type": "object", "properties": {"whole": {"$ref": "#/components/schemas/New"}}},
                "Seen": {"type": "object", "properties": {"id": {"type": "string"}}},
            }},
        });
        let document = document(&spec.to_string());
        let get = &document["paths"]["/things"]["get"];
        assert_eq!(get["parameters"][0]["schema"]["minimum"], 1);
        assert_eq!(get["parameters"][0]["schema"]["maximum"], Limit::MAX);
        assert_eq!(get["parameters"][1]["schema"]["format"], "date");
        assert_eq!(get["responses"], json!({"200": {}}));
        let schemas = &document["components"]["schemas"];
        assert_eq!(schemas["New"]["additionalProperties"], false);
        assert_eq!(schemas["Part"]["additionalProperties"], false);
        assert_eq!(schemas["Seen"].get("additionalProperties"), None);
    }
}
