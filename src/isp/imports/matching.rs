//! Which customer a row is, and what becomes of them. Pure.

use std::collections::HashMap;

use super::{
    draft::Draft,
    model::{Choices, MatchBy, OnMatch},
};
use crate::{
    error::FieldError,
    isp::customers::{Customer, Details},
    types::{AreaId, CustomerId},
    words::say,
};

/// What becomes of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Create(Box<Details>),
    Update {
        id: CustomerId,
        after: Box<Details>,
    },
    /// The customer says the same already, or is to be left alone.
    Unchanged(CustomerId),
    Failed(Vec<FieldError>),
}

impl Outcome {
    /// The customer who was here before, if that is whom the row means.
    pub fn customer(&self) -> Option<CustomerId> {
        match self {
            Self::Update { id, .. } | Self::Unchanged(id) => Some(*id),
            Self::Create(_) | Self::Failed(_) => None,
        }
    }
}

type PersonKey = (String, String, String);

/// By what a person is recognised without a number or an address: phone and name.
fn person_of(details: &Details) -> Option<PersonKey> {
    let phone = details.phone_primary.as_ref()?.to_string();
    Some((phone, details.first_name.to_lowercase(), details.last_name.to_lowercase()))
}

fn email_of(details: &Details) -> Option<String> {
    details.email.as_ref().map(|email| email.as_str().to_lowercase())
}

fn reference_of(details: &Details) -> Option<String> {
    details.reference.as_ref().map(|reference| reference.to_lowercase())
}

/// Two account numbers that are both there and differ are two customers, however alike they are else.
fn differ(one: Option<&String>, other: Option<&String>) -> bool {
    one.is_some() && other.is_some() && one != other
}

/// The customers that rows of one batch may mean, by what they are found by.
pub struct Directory {
    known: Vec<Customer>,
    by_reference: HashMap<String, usize>,
    by_email: HashMap<String, usize>,
    by_person: HashMap<PersonKey, Vec<usize>>,
}

impl Directory {
    pub fn new(known: Vec<Customer>) -> Self {
        let mut by_reference = HashMap::new();
        let mut by_email = HashMap::new();
        let mut by_person: HashMap<PersonKey, Vec<usize>> = HashMap::new();
        for (at, customer) in known.iter().enumerate() {
            by_reference.extend(reference_of(&customer.details).map(|reference| (reference, at)));
            by_email.extend(email_of(&customer.details).map(|email| (email, at)));
            if let Some(person) = person_of(&customer.details) {
                by_person.entry(person).or_default().push(at);
            }
        }
        Self { known, by_reference, by_email, by_person }
    }

    fn with_reference(&self, details: &Details) -> Option<&Customer> {
        self.known.get(*self.by_reference.get(&reference_of(details)?)?)
    }

    fn with_email(&self, details: &Details) -> Option<&Customer> {
        self.known.get(*self.by_email.get(&email_of(details)?)?)
    }

    fn with_person(&self, details: &Details) -> impl Iterator<Item = &Customer> {
        let found = person_of(details).and_then(|person| self.by_person.get(&person));
        found.into_iter().flatten().filter_map(|at| self.known.get(*at))
    }

    /// The customer that a row means: by account number, else by e-mail, else by phone and name.
    fn find(&self, row: &Details, by: MatchBy) -> Result<Option<&Customer>, FieldError> {
        let any = by == MatchBy::Any;
        let reference = reference_of(row);
        let other_one =
            |found: &Customer| any && differ(reference.as_ref(), reference_of(&found.details).as_ref());
        if (any || by == MatchBy::Reference)
            && let Some(found) = self.with_reference(row)
        {
            return Ok(Some(found));
        }
        if (any || by == MatchBy::Email)
            && let Some(found) = self.with_email(row)
        {
            return if other_one(found) {
                Err(taken("email", "email_taken", found))
            } else {
                Ok(Some(found))
            };
        }
        if any || by == MatchBy::PhoneName {
            let mut same = self.with_person(row).filter(|found| !other_one(found));
            let first = same.next();
            if same.next().is_some() {
                let detail =
                    "Several customers have this phone and name: add an account number or an e-mail.";
                return Err(FieldError::new("phone_primary", "ambiguous_match", detail));
            }
            return Ok(first);
        }
        Ok(None)
    }

