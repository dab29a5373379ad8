//! How a tenant sends: quiet hours, retries, how fast, what means stop.
//!
//! Owns `messaging_policy`, one row for each tenant.

mod api;
mod pages;

use chrono::NaiveTime;
use serde_json::{Value, json};

use crate::{
    access::By,
    audit::{Event, changes},
    db::TenantTx,
    error::Result,
    types::{Check, Wrong, line},
    web::typed::{Typed, optional_whole},
    words::say,
};

pub use api::PolicyApi;
pub use pages::pages;

const LANGUAGE_MAX: usize = 35;
const WORDS_MAX: usize = 50;
const WORD_CHARS_MAX: usize = 40;
/// A message is tried again so often when nothing else was said.
const RETRIES: i32 = 3;

/// How a tenant sends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Everything is done but the wire.
    pub is_dry_run: bool,
    /// In the tenant's zone: bulk waits for the end. May go over midnight.
    pub quiet: Option<(NaiveTime, NaiveTime)>,
    /// How often a message that may pass later is tried again.
    pub retries: i16,
    /// Over all channels; None: as fast as it goes.
    pub per_second: Option<i32>,
    /// BCP 47: what people are written to in who asked for nothing else.
    pub default_language: String,
    /// Whole messages, in lower case, that mean stop and start besides those that everybody knows.
    pub stop_words: Vec<String>,
    pub start_words: Vec<String>,
}

impl Policy {
    pub const FIELDS: [&str; 8] = [
        "is_dry_run",
        "quiet_from",
        "quiet_to",
        "retries",
        "per_second",
        "default_language",
        "stop_words",
        "start_words",
    ];

    /// What was typed, or every field of it that is wrong.
    pub fn parse(typed: &Typed) -> Result<Self> {
        let mut check = Check::new();
        let from = check.field("quiet_from", time(typed.get("quiet_from")));
        let to = check.field("quiet_to", time(typed.get("quiet_to")));
        let quiet = match (from.flatten(), to.flatten()) {
            (Some(from), Some(to)) if from == to => {
                check.wrong("quiet_to", "same", "Quiet hours begin and end at different times.");
                None
            }
            (Some(from), Some(to)) => Some((from, to)),
            (Some(_), None) if to.is_some() => {
                check.wrong("quiet_to", "required", "Say when quiet hours end, too.");
                None
            }
            (None, Some(_)) if from.is_some() => {
                check.wrong("quiet_from", "required", "Say when quiet hours begin, too.");
                None
            }
            _ => None,
        };
        let retries = check.field("retries", optional_whole(typed.get("retries"), 0..=10));
        let per_second = check.field("per_second", optional_whole(typed.get("per_second"), 1..=10_000));
        let language = check.field("default_language", language(typed.get("default_language")));
        let stop_words = check.field("stop_words", words(typed.get("stop_words")));
        let start_words = check.field("start_words", words(typed.get("start_words")));
        if let (Some(stop), Some(start)) = (&stop_words, &start_words)
            && let Some(both) = stop.iter().find(|word| start.contains(word))
        {
            check.wrong("start_words", "both", say!("“{}” cannot mean both.", both));
        }
        let whole = (|| {
            Some(Self {
                is_dry_run: typed.is_ticked("is_dry_run"),
                quiet,
                retries: i16::try_from(retries?.unwrap_or(RETRIES)).ok()?,
                per_second: per_second?,
                default_language: language?,
                stop_words: stop_words?,
                start_words: start_words?,
            })
        })();
        check.finish(whole)
    }

    pub fn typed(&self) -> Typed {
        let shown = |time: NaiveTime| time.format("%H:%M").to_string();
        Typed::default()
            .with("is_dry_run", if self.is_dry_run { "true" } else { "" })
            .with_option("quiet_from", self.quiet.map(|(from, _)| shown(from)))
            .with_option("quiet_to", self.quiet.map(|(_, to)| shown(to)))
            .with("retries", self.retries)
            .with_option("per_second", self.per_second)
            .with("default_language", &self.default_language)
            .with("stop_words", self.stop_words.join("\n"))
            .with("start_words", self.start_words.join("\n"))
    }

    fn told(&self) -> Value {
        json!({
            "is_dry_run": self.is_dry_run,
            "quiet_from": self.quiet.map(|(from, _)| from.to_string()),
            "quiet_to": self.quiet.map(|(_, to)| to.to_string()),
            "retries": self.retries,
            "per_second": self.per_second,
            "default_language": self.default_language,
            "stop_words": self.stop_words,
            "start_words": self.start_words,
        })
    }
}

fn time(text: &str) -> Result<Option<NaiveTime>, Wrong> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    NaiveTime::parse_from_str(text, "%H:%M")
        .or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"))
        .map(Some)
        .map_err(|_odd| Wrong::new("not_a_time", "This must be a time of the day, such as 21:00."))
}

