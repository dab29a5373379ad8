//! Holds a JSON value against the schema that the API's document shows for it, and names every wrong field at once.
//!
//! The document is the rule: what it promises is what is checked, so the two cannot drift apart.

use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::Type,
};
use serde_json::Value;

use crate::error::FieldError;

/// The schema of one type and of everything it refers to.
pub struct Schema {
    root: MetaSchemaRef,
    registry: Registry,
}

impl Schema {
    pub fn of<T: Type>() -> Self {
        let mut registry = Registry::new();
        T::register(&mut registry);
        Self { root: T::schema_ref(), registry }
    }

    /// Every way in which `value` is not what the schema says.
    pub fn wrongs(&self, value: &Value) -> Vec<FieldError> {
        let mut wrongs = Vec::new();
        self.check(&self.root, value, "", &mut wrongs);
        wrongs
    }

    fn resolve<'a>(&'a self, schema: &'a MetaSchemaRef) -> Option<&'a MetaSchema> {
        match schema {
            MetaSchemaRef::Inline(schema) => Some(schema),
            MetaSchemaRef::Reference(name) => self.registry.schemas.get(name),
        }
    }

    fn check(&self, schema: &MetaSchemaRef, value: &Value, path: &str, wrongs: &mut Vec<FieldError>) {
        let Some(schema) = self.resolve(schema) else { return };
        for part in schema.all_of.iter().chain(&schema.any_of) {
            self.check(part, value, path, wrongs);
        }
        let mut wrong = |code, detail: String| wrongs.push(FieldError::new(named(path), code, detail));
        match (schema.ty, value) {
            ("object", Value::Object(members)) => self.check_members(schema, members, path, wrongs),
            ("array", Value::Array(items)) => {
                if schema.max_items.is_some_and(|max| items.len() > max) {
                    wrong("too_many", format!("At most {} items.", schema.max_items.unwrap_or_default()));
                }
                if schema.min_items.is_some_and(|min| items.len() < min) {
                    wrong("too_few", format!("At least {} items.", schema.min_items.unwrap_or_default()));
                }
                if let Some(of) = &schema.items {
                    for (i, item) in items.iter().enumerate() {
                        self.check(of, item, &format!("{path}[{i}]"), wrongs);
                    }
                }
            }
            ("string", Value::String(text)) => {
                if let Some((code, detail)) = wrong_text(schema, text) {
                    wrong(code, detail);
                }
            }
            ("integer", Value::Number(n)) if n.is_i64() || n.is_u64() => {
                if let Some(detail) = out_of_range(schema, n.as_f64()) {
                    wrong("out_of_range", detail);
                }
            }
            ("number", Value::Number(n)) => {
                if let Some(detail) = out_of_range(schema, n.as_f64()) {
                    wrong("out_of_range", detail);
                }
            }
            ("boolean", Value::Bool(_)) | ("", _) => {}
            ("object", _) if path.is_empty() => {
                wrong("not_an_object", "The body must be a JSON object.".into())
            }
            (expected, _) => wrong("wrong_type", format!("This must be {}.", article(expected))),
        }
    }

    fn check_members(
        &self,
        schema: &MetaSchema,
        members: &serde_json::Map<String, Value>,
        path: &str,
        wrongs: &mut Vec<FieldError>,
    ) {
        for (name, of) in &schema.properties {
            let inner = if path.is_empty() { (*name).to_owned() } else { format!("{path}.{name}") };
            match members.get(*name) {
                None | Some(Value::Null) if schema.required.contains(name) => {
                    wrongs.push(FieldError::new(inner, "required", "This is needed."));
                }
                None => {}
                Some(Value::Null) if is_nullable(of) => {}
                Some(value) => self.check(of, value, &inner, wrongs),
            }
        }
        if schema.additional_properties.is_some() || schema.properties.is_empty() {
            return;
        }
        for name in members.keys().filter(|name| !schema.properties.iter().any(|(known, _)| known == name)) {
            let inner = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            wrongs.push(FieldError::new(inner, "unknown_field", "There is no such field."));
        }
    }
}

