//! The words of the other languages: `translations/<code>.json`, each English text of the program beside its translation.

use std::{collections::HashMap, sync::LazyLock};

use rust_embed::RustEmbed;

use super::Language;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/translations"]
struct Files;

static FRENCH: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(Language::French));

/// English texts, and what they are in another language. A translation names the values of its text by `{}` in their order, or by `{0}`, `{1}`.
pub struct Catalogue(HashMap<String, String>);

impl Catalogue {
    /// None for English, which the program's texts are in. Read at its first use.
    pub fn of(language: Language) -> Option<&'static Self> {
        match language {
            Language::English => None,
            Language::French => Some(&FRENCH),
        }
    }

    fn read(language: Language) -> Self {
        let file = Files::get(&format!("{language}.json"));
        // A file that is missing or cannot be read never gets past the tests.
        Self(file.and_then(|file| serde_json::from_slice(&file.data).ok()).unwrap_or_default())
    }

    pub fn get(&self, english: &str) -> Option<&str> {
        self.0.get(english).map(String::as_str)
    }

    #[cfg(test)]
    pub fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(english, words)| (english.as_str(), words.as_str()))
    }
}

/// Puts values where a text names them: `{}` is the next one, `{1}` the second. What names none stays.
pub fn fill<V: AsRef<str>>(text: &str, values: &[V]) -> String {
    let mut out = String::with_capacity(text.len() + 32);
    let mut next = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let named = after.split_once('}').and_then(|(name, then)| {
            let at = if name.is_empty() { Some(next) } else { name.parse().ok() };
            at.and_then(|at: usize| values.get(at)).map(|value| (name.is_empty(), value, then))
        });
        match named {
            Some((in_order, value, then)) => {
                out.push_str(value.as_ref());
                next += usize::from(in_order);
                rest = then;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::fill;

    #[test]
    fn values_stand_where_they_are_named() {
        assert_eq!(fill("{} of {}", &["1", "2"]), "1 of 2");
        assert_eq!(fill("{1}, {0}", &["1", "2"]), "2, 1");
        assert_eq!(fill("{2} {x} {", &["1"]), "{2} {x} {");
        assert_eq!(fill("{}", &["{}"]), "{}");
    }
}