    /// What is to become of a row whose area is `area`.
    pub fn decide(&self, draft: &Draft, area: Option<AreaId>, choices: &Choices) -> Outcome {
        let found = match self.find(&draft.details, choices.match_by) {
            Ok(found) => found,
            Err(wrong) => return Outcome::Failed(vec![wrong]),
        };
        if let (Some(found), OnMatch::Skip) = (found, choices.on_match) {
            return Outcome::Unchanged(found.id);
        }
        let wrong = self.taken_by_others(&draft.details, found.map(|found| found.id));
        if !wrong.is_empty() {
            return Outcome::Failed(wrong);
        }
        let Some(found) = found else {
            return Outcome::Create(Box::new(draft.fresh(area, choices.default_status)));
        };
        let after = draft.over(&found.details, area);
        if after == found.details {
            Outcome::Unchanged(found.id)
        } else {
            Outcome::Update { id: found.id, after: Box::new(after) }
        }
    }

    fn taken_by_others(&self, row: &Details, this: Option<CustomerId>) -> Vec<FieldError> {
        let other = |found: Option<&Customer>, field, code| {
            found.filter(|found| Some(found.id) != this).map(|found| taken(field, code, found))
        };
        let reference = other(self.with_reference(row), "reference", "reference_taken");
        let email = other(self.with_email(row), "email", "email_taken");
        reference.into_iter().chain(email).collect()
    }
}

fn taken(field: &'static str, code: &'static str, by: &Customer) -> FieldError {
    let name = by.details.name();
    let detail = match &by.details.reference {
        Some(reference) => say!("It belongs to {} ({}).", name, reference),
        None => say!("It belongs to {}.", name),
    };
    FieldError::new(field, code, detail)
}

/// Finds rows of one file that mean the same customer as a row before them.
pub struct Twins {
    by: MatchBy,
    references: HashMap<String, u32>,
    emails: HashMap<String, u32>,
    persons: HashMap<PersonKey, Vec<(Option<String>, u32)>>,
}

impl Twins {
    pub fn new(by: MatchBy) -> Self {
        Self { by, references: HashMap::new(), emails: HashMap::new(), persons: HashMap::new() }
    }

    /// What is wrong with a row beside those already seen; a good one is remembered.
    pub fn check(&mut self, draft: &Draft) -> Option<FieldError> {
        let reference = reference_of(&draft.details);
        let email = email_of(&draft.details);
        let person = person_of(&draft.details);
        if let Some(line) = reference.as_ref().and_then(|reference| self.references.get(reference)) {
            return Some(twin("reference", *line));
        }
        if let Some(line) = email.as_ref().and_then(|email| self.emails.get(email)) {
            return Some(twin("email", *line));
        }
        if matches!(self.by, MatchBy::Any | MatchBy::PhoneName)
            && let Some(seen) = person.as_ref().and_then(|person| self.persons.get(person))
            && let Some((_, line)) = seen.iter().find(|(other, _)| {
                self.by == MatchBy::PhoneName || !differ(reference.as_ref(), other.as_ref())
            })
        {
            return Some(twin("phone_primary", *line));
        }
        if let Some(email) = email {
            self.emails.insert(email, draft.line);
        }
        if let Some(person) = person {
            self.persons.entry(person).or_default().push((reference.clone(), draft.line));
        }
        if let Some(reference) = reference {
            self.references.insert(reference, draft.line);
        }
        None
    }
}

/// A row that means the same customer as an earlier one.
pub fn twin(field: &'static str, line: u32) -> FieldError {
    FieldError::new(field, "duplicate_in_file", say!("Line {} of this file is the same customer.", line))
}
