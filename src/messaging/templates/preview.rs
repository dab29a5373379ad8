//! What somebody would be sent: with a real person's values, or with samples in their place.

use serde_json::{Map, Value};

use super::{
    super::{
        Channel,
        audience::{Directory, Person},
        contacts,
        providers::Content,
        segments::{Segments, segments},
    },
    composer::{ComposeError, Composer},
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    tenancy::Tenant,
    types::{ContactId, CustomerId},
};

/// What was put together.
#[derive(Debug, Clone)]
pub struct Preview {
    pub content: Content,
    /// What a text message costs the network; None on other channels.
    pub segments: Option<Segments>,
    /// Variables that had no value: samples stand in their place.
    pub missing: Vec<String>,
}

/// Whose values are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    Sample,
    Contact(ContactId),
    Customer(CustomerId),
    /// Whom these words find first; samples when they find nobody.
    Search(String),
}

/// The person whose values are used; None: samples.
pub async fn person(
    tx: &TenantTx,
    tenant: &Tenant,
    directory: &dyn Directory,
    who: &Who,
) -> Result<Option<Person>> {
    let unknown = |field: &'static str| Error::invalid(field, "unknown", "There is no such person.");
    match who {
        Who::Sample => Ok(None),
        Who::Customer(id) => {
            let found = directory.find(tx, tenant, &[*id]).await?.into_iter().next();
            found.map(Some).ok_or_else(|| unknown("customer_id"))
        }
        Who::Contact(id) => {
            let found = contacts::find(tx, &[*id]).await?.into_iter().next();
            found.map(Some).ok_or_else(|| unknown("contact_id"))
        }
        Who::Search(words) => Ok(directory.search(tx, tenant, words, 1).await?.into_iter().next()),
    }
}

/// Puts a message together. `given` wins over what is known of the person.
pub fn preview(
    composer: &Composer,
    channel: Channel,
    language: Option<&str>,
    default_language: &str,
    person: Option<&Person>,
    given: &Map<String, Value>,
) -> Result<Preview, ComposeError> {
    let mut context = person.map(|person| person.context.clone()).unwrap_or_else(sample);
    context.extend(given.clone());
    let language = language.or(person.and_then(|person| person.language.as_deref()));
    let mut missing = Vec::new();
    let content = match composer.compose(channel, language, default_language, &context) {
        Err(ComposeError::Missing(names)) => {
            for name in &names {
                put(&mut context, name);
            }
            missing = names;
            composer.compose(channel, language, default_language, &context)?
        }
        other => other?,
    };
    let segments = (channel == Channel::Sms).then(|| segments(&content.text));
    Ok(Preview { content, segments, missing })
}

fn sample() -> Map<String, Value> {
    [("name", "Ana Cruz"), ("first_name", "Ana")]
        .map(|(name, value)| (name.to_owned(), Value::from(value)))
        .into_iter()
        .collect()
}

/// Puts `[plan.name]` where `plan.name` is asked for.
fn put(context: &mut Map<String, Value>, path: &str) {
    let mut at = context;
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            at.insert(part.to_owned(), Value::from(format!("[{path}]")));
            return;
        }
        let inner = at.entry(part.to_owned()).or_insert_with(|| Value::Object(Map::new()));
        if !inner.is_object() {
            *inner = Value::Object(Map::new());
        }
        let Value::Object(inner) = inner else { return };
        at = inner;
    }
}
