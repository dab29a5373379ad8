use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{
    ComposeError, Composer, Text, Version, Words,
    language::{Asks, read},
    model::{Variable, checked_variables},
};
use crate::{
    error::Error,
    messaging::{Channel, providers::Content},
    types::TemplateId,
};

fn sms(text: &str) -> Words {
    words(Channel::Sms, "en", Text { text: text.into(), ..Text::default() })
}

fn words(channel: Channel, language: &str, text: Text) -> Words {
    Words(BTreeMap::from([(channel, BTreeMap::from([(language.to_owned(), text)]))]))
}

fn context(value: Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap()
}

fn say(source: &str, values: Value) -> Result<String, ComposeError> {
    let composer = Composer::new(&sms(source), &[], "").unwrap();
    composer.compose(Channel::Sms, None, "en", &context(values)).map(|content| content.text)
}

fn refusal(words: &Words) -> (String, &'static str, String) {
    let Err(Error::Invalid(wrong)) = Composer::new(words, &[], "") else { panic!("{words:?} was taken") };
    let first = wrong.first().unwrap();
    (first.field.to_string(), first.code, first.detail.clone())
}

#[test]
fn values_stand_where_they_are_named() {
    let source = "Hi {{ first_name|title }}, {{ plan.name }} costs {{ plan.price }}{% if days < 3 %}, hurry{% endif %}.";
    let values = json!({"first_name": "ada", "plan": {"name": "Fibre", "price": "10.00"}, "days": 2});
    assert_eq!(say(source, values).unwrap(), "Hi Ada, Fibre costs 10.00, hurry.");
    let list = "{% for line in lines %}{{ loop.index }}. {{ line.what }}\n{% endfor %}Bye";
    let values = json!({"lines": [{"what": "a"}, {"what": "b"}]});
    assert_eq!(say(list, values).unwrap(), "1. a\n2. b\nBye");
    assert_eq!(say("{{ a|default('x') }}{{ b or 'y' }}", json!({})).unwrap(), "xy");
    assert_eq!(say("100 % {not a tag}", json!({})).unwrap(), "100 % {not a tag}");
}

#[test]
fn a_name_comes_out_right_on_each_channel() {
    let letter = Text {
        subject: Some("For {{ name }}".into()),
        text: "Dear {{ name }}".into(),
        html: Some("<p>Dear {{ name }}</p>".into()),
        ..Text::default()
    };
    for (name, html) in [
        ("<b>Ada</b>", "<p>Dear &lt;b&gt;Ada&lt;&#x2f;b&gt;</p>"),
        ("O'Brien", "<p>Dear O&#x27;Brien</p>"),
        ("A & \"B\"", "<p>Dear A &amp; &quot;B&quot;</p>"),
        ("{{ 7 * 7 }}", "<p>Dear {{ 7 * 7 }}</p>"),
    ] {
        let all = Words::inline(&Channel::ALL, "en", &letter);
        let composer = Composer::new(&all, &[], "").unwrap();
        for channel in Channel::ALL {
            let content = composer.compose(channel, None, "en", &context(json!({"name": name}))).unwrap();
            assert_eq!(content.text, format!("Dear {name}"), "{channel}");
            assert_eq!(content.html.as_deref(), (channel == Channel::Email).then_some(html), "{channel}");
        }
    }
    let composer = Composer::new(&words(Channel::Email, "en", letter), &[], "").unwrap();
    let odd = context(json!({"name": "Ada\r\nBcc: all@example.com"}));
    let content = composer.compose(Channel::Email, None, "en", &odd).unwrap();
    assert_eq!(content.subject.as_deref(), Some("For Ada Bcc: all@example.com"));
}

