//! A mail server of the tenant's own. The way to it is that of our own letters; the address is guarded like every other.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use lettre::{
    Message,
    message::{
        Attachment as MailAttachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use uuid::Uuid;

use super::{
    About, Accepted, Checked, Class, Content, Field, FieldKind, Outcome, Outgoing, Prepared, Proof, Provider,
    Reason, Refusal, State, Unsubscribe, Values,
    mail::{self, Sender},
    message::Wire,
};
use crate::{
    error::{Error, Result},
    mail::{Encryption, Envelope, Handed, Said, Server, Smtp, Step, address_of},
    messaging::Channel,
    outbound::Outbound,
};

pub static EMAIL: About = About {
    kind: "smtp",
    label: "Mail server (SMTP)",
    channel: Channel::Email,
    fields: &[
        Field::required("host", "Server", FieldKind::Host, "Such as mail.example.com."),
        Field::optional("port", "Port", FieldKind::Port, "587 as a rule; 465 with TLS from the start.")
            .or("587"),
        Field::optional(
            "encryption",
            "Encryption",
            FieldKind::OneOf(&["starttls", "tls", "if_offered", "none"]),
            "none and if_offered never send a password to another machine.",
        )
        .or("starttls"),
        Field::optional("username", "User", FieldKind::Text, "Empty for a server that asks nobody."),
        Field::optional("password", "Password", FieldKind::Text, "Of that user.").secret(),
        mail::FROM_EMAIL,
        mail::FROM_NAME,
        mail::REPLY_TO,
    ],
    carries_files: true,
    proof: Proof::None,
    poll_after: &[],
    open: |values| TenantSmtp::open(values).map(|smtp| Arc::new(smtp) as Arc<dyn Provider>),
};

struct TenantSmtp {
    smtp: Smtp,
    name: String,
    sender: Sender,
}

impl TenantSmtp {
    fn open(values: &Values) -> Result<Self> {
        let encryption = match values.text("encryption") {
            "tls" => Encryption::FromTheStart,
            "if_offered" => Encryption::IfOffered,
            "none" => Encryption::Never,
            _ => Encryption::Required,
        };
        let host = values.text("host").trim_matches(['[', ']']).to_owned();
        let port = values
            .text("port")
            .parse()
            .map_err(|_odd| Error::invalid("port", "not_a_port", "A port is a number from 1 to 65535."))?;
        let credentials = match (values.some("username"), values.some("password")) {
            (Some(user), Some(password)) => Some((user, password)),
            (None, None) => None,
            _ => return Err(Error::invalid("password", "incomplete", "A user and a password, or neither.")),
        };
        let is_open = matches!(encryption, Encryption::IfOffered | Encryption::Never);
        let server = Server { host, port, encryption, credentials };
        if is_open && server.credentials.is_some() && !server.is_here() {
            return Err(Error::invalid(
                "encryption",
                "password_in_the_clear",
                "The password would travel in the clear.",
            ));
        }
        Ok(Self {
            name: format!("{}:{port}", server.host),
            smtp: Smtp::new(server),
            sender: Sender::of(values),
        })
    }
}

impl Provider for TenantSmtp {
    fn about(&self) -> &'static About {
        &EMAIL
    }

    fn prepare(&self, outgoing: &Outgoing) -> Result<Prepared, Refusal> {
        let subject = mail::checked(&outgoing.content)?;
        let envelope = written(&self.sender, outgoing, &subject)?;
        Ok(Prepared { segments: None, wire: Wire::Mail(envelope) })
    }

    fn send<'a>(&'a self, outbound: &'a Outbound, prepared: Prepared) -> BoxFuture<'a, Outcome> {
        Box::pin(async move {
            let Wire::Mail(envelope) = prepared.wire else {
                return Outcome::Refused(Refusal::content(
                    "not_for_this_provider",
                    "Prepared by another provider.",
                ));
            };
            match self.smtp.carry_by(Some(outbound), &envelope).await {
                Handed::Accepted => Outcome::Accepted(Accepted::new(
                    message_id(envelope.id, envelope.from.domain()),
                    State::Sent,
                )),
                Handed::Refused(said) | Handed::NotTaken(said) => Outcome::Refused(refusal(&said)),
                Handed::Unknown(detail) => Outcome::Unknown { detail },
            }
        })
    }

    fn check<'a>(&'a self, outbound: &'a Outbound) -> BoxFuture<'a, Result<Checked, Refusal>> {
        Box::pin(async move {
            match self.smtp.greet_by(Some(outbound)).await {
                Ok(()) => Ok(Checked { account: Some(self.name.clone()), balance: None }),
                Err(said) => Err(refusal(&said)),
            }
        })
    }
}

