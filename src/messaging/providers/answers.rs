//! What answers of HTTP providers have in common.

use std::{borrow::Cow, str::FromStr};

use chrono::{DateTime, TimeDelta, Utc};
use rust_decimal::Decimal;
use serde_json::Value;

use super::{
    message::{Content, Outgoing, Prepared, Wire},
    outcome::{Class, Outcome, Price, Refusal},
};
use crate::{
    messaging::segments::{Segments, segments},
    outbound::{Answer, Failure, Outbound, Request},
};

/// No provider of short messages takes more; a longer text is a mistake that somebody would pay for.
const SEGMENTS_MAX: u32 = 10;

/// Sends a prepared request once and reads the answer.
pub(super) async fn deliver(
    outbound: &Outbound,
    prepared: Prepared,
    read: impl FnOnce(&Answer) -> Outcome,
) -> Outcome {
    let Wire::Http(request) = prepared.wire else {
        return Outcome::Refused(Refusal::content("not_for_this_provider", "Prepared by another provider."));
    };
    match outbound.send(request).await {
        Ok(answer) => read(&answer),
        Err(failure) => outcome_of(&failure),
    }
}

/// Asks something that sends nothing: a lost answer is only a reason to ask again.
pub(super) async fn ask(outbound: &Outbound, request: Request) -> Result<Answer, Refusal> {
    outbound.send(request).await.map_err(|failure| match outcome_of(&failure) {
        Outcome::Refused(refusal) => refusal,
        _ => Refusal::new(Class::Transient, "no_answer", failure.detail()),
    })
}

pub(super) fn outcome_of(failure: &Failure) -> Outcome {
    match failure {
        Failure::Forbidden(detail) => {
            Outcome::Refused(Refusal::new(Class::Account, "address_not_allowed", detail))
        }
        Failure::NotSent(detail) => Outcome::Refused(Refusal::new(Class::Transient, "not_sent", detail)),
        // The head of a refusal is a refusal, whatever became of its words.
        Failure::Unanswered { status: Some(status @ 300..), .. } => by_status(*status),
        Failure::Unanswered { detail, .. } => Outcome::Unknown { detail: detail.clone() },
    }
}

/// What a status says where the body says nothing more exact.
pub(super) fn by_status(status: u16) -> Outcome {
    let (class, detail) = match status {
        200..=299 => return unreadable(),
        // A gateway that stopped waiting cannot know what stands behind it.
        504 => {
            return Outcome::Unknown { detail: "The provider's gateway gave up waiting (504).".to_owned() };
        }
        300..=399 => {
            (Class::Account, "The provider sends us elsewhere; the address in the settings is wrong.")
        }
        401 | 403 => (Class::Account, "The provider does not accept the credential."),
        402 => (Class::Account, "The account at the provider has no credit."),
        404 | 405 | 410 => (
            Class::Account,
            "The provider does not know what was asked; look at the address in the settings.",
        ),
        413 => (Class::Content, "The message is too large for the provider."),
        408 | 425 | 500.. => (Class::Transient, "The provider is out of order."),
        429 => (Class::Rate, "The provider asks for a slower pace."),
        _ => (Class::Content, "The provider refuses this message."),
    };
    Outcome::Refused(Refusal::new(class, format!("http_{status}"), detail))
}

/// The same with the wait that the answer asks for.
pub(super) fn by_status_of(answer: &Answer) -> Outcome {
    match by_status(answer.status) {
        Outcome::Refused(refusal) => Outcome::Refused(refusal.after(answer.retry_after(Utc::now()))),
        other => other,
    }
}

pub(super) fn refusal_by_status(answer: &Answer) -> Refusal {
    match by_status_of(answer) {
        Outcome::Refused(refusal) => refusal,
        _ => Refusal::new(Class::Transient, "no_answer", "The provider's answer makes no sense."),
    }
}