#[test]
fn what_is_missing_is_named_or_falls_back() {
    let source = "{{ name }} {{ plan.name }} {{ code }}";
    let Err(ComposeError::Missing(names)) = say(source, json!({"name": null, "plan": {}})) else { panic!() };
    assert_eq!(names, ["code", "name", "plan.name"]);
    assert_eq!(say("{% if code %}Use {{ code }}{% endif %}!", json!({})).unwrap(), "!");
    let variables = [
        Variable { name: "name".into(), fallback: Some("there".into()), is_required: true },
        Variable { name: "note".into(), fallback: None, is_required: false },
        Variable { name: "code".into(), fallback: None, is_required: true },
    ];
    let composer = Composer::new(&sms("Hi {{ name }}{{ note }}: {{ code }}"), &variables, "").unwrap();
    assert_eq!(Vec::from_iter(composer.variables()), ["code", "name", "note"]);
    let compose =
        |values: Value| composer.compose(Channel::Sms, None, "en", &context(values)).map(|c| c.text);
    assert_eq!(compose(json!({"code": 7, "name": " "})).unwrap(), "Hi there: 7");
    assert_eq!(compose(json!({"code": ""})).unwrap_err(), ComposeError::Missing(vec!["code".into()]));
    let missing_in_a_loop = say("{% for a in all %}{{ a.name }}{% endfor %}", json!({"all": [{}]}));
    assert_eq!(missing_in_a_loop.unwrap_err().code(), "template_failed");
}

#[test]
fn a_loop_without_end_is_ended() {
    for source in [
        "{% for i in range(10**9) %}x{% endfor %}",
        "{% for i in range(10**9) %}{% endfor %}",
        "{% for i in range(n) %}{% for j in range(n) %}{{ i + 1 }}{% endfor %}{% endfor %}",
        "{% for i in range(9223372036854775807) if i < 0 %}x{% endfor %}",
    ] {
        let error = say(source, json!({"n": 1_000_000})).unwrap_err();
        assert_eq!(error, ComposeError::OutOfFuel { field: "text".into() }, "{source}");
        assert_eq!(error.to_string(), "The text does too much: a loop in it is too long.");
    }
    let long = "y".repeat(1024);
    let error = say("{% for i in range(100) %}{{ a }}{% endfor %}", json!({ "a": long })).unwrap_err();
    assert_eq!(error, ComposeError::TooLong { field: "text".into() });
    let huge = "z".repeat(1024 * 1024);
    assert_eq!(say("{{ a }}", json!({ "a": huge })).unwrap_err().code(), "text_too_long");
}

#[test]
fn little_never_becomes_much() {
    for source in [
        "{% set a = 'x' %}{{ a }}",
        "{% with a = 1 %}{{ a }}{% endwith %}",
        "{{ a ~ a }}",
        "{{ a + a }}",
        "{{ a * 1000000000 }}",
        "{{ 'x' * 1000000000 }}",
        "{{ 'x' ** 9 }}",
        "{{ [1, 2] }}",
        "{{ {'a': 1} }}",
        "{{ range(10) }}",
        "{{ a|replace('', a) }}",
        "{{ a|center(1000000000) }}",
        "{{ a|indent(1000000000) }}",
        "{{ b|join(a) }}",
        "{{ a|safe }}",
        "{% autoescape false %}{{ a }}{% endautoescape %}",
        "{% filter upper %}x{% endfilter %}",
        "{{ a.upper() }}",
        "{{ a.__class__ }}",
        "{{ a['__class__'] }}",
        "{{ _private }}",
        "{{ self }}{{ debug() }}",
        "{{ loop(a) }}",
        "{% for a in all recursive %}{{ loop(a) }}{% endfor %}",
        "{% for a in [1, 2, 3] %}{% endfor %}",
        "{% for a in b|list %}{% endfor %}",
        "{% for loop in b %}{% endfor %}",
        "{% include 'x' %}",
        "{% macro m() %}{% endmacro %}",
        "{% do a() %}",
        "{{ a is sameas b }}",
        "{{ a[b] }}",
        "{{ a",
        "{% if a %}",
        "{{ a..b }}",
        "{% nonsense %}",
    ] {
        let (field, code, detail) = refusal(&sms(source));
        assert_eq!(field, "contents.sms.en.text", "{source}");
        assert!(["template_syntax", "template_not_allowed"].contains(&code), "{source}: {code}");
        assert!(detail.starts_with("Line 1: "), "{source}: {detail}");
    }
    let (_, _, detail) = refusal(&sms("one\ntwo\n{{ a|nothing }}"));
    assert!(detail.starts_with("Line 3: There is no filter nothing"), "{detail}");
}

