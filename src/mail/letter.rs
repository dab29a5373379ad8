//! What a letter is, and how it becomes the bytes that a mail server is given.

use chrono::{DateTime, Utc};
use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    error::{Error, OrInternal, Result},
    types::EmailAddress,
};

const SUBJECT_MAX_CHARS: usize = 200;

/// A letter to one person.
#[derive(Debug, Clone)]
pub struct Letter {
    pub to: EmailAddress,
    subject: String,
    pub body: Body,
    /// When it is no longer worth sending: a link in it has expired by then.
    pub send_before: DateTime<Utc>,
}

/// The same words twice. Not shown by `Debug`: there may be a link in them.
#[derive(Clone, Serialize, Deserialize)]
pub struct Body {
    pub text: String,
    pub html: String,
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Body(hidden)")
    }
}

impl Letter {
    /// The subject may hold names that people chose: it becomes one line, whatever they typed.
    pub fn new(to: EmailAddress, subject: &str, body: Body, send_before: DateTime<Utc>) -> Self {
        Self { to, subject: one_line(subject), body, send_before }
    }

    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// Control characters, line ends of every kind and marks that turn text around become spaces; never longer than a subject may be.
pub fn one_line(text: &str) -> String {
    let is_odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}');
    let plain: String = text.chars().map(|c| if is_odd(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    words.join(" ").chars().take(SUBJECT_MAX_CHARS).collect()
}

/// A letter that is ready for the post: where it goes, and its bytes.
pub struct Envelope {
    pub id: Uuid,
    pub written_at: DateTime<Utc>,
    pub from: Address,
    pub to: Address,
    pub bytes: Vec<u8>,
}

/// Writes the letter. Its Message-ID is made of the row's id, so that a mailbox can tell the same letter when it sees it again.
pub(super) fn write(
    id: Uuid,
    written_at: DateTime<Utc>,
    from: &Mailbox,
    recipient: &str,
    subject: &str,
    body: Body,
) -> Result<Envelope> {
    let to = address_of(recipient)?;
    let message = Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(one_line(subject))
        .date(written_at.into())
        .message_id(Some(format!("<{id}@{}>", from.email.domain())))
        // So that nobody's holiday notice answers to it.
        .raw_header(HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        ))
        .multipart(MultiPart::alternative_plain_html(body.text, body.html))
        .internal()?;
    Ok(Envelope { id, written_at, from: from.email.clone(), to, bytes: message.formatted() })
}

/// An address for the mail server: a name with letters beyond ASCII behind the @ is written the way that DNS knows it.
pub fn address_of(text: &str) -> Result<Address> {
    let bad = || Error::invalid("recipient", "not_an_email", "This address cannot be written to.");
    let (user, domain) = text.rsplit_once('@').ok_or_else(bad)?;
    let domain = url::Host::parse(domain).map_err(|_odd| bad())?.to_string();
    Address::new(user, domain).map_err(|_odd| bad())
}
