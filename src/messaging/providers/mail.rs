//! What both ways to send mail have in common.

use super::{
    Content, Field, FieldKind, Outgoing, Refusal, Values,
    answers::{no_template, text_within},
};
use crate::{mail::one_line, types::EmailAddress};

/// Most servers take no larger letter, and base64 makes a third more of it.
const ATTACHMENTS_MAX_BYTES: usize = 18 * 1024 * 1024;
const TEXT_MAX_BYTES: usize = 1024 * 1024;

pub(super) const FROM_EMAIL: Field =
    Field::required("from_email", "From", FieldKind::Email, "The address that letters come from.");
pub(super) const FROM_NAME: Field =
    Field::optional("from_name", "From name", FieldKind::Text, "The name beside it.");
pub(super) const REPLY_TO: Field =
    Field::optional("reply_to", "Reply to", FieldKind::Email, "Where answers go, if not to the sender.");

/// Who letters come from, and who gets the answers.
pub(super) struct Sender {
    pub email: String,
    pub name: Option<String>,
    pub reply_to: Option<String>,
}

impl Sender {
    pub fn of(values: &Values) -> Self {
        Self {
            email: values.text("from_email").to_owned(),
            name: values.some("from_name").map(|name| one_line(&name)),
            reply_to: values.some("reply_to"),
        }
    }

    /// The sender of one delivery, which may name another.
    pub fn email_of(&self, outgoing: &Outgoing) -> Result<String, Refusal> {
        let Some(other) = &outgoing.from else { return Ok(self.email.clone()) };
        let parsed = EmailAddress::parse(other);
        parsed
            .map(String::from)
            .map_err(|_odd| Refusal::content("bad_sender", "The sender is not an e-mail address."))
    }
}

/// Checks a letter and gives its subject, which is one line whatever was typed.
pub(super) fn checked(content: &Content) -> Result<String, Refusal> {
    no_template(content)?;
    let words = content.html.as_deref().filter(|_| content.text.trim().is_empty()).unwrap_or(&content.text);
    text_within(words, TEXT_MAX_BYTES, str::len)?;
    if content.html.as_ref().is_some_and(|html| html.len() > TEXT_MAX_BYTES) {
        return Err(Refusal::content("too_long", "The letter is longer than a megabyte."));
    }
    let subject = one_line(content.subject.as_deref().unwrap_or_default());
    if subject.is_empty() {
        return Err(Refusal::content("no_subject", "The letter has no subject."));
    }
    if content.attachments.iter().map(|file| file.bytes.len()).sum::<usize>() > ATTACHMENTS_MAX_BYTES {
        return Err(Refusal::content("attachment_size", "The files are larger than 18 MB together."));
    }
    Ok(subject)
}

/// The Message-ID of the letter that this one answers. It came from outside, so nothing of it may end a header.
pub(super) fn answered(outgoing: &Outgoing) -> Option<String> {
    let id: String = outgoing.reply_to.as_ref()?.chars().filter(char::is_ascii_graphic).collect();
    (!id.is_empty()).then_some(id)
}
