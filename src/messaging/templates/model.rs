//! A template: its variables, its versions and how they come to be used.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{super::Channel, composer::Composer, words::Words};
use crate::{
    error::{Error, FieldError, Result},
    types::{Check, TemplateId, line, optional_line, optional_text},
    web::choices::choices,
    words::say,
};

pub const NAME_MAX: usize = 100;
pub const DESCRIPTION_MAX: usize = 500;
pub const FOOTER_MAX: usize = 2_000;

const VARIABLES_MAX: usize = 50;
const VARIABLE_NAME_MAX: usize = 40;
const FALLBACK_MAX: usize = 200;
/// Words of the language that no variable can be called by.
const RESERVED: [&str; 14] =
    ["and", "else", "false", "False", "for", "if", "in", "is", "loop", "none", "not", "or", "range", "true"];
/// Everybody who is written to has these.
pub const KNOWN: [&str; 2] = ["name", "first_name"];

/// Something that is filled in for each recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    pub name: String,
    /// What stands in its place for whom there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<String>,
    /// Without a value and a fallback nothing is sent; else nothing stands there.
    #[serde(default)]
    pub is_required: bool,
}

/// Whether this can be a variable's name.
pub fn is_name(text: &str) -> bool {
    let starts_well = text.starts_with(|c: char| c.is_ascii_alphabetic());
    let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    starts_well && is_word && text.len() <= VARIABLE_NAME_MAX && !RESERVED.contains(&text)
}

/// Checks variables, naming each wrong one as `variables[2].name`.
pub fn checked_variables(variables: Vec<Variable>) -> Result<Vec<Variable>> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(variables.len().min(VARIABLES_MAX));
    if variables.len() > VARIABLES_MAX {
        return Err(Error::invalid("variables", "too_many", say!("At most {} variables.", VARIABLES_MAX)));
    }
    for (at, variable) in variables.into_iter().enumerate() {
        let name = variable.name.trim().to_owned();
        let mut add = |field: &str, code, detail: String| {
            wrong.push(FieldError::new(format!("variables[{at}].{field}"), code, detail));
        };
        if !is_name(&name) {
            let detail = "A variable's name has letters, digits and underscores, begins with a letter, \
                          and is no word of the language; at most 40 characters.";
            add("name", "not_a_name", detail.into());
        } else if !seen.insert(name.clone()) {
            add("name", "twice", say!("{} is there twice.", name));
        }
        match variable.fallback.as_deref().map_or(Ok(None), |text| optional_line(text, FALLBACK_MAX)) {
            Ok(fallback) => kept.push(Variable { name, fallback, is_required: variable.is_required }),
            Err(odd) => add("fallback", odd.code, odd.detail),
        }
    }
    if wrong.is_empty() { Ok(kept) } else { Err(Error::Invalid(wrong)) }
}

/// One version of a template, as messages use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub template: TemplateId,
    pub version: i32,
    pub words: Words,
    pub variables: Vec<Variable>,
    pub footer: String,
}

/// What a version asks for against what it declares.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// All that is asked for.
    pub asked: Vec<String>,
    /// Asked for, and neither declared nor known of everybody: nobody would fill them in.
    pub unknown: Vec<String>,
    /// Declared, and asked for nowhere.
    pub unused: Vec<String>,
}

impl Version {
    pub fn composer(&self) -> Result<Composer> {
        Composer::new(&self.words, &self.variables, &self.footer)
    }

    pub fn names(&self) -> Result<Names> {
        let asked = self.composer()?.variables();
        let is_declared = |name: &str| self.variables.iter().any(|variable| variable.name == name);
        let unknown = asked.iter().filter(|name| !is_declared(name) && !KNOWN.contains(&name.as_str()));
        let unused =
            self.variables.iter().map(|variable| &variable.name).filter(|name| !asked.contains(*name));
        Ok(Names {
            unknown: unknown.cloned().collect(),
            unused: unused.cloned().collect(),
            asked: asked.into_iter().collect(),
        })
    }
}

choices! {
    /// How far a version has come.
    State is "TemplateState":
    Draft = "draft", "Draft";
    /// Somebody is to approve it.
    Pending = "pending", "Waiting for approval";
    Approved = "approved", "Approved";
    Rejected = "rejected", "Rejected";
}

impl State {
    /// The tone of its badge.
    pub fn tone(self) -> &'static str {
        match self {
            Self::Draft => "",
            Self::Pending => "warning",
            Self::Approved => "success",
            Self::Rejected => "error",
        }
    }
}

/// A template, with where its newest version stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub id: TemplateId,
    pub name: String,
    pub description: String,
    pub latest: i32,
    /// The newest version that may be sent.
    pub approved: Option<i32>,
    pub is_archived: bool,
    pub state: State,
    pub channels: Vec<Channel>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An approved template as select boxes need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateChoice {
    pub id: TemplateId,
    pub name: String,
    pub version: i32,
}

/// A version with how it came to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub version: Version,
    pub state: State,
    pub written_by: String,
    pub decided_by: Option<String>,
    pub decided_at: Option<DateTime<Utc>>,
    pub decision_note: Option<String>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// What may be written of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    pub name: String,
    pub description: String,
    pub words: Words,
    pub variables: Vec<Variable>,
    pub footer: String,
}

impl Draft {
    /// Checks everything, compiles it, and names every wrong field at once.
    pub fn checked(self) -> Result<Self> {
        let mut check = Check::new();
        let name = check.field("name", line(&self.name, NAME_MAX));
        let description = check.field("description", optional_line(&self.description, DESCRIPTION_MAX));
        let footer = check.field("footer", optional_text(&self.footer, FOOTER_MAX));
        let heads = (|| Some((name?, description?.unwrap_or_default(), footer?.unwrap_or_default())))();
        let (heads, words, variables) =
            together(check.finish(heads), self.words.checked(), checked_variables(self.variables))?;
        let (name, description, footer) = heads;
        Composer::new(&words, &variables, &footer)?;
        Ok(Self { name, description, words, variables, footer })
    }

    /// What the audit trail says of it: the words themselves, as they are no secret.
    pub fn told(&self) -> Value {
        json!({
            "name": self.name, "description": self.description, "contents": self.words, "variables": self.variables,
            "footer": self.footer,
        })
    }

    pub fn says_the_same(&self, other: &Self) -> bool {
        self.words == other.words && self.variables == other.variables && self.footer == other.footer
    }
}

/// All three, or what is wrong with any of them.
fn together<A, B, C>(a: Result<A>, b: Result<B>, c: Result<C>) -> Result<(A, B, C)> {
    let mut wrong = Vec::new();
    let mut kept = |error: Error| match error {
        Error::Invalid(fields) => {
            wrong.extend(fields);
            Ok(())
        }
        other => Err(other),
    };
    let a = a.map_or_else(|error| kept(error).map(|()| None), |a| Ok(Some(a)))?;
    let b = b.map_or_else(|error| kept(error).map(|()| None), |b| Ok(Some(b)))?;
    let c = c.map_or_else(|error| kept(error).map(|()| None), |c| Ok(Some(c)))?;
    match (a, b, c) {
        (Some(a), Some(b), Some(c)) => Ok((a, b, c)),
        _ => Err(Error::Invalid(wrong)),
    }
}

/// What a list is narrowed to.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    pub q: Option<String>,
    /// Of the newest version.
    pub state: Option<State>,
    pub channel: Option<Channel>,
    pub is_archived: bool,
}