/// The same for every attempt at one delivery, so that a mailbox can tell the same letter when it sees it again.
fn message_id(id: Uuid, domain: &str) -> String {
    format!("<{id}@{domain}>")
}

fn written(sender: &Sender, outgoing: &Outgoing, subject: &str) -> Result<Envelope, Refusal> {
    let content = &outgoing.content;
    let from_text = sender.email_of(outgoing)?;
    let bad_sender = |_odd| Refusal::content("bad_sender", "The sender is not an e-mail address.");
    let from = address_of(&from_text).map_err(bad_sender)?;
    let to = address_of(outgoing.to.as_str()).map_err(|_odd| {
        Refusal::new(Class::Recipient(Reason::Invalid), "not_an_email", "This address cannot be written to.")
    })?;
    let mut builder = Message::builder()
        .from(Mailbox::new(sender.name.clone(), from.clone()))
        .to(Mailbox::new(None, to.clone()))
        .subject(subject)
        .date(outgoing.now.into())
        .message_id(Some(message_id(outgoing.id, from.domain())));
    if let Some(reply_to) = &sender.reply_to {
        builder = builder.reply_to(Mailbox::new(None, address_of(reply_to).map_err(bad_sender)?));
    }
    if let Some(answered) = mail::answered(outgoing) {
        builder = builder.in_reply_to(answered.clone()).references(answered.clone());
    }
    for (name, value) in content.unsubscribe.iter().flat_map(Unsubscribe::headers) {
        builder = builder.raw_header(HeaderValue::new(HeaderName::new_from_ascii_str(name), value));
    }
    let words = match &content.html {
        Some(html) if !content.text.is_empty() => {
            MultiPart::alternative_plain_html(content.text.clone(), html.clone())
        }
        Some(html) => MultiPart::alternative().singlepart(SinglePart::html(html.clone())),
        None => MultiPart::alternative().singlepart(SinglePart::plain(content.text.clone())),
    };
    let message = if content.attachments.is_empty() {
        builder.multipart(words)
    } else {
        builder.multipart(with_files(words, content))
    };
    let message =
        message.map_err(|_odd| Refusal::content("not_a_letter", "No letter can be made of this."))?;
    Ok(Envelope { id: outgoing.id, written_at: outgoing.now, from, to, bytes: message.formatted() })
}

fn with_files(words: MultiPart, content: &Content) -> MultiPart {
    let plain_bytes = || ContentType::parse("application/octet-stream").unwrap_or(ContentType::TEXT_PLAIN);
    content.attachments.iter().fold(MultiPart::mixed().multipart(words), |whole, file| {
        let kind = ContentType::parse(&file.content_type).unwrap_or_else(|_odd| plain_bytes());
        let name: String = file.name.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
        whole.singlepart(MailAttachment::new(name).body(file.bytes.to_vec(), kind))
    })
}

/// What a server's words mean. Its codes say little: 550 is "no such mailbox" and "we do not want you" alike, so the longer code
/// of RFC 3463 decides where there is one.
fn refusal(said: &Said) -> Refusal {
    let class = match (said.step, said.code, said.enhanced.as_deref()) {
        (Step::NotAllowed, ..) => Class::Account,
        (Step::SigningIn, Some(500..), _) => Class::Account,
        (_, None, _) | (_, Some(..=499), _) => Class::Transient,
        (Step::Connecting, ..) => Class::Transient,
        (_, Some(530 | 535), _) => Class::Account,
        (
            Step::Recipient | Step::Letter,
            _,
            Some("5.1.1" | "5.1.2" | "5.1.3" | "5.1.6" | "5.1.10" | "5.2.1"),
        ) => Class::Recipient(Reason::Invalid),
        // The mailbox is full: it is still one.
        (Step::Recipient | Step::Letter, _, Some("5.2.2")) => Class::Transient,
        (Step::Recipient, _, Some(enhanced)) if enhanced.starts_with("5.7.") => {
            let is_relay = said.text.to_lowercase().contains("relay");
            if is_relay { Class::Account } else { Class::Content }
        }
        (Step::Recipient, Some(550 | 551 | 553), _) => Class::Recipient(Reason::Invalid),
        (Step::Sender, Some(552), _) => Class::Content,
        (Step::Sender, ..) => Class::Account,
        _ => Class::Content,
    };
    let code = said.enhanced.clone().or_else(|| said.code.map(|code| code.to_string()));
    Refusal::new(class, code.unwrap_or_else(|| "not_sent".to_owned()), &said.text)
}