#[test]
fn values_have_no_doors() {
    let values = || json!({"a": {"b": "c"}, "list": [1, 2], "n": 3, "t": "text"});
    for source in ["{{ a }}", "{{ list }}"] {
        assert_eq!(say(source, values()).unwrap_err().code(), "template_failed", "{source}");
    }
    for source in ["{{ t.b }}", "{{ n.real }}", "{{ list.append }}", "{{ a.items }}", "{{ a.b.c }}"] {
        assert_eq!(say(source, values()).unwrap_err().code(), "missing_variables", "{source}");
    }
    assert_eq!(say("{{ t + 1 }}", values()).unwrap_err().code(), "template_failed");
    assert_eq!(say("{{ t[0:2] }}{{ list[1] }}{{ a['b'] }}", values()).unwrap(), "te2c");
}

#[test]
fn the_nearest_language_is_taken() {
    let text = |text: &str| Text { text: text.into(), ..Text::default() };
    let all = Words(BTreeMap::from([(
        Channel::Sms,
        BTreeMap::from([
            ("en".into(), text("Hello")),
            ("fil".into(), text("Kamusta")),
            ("pt-br".into(), text("Oi")),
        ]),
    )]));
    let composer = Composer::new(&all, &[], "").unwrap();
    let said = |language: Option<&str>, own: &str| {
        composer.compose(Channel::Sms, language, own, &Map::new()).unwrap().text
    };
    assert_eq!(said(None, "en"), "Hello");
    assert_eq!(said(Some("fil-PH"), "en"), "Kamusta");
    assert_eq!(said(Some("pt_BR"), "en"), "Oi");
    assert_eq!(said(Some("de"), "fil"), "Kamusta");
    assert_eq!(said(Some("de"), "fr"), "Hello");
    let none = composer.compose(Channel::Email, None, "en", &Map::new()).unwrap_err();
    assert_eq!(none, ComposeError::NoWords(Channel::Email));
}

#[test]
fn the_footer_stands_where_there_is_room() {
    let letter = Text {
        subject: Some("s".into()),
        text: "Hello".into(),
        html: Some("<html><body><p>Hello</p></body></html>".into()),
        ..Text::default()
    };
    let all = Words::inline(&Channel::ALL, "en", &letter);
    let composer = Composer::new(&all, &[], "Ada & Co <{{ city }}>\nBye").unwrap();
    let said = |channel| -> Content {
        composer.compose(channel, None, "en", &context(json!({"city": "Cebu"}))).unwrap()
    };
    assert_eq!(said(Channel::Sms).text, "Hello");
    assert_eq!(said(Channel::Push).text, "Hello");
    let mail = said(Channel::Email);
    assert_eq!(mail.text, "Hello\n\nAda & Co <Cebu>\nBye");
    let html = "<html><body><p>Hello</p><p>Ada &amp; Co &lt;Cebu&gt;<br>Bye</p></body></html>";
    assert_eq!(mail.html.as_deref(), Some(html));
    assert_eq!(said(Channel::Telegram).text, mail.text);
}

