//! Previews as pages show them.

use serde::Serialize;

use super::preview::Preview;
use crate::{
    web::parts::counted,
    words::{say, say_again},
};

/// A preview as a page shows it.
#[derive(Serialize)]
pub struct Shown {
    problem: String,
    subject: String,
    title: String,
    text: String,
    html: String,
    missing: String,
    /// "GSM-7, 1 message, 120 characters left"
    sms: String,
    /// Set when it costs more than it has to.
    odd: String,
}

impl Shown {
    pub fn of(made: Result<Preview, String>) -> Self {
        let made = match made {
            Ok(made) => made,
            Err(problem) => return Self { problem: say_again(problem), ..Self::empty() },
        };
        let sms = made.segments.map(|sms| {
            let encoding = match sms.encoding.as_str() {
                "gsm7" => "GSM-7",
                _ => "Unicode",
            };
            let messages = counted(i64::from(sms.count), "message", "messages");
            say!("{} · {} units · {} · {} left", encoding, sms.units, messages, sms.left)
        });
        let odd = made.segments.and_then(|sms| sms.odd_one).map(|c| {
            say!("“{}” is not in the GSM alphabet: a message holds 70 characters instead of 160.", c)
        });
        Self {
            problem: String::new(),
            subject: made.content.subject.unwrap_or_default(),
            title: made.content.title.unwrap_or_default(),
            text: made.content.text,
            html: made.content.html.unwrap_or_default(),
            missing: made.missing.join(", "),
            sms: sms.unwrap_or_default(),
            odd: odd.unwrap_or_default(),
        }
    }

    pub fn empty() -> Self {
        let none = String::new;
        Self {
            problem: none(),
            subject: none(),
            title: none(),
            text: none(),
            html: none(),
            missing: none(),
            sms: none(),
            odd: none(),
        }
    }
}
