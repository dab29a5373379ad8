//! A pasted list as a table: people paste out of chats, mails and sheets, with a name or without, in any order.

use super::mapping::{Mapping, Target};
use crate::{
    messaging::Channel,
    sheets::{Row, Table},
};

/// So many numbers and so many e-mail addresses of a line are taken.
const PHONES: usize = 3;
const EMAILS: usize = 2;
/// From so many digits on a run of them is a number to call; what is shorter belongs to the name ("Block 12").
const DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// What a line says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Person {
    name: Vec<String>,
    phones: Vec<String>,
    emails: Vec<String>,
}

/// The table of a pasted text, and which column is which.
pub fn read(text: &str) -> (Table, Mapping) {
    let header = ["Name", "Phone", "Phone 2", "Phone 3", "E-mail", "E-mail 2"].map(str::to_owned).to_vec();
    let mut rows = Vec::new();
    for (number, line) in text.lines().enumerate() {
        if line.trim().is_empty() {
            continue;
        }
        let person = person(line);
        let at = |of: &[String], n: usize| of.get(n).cloned().unwrap_or_default();
        let mut cells = vec![person.name.join(" ")];
        cells.extend((0..PHONES).map(|n| at(&person.phones, n)));
        cells.extend((0..EMAILS).map(|n| at(&person.emails, n)));
        rows.push(Row { line: u32::try_from(number + 1).unwrap_or(u32::MAX), cells });
    }
    let phone = || Some(Target::Address(Channel::Sms));
    let email = || Some(Target::Address(Channel::Email));
    let mapping = Mapping(vec![Some(Target::Name), phone(), phone(), phone(), email(), email()]);
    (Table { header, rows }, mapping)
}

fn person(line: &str) -> Person {
    let mut found = Person::default();
    for cell in line.split([',', ';', '\t', '|']) {
        let mut run: Vec<&str> = Vec::new();
        for word in cell.split_whitespace() {
            if is_digits(word) {
                run.push(word);
                continue;
            }
            end(&mut run, &mut found);
            let bare = word.trim_matches(|c: char| "<>()[]\"':".contains(c));
            if bare.contains('@') && !bare.starts_with('@') {
                found.emails.push(bare.to_owned());
            } else if !word.chars().all(|c| "-–—:".contains(c)) {
                found.name.push(word.trim_matches(|c| c == '"' || c == ':').to_owned());
            }
        }
        end(&mut run, &mut found);
    }
    found
}

fn is_digits(word: &str) -> bool {
    word.chars().any(|c| c.is_ascii_digit())
        && word.chars().all(|c| c.is_ascii_digit() || "+-()./".contains(c))
}

/// A run of digits is over: it is a number to call, several of them, or a part of the name.
fn end(run: &mut Vec<&str>, found: &mut Person) {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
    let whole = run.join(" ");
    if DIGITS.contains(&digits(&whole)) {
        found.phones.push(whole);
    } else {
        // Too long for one: each word is one of its own.
        for word in run.iter() {
            if digits(word) >= *DIGITS.start() {
                found.phones.push((*word).to_owned());
            } else {
                found.name.push((*word).to_owned());
            }
        }
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> (String, Vec<String>, Vec<String>) {
        let found = person(line);
        (found.name.join(" "), found.phones, found.emails)
    }

    #[test]
    fn a_line_keeps_its_name() {
        for (line, name, phone) in [
            ("Ama Mensah, 0241234567", "Ama Mensah", "0241234567"),
            ("0241234567 Ama Mensah", "Ama Mensah", "0241234567"),
            ("Ama Mensah +233 24 123 4567", "Ama Mensah", "+233 24 123 4567"),
            ("\"Ama Mensah\";024-123-4567", "Ama Mensah", "024-123-4567"),
            ("Ama Mensah - 0241234567", "Ama Mensah", "0241234567"),
            ("Block 12 Caretaker: 0241234567", "Block 12 Caretaker", "0241234567"),
            ("0241234567", "", "0241234567"),
        ] {
            assert_eq!(told(line), (name.to_owned(), vec![phone.to_owned()], Vec::new()), "{line}");
        }
        assert_eq!(
            told("Kofi <kofi@x.example>, 0241234567 0201234567"),
            (
                "Kofi".to_owned(),
                vec!["0241234567".to_owned(), "0201234567".to_owned()],
                vec!["kofi@x.example".to_owned()]
            )
        );
    }

    #[test]
    fn lines_are_numbered_as_they_were_pasted() {
        let (table, mapping) = read("Ama, 0241234567\n\n  \nKofi, 0201234567\n");
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [1, 4]);
        assert_eq!(mapping.0.len(), table.header.len());
    }
}