#[test]
fn words_are_checked_by_field() {
    let odd: Words = serde_json::from_value(json!({
        "sms": {"en": {"text": "x".repeat(20_000)}, "english!": {"text": "a"}, "fil": {"html": "<p>"}},
        "email": {"en": {"text": "a"}},
        "push": {"en": {"data": {"bad key": "1"}, "text": "b"}},
        "whatsapp": {"en": {"provider": {"name": ""}}},
    }))
    .unwrap();
    let Error::Invalid(wrong) = odd.checked().unwrap_err() else { panic!() };
    let named: Vec<(&str, &str)> = wrong.iter().map(|w| (w.field.as_ref(), w.code)).collect();
    for expected in [
        ("contents.sms.en.text", "too_long"),
        ("contents.sms.english!", "not_a_language"),
        ("contents.sms.fil.html", "not_on_this_channel"),
        ("contents.email.en.subject", "required"),
        ("contents.push.en.data", "not_a_key"),
        ("contents.whatsapp.en.provider.name", "required"),
    ] {
        assert!(named.contains(&expected), "{expected:?} in {named:?}");
    }
    assert!(Words::default().checked().is_err());
    let good: Words = serde_json::from_value(json!({"sms": {"pt_BR": {"text": "a\r\nb  "}}})).unwrap();
    let good = serde_json::to_value(good.checked().unwrap()).unwrap();
    assert_eq!(good, json!({"sms": {"pt-br": {"text": "a\nb"}}}));
}

#[test]
fn variables_are_checked_by_name() {
    let variable = |name: &str| Variable { name: name.into(), fallback: None, is_required: true };
    let odd = ["1st", "for", "a-b", "", "ok", "ok"].map(variable).to_vec();
    let Error::Invalid(wrong) = checked_variables(odd).unwrap_err() else { panic!() };
    let named: Vec<&str> = wrong.iter().map(|w| w.field.as_ref()).collect();
    let expected = [0, 1, 2, 3, 5].map(|at| format!("variables[{at}].name"));
    assert_eq!(named, expected);
    let version = Version {
        template: TemplateId::new(),
        version: 1,
        words: sms("{{ name }} {{ plan }} {{ code }}"),
        variables: vec![variable("plan"), variable("old")],
        footer: String::new(),
    };
    let names = version.names().unwrap();
    assert_eq!(names.asked, ["code", "name", "plan"]);
    assert_eq!((names.unknown, names.unused), (vec!["code".to_owned()], vec!["old".to_owned()]));
}

#[test]
fn a_source_says_what_it_asks_for() {
    let Asks { names, needed, .. } =
        read("{{ a.b }}{% if c %}{{ c.d }}{% else %}{{ e }}{% endif %}{% for f in g %}{{ f.h }}{% endfor %}")
            .unwrap();
    assert_eq!(Vec::from_iter(names), ["a", "c", "e", "g"]);
    let needed: Vec<String> = needed.iter().map(|path| path.join(".")).collect();
    assert_eq!(needed, ["a.b", "e", "g"]);
}

proptest! {
    #[test]
    fn no_source_makes_it_panic(source in "([a-z ]|\\{\\{|\\}\\}|\\{%|%\\}|for|in|if|end|\\||\\(|\\)|\\*|~|'|[0-9]|\\.|\n){0,60}") {
        if let Ok(composer) = Composer::new(&sms(&source), &[], "") {
            let _said = composer.compose(Channel::Sms, None, "en", &context(json!({"a": "b", "i": [1]})));
        }
    }

    #[test]
    fn a_value_is_never_read_as_a_template(value in "\\PC{1,80}") {
        prop_assume!(!value.trim().is_empty());
        prop_assert_eq!(say("[{{ a }}]", json!({ "a": value })).unwrap(), format!("[{value}]"));
    }

    #[test]
    fn html_never_has_a_tag_of_a_value(value in "[<>&'\"a-z{}%/ ]{1,40}") {
        let letter = Text { subject: Some("s".into()), html: Some("{{ a }}".into()), ..Text::default() };
        let composer = Composer::new(&words(Channel::Email, "en", letter), &[], "").unwrap();
        let content = composer.compose(Channel::Email, None, "en", &context(json!({ "a": value }))).unwrap();
        let html = content.html.unwrap_or_default();
        prop_assert!(!html.contains(['<', '>', '"', '\'']));
    }
}
