//! Words that mean something when they are the whole message, and nothing inside a sentence.

/// What a message of one word asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keyword {
    /// Not to be written to any more.
    Stop,
    /// To be written to again.
    Start,
}

/// English, as the networks know them; Filipino, Cebuano, Spanish, French, Portuguese, German, Swahili, Indonesian, Twi.
const STOP: &[&str] = &[
    "stop",
    "stop all",
    "stopall",
    "stop messages",
    "unsubscribe",
    "unsub",
    "cancel",
    "end",
    "quit",
    "revoke",
    "opt out",
    "optout",
    "opt-out",
    "remove me",
    "tigil",
    "itigil",
    "hinto",
    "ihinto",
    "hunong",
    "undang",
    "alto",
    "parar",
    "pare",
    "baja",
    "cancelar",
    "detener",
    "arret",
    "arrêt",
    "arreter",
    "arrêter",
    "stopp",
    "sair",
    "abmelden",
    "acha",
    "sitisha",
    "jiondoe",
    "berhenti",
    "gyae",
];
const START: &[&str] = &[
    "start",
    "unstop",
    "subscribe",
    "resume",
    "opt in",
    "optin",
    "opt-in",
    "simulan",
    "magsimula",
    "sugod",
    "alta",
    "iniciar",
    "reprendre",
    "commencer",
    "anmelden",
    "anza",
    "jiunge",
    "mulai",
    "hyease",
];
/// No keyword is longer; what is longer is not looked at.
const CHARS_MAX: usize = 40;

/// The keyword that a whole message is: in any case, whatever blanks, quotes and full stops surround it.
pub fn keyword(text: &str) -> Option<Keyword> {
    let text = text
        .trim_matches(|c: char| c.is_whitespace() || c.is_ascii_punctuation() || "“”‘’«»…¡¿。！".contains(c));
    if text.is_empty() || text.chars().count() > CHARS_MAX {
        return None;
    }
    let plain = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    let is_in = |words: &[&str]| words.contains(&plain.as_str());
    if is_in(STOP) {
        Some(Keyword::Stop)
    } else if is_in(START) {
        Some(Keyword::Start)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_keyword_is_the_whole_message() {
        for text in
            ["STOP", " stop. ", "\"Stop!\"", "Stop  all", "¡Alto!", "ARRÊT", "opt-out", "*STOP*", "Itigil\n"]
        {
            assert_eq!(keyword(text), Some(Keyword::Stop), "{text:?}");
        }
        for text in ["START", "unstop", " Subscribe ", "Simulan"] {
            assert_eq!(keyword(text), Some(Keyword::Start), "{text:?}");
        }
        for text in [
            "please don't stop",
            "Stop by tomorrow",
            "don't stop",
            "nonstop",
            "the bus stop",
            "I will start on Monday",
            "",
            "   ",
            "...",
            "yes",
            "stop stop stop please",
            "restart",
        ] {
            assert_eq!(keyword(text), None, "{text:?}");
        }
    }

    #[test]
    fn no_word_says_both() {
        assert!(STOP.iter().all(|word| !START.contains(word)));
    }

    proptest! {
        #[test]
        fn a_word_before_or_behind_makes_a_sentence_of_it(
            word in proptest::sample::select([STOP, START].concat()),
            other in "[b-df-hj-np-tv-z]{2,9}",
            is_before: bool,
        ) {
            let text = if is_before { format!("{other} {word}") } else { format!("{word} {other}") };
            prop_assert_eq!(keyword(&text), None);
        }

        #[test]
        fn case_and_what_surrounds_it_do_not_matter(
            word in proptest::sample::select(STOP.to_vec()),
            before in "[ \"'.!*\n]{0,4}",
            behind in "[ \"'.!?*\n]{0,4}",
            is_loud: bool,
        ) {
            let word = if is_loud { word.to_uppercase() } else { word.to_owned() };
            prop_assert_eq!(keyword(&format!("{before}{word}{behind}")), Some(Keyword::Stop));
        }

        #[test]
        fn any_text_can_come_in(text in "\\PC{0,200}") {
            let _ = keyword(&text);
        }
    }
}
