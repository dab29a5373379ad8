//! Bodies that an operation should understand, made from its schema: a refusal is then about the caller, not about the body.

use serde_json::{Map, Value, json};

const DEPTH_MAX: usize = 6;

/// What a schema's identifiers are filled with.
#[derive(Clone, Copy)]
pub enum Ids<'a> {
    /// Left out where the schema lets them be.
    LeftOut,
    /// All of them this one, optional ones too.
    All(&'a str),
}

/// A value that fits the schema. `None` where the schema says nothing that can be filled in.
pub fn sample(document: &Value, schema: &Value, ids: Ids<'_>) -> Option<Value> {
    fill(document, schema, ids, 0)
}

/// Whether the schema has identifiers that a caller chooses.
pub fn has_ids(document: &Value, schema: &Value) -> bool {
    sample(document, schema, Ids::All(PROBE)) != sample(document, schema, Ids::LeftOut)
}

const PROBE: &str = "00000000-0000-7000-8000-000000000000";

fn fill(document: &Value, schema: &Value, ids: Ids<'_>, depth: usize) -> Option<Value> {
    let schema = resolve(document, schema);
    if depth > DEPTH_MAX {
        return None;
    }
    if let Some(choice) = schema.get("enum").and_then(|choices| choices.get(0)) {
        return Some(choice.clone());
    }
    for word in ["allOf", "oneOf", "anyOf"] {
        if let Some(first) = schema.get(word).and_then(|parts| parts.get(0)) {
            return fill(document, first, ids, depth + 1);
        }
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => Some(object(document, schema, ids, depth)),
        Some("array") => {
            let item = schema.get("items").and_then(|items| fill(document, items, ids, depth + 1));
            Some(Value::Array(item.into_iter().collect()))
        }
        Some("string") => string(schema, ids),
        Some("integer") => Some(schema.get("minimum").cloned().unwrap_or(json!(1))),
        Some("number") => Some(schema.get("minimum").cloned().unwrap_or(json!(1.0))),
        Some("boolean") => Some(json!(true)),
        _ => None,
    }
}

fn resolve<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| document.pointer(reference.trim_start_matches('#')))
        .unwrap_or(schema)
}

fn object(document: &Value, schema: &Value, ids: Ids<'_>, depth: usize) -> Value {
    let required: Vec<&str> = schema
        .get("required")
        .and_then(Value::as_array)
        .map(|names| names.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    let mut filled = Map::new();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let is_wanted = required.contains(&name.as_str())
            || matches!(ids, Ids::All(_)) && mentions_ids(document, property, depth);
        if is_wanted && let Some(value) = fill(document, property, ids, depth + 1) {
            filled.insert(name.clone(), value);
        }
    }
    Value::Object(filled)
}

fn mentions_ids(document: &Value, schema: &Value, depth: usize) -> bool {
    let schema = resolve(document, schema);
    if depth > DEPTH_MAX {
        return false;
    }
    schema.get("format").and_then(Value::as_str) == Some("uuid")
        || schema.get("items").is_some_and(|items| mentions_ids(document, items, depth + 1))
        || schema
            .get("properties")
            .and_then(Value::as_object)
            .is_some_and(|all| all.values().any(|property| mentions_ids(document, property, depth + 1)))
        || ["allOf", "oneOf", "anyOf"].iter().any(|word| {
            schema
                .get(*word)
                .and_then(Value::as_array)
                .is_some_and(|parts| parts.iter().any(|part| mentions_ids(document, part, depth + 1)))
        })
}

fn string(schema: &Value, ids: Ids<'_>) -> Option<Value> {
    let text = match (schema.get("format").and_then(Value::as_str), ids) {
        (Some("uuid"), Ids::All(id)) => id.to_owned(),
        (Some("uuid"), Ids::LeftOut) => PROBE.to_owned(),
        (Some("email"), _) => "visitor@walk.example".to_owned(),
        (Some("date"), _) => "2030-01-01".to_owned(),
        (Some("date-time"), _) => "2030-01-01T00:00:00Z".to_owned(),
        (Some("binary"), _) => return None,
        _ => {
            let least = schema.get("minLength").and_then(Value::as_u64).unwrap_or(1);
            let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(u64::MAX);
            let chars = usize::try_from(least.max(8).min(most)).unwrap_or(8);
            "visitors".chars().cycle().take(chars).collect()
        }
    };
    Some(Value::String(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Value {
        json!({ "components": { "schemas": {
            "NewThing": { "type": "object", "required": ["name", "kind"], "properties": {
                "name": { "type": "string", "minLength": 2, "maxLength": 5 },
                "kind": { "type": "string", "enum": ["a", "b"] },
                "note": { "type": "string" },
                "area_id": { "type": "string", "format": "uuid" },
                "members": { "type": "array", "items": { "type": "string", "format": "uuid" } }
            }},
            "Plain": { "type": "object", "required": ["is_on"], "properties": { "is_on": { "type": "boolean" } } }
        }}})
    }

    #[test]
    fn required_fields_fit_their_limits() {
        let schema = json!({ "$ref": "#/components/schemas/NewThing" });
        let made = sample(&document(), &schema, Ids::LeftOut).unwrap();
        assert_eq!(made, json!({ "name": "visit", "kind": "a" }));
    }

    #[test]
    fn identifiers_are_put_into_optional_fields_too() {
        let schema = json!({ "$ref": "#/components/schemas/NewThing" });
        let made = sample(&document(), &schema, Ids::All("x")).unwrap();
        assert_eq!(made, json!({ "name": "visit", "kind": "a", "area_id": "x", "members": ["x"] }));
        assert!(has_ids(&document(), &schema));
        assert!(!has_ids(&document(), &json!({ "$ref": "#/components/schemas/Plain" })));
    }
}
