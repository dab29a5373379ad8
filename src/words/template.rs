//! The words of a page's template: what stands between its tags, in the attributes that people read or hear, and in what is given to
//! components as their words.
//!
//! A template is written once, in English, and its text is its own key: for another language the source is put through the
//! catalogue before it is parsed, so that a page costs the same in every language and what people typed is never touched.

/// Attributes of HTML that are read or heard.
const ATTRIBUTES: [&str; 12] = [
    "alt",
    "aria-description",
    "aria-label",
    "data-confirm",
    "data-confirm-detail",
    "data-confirm-label",
    "data-label",
    "data-says",
    "hx-confirm",
    "label",
    "placeholder",
    "title",
];
/// What components are given as their words.
const ARGUMENTS: [&str; 11] =
    ["blank", "empty", "help", "label", "noun", "of", "placeholder", "prefix", "suffix", "text", "title"];
/// Entries of a map in a template's code that are words.
const ENTRIES: [&str; 4] = ["label", "text", "title", "help"];
/// Elements whose content is for machines.
const RAW: [&str; 3] = ["script", "style", "code"];

#[derive(Clone, Copy)]
enum Token<'a> {
    Text(&'a str),
    /// `{{ … }}`
    Value(&'a str),
    /// `{% … %}`, `{# … #}` and what is for machines.
    Fixed(&'a str),
    /// An element's beginning or end.
    Tag(&'a str),
}

/// The same template in other words: `say` is asked for each of its texts, and what it has no answer for stays as it is.
///
/// A key has its white space as single spaces and each value of it as `{}`; an answer may place them by number, as `{1}`. Where one
/// English word is two of another language, a comment in front of it tells which: `{# as a deed #}Open` asks for `Open (as a deed)`.
pub fn translate(source: &str, say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    passage(&tokens(source, true), say)
}

fn passage(tokens: &[Token<'_>], say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut run: Vec<Token<'_>> = Vec::new();
    let mut sense = None;
    for token in tokens {
        if let Token::Text(_) | Token::Value(_) = token {
            run.push(*token);
            continue;
        }
        out.push_str(&sentence(&std::mem::take(&mut run), sense.take(), say));
        match *token {
            Token::Tag(tag) => out.push_str(&said_in_tag(tag, say)),
            Token::Fixed(code) | Token::Text(code) | Token::Value(code) => {
                sense = sense_of(code);
                out.push_str(&said_in_code(code, say));
            }
        }
    }
    out.push_str(&sentence(&run, sense, say));
    out
}

/// `as a deed`, of the comment that tells in which sense the next words are meant.
fn sense_of(code: &str) -> Option<&str> {
    let comment = code.strip_prefix("{#")?.strip_suffix("#}")?.trim();
    comment.starts_with("as ").then_some(comment)
}

/// Text with its values. Components at its ends, an icon above all, are no part of it.
fn sentence(run: &[Token<'_>], sense: Option<&str>, say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let is_edge = |token: &Token<'_>| match token {
        Token::Value(code) => is_component(code),
        Token::Text(text) => text.trim().is_empty(),
        _ => false,
    };
    let first = run.iter().position(|token| !is_edge(token)).unwrap_or(run.len());
    let end = run.iter().rposition(|token| !is_edge(token)).map_or(first, |last| last + 1);
    let mut out = String::new();
    out.push_str(&as_written(run.get(..first).unwrap_or_default(), say));
    let inner = run.get(first..end).unwrap_or_default();
    let meant = |key: String| sense.map_or(key.clone(), |sense| format!("{key} ({sense})"));
    match key_of(inner).map(meant).and_then(|key| say(&key)) {
        Some(words) => {
            let values: Vec<String> = inner.iter().filter_map(|token| value_of(token, say)).collect();
            let (lead, trail) = margins(inner);
            out.push_str(lead);
            out.push_str(&super::catalogue::fill(&words, &values));
            out.push_str(trail);
        }
        None => out.push_str(&as_written(inner, say)),
    }
    out.push_str(&as_written(run.get(end..).unwrap_or_default(), say));
    out
}

fn as_written(run: &[Token<'_>], say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    run.iter()
        .map(|token| match token {
            Token::Value(code) => said_in_code(code, say),
            Token::Text(text) | Token::Fixed(text) | Token::Tag(text) => (*text).to_owned(),
        })
        .collect()
}

fn value_of(token: &Token<'_>, say: &mut dyn FnMut(&str) -> Option<String>) -> Option<String> {
    match token {
        Token::Value(code) => Some(said_in_code(code, say)),
        _ => None,
    }
}

fn is_component(code: &str) -> bool {
    code.trim_start_matches("{{").trim_start_matches('-').trim_start().starts_with('<')
}

/// None where there is nothing to read.
fn key_of(run: &[Token<'_>]) -> Option<String> {
    let raw: String = run
        .iter()
        .map(|token| match token {
            Token::Text(text) => *text,
            _ => "{}",
        })
        .collect();
    let key = raw.split_whitespace().collect::<Vec<_>>().join(" ");
    is_words(&key).then_some(key)
}

/// Whether a text has letters besides those of its entities, such as `&nbsp;`.
fn is_words(text: &str) -> bool {
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        if before.chars().any(char::is_alphabetic) {
            return true;
        }
        rest = match after.split_once(';') {
            Some((name, rest)) if name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#') => rest,
            _ => after,
        };
    }
    rest.chars().any(char::is_alphabetic)
}

/// The white space at both ends.
fn margins<'a>(run: &[Token<'a>]) -> (&'a str, &'a str) {
    let lead = match run.first() {
        Some(Token::Text(text)) => text.split_at(text.len() - text.trim_start().len()).0,
        _ => "",
    };
    let trail = match run.last() {
        Some(Token::Text(text)) => text.split_at(text.trim_end().len()).1,
        _ => "",
    };
    (lead, trail)
}

/// A tag with the words of its attributes.
fn said_in_tag(tag: &str, say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = tag;
    while let Some(at) = rest.find(['"', '{']) {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        if from.starts_with('{') {
            let length = code_length(from).unwrap_or(1);
            let (code, after) = from.split_at(length);
            out.push_str(&said_in_code(code, say));
            rest = after;
            continue;
        }
        let inner = from.get(1..).unwrap_or_default();
        let length = quoted_length(inner);
        let (value, after) = inner.split_at(length);
        let name = before.strip_suffix('=').map(last_name).unwrap_or_default();
        out.push('"');
        if ATTRIBUTES.contains(&name) {
            let mut quoted = |key: &str| say(key).map(|words| words.replace('"', "&quot;"));
            out.push_str(&passage(&tokens(value, false), &mut quoted));
        } else {
            out.push_str(&codes_of(value, say));
        }
        rest = after;
        if let Some(closed) = rest.strip_prefix('"') {
            out.push('"');
            rest = closed;
        }
    }
    out.push_str(rest);
    out
}

/// A value that nobody reads; components in it may have words all the same.
fn codes_of(value: &str, say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    tokens(value, false)
        .iter()
        .map(|token| match token {
            Token::Text(text) | Token::Tag(text) => (*text).to_owned(),
            Token::Value(code) | Token::Fixed(code) => said_in_code(code, say),
        })
        .collect()
}

/// The identifier that a text ends with.
fn last_name(text: &str) -> &str {
    let start =
        text.rfind(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).map_or(0, |at| at + 1);
    text.get(start..).unwrap_or_default()
}

/// Code with the words that it hands to components, and those of its maps.
fn said_in_code(code: &str, say: &mut dyn FnMut(&str) -> Option<String>) -> String {
    if code.starts_with("{#") || !code.starts_with('{') {
        return code.to_owned();
    }
    let mut out = String::new();
    let mut rest = code;
    let mut read = String::new();
    while let Some((before, after)) = rest.split_once('"') {
        let Some((literal, then)) = after.split_once('"') else { break };
        read.push_str(before);
        out.push_str(before);
        out.push('"');
        match is_word_there(&read, then)
            .then(|| literal.trim())
            .filter(|key| is_words(key))
            .and_then(&mut *say)
        {
            Some(words) => {
                let start = literal.len() - literal.trim_start().len();
                out.push_str(literal.get(..start).unwrap_or_default());
                out.push_str(&words.replace('"', "”"));
                out.push_str(literal.get(literal.trim_end().len()..).unwrap_or_default());
            }
            None => out.push_str(literal),
        }
        out.push('"');
        read.push_str("\"_\"");
        if let Some(named) = ENTRIES.iter().find(|name| **name == literal) {
            // What follows a map's key is judged by the key.
            read.truncate(read.len() - 1);
            read.push_str(named);
            read.push('"');
        }
        rest = then;
    }
    out.push_str(rest);
    out
}

/// Whether a literal that stands between these is for people.
fn is_word_there(before: &str, after: &str) -> bool {
    let before = before.trim_end();
    if before.ends_with(" or") {
        return true;
    }
    let is_compared =
        before.ends_with("==") || before.ends_with("!=") || after.trim_start().starts_with("==");
    if is_compared || before.ends_with('(') || before.ends_with('[') {
        return false;
    }
    if let Some(name) = before.strip_suffix('=') {
        return is_component(before.trim_start_matches("{%")) && ARGUMENTS.contains(&last_name(name))
            || before.trim_start_matches("{%").trim_start().starts_with('<')
                && ARGUMENTS.contains(&last_name(name));
    }
    if let Some(entry) = before.strip_suffix(':') {
        return ENTRIES.iter().any(|name| entry.trim_end().ends_with(&format!("_{name}\"")));
    }
    // An expression: what it is given to decides, `label={"Below " ~ code}`.
    let open = before.rfind('{').filter(|at| *at > 1);
    let given_to =
        open.and_then(|at| before.get(..at)).and_then(|text| text.strip_suffix('=')).map(last_name);
    given_to.is_some_and(|name| ARGUMENTS.contains(&name))
}

/// How long the code is that a text begins with; None where it begins with none.
fn code_length(text: &str) -> Option<usize> {
    let end = match text.get(..2)? {
        "{{" => "}}",
        "{%" => "%}",
        "{#" => "#}",
        _ => return None,
    };
    let mut is_quoted = false;
    for (at, c) in text.char_indices().skip(2) {
        if c == '"' && end != "#}" {
            is_quoted = !is_quoted;
        } else if !is_quoted && text.get(at..).is_some_and(|rest| rest.starts_with(end)) {
            return Some(at + 2);
        }
    }
    Some(text.len())
}

/// How long a quoted value is up to its closing quote; code in it has quotes of its own.
fn quoted_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = code_length(rest) {
            at += length;
            continue;
        }
        let Some(c) = rest.chars().next() else { break };
        if c == '"' {
            return at;
        }
        at += c.len_utf8();
    }
    text.len()
}

/// How long the tag is that a text begins with; None where it begins with none.
fn tag_length(text: &str) -> Option<usize> {
    let second = text.strip_prefix('<')?.chars().next()?;
    if !(second.is_ascii_alphabetic() || second == '/' || second == '!') {
        return None;
    }
    let mut at = 1;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = code_length(rest) {
            at += length;
        } else if let Some(value) = rest.strip_prefix('"') {
            at += 1 + quoted_length(value) + 1;
        } else {
            let Some(c) = rest.chars().next() else { break };
            at += c.len_utf8();
            if c == '>' {
                return Some(at);
            }
        }
    }
    Some(text.len())
}

/// How long an element for machines is, with its content; None for every other.
fn raw_length(text: &str) -> Option<usize> {
    let name = RAW.iter().find(|name| {
        let after = text.strip_prefix('<').and_then(|tag| tag.strip_prefix(**name));
        after.is_some_and(|rest| rest.starts_with([' ', '>']))
    })?;
    let end = format!("</{name}>");
    text.find(&end).map(|at| at + end.len())
}

/// What a text begins with, if it is no text.
fn token_at(text: &str, has_tags: bool) -> Option<Token<'_>> {
    let whole = |length: usize| text.get(..length).unwrap_or(text);
    if let Some(length) = code_length(text) {
        let code = whole(length);
        return Some(if code.starts_with("{{") { Token::Value(code) } else { Token::Fixed(code) });
    }
    if !has_tags {
        return None;
    }
    raw_length(text)
        .map(|length| Token::Fixed(whole(length)))
        .or_else(|| tag_length(text).map(|length| Token::Tag(whole(length))))
}