/// A success that cannot be read: the message may be on its way.
pub(super) fn unreadable() -> Outcome {
    Outcome::Unknown { detail: "The provider's answer makes no sense.".to_owned() }
}

/// A text for a channel of short messages, counted.
pub(super) fn short_text(content: &Content) -> Result<Segments, Refusal> {
    nothing_else(content)?;
    let counted = segments(&content.text);
    if content.text.trim().is_empty() {
        return Err(Refusal::content("empty", "The message has no text."));
    }
    if counted.count > SEGMENTS_MAX {
        return Err(Refusal::content(
            "too_long",
            format!("The text makes {} SMS; at most {SEGMENTS_MAX} are sent.", counted.count),
        ));
    }
    Ok(counted)
}

/// A channel without files refuses them, rather than to lose them.
pub(super) fn nothing_else(content: &Content) -> Result<(), Refusal> {
    if !content.attachments.is_empty() {
        return Err(Refusal::content("no_attachments", "This provider carries no files."));
    }
    no_template(content)
}

pub(super) fn no_template(content: &Content) -> Result<(), Refusal> {
    if content.template.is_some() {
        return Err(Refusal::content("no_templates", "This provider knows no templates of its own."));
    }
    Ok(())
}

/// Refuses what is surely outside the day in which WhatsApp takes free texts; where nothing is known, the provider judges.
pub(super) fn free_text_window(outgoing: &Outgoing) -> Result<(), Refusal> {
    const DAY: TimeDelta = TimeDelta::hours(24);
    match outgoing.last_heard_at {
        Some(at) if outgoing.now - at >= DAY => Err(Refusal::new(
            Class::Window,
            "window_closed",
            "The recipient last wrote more than a day ago; only an approved template reaches them.",
        )),
        _ => Ok(()),
    }
}

/// A text that must be there and may not be longer, counted as the channel counts.
pub(super) fn text_within(text: &str, limit: usize, count: fn(&str) -> usize) -> Result<(), Refusal> {
    if text.trim().is_empty() {
        return Err(Refusal::content("empty", "The message has no text."));
    }
    if count(text) > limit {
        return Err(Refusal::content("too_long", format!("The text is longer than the {limit} that fit.")));
    }
    Ok(())
}

pub(super) fn characters(text: &str) -> usize {
    text.chars().count()
}

pub(super) fn utf16_units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// A field of an answer that is a text that is not empty, or a number.
pub(super) fn word<'a>(value: &'a Value, pointer: &str) -> Option<Cow<'a, str>> {
    match value.pointer(pointer)? {
        Value::String(text) if !text.is_empty() => Some(text.as_str().into()),
        Value::Number(number) => Some(number.to_string().into()),
        _ => None,
    }
}

/// The same as a text of its own.
pub(super) fn text(value: &Value, pointer: &str) -> Option<String> {
    word(value, pointer).map(Cow::into_owned)
}

/// An amount that is written as a number or as a text; charges are written with a minus by some.
pub(super) fn price(value: &Value, pointer: &str, currency: Option<String>) -> Option<Price> {
    let text = word(value, pointer)?;
    let amount = Decimal::from_str(&text).or_else(|_odd| Decimal::from_scientific(&text)).ok()?;
    Some(Price { amount: amount.abs(), currency })
}

/// Seconds since 1970, as a number or a text. Where milliseconds are meant, the number is too large for seconds.
pub(super) fn instant(value: &Value, pointer: &str) -> Option<DateTime<Utc>> {
    const LATEST_SECONDS: i64 = 100_000_000_000;
    let number: i64 = word(value, pointer)?.parse().ok()?;
    if number.abs() < LATEST_SECONDS {
        DateTime::from_timestamp(number, 0)
    } else {
        DateTime::from_timestamp_millis(number)
    }
}

/// Letters and digits only, in lower case: `Delivered To Handset` and `delivered_to_handset` are one word.
pub(super) fn folded(word: &str) -> String {
    word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
