//! The words of a message or of a template: per channel and language, as they were typed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{super::Channel, harmless::left_out_of};
use crate::{
    error::{Error, FieldError, Result},
    types::Wrong,
    words::say,
};

const SUBJECT_MAX: usize = 300;
const TEXT_MAX_BYTES: usize = 16 * 1024;
const HTML_MAX_BYTES: usize = 64 * 1024;
const LANGUAGES_MAX: usize = 20;
const DATA_MAX: usize = 20;
const DATA_KEY_MAX: usize = 60;
const VALUE_MAX: usize = 1_000;
const PARAMETERS_MAX: usize = 30;
const NAME_MAX: usize = 512;
/// So many things that are left out of a letter are named.
const NAMED_AT_ONCE: usize = 5;
pub const LANGUAGE_MAX: usize = 35;

/// What is said on one channel in one language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Text {
    /// Of a letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Of a push notification, or a line in the bell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
    /// Of a letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub html: Option<String>,
    /// For the app that a push notification wakes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, String>,
    /// A text that the provider keeps and has approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<ProviderTemplate>,
}

/// A template at the provider: Meta's name and language, Twilio's content id, and what its placeholders become.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProviderTemplate {
    pub name: String,
    #[serde(default)]
    pub language: String,
    #[serde(default)]
    pub parameters: Vec<String>,
}

/// All that a message may say: by channel, then by language.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Words(pub BTreeMap<Channel, BTreeMap<String, Text>>);

impl Words {
    /// The same words on several channels, each of which takes what it can carry.
    pub fn inline(channels: &[Channel], language: &str, text: &Text) -> Self {
        let fitting = |channel| BTreeMap::from([(language.to_owned(), text.fitting(channel))]);
        Self(channels.iter().map(|channel| (*channel, fitting(*channel))).collect())
    }

    /// Checks limits and what each channel can carry, and brings languages and line ends into one spelling. Every wrong field is named
    /// as `contents.email.en.subject`.
    pub fn checked(self) -> Result<Self> {
        let mut wrong = Vec::new();
        let mut all = Self::default();
        for (channel, variants) in self.0 {
            if variants.len() > LANGUAGES_MAX {
                let detail = say!("At most {} languages.", LANGUAGES_MAX);
                wrong.push(FieldError::new(format!("contents.{channel}"), "too_many", detail));
                continue;
            }
            let mut kept = BTreeMap::new();
            for (language, text) in variants {
                let at = format!("contents.{channel}.{language}");
                match parse_language(&language) {
                    Ok(language) => {
                        kept.insert(language, text.checked(channel, &at, &mut wrong));
                    }
                    Err(odd) => wrong.push(FieldError::new(at, odd.code, odd.detail)),
                }
            }
            if !kept.is_empty() {
                all.0.insert(channel, kept);
            }
        }
        if all.0.is_empty() && wrong.is_empty() {
            wrong.push(FieldError::new("contents", "required", "A message says something on some channel."));
        }
        if wrong.is_empty() { Ok(all) } else { Err(Error::Invalid(wrong)) }
    }
}

/// A BCP 47 tag in one spelling: `en`, `fil`, `pt-br`.
pub fn parse_language(text: &str) -> std::result::Result<String, Wrong> {
    let text = text.trim().replace('_', "-").to_ascii_lowercase();
    let mut parts = text.split('-');
    let is_word = |part: &str, from: usize, to: usize| (from..=to).contains(&part.len()) && part.is_ascii();
    let starts_well =
        parts.next().is_some_and(|p| is_word(p, 2, 3) && p.bytes().all(|b| b.is_ascii_alphabetic()));
    let goes_on = parts.all(|p| is_word(p, 1, 8) && p.bytes().all(|b| b.is_ascii_alphanumeric()));
    if starts_well && goes_on && text.len() <= LANGUAGE_MAX {
        Ok(text)
    } else {
        Err(Wrong::new("not_a_language", "A language is a tag such as en, fil or pt-BR."))
    }
}

fn carries_subject(channel: Channel) -> bool {
    channel == Channel::Email
}

fn carries_title(channel: Channel) -> bool {
    matches!(channel, Channel::Push | Channel::InApp)
}

impl Text {
    /// Without what the channel cannot carry. A letter's subject heads a notification, and a notification's title a letter.
    fn fitting(&self, channel: Channel) -> Self {
        let head = self.subject.clone().or_else(|| self.title.clone());
        let title = self.title.clone().or_else(|| self.subject.clone());
        Self {
            subject: head.filter(|_| carries_subject(channel)),
            title: title.filter(|_| carries_title(channel)),
            text: self.text.clone(),
            html: self.html.clone().filter(|_| channel == Channel::Email),
            data: if channel == Channel::Push { self.data.clone() } else { BTreeMap::new() },
            provider: self.provider.clone().filter(|_| channel == Channel::Whatsapp),
        }
    }