/// A source in its parts; in an attribute's value there are no tags.
fn tokens(source: &str, has_tags: bool) -> Vec<Token<'_>> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    while let Some(rest) = source.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(token) = token_at(rest, has_tags) else {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        };
        found.extend(source.get(start..at).filter(|text| !text.is_empty()).map(Token::Text));
        let (Token::Text(whole) | Token::Value(whole) | Token::Fixed(whole) | Token::Tag(whole)) = token;
        at += whole.len();
        start = at;
        found.push(token);
    }
    found.extend(source.get(start..).filter(|rest| !rest.is_empty()).map(Token::Text));
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::translate;

    fn keys(source: &str) -> Vec<String> {
        let mut found = Vec::new();
        let same = translate(source, &mut |key| {
            found.push(key.to_owned());
            None
        });
        assert_eq!(same, source);
        found
    }

    #[test]
    fn what_people_read_is_found_and_nothing_else() {
        let source = r#"{# A comment. #}<p class="Not this">{{ <ui.icon name="plus" /> }}New customer</p>
            <a title="Go {{ where }}" href="/x?y={{ asset(name="A b") }}">{{ n }} of {{ total }}{{ most or "No limit" }}</a>{% if kind == "Open" %}Open{% endif %}
            {% <ui.head title="Areas" class="Not"> %}{% </ui.head> %}{{ <form.field label={"Below " ~ code} /> }}
            {% set crumbs = [{"label": "Customers", "href": "/Customers"}] %}<script>let a = "No";</script>&nbsp;{{ a }} · {{ b }}"#;
        assert_eq!(keys("<b>{# as a deed #}Open</b>{# Not. #}Open"), ["Open (as a deed)", "Open"]);
        assert_eq!(
            keys(source),
            ["New customer", "Go {}", "{} of {}{}", "No limit", "Open", "Areas", "Below", "Customers"]
        );
    }

    #[test]
    fn an_answer_stands_where_the_words_stood() {
        let source =
            "<b title=\"{{ a }} of {{ b }}\"> {{ <ui.icon name=\"x\" /> }} {{ a }} of\n {{ b }} </b>";
        let said = translate(source, &mut |key| (key == "{} of {}").then(|| "\"{1}\" : {0}".to_owned()));
        assert_eq!(
            said,
            "<b title=\"&quot;{{ b }}&quot; : {{ a }}\"> {{ <ui.icon name=\"x\" /> }} \"{{ b }}\" : {{ a }} </b>"
        );
    }

    proptest! {
        /// Whatever a template is made of, without answers it stays what it is.
        #[test]
        fn nothing_is_lost(source in "([a-z <>\"={}%#/é]|\\{\\{|\\}\\}|<a title=\")*") {
            prop_assert_eq!(translate(&source, &mut |_| None), source);
        }
    }
}