fn is_nullable(schema: &MetaSchemaRef) -> bool {
    matches!(schema, MetaSchemaRef::Inline(schema) if schema.nullable)
}

fn named(path: &str) -> String {
    if path.is_empty() { "body".to_owned() } else { path.to_owned() }
}

fn article(kind: &str) -> &'static str {
    match kind {
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "an object",
        _ => "a text",
    }
}

fn wrong_text(schema: &MetaSchema, text: &str) -> Option<(&'static str, String)> {
    if !schema.enum_items.is_empty() && !schema.enum_items.iter().any(|item| item == text) {
        let known: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
        return Some(("not_a_choice", format!("This must be one of {}.", known.join(", "))));
    }
    let chars = text.chars().count();
    if schema.min_length.is_some_and(|min| chars < min) {
        return Some((
            "too_short",
            format!("At least {} characters.", schema.min_length.unwrap_or_default()),
        ));
    }
    if schema.max_length.is_some_and(|max| chars > max) {
        return Some(("too_long", format!("At most {} characters.", schema.max_length.unwrap_or_default())));
    }
    match schema.format {
        Some("uuid") if text.parse::<uuid::Uuid>().is_err() => {
            Some(("not_an_id", "This is not an id.".into()))
        }
        Some("date-time") if chrono::DateTime::parse_from_rfc3339(text).is_err() => {
            Some(("not_an_instant", "This must be an RFC 3339 instant, such as 2026-11-21T08:00:00Z.".into()))
        }
        Some("email") => {
            crate::types::EmailAddress::parse(text).err().map(|wrong| (wrong.code, wrong.detail))
        }
        Some("decimal") if text.parse::<rust_decimal::Decimal>().is_err() => {
            Some(("not_a_number", "This must be a decimal number.".into()))
        }
        _ => None,
    }
}

fn out_of_range(schema: &MetaSchema, n: Option<f64>) -> Option<String> {
    let n = n?;
    let below = schema.minimum.filter(|min| n < *min).map(|min| format!("At least {min}."));
    below.or_else(|| schema.maximum.filter(|max| n > *max).map(|max| format!("At most {max}.")))
}

#[cfg(test)]
mod tests {
    use poem_openapi::Object;
    use serde_json::json;

    use super::*;

    #[derive(Object)]
    struct Inner {
        #[oai(validator(min_length = 2, max_length = 4))]
        code: String,
    }

    #[derive(Object)]
    struct Outer {
        name: String,
        #[oai(validator(minimum(value = "1"), maximum(value = "9")))]
        count: i32,
        inner: Inner,
        #[oai(nullable)]
        note: Option<String>,
        tags: Option<Vec<String>>,
        of: Option<uuid::Uuid>,
    }

    fn wrongs(value: Value) -> Vec<(String, &'static str)> {
        Schema::of::<Outer>().wrongs(&value).into_iter().map(|w| (w.field.to_string(), w.code)).collect()
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let found = wrongs(json!({
            "count": 10, "inner": {"code": "abcde"}, "note": 5, "tags": ["a", 1], "of": "x", "colour": "red"
        }));
        let expected = [
            ("name", "required"),
            ("count", "out_of_range"),
            ("inner.code", "too_long"),
            ("note", "wrong_type"),
            ("tags[1]", "wrong_type"),
            ("of", "not_an_id"),
            ("colour", "unknown_field"),
        ];
        assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code)));
    }

    #[test]
    fn null_counts_where_the_document_says_so_and_nowhere_else() {
        let found =
            wrongs(json!({"name": null, "count": 1, "inner": {"code": "ab"}, "note": null, "of": null}));
        assert_eq!(found, [("name", "required"), ("of", "wrong_type")].map(|(f, c)| (f.to_owned(), c)));
    }

    #[test]
    fn what_fits_is_left_alone() {
        assert!(wrongs(json!({"name": "n", "count": 1, "inner": {"code": "ab"}, "note": null})).is_empty());
        assert_eq!(wrongs(json!([])), [("body".to_owned(), "not_an_object")]);
    }
}
