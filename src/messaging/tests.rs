use std::collections::HashSet;

use proptest::prelude::*;

use super::{
    Address, Channel,
    segments::{Encoding, segments},
};
use crate::types::Country;

fn parse(channel: Channel, text: &str) -> Result<String, &'static str> {
    let country = Country::parse("GH").unwrap();
    Address::parse(channel, text, &country).map(|a| a.as_str().to_owned()).map_err(|wrong| wrong.code)
}

#[test]
fn one_number_has_one_spelling() {
    for text in [
        "0200000001",
        "020 000 0001",
        "+233200000001",
        "+233 (20) 000-0001",
        "00233200000001",
        " 0200000001 ",
    ] {
        assert_eq!(parse(Channel::Sms, text).as_deref(), Ok("+233200000001"), "{text}");
    }
    assert_eq!(parse(Channel::Whatsapp, "+63 917 123 4567").as_deref(), Ok("+639171234567"));
    assert_eq!(parse(Channel::Sms, "+61411111111").as_deref(), Ok("+61411111111"));
    for text in ["12", "+999123456789", "020000000", "0200000001x", "٠٢٠٠٠٠٠٠٠١", "+", &"1".repeat(60)]
    {
        assert_eq!(parse(Channel::Sms, text), Err("not_a_phone_number"), "{text}");
    }
    assert_eq!(parse(Channel::Sms, "  "), Err("required"));
}

#[test]
fn every_channel_knows_its_addresses() {
    let id = "0190D1A2-7C3B-7F00-8000-00000000ABCD";
    for (channel, text, expected) in [
        (Channel::Email, " Ama@Example.COM ", Ok("ama@example.com")),
        (Channel::Email, "ama@", Err("not_an_email")),
        (Channel::Email, "a@b.test\r\nBcc: x@y.test", Err("not_an_email")),
        (Channel::Telegram, "0012345", Ok("12345")),
        (Channel::Telegram, "-1001234567890", Ok("-1001234567890")),
        (Channel::Telegram, "@Acme_News", Ok("@acme_news")),
        (Channel::Telegram, "@x", Err("not_a_chat")),
        (Channel::Telegram, "0", Err("not_a_chat")),
        (Channel::Telegram, "ama", Err("not_a_chat")),
        (Channel::Instagram, "17841400000000001", Ok("17841400000000001")),
        (Channel::Instagram, "@ama", Err("not_an_instagram_id")),
        (Channel::Push, "cXyZ:APA91b_-", Ok("cXyZ:APA91b_-")),
        (Channel::Push, "two words", Err("not_a_push_token")),
        (Channel::InApp, id, Ok("0190d1a2-7c3b-7f00-8000-00000000abcd")),
        (Channel::InApp, "7", Err("not_an_id")),
    ] {
        assert_eq!(parse(channel, text), expected.map(str::to_owned), "{channel} {text}");
    }
}

#[test]
fn an_address_is_not_shown_whole() {
    let address = Address::stored(Channel::Sms, "+233200000001".into());
    assert_eq!(format!("{address:?}"), "sms:…0001");
    assert_eq!(Address::stored(Channel::Telegram, "123".into()).masked(), "…3");
}

#[test]
fn channels_have_one_word_each() {
    let words: HashSet<&str> = Channel::ALL.map(Channel::as_str).into_iter().collect();
    assert_eq!(words.len(), Channel::ALL.len());
    for channel in Channel::ALL {
        assert_eq!(channel.as_str().parse::<Channel>(), Ok(channel));
        assert_eq!(serde_json::to_value(channel).unwrap(), channel.as_str());
    }
    assert_eq!("fax".parse::<Channel>().unwrap_err().code, "unknown_channel");
}

