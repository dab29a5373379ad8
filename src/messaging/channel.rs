//! The ways a person can be reached.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::types::Wrong;
use crate::words::say;

/// A way to reach a person. `in_app` is our own; every other one needs a provider.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, poem_openapi::Enum,
)]
#[oai(rename = "Channel", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    Sms,
    Email,
    Whatsapp,
    Telegram,
    Instagram,
    Push,
    InApp,
}

impl Channel {
    pub const ALL: [Self; 7] =
        [Self::Sms, Self::Email, Self::Whatsapp, Self::Telegram, Self::Instagram, Self::Push, Self::InApp];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Email => "email",
            Self::Whatsapp => "whatsapp",
            Self::Telegram => "telegram",
            Self::Instagram => "instagram",
            Self::Push => "push",
            Self::InApp => "in_app",
        }
    }

    /// As a page shows it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Sms => "SMS",
            Self::Email => "E-mail",
            Self::Whatsapp => "WhatsApp",
            Self::Telegram => say("Telegram"),
            Self::Instagram => say("Instagram"),
            Self::Push => say("Push"),
            Self::InApp => say("In-app"),
        }
    }
}

impl FromStr for Channel {
    type Err = Wrong;

    fn from_str(text: &str) -> Result<Self, Wrong> {
        Self::ALL.into_iter().find(|channel| channel.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            Wrong::new("unknown_channel", say!("A channel is one of {}.", known))
        })
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
