//! The post: a mail server, or a folder in development.

use std::sync::Arc;

use lettre::message::Mailbox;

use super::{
    folder::Folder,
    letter::Envelope,
    smtp::{Handed, Smtp},
};
use crate::{
    config::{MailKind, MailSettings},
    error::{Error, Result},
};

/// What became of a letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The server took it upon itself.
    Accepted,
    /// The server will never take it.
    Refused(String),
    /// The server surely has not taken it, and may do so later.
    NotTaken(String),
    /// The connection went while the server had the letter in its hands.
    Unknown(String),
}

impl Outcome {
    pub fn word(&self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Refused(_) => "refused",
            Self::NotTaken(_) => "not_taken",
            Self::Unknown(_) => "unknown",
        }
    }
}

impl From<Handed> for Outcome {
    fn from(handed: Handed) -> Self {
        match handed {
            Handed::Accepted => Self::Accepted,
            Handed::Refused(said) => Self::Refused(said.text),
            Handed::NotTaken(said) => Self::NotTaken(said.text),
            Handed::Unknown(text) => Self::Unknown(text),
        }
    }
}

/// Carries letters. Cheap to clone.
#[derive(Clone)]
pub struct Post(Arc<Parts>);

struct Parts {
    from: Mailbox,
    by: Carrier,
}

enum Carrier {
    Smtp(Smtp),
    Folder(Folder),
}

impl Post {
    /// Settings that cannot be right are refused here; whether the server answers shows at the first letter.
    pub fn open(settings: &MailSettings) -> Result<Self> {
        let from = settings.from.parse().map_err(|error| {
            Error::invalid(
                "mail.from",
                "not_an_email",
                format!("mail.from must be an address, or a name with an address in <>: {error}."),
            )
        })?;
        let by = match (settings.kind, &settings.url) {
            (MailKind::Folder, _) => Carrier::Folder(Folder::new(settings.folder.clone())),
            (MailKind::Smtp, Some(url)) => Carrier::Smtp(Smtp::from_url(url)?),
            (MailKind::Smtp, None) => {
                return Err(Error::invalid("mail.url", "required", "mail.kind = smtp needs mail.url."));
            }
        };
        Ok(Self(Arc::new(Parts { from, by })))
    }

    /// Whether the mail server lets us in, for `lastmile doctor`.
    pub async fn check(&self) -> Result<()> {
        match &self.0.by {
            Carrier::Smtp(smtp) => smtp.check().await,
            Carrier::Folder(folder) => folder.check().await,
        }
    }

    /// Where letters go, without any password.
    pub fn describe(&self) -> String {
        match &self.0.by {
            Carrier::Smtp(smtp) => smtp.describe(),
            Carrier::Folder(folder) => folder.describe(),
        }
    }

    pub(super) fn from(&self) -> &Mailbox {
        &self.0.from
    }

    /// Whether carrying the same letter again changes nothing.
    pub(super) fn may_repeat(&self) -> bool {
        matches!(self.0.by, Carrier::Folder(_))
    }

    pub(super) async fn carry(&self, envelope: &Envelope) -> Outcome {
        match &self.0.by {
            Carrier::Smtp(smtp) => smtp.carry(envelope).await.into(),
            Carrier::Folder(folder) => folder.carry(envelope).await,
        }
    }
}