#[test]
fn texts_are_counted_as_networks_count_them() {
    use Encoding::{Gsm7, Ucs2};
    for (text, encoding, units, count, left) in [
        ("".to_owned(), Gsm7, 0, 0, 160),
        ("Hello".to_owned(), Gsm7, 5, 1, 155),
        ("a".repeat(160), Gsm7, 160, 1, 0),
        ("a".repeat(161), Gsm7, 161, 2, 145),
        ("a".repeat(306), Gsm7, 306, 2, 0),
        ("a".repeat(307), Gsm7, 307, 3, 152),
        ("€".repeat(80), Gsm7, 160, 1, 0),
        // 153 is odd: of two-septet characters 76 go into a segment, one septet stays empty.
        ("€".repeat(81), Gsm7, 162, 2, 143),
        ("€".repeat(153), Gsm7, 306, 3, 151),
        (format!("{}€{}", "a".repeat(152), "a".repeat(151)), Gsm7, 305, 2, 0),
        ("ç".repeat(70), Ucs2, 70, 1, 0),
        ("ç".repeat(71), Ucs2, 71, 2, 63),
        ("ç".repeat(134), Ucs2, 134, 2, 0),
        ("😀".repeat(35), Ucs2, 70, 1, 0),
        ("😀".repeat(36), Ucs2, 72, 2, 61),
        ("😀".repeat(67), Ucs2, 134, 3, 65),
        ("Ça va".to_owned(), Gsm7, 5, 1, 155),
        ("ça va".to_owned(), Ucs2, 5, 1, 65),
        ("₵5".to_owned(), Ucs2, 2, 1, 68),
        ("line\r\nline\u{c}".to_owned(), Gsm7, 12, 1, 148),
    ] {
        let seen = segments(&text);
        assert_eq!(
            (seen.encoding, seen.units, seen.count, seen.left),
            (encoding, units, count, left),
            "{text}"
        );
    }
    assert_eq!(segments("Pay ₵5").odd_one, Some('₵'));
    assert_eq!(segments(&"a".repeat(1000)).count, 7);
}

/// The plain way to say it: cut the text into parts that fit, and look at them.
fn parts(text: &str) -> Vec<String> {
    let encoding = segments(text).encoding;
    let width =
        |part: &str| segments(part).units.max(if encoding == Encoding::Ucs2 { utf16(part) } else { 0 });
    let (alone, joined) = if encoding == Encoding::Gsm7 { (160, 153) } else { (70, 67) };
    if width(text) <= alone {
        return if text.is_empty() { Vec::new() } else { vec![text.to_owned()] };
    }
    let mut parts = vec![String::new()];
    for c in text.chars() {
        let last = parts.last_mut().unwrap();
        let longer = format!("{last}{c}");
        if width(&longer) > joined { parts.push(c.to_string()) } else { *last = longer }
    }
    parts
}

fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

proptest! {
    #[test]
    fn the_count_is_the_number_of_parts(text in "[ a-z€\\[\\]^~çéè😀₵]{0,400}") {
        prop_assert_eq!(segments(&text).count as usize, parts(&text).len());
    }

    #[test]
    fn gsm_texts_count_too(text in "[ a-zA-Z0-9€{}|@£ñà]{0,700}") {
        let seen = segments(&text);
        prop_assert_eq!(seen.encoding, Encoding::Gsm7);
        prop_assert_eq!(seen.count as usize, parts(&text).len());
        prop_assert!(seen.left < 160 || text.is_empty());
    }

    #[test]
    fn more_text_never_costs_less(text in "\\PC{0,200}", more in "\\PC{0,20}") {
        let longer = text.clone() + &more;
        prop_assert!(segments(&longer).count >= segments(&text).count);
    }

    #[test]
    fn no_text_breaks_the_parsers(text in "\\PC{0,60}") {
        for channel in Channel::ALL {
            if let Ok(parsed) = parse(channel, &text) {
                prop_assert_eq!(parse(channel, &parsed), Ok(parsed.clone()), "{} {}", channel, text);
            }
        }
    }
}
