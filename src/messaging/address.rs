//! Where a person is reached on a channel, in the one spelling that a channel knows it by.

use std::fmt;

use uuid::Uuid;

use super::Channel;
use crate::types::{Country, EmailAddress, Wrong};

const PUSH_TOKEN_MAX: usize = 4_096;
const INSTAGRAM_ID_MAX: usize = 32;
const PHONE_MAX: usize = 40;
/// So many characters at the end are shown where a whole address would be too much.
const TAIL_SHOWN: usize = 4;

/// An address on a channel: `+233200000001`, `ama@example.com`, a chat, a device. Two spellings of one address are equal.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Address {
    channel: Channel,
    text: String,
}

impl Address {
    /// `country` is the one that a telephone number without a prefix belongs to.
    pub fn parse(channel: Channel, text: &str, country: &Country) -> Result<Self, Wrong> {
        let text = text.trim();
        if text.is_empty() {
            return Err(Wrong::new("required", "This is needed."));
        }
        let text = match channel {
            Channel::Sms | Channel::Whatsapp => e164(text, country)?,
            Channel::Email => EmailAddress::parse(text)?.as_str().to_owned(),
            Channel::Telegram => chat(text)?,
            Channel::Instagram => {
                let fits = text.len() <= INSTAGRAM_ID_MAX && text.bytes().all(|b| b.is_ascii_digit());
                let wrong = || Wrong::new("not_an_instagram_id", "An Instagram id is a number.");
                fits.then(|| text.to_owned()).ok_or_else(wrong)?
            }
            Channel::Push => {
                let fits = text.len() <= PUSH_TOKEN_MAX && text.bytes().all(|b| b.is_ascii_graphic());
                let wrong = || Wrong::new("not_a_push_token", "This is not the token of a device.");
                fits.then(|| text.to_owned()).ok_or_else(wrong)?
            }
            Channel::InApp => {
                let wrong = |_odd| Wrong::new("not_an_id", "This is not the id of a user.");
                text.parse::<Uuid>().map_err(wrong)?.to_string()
            }
        };
        Ok(Self { channel, text })
    }

    /// An address that was parsed before it was stored.
    pub fn stored(channel: Channel, text: String) -> Self {
        Self { channel, text }
    }

    pub fn channel(&self) -> Channel {
        self.channel
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// A telephone number without its plus sign, as some providers want it.
    pub fn digits(&self) -> &str {
        self.text.trim_start_matches('+')
    }

    /// Enough to tell two addresses of one list apart, for logs.
    pub fn masked(&self) -> String {
        let count = self.text.chars().count();
        let hidden = count.saturating_sub(TAIL_SHOWN.min(count / 2));
        format!("…{}", self.text.chars().skip(hidden).collect::<String>())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.channel, self.masked())
    }
}

/// Strict, unlike the number on a customer's card: what no numbering plan knows, no provider can reach.
fn e164(text: &str, country: &Country) -> Result<String, Wrong> {
    let wrong = || Wrong::new("not_a_phone_number", "This is not a telephone number that can be called.");
    let odd = text.chars().any(|c| !c.is_ascii_digit() && !"+-(). /".contains(c));
    if odd || text.len() > PHONE_MAX {
        return Err(wrong());
    }
    let region = country.as_str().parse::<phonenumber::country::Id>().ok();
    let number = phonenumber::parse(region, text).map_err(|_odd| wrong())?;
    if !phonenumber::is_valid(&number) {
        return Err(wrong());
    }
    Ok(number.format().mode(phonenumber::Mode::E164).to_string())
}

/// A chat's number (groups have negative ones), or the public name of a channel.
fn chat(text: &str) -> Result<String, Wrong> {
    let wrong = || Wrong::new("not_a_chat", "A Telegram chat is a number, or the @name of a channel.");
    if let Some(name) = text.strip_prefix('@') {
        let fits =
            (5..=32).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        return fits.then(|| text.to_ascii_lowercase()).ok_or_else(wrong);
    }
    let number = text.parse::<i64>().map_err(|_odd| wrong())?;
    if number == 0 { Err(wrong()) } else { Ok(number.to_string()) }
}
