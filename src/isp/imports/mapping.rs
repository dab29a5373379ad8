//! Which column of a file is which field: a guess from the headers, a choice made by a person, and the
//! values of a row under it. Pure.

mod field;
mod full_name;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::{
    field::{Field, Group},
    full_name::split_name,
};
use crate::{
    error::{Error, FieldError, Result},
    sheets::Row,
};

/// Which column holds which field. Columns count from 0.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Mapping {
    columns: BTreeMap<Field, usize>,
}

impl Mapping {
    /// From the form: one choice per column of the file, a [`Field::as_str`] or empty for "leave out". Checked as
    /// [`Mapping::check`] does; every wrong choice is named, as `columns[3]`.
    pub fn from_choices<S: AsRef<str>>(choices: &[S]) -> Result<Self> {
        let mut mapping = Self::default();
        let mut wrong = Vec::new();
        for (column, choice) in choices.iter().enumerate() {
            let choice = choice.as_ref().trim();
            if choice.is_empty() {
                continue;
            }
            let at = format!("columns[{column}]");
            match Field::parse(choice) {
                None => wrong.push(FieldError::new(at, "unknown_field", "There is no such field.")),
                Some(field) => match mapping.columns.get(&field) {
                    None => {
                        mapping.columns.insert(field, column);
                    }
                    Some(taken) => {
                        let detail = format!("{} is already column {}.", field.label(), taken + 1);
                        wrong.push(FieldError::new(at, "field_twice", detail));
                    }
                },
            }
        }
        mapping.collect_wrong(choices.len(), &mut wrong);
        if wrong.is_empty() { Ok(mapping) } else { Err(Error::Invalid(wrong)) }
    }

    /// Whether rows of `width` cells can be imported under this mapping: columns exist, none holds two fields, and
    /// there is a full name or both names.
    pub fn check(&self, width: usize) -> Result<()> {
        let mut wrong = Vec::new();
        self.collect_wrong(width, &mut wrong);
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }

    fn collect_wrong(&self, width: usize, wrong: &mut Vec<FieldError>) {
        let mut by_column: BTreeMap<usize, Field> = BTreeMap::new();
        for (field, column) in &self.columns {
            if *column >= width {
                let detail =
                    format!("{} points at column {}; the file has {width}.", field.label(), column + 1);
                wrong.push(FieldError::new(format!("columns[{column}]"), "no_such_column", detail));
            }
            if let Some(other) = by_column.insert(*column, *field) {
                let detail =
                    format!("Column {} is both {} and {}.", column + 1, other.label(), field.label());
                wrong.push(FieldError::new(format!("columns[{column}]"), "column_twice", detail));
            }
        }
        let has = |field| self.columns.contains_key(&field);
        for (field, column) in &self.columns {
            if let Some(partner) = field.partner().filter(|partner| !has(*partner)) {
                let detail = format!("{} needs a column with {}, too.", field.label(), partner.label());
                wrong.push(FieldError::new(format!("columns[{column}]"), "needed_too", detail));
            }
        }
        if has(Field::FullName) {
            if has(Field::FirstName) || has(Field::LastName) {
                let detail = "Choose either the full name or first and last name.";
                wrong.push(FieldError::new("columns", "name_twice", detail));
            }
        } else if !has(Field::FirstName) || !has(Field::LastName) {
            let detail = "Choose the columns with first and last name, or the one with the full name.";
            wrong.push(FieldError::new("columns", "name_missing", detail));
        }
    }

    /// The column that holds this field.
    #[cfg(test)]
    pub fn column(&self, field: Field) -> Option<usize> {
        self.columns.get(&field).copied()
    }

    /// The field that this column holds.
    pub fn field(&self, column: usize) -> Option<Field> {
        self.columns.iter().find(|(_, at)| **at == column).map(|(field, _)| *field)
    }

    /// Every mapped field with its column.
    pub fn pairs(&self) -> impl Iterator<Item = (Field, usize)> + '_ {
        self.columns.iter().map(|(field, column)| (*field, *column))
    }
}

/// The best mapping that the headers suggest. May miss a name, so it is shown to a person and then checked. Of two
/// columns that fit a field the one with the more usual header wins, then the first.
pub fn guess(header: &[String]) -> Mapping {
    let names: Vec<Vec<String>> = header.iter().map(|name| normalise(name)).collect();
    let mut fits: Vec<(usize, usize, Field)> = Vec::new();
    for (column, variants) in names.iter().enumerate() {
        for field in Field::ALL {
            let rank = |variant: &String| field.synonyms().position(|synonym| synonym == variant);
            let best =
                variants.iter().enumerate().filter_map(|(i, variant)| Some(i * 100 + rank(variant)?)).min();
            fits.extend(best.map(|rank| (rank, column, field)));
        }
    }
    fits.sort_unstable();
    let mut columns = BTreeMap::new();
    let mut used = vec![false; header.len()];
    for (_, column, field) in fits {
        if let Some(taken) = used.get_mut(column).filter(|taken| !**taken)
            && !columns.contains_key(&field)
        {
            *taken = true;
            columns.insert(field, column);
        }
    }
    settle_names(&names, &used, &mut columns);
    let lone: Vec<Field> = columns
        .keys()
        .copied()
        .filter(|field| field.partner().is_some_and(|partner| !columns.contains_key(&partner)))
        .collect();
    columns.retain(|field, _| !lone.contains(field));
    Mapping { columns }
}

