//! Searching by typed words: patterns for LIKE in which nothing that was typed has a meaning of its own.

/// So many words are looked for one by one; what follows them must stand together, in order.
const WORDS: usize = 6;
/// From so many digits on, a text of digits and separators may be a telephone number.
const PHONE_DIGITS_MIN: usize = 5;

/// The pattern that finds `text` anywhere, taken literally.
pub fn containing(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 2);
    pattern.push('%');
    for c in text.chars() {
        if matches!(c, '\\' | '%' | '_') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}

/// What was typed, without what no name holds. None when nothing is left.
pub fn plain(text: &str) -> Option<String> {
    let plain: String = text.chars().filter(|c| !c.is_control()).collect();
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}

/// What was typed into a search box: every word must be found, or the whole as a telephone number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Words {
    pub patterns: [Option<String>; WORDS],
    /// The digits without a leading zero, since stored numbers have the country's prefix in its place.
    pub phone: Option<String>,
}

impl Words {
    /// None when nothing was typed.
    pub fn parse(text: &str) -> Option<Self> {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let mut rest = text.split_whitespace();
        let mut patterns = [const { None }; WORDS];
        let (last, first) = patterns.split_last_mut()?;
        for slot in first {
            *slot = rest.next().map(containing);
        }
        // The tail keeps its order with anything between.
        let tail: Vec<String> = rest.map(containing).collect();
        *last = (!tail.is_empty()).then(|| tail.concat());
        let found = Self { phone: phone(&text), patterns };
        (found.patterns.first().is_some_and(Option::is_some)).then_some(found)
    }

    /// The patterns in lower case when no index of trigrams serves any of them: each is of one or two characters.
    pub fn all_short(&self) -> Option<Vec<String>> {
        let patterns: Vec<String> = self.patterns.iter().flatten().map(|word| word.to_lowercase()).collect();
        let short = |pattern: &String| pattern.chars().filter(|c| c.is_alphanumeric()).count() < 3;
        (self.phone.is_none() && patterns.iter().all(short)).then_some(patterns)
    }
}

fn phone(text: &str) -> Option<String> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || "+-(). /".contains(c));
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    (plain && digits.len() >= PHONE_DIGITS_MIN).then(|| containing(digits.trim_start_matches('0')))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_was_typed_is_taken_literally() {
        assert_eq!(containing("100%_a\\"), "%100\\%\\_a\\\\%");
        let words = Words::parse("  ana  cruz ").unwrap();
        assert_eq!(words.patterns[0].as_deref(), Some("%ana%"));
        assert_eq!(words.patterns[1].as_deref(), Some("%cruz%"));
        assert_eq!((words.patterns[2].as_deref(), words.phone), (None, None));
        assert_eq!(Words::parse(" \t\u{0} "), None);
    }

    #[test]
    fn a_telephone_number_is_found_without_its_zero() {
        assert_eq!(Words::parse("0917 123 4567").unwrap().phone.as_deref(), Some("%9171234567%"));
        assert_eq!(Words::parse("0917").unwrap().phone, None);
        assert_eq!(Words::parse("ACC-20240012").unwrap().phone, None);
    }

    #[test]
    fn short_words_are_told_apart() {
        let short = |text: &str| Words::parse(text).unwrap().all_short();
        assert_eq!(short("A cd"), Some(vec!["%a%".to_owned(), "%cd%".to_owned()]));
        assert_eq!(short("a cruz"), None);
        // What may be a telephone number has digits enough.
        assert_eq!(short("0 9 1 7 1"), None);
    }

    #[test]
    fn words_beyond_the_sixth_must_follow_each_other() {
        let words = Words::parse("a b c d e f g").unwrap();
        assert_eq!(words.patterns[5].as_deref(), Some("%f%%g%"));
    }

    proptest! {
        #[test]
        fn no_word_is_lost(words in proptest::collection::vec("[a-z]{1,8}", 1..12)) {
            let found = Words::parse(&words.join(" ")).unwrap();
            let all: String = found.patterns.iter().flatten().cloned().collect();
            for word in &words {
                prop_assert!(all.contains(word.as_str()));
            }
        }

        #[test]
        fn any_text_can_be_typed(text in "\\PC{0,200}") {
            let _ = Words::parse(&text);
        }
    }
}
