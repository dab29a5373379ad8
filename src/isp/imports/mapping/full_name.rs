//! Full names as they are written in the Philippines.

/// First and last name out of one text.
///
/// "Dela Cruz, Juan" is told by its comma. Otherwise the last word is the surname, together with the particles before
/// it (Juan **dela Cruz**, Ana **de los Santos**, Rosa **Sta. Maria**) and the suffix after it (**Reyes Jr.**). A
/// single word is a first name; the missing last name is for the import to report.
pub fn split_name(text: &str) -> (String, String) {
    let tidy = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((before, after)) = text.split_once(',') {
        let (before, after) = (tidy(before), tidy(after));
        // "Juan Cruz, Jr." has a comma for another reason.
        return match (is_suffix(&after), after.is_empty() || before.is_empty()) {
            (true, _) => split_name(&format!("{before} {after}")),
            (false, true) => split_name(&format!("{before}{after}").replace(',', " ")),
            (false, false) => (after, before),
        };
    }
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut start = words.len();
    while start > 1 && words.get(start - 1).is_some_and(|word| is_suffix(word)) {
        start -= 1;
    }
    start = start.saturating_sub(1).max(1);
    while start > 1 && words.get(start - 1).is_some_and(|word| is_particle(word)) {
        start -= 1;
    }
    let (first, last) = words.split_at(start.min(words.len()));
    (first.join(" "), last.join(" "))
}

fn is_suffix(word: &str) -> bool {
    let word = word.trim_end_matches('.').to_lowercase();
    matches!(word.as_str(), "jr" | "sr" | "ii" | "iii" | "iv")
}

fn is_particle(word: &str) -> bool {
    let word = word.trim_end_matches('.').to_lowercase();
    matches!(
        word.as_str(),
        "de" | "del"
            | "dela"
            | "delos"
            | "delas"
            | "la"
            | "las"
            | "los"
            | "san"
            | "santa"
            | "sta"
            | "sto"
            | "santo"
            | "da"
            | "dos"
            | "di"
            | "van"
            | "von"
            | "bin"
            | "y"
    )
}
