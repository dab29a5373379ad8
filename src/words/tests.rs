//! Every text of the program has its words in every language.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::{Catalogue, Language, Reader, in_english, read_as, reader_language, say, say_again, translate};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

/// What the templates say. Letters stay as they are.
fn texts_of_templates() -> BTreeSet<String> {
    let mut texts = BTreeSet::new();
    let folder = root().join("templates");
    for path in files(&folder, ".html") {
        if !path.starts_with(folder.join("mail")) {
            let source = fs::read_to_string(&path).unwrap();
            translate(&source, &mut |text| {
                texts.insert(text.to_owned());
                None
            });
        }
    }
    texts
}

/// What the code says by `say` and `say!`.
fn texts_of_code() -> BTreeSet<String> {
    let call = regex::Regex::new(r#"(?:^|[^.\w])say!?\(\s*"((?:[^"\\]|\\.|\\\n)*)""#).unwrap();
    let broken_line = regex::Regex::new(r"\\\n\s*").unwrap();
    let mut texts = BTreeSet::new();
    for path in files(&root().join("src"), ".rs") {
        let source = fs::read_to_string(&path).unwrap();
        if path.to_string_lossy().contains("tests") {
            continue;
        }
        let own = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
        let code: Vec<&str> = own.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
        for found in call.captures_iter(&code.join("\n")) {
            let text = broken_line.replace_all(&found[1], "");
            texts.insert(text.replace("\\\"", "\"").replace("\\n", "\n"));
        }
    }
    texts
}

fn languages() -> impl Iterator<Item = (Language, &'static Catalogue)> {
    Language::ALL.into_iter().filter_map(|language| Some((language, Catalogue::of(language)?)))
}

#[test]
fn every_text_has_its_words_in_every_language() {
    let (templates, code) = (texts_of_templates(), texts_of_code());
    assert!(templates.len() > 2_000 && code.len() > 1_000, "{} {}", templates.len(), code.len());
    for (language, catalogue) in languages() {
        let missing: Vec<&String> =
            templates.union(&code).filter(|text| !text.is_empty() && catalogue.get(text).is_none()).collect();
        assert!(missing.is_empty(), "{language} has no words for {}: {missing:#?}", missing.len());
    }
}

#[test]
fn words_have_the_values_of_their_text() {
    for (language, catalogue) in languages() {
        for (text, words) in catalogue.all() {
            let values = |one: &str| one.matches("{}").count();
            let numbered = (0..9).filter(|at| words.contains(&format!("{{{at}}}"))).count();
            assert_eq!(values(text), values(words) + numbered, "{language}: {text:?} is {words:?}");
            assert!(!words.contains('"') && !words.is_empty(), "{language}: {text:?} is {words:?}");
            let margin = |one: &str| (one.starts_with(' '), one.ends_with(' '));
            assert_eq!(margin(text), margin(words), "{language}: {text:?} is {words:?}");
        }
    }
}

#[tokio::test]
async fn a_text_is_said_in_the_readers_language_and_kept_in_english() {
    let french = Reader { language: Language::French, ..Reader::default() };
    assert_eq!(say("Customers"), "Customers");
    let said = read_as(french, async {
        let kept = in_english(|| say("Customers"));
        let again = super::say!("{} of {}", 1, 2);
        (say("Customers"), kept, again, say_again("Nobody says this.".to_owned()), reader_language())
    });
    let (own, kept, of, unknown, language) = said.await;
    assert_eq!((own, kept, of.as_str()), ("Clients", "Customers", "1 sur 2"));
    assert_eq!((unknown.as_str(), language), ("Nobody says this.", Language::French));
}