fn language(text: &str) -> Result<String, Wrong> {
    let text = line(text, LANGUAGE_MAX)?;
    let is_tag = text.len() >= 2
        && text.split('-').all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
    if is_tag {
        Ok(text)
    } else {
        Err(Wrong::new("not_a_language", "This must be a language's tag, such as en or fil."))
    }
}

/// One word or phrase a line, each once.
fn words(text: &str) -> Result<Vec<String>, Wrong> {
    let mut found: Vec<String> = Vec::new();
    for line in text.lines().map(|line| line.trim().to_lowercase()).filter(|line| !line.is_empty()) {
        if line.chars().count() > WORD_CHARS_MAX || line.chars().any(char::is_control) {
            let detail = say!("A word has at most {} characters.", WORD_CHARS_MAX);
            return Err(Wrong::new("too_long", detail));
        }
        if !found.contains(&line) {
            found.push(line);
        }
    }
    if found.len() > WORDS_MAX {
        return Err(Wrong::new("too_many", say!("At most {} words.", WORDS_MAX)));
    }
    Ok(found)
}

/// How this tenant sends.
pub async fn get(tx: &TenantTx) -> Result<Policy> {
    let row = tx
        .query_one(
            "SELECT is_dry_run, quiet_from, quiet_to, retries, per_second, default_language, stop_words, start_words
             FROM messaging_policy",
            &[],
        )
        .await?;
    let (from, to): (Option<NaiveTime>, Option<NaiveTime>) = (row.get(1), row.get(2));
    Ok(Policy {
        is_dry_run: row.get(0),
        quiet: from.zip(to),
        retries: row.get(3),
        per_second: row.get(4),
        default_language: row.get(5),
        stop_words: row.get(6),
        start_words: row.get(7),
    })
}

/// Changes how this tenant sends, from the next delivery on.
pub async fn change(tx: &TenantTx, by: &By, policy: &Policy) -> Result<()> {
    let (before, after) = changes(&get(tx).await?.told(), &policy.told());
    if after.is_none() {
        return Ok(());
    }
    let (from, to) = policy.quiet.unzip();
    tx.execute(
        "UPDATE messaging_policy SET is_dry_run = $1, quiet_from = $2, quiet_to = $3, retries = $4, per_second = $5,
            default_language = $6, stop_words = $7, start_words = $8",
        &[
            &policy.is_dry_run,
            &from,
            &to,
            &policy.retries,
            &policy.per_second,
            &policy.default_language,
            &policy.stop_words,
            &policy.start_words,
        ],
    )
    .await?;
    let told = Event {
        action: "messaging_policy.updated",
        object_type: "messaging_policy",
        object_id: None,
        object_label: "How messages are sent",
        before,
        after,
    };
    by.record(tx, told).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(changes: &[(&'static str, &str)]) -> Result<Policy> {
        let start = Typed::default().with("default_language", "en");
        let typed = changes.iter().fold(start, |typed, (name, value)| typed.with(name, value));
        Policy::parse(&typed)
    }

    #[test]
    fn what_was_parsed_reads_as_it_was_typed() {
        let policy = parsed(&[
            ("is_dry_run", "true"),
            ("quiet_from", "21:00"),
            ("quiet_to", "08:30"),
            ("retries", "5"),
            ("per_second", "20"),
            ("default_language", "fil"),
            ("stop_words", "TIGIL\ntigil\n ayoko na "),
            ("start_words", "sige"),
        ])
        .unwrap();
        assert_eq!(policy.stop_words, ["tigil", "ayoko na"]);
        assert_eq!(Policy::parse(&policy.typed()).unwrap(), policy);
    }

    #[test]
    fn wrong_fields_are_named() {
        for (field, changes) in [
            ("quiet_from", vec![("quiet_from", "late"), ("quiet_to", "08:00")]),
            ("quiet_to", vec![("quiet_from", "21:00")]),
            ("quiet_from", vec![("quiet_to", "08:00")]),
            ("quiet_to", vec![("quiet_from", "08:00"), ("quiet_to", "08:00")]),
            ("retries", vec![("retries", "11")]),
            ("per_second", vec![("per_second", "0")]),
            ("default_language", vec![("default_language", "not a tag")]),
            ("start_words", vec![("stop_words", "end"), ("start_words", "END")]),
        ] {
            let error = parsed(&changes).unwrap_err();
            let crate::error::Error::Invalid(wrong) = error else { panic!("{changes:?}") };
            assert_eq!(
                wrong.iter().map(|one| one.field.as_ref()).collect::<Vec<_>>(),
                [field],
                "{changes:?}"
            );
        }
    }
}