/// "Name" beside a surname is the first name, alone it is the full name; first and last name are better than a full
/// name; a full name is better than half of one.
fn settle_names(names: &[Vec<String>], used: &[bool], columns: &mut BTreeMap<Field, usize>) {
    const BARE: [&str; 4] = ["name", "pangalan", "nombre", "names"];
    let bare = names.iter().zip(used).position(|(variants, used)| {
        !used && variants.iter().any(|variant| BARE.contains(&variant.as_str()))
    });
    let has = |columns: &BTreeMap<Field, usize>, field| columns.contains_key(&field);
    if let Some(column) = bare {
        if has(columns, Field::LastName) && !has(columns, Field::FirstName) && !has(columns, Field::FullName)
        {
            columns.insert(Field::FirstName, column);
        } else if !has(columns, Field::LastName) {
            columns.entry(Field::FullName).or_insert(column);
        }
    }
    if has(columns, Field::FirstName) && has(columns, Field::LastName) {
        columns.remove(&Field::FullName);
    } else if has(columns, Field::FullName) {
        columns.remove(&Field::FirstName);
        columns.remove(&Field::LastName);
    }
}

/// A header as written, then without what is in brackets, then without whose it is ("Customer phone", "Phone ng
/// client"): lower case, accents off, words parted by one space.
fn normalise(header: &str) -> Vec<String> {
    const WHOSE: [&str; 10] = [
        "customer",
        "client",
        "subscriber",
        "customers",
        "clients",
        "cliente",
        "primary",
        "ng",
        "del",
        "user",
    ];
    let whole = words(header);
    let outside: String =
        header.split('(').map(|part| part.split_once(')').map_or(part, |(_, rest)| rest)).collect();
    let outside = words(&outside);
    let plain = outside.iter().filter(|word| !WHOSE.contains(&word.as_str())).cloned().collect::<Vec<_>>();
    let mut variants = Vec::new();
    for variant in [whole, outside, plain] {
        let variant = variant.join(" ");
        if !variant.is_empty() && !variants.contains(&variant) {
            variants.push(variant);
        }
    }
    variants
}

fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut before_is_lower = false;
    for c in text.chars() {
        // "FirstName" is two words, "IDNo" and "EMAIL" are not three and five.
        if before_is_lower && c.is_uppercase() {
            words.push(std::mem::take(&mut word));
        }
        before_is_lower = c.is_lowercase();
        if c.is_alphanumeric() {
            word.extend(c.to_lowercase().map(without_accent));
        } else if c == '#' {
            words.push(std::mem::take(&mut word));
            words.push("no".into());
        } else if !is_silent(c) {
            words.push(std::mem::take(&mut word));
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    words
}

/// Marks that stand inside a word: "client's", and accents written as separate characters.
fn is_silent(c: char) -> bool {
    matches!(c, '\'' | '’' | '\u{300}'..='\u{36f}')
}

fn without_accent(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ä' | 'ã' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'ö' | 'õ' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        other => other,
    }
}

/// One row's values by field, trimmed. A field without a column has no value, which is not the same as an empty one:
/// an update leaves the former alone and clears the latter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportRow {
    /// Where the row stands in the file.
    pub line: u32,
    values: BTreeMap<Field, String>,
}

impl ImportRow {
    /// The text of a field; None when no column is mapped to it.
    pub fn get(&self, field: Field) -> Option<&str> {
        self.values.get(&field).map(String::as_str)
    }

    /// The text of a field, unless it is missing or empty.
    pub fn filled(&self, field: Field) -> Option<&str> {
        self.get(field).filter(|text| !text.is_empty())
    }
}

/// What a row says under a mapping. A full name arrives as first and last name; [`Field::FullName`] itself never does.
pub fn row_values(mapping: &Mapping, row: &Row) -> ImportRow {
    let mut values = BTreeMap::new();
    for (field, column) in mapping.pairs() {
        let text = row.cells.get(column).map_or("", |cell| cell.trim());
        if field == Field::FullName {
            let (first, last) = split_name(text);
            values.insert(Field::FirstName, first);
            values.insert(Field::LastName, last);
        } else {
            values.insert(field, text.to_owned());
        }
    }
    ImportRow { line: row.line, values }
}

/// Out of pairs; whether it can be used is for [`Mapping::check`] to say.
impl FromIterator<(Field, usize)> for Mapping {
    fn from_iter<I: IntoIterator<Item = (Field, usize)>>(pairs: I) -> Self {
        Self { columns: pairs.into_iter().collect() }
    }
}
