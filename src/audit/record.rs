//! Writing an event down.

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::{db::TenantTx, error::Result, types::AuditEventId, web::Origin};

/// Fields whose values are never written down, whatever object they belong to.
const SECRET_FIELDS: &[&str] =
    &["password", "password_hash", "token", "secret", "key", "key_hash", "credential"];
const MASK: &str = "***";

/// Who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    pub kind: ActorKind,
    pub id: Option<Uuid>,
    /// A name or an address, as it was then.
    pub label: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActorKind {
    Staff,
    ApiKey,
    /// A job of the tenant's own.
    System,
    /// The people who run the deployment.
    Platform,
    /// Somebody who is not signed in.
    Anonymous,
    /// A customer in the subscriber portal.
    Subscriber,
    /// The platform's support, under the grant that the id names.
    Support,
    /// A program with a token of an outside issuer; its label is the token's subject and the issuer.
    Machine,
}

impl ActorKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Staff => "staff",
            Self::ApiKey => "api_key",
            Self::System => "system",
            Self::Platform => "platform",
            Self::Anonymous => "anonymous",
            Self::Subscriber => "subscriber",
            Self::Support => "support",
            Self::Machine => "machine",
        }
    }
}

impl Actor {
    pub fn system() -> Self {
        Self { kind: ActorKind::System, id: None, label: "System".into() }
    }

    pub fn platform(label: impl Into<String>) -> Self {
        Self { kind: ActorKind::Platform, id: None, label: label.into() }
    }

    pub fn anonymous(label: impl Into<String>) -> Self {
        Self { kind: ActorKind::Anonymous, id: None, label: label.into() }
    }
}

/// One thing that happened.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// `customer.created`, `staff.signed_in`: object and past tense.
    pub action: &'static str,
    pub object_type: &'static str,
    pub object_id: Option<Uuid>,
    /// What a person calls the object.
    pub object_label: &'a str,
    /// The changed fields as they were, and as they are; see [`changes`].
    pub before: Option<Value>,
    pub after: Option<Value>,
}

/// Writes an event into the entered tenant's trail. Secrets in `before` and `after` are masked.
pub async fn record(tx: &TenantTx, actor: &Actor, origin: Option<&Origin>, event: Event<'_>) -> Result<()> {
    let (before, after) = (event.before.map(masked), event.after.map(masked));
    let salt: [u8; 16] = rand::random();
    tx.execute(
        "INSERT INTO audit_event (id, actor_kind, actor_id, actor_label, action, object_type, object_id, object_label,
            before, after, request_id, address, user_agent, salt)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        &[
            &AuditEventId::new(),
            &actor.kind.as_str(),
            &actor.id,
            &actor.label,
            &event.action,
            &event.object_type,
            &event.object_id,
            &event.object_label,
            &before,
            &after,
            &origin.map(|origin| origin.request_id.0),
            &origin.map(|origin| origin.address.to_string()),
            &origin.and_then(|origin| origin.user_agent.as_deref()),
            &salt.as_slice(),
        ],
    )
    .await?;
    tell_platform(tx, actor, &[(event.action, event.object_type)]).await
}

/// What is done under a grant stands in the platform's log, too: which action on what, and nothing of the data.
async fn tell_platform(tx: &TenantTx, actor: &Actor, done: &[(&str, &str)]) -> Result<()> {
    if actor.kind != ActorKind::Support {
        return Ok(());
    }
    for (action, on_what) in done {
        tx.execute("SELECT gate.note_support($1, $2, $3, $4)", &[&actor.id, &actor.label, action, on_what])
            .await?;
    }
    Ok(())
}

/// Writes many events of one actor with one statement, as [`record`] would write each.
pub async fn record_all(
    tx: &TenantTx,
    actor: &Actor,
    origin: Option<&Origin>,
    events: Vec<Event<'_>>,
) -> Result<()> {
    if events.is_empty() {
        return Ok(());
    }
    let count = events.len();
    let ids: Vec<AuditEventId> = (0..count).map(|_| AuditEventId::new()).collect();
    let salts: Vec<Vec<u8>> = (0..count).map(|_| rand::random::<[u8; 16]>().to_vec()).collect();
    let mut actions = Vec::with_capacity(count);
    let mut types = Vec::with_capacity(count);
    let mut objects = Vec::with_capacity(count);
    let mut labels = Vec::with_capacity(count);
    let mut before = Vec::with_capacity(count);
    let mut after = Vec::with_capacity(count);
    for event in events {
        actions.push(event.action);
        types.push(event.object_type);
        objects.push(event.object_id);
        labels.push(event.object_label);
        before.push(event.before.map(masked));
        after.push(event.after.map(masked));
    }
    tx.execute(
        "INSERT INTO audit_event (id, actor_kind, actor_id, actor_label, action, object_type, object_id, object_label,
            before, after, request_id, address, user_agent, salt)
         SELECT e.id, $1, $2, $3, e.action, e.object_type, e.object_id, e.object_label, e.before, e.after, $4, $5, $6, e.salt
         FROM unnest($7::uuid[], $8::text[], $9::text[], $10::uuid[], $11::text[], $12::jsonb[], $13::jsonb[], $14::bytea[])
            AS e (id, action, object_type, object_id, object_label, before, after, salt)",
        &[
            &actor.kind.as_str(),
            &actor.id,
            &actor.label,
            &origin.map(|origin| origin.request_id.0),
            &origin.map(|origin| origin.address.to_string()),
            &origin.and_then(|origin| origin.user_agent.as_deref()),
            &ids,
            &actions,
            &types,
            &objects,
            &labels,
            &before,
            &after,
            &salts,
        ],
    )
    .await?;
    let done: Vec<(&str, &str)> = actions.into_iter().zip(types).collect();
    tell_platform(tx, actor, &done).await
}

/// Only the members that differ, as (before, after). Both are None when nothing changed.
pub fn changes(before: &Value, after: &Value) -> (Option<Value>, Option<Value>) {
    let (Value::Object(was), Value::Object(is)) = (before, after) else { return (None, None) };
    let mut old = Map::new();
    let mut new = Map::new();
    for (name, value) in is {
        let was = was.get(name).unwrap_or(&Value::Null);
        if was != value {
            old.insert(name.clone(), was.clone());
            new.insert(name.clone(), value.clone());
        }
    }
    if new.is_empty() { (None, None) } else { (Some(Value::Object(old)), Some(Value::Object(new))) }
}

fn masked(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let secret = SECRET_FIELDS.contains(&name.as_str()) && !value.is_null();
                    let value = if secret { Value::String(MASK.into()) } else { masked(value) };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(masked).collect()),
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_differs_is_written_down() {
        let (before, after) = changes(&json!({"a": 1, "b": 2}), &json!({"a": 1, "b": 3, "c": null}));
        assert_eq!(before, Some(json!({"b": 2})));
        assert_eq!(after, Some(json!({"b": 3})));
        assert_eq!(changes(&json!({"a": 1}), &json!({"a": 1})), (None, None));
    }

    #[test]
    fn secrets_are_masked_at_any_depth() {
        let shown =
            masked(json!({"name": "n", "password": "hunter2", "deep": [{"token": "t", "key": null}]}));
        assert_eq!(shown, json!({"name": "n", "password": "***", "deep": [{"token": "***", "key": null}]}));
    }
}