    fn checked(self, channel: Channel, at: &str, wrong: &mut Vec<FieldError>) -> Self {
        let mut check = FieldCheck { at, wrong };
        check.only(
            self.subject.is_some(),
            carries_subject(channel),
            "subject",
            "Only letters have a subject.",
        );
        check.only(self.title.is_some(), carries_title(channel), "title", "Only notifications have a title.");
        check.only(self.html.is_some(), channel == Channel::Email, "html", "Only letters have HTML.");
        check.only(!self.data.is_empty(), channel == Channel::Push, "data", "Only push has data for an app.");
        check.only(
            self.provider.is_some(),
            channel == Channel::Whatsapp,
            "provider",
            "Only WhatsApp has texts that the provider keeps.",
        );
        let text = check.words("text", self.text, TEXT_MAX_BYTES);
        let html = self.html.map(|html| check.html(html)).filter(|h| !h.is_empty());
        let subject = self.subject.map(|line| check.line("subject", &line, SUBJECT_MAX));
        let title = self.title.map(|line| check.line("title", &line, SUBJECT_MAX)).filter(|t| !t.is_empty());
        let subject = subject.filter(|line| !line.is_empty());
        if carries_subject(channel) && subject.is_none() {
            check.add("subject", "required", "A letter needs a subject.");
        }
        let says_something = !text.is_empty() || html.is_some() || self.provider.is_some() || title.is_some();
        if !says_something {
            check.add("text", "required", "This says nothing yet.");
        }
        let data = check.data(self.data);
        let provider = self.provider.map(|provider| check.provider(provider));
        Self { subject, title, text, html, data, provider }
    }
}

/// Collects what is wrong with one text.
struct FieldCheck<'a> {
    at: &'a str,
    wrong: &'a mut Vec<FieldError>,
}

impl FieldCheck<'_> {
    fn add(&mut self, field: &str, code: &'static str, detail: impl Into<String>) {
        self.wrong.push(FieldError::new(format!("{}.{field}", self.at), code, detail));
    }

    fn only(&mut self, is_there: bool, may_be: bool, field: &str, detail: &str) {
        if is_there && !may_be {
            self.add(field, "not_on_this_channel", detail);
        }
    }

    fn words(&mut self, field: &str, text: String, max: usize) -> String {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        if text.len() > max {
            self.add(field, "too_long", say!("At most {} bytes.", max));
        } else if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            self.add(field, "control_characters", "Control characters are not allowed here.");
        }
        if text.trim().is_empty() { String::new() } else { text.trim_end().to_owned() }
    }

    fn html(&mut self, html: String) -> String {
        let html = self.words("html", html, HTML_MAX_BYTES);
        match left_out_of(&html) {
            Ok(left_out) if left_out.is_empty() => {}
            Ok(left_out) => {
                let few: Vec<String> = left_out.into_iter().take(NAMED_AT_ONCE).collect();
                self.add("html", "not_in_letters", say!("No letter may have this: {}", few.join(", ")));
            }
            Err(ambiguous) => self.add("html", "ambiguous_html", say(ambiguous)),
        }
        html
    }

    fn line(&mut self, field: &str, text: &str, max: usize) -> String {
        match crate::types::optional_line(text, max) {
            Ok(line) => line.unwrap_or_default(),
            Err(odd) => {
                self.add(field, odd.code, odd.detail);
                String::new()
            }
        }
    }

    fn data(&mut self, data: BTreeMap<String, String>) -> BTreeMap<String, String> {
        if data.len() > DATA_MAX {
            self.add("data", "too_many", say!("At most {} values.", DATA_MAX));
        }
        for (key, value) in &data {
            let is_key = (1..=DATA_KEY_MAX).contains(&key.len())
                && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
            if !is_key {
                self.add("data", "not_a_key", "A key has letters, digits, dots, dashes and underscores.");
            }
            if value.chars().count() > VALUE_MAX {
                self.add("data", "too_long", say!("A value has at most {} characters.", VALUE_MAX));
            }
        }
        data
    }

    fn provider(&mut self, provider: ProviderTemplate) -> ProviderTemplate {
        let name = self.line("provider.name", &provider.name, NAME_MAX);
        if name.is_empty() {
            self.add("provider.name", "required", "This is needed.");
        }
        let language = self.line("provider.language", &provider.language, LANGUAGE_MAX);
        if provider.parameters.len() > PARAMETERS_MAX {
            self.add("provider.parameters", "too_many", say!("At most {} values.", PARAMETERS_MAX));
        }
        let parameters =
            provider.parameters.iter().map(|p| self.line("provider.parameters", p, VALUE_MAX)).collect();
        ProviderTemplate { name, language, parameters }
    }
}
