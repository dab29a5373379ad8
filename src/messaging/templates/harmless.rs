//! HTML that staff wrote, without what acts by itself: elements, attributes and addresses are those of the lists here, and nothing else
//! leaves. What stays is left byte by byte as it was typed, since letters are fitted to their readers' programs by hand.

use std::{
    borrow::Cow,
    cell::RefCell,
    collections::{BTreeSet, HashSet},
    sync::LazyLock,
};

use lol_html::{
    ElementContentHandlers, RewriteStrSettings, Selector, doc_comments,
    errors::RewritingError,
    html_content::{ContentType, Element, TextChunk},
    rewrite_str,
};
use regex::{Captures, Regex};

/// Elements that letters are made of. Of all others only their content stays.
static ELEMENTS: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words(
        "a abbr address area article aside b bdi bdo big blockquote body br caption center cite code col colgroup dd \
    del dfn div dl dt em figcaption figure font footer h1 h2 h3 h4 h5 h6 head header hr html i img ins kbd li link \
    main map mark meta nav o:p ol p pre q s samp section small span strike strong style sub sup table tbody td \
    tfoot th thead time title tr tt u ul var wbr",
    )
});
/// Elements whose content goes with them: it is code, another language, or nothing that a letter can show.
static WITH_CONTENT: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words(
        "applet audio canvas embed frameset iframe math noembed noframes noscript object plaintext script select svg \
    template textarea video xmp",
    )
});
static ATTRIBUTES: LazyLock<HashSet<&str>> = LazyLock::new(|| {
    words(
        "abbr align alink alt bgcolor border bordercolor cellpadding cellspacing charset class clear color cols colspan \
    content coords datetime dir face frame headers height hspace http-equiv id lang leftmargin link marginheight \
    marginwidth media name noshade nowrap property rel reversed role rows rowspan rules scope shape size span \
    start style summary target text title topmargin type usemap valign value vlink vspace width xml:lang xmlns",
    )
});
const BEGINNINGS: &[&str] = &["aria-", "data-", "xmlns:"];
/// Attributes that are an address.
const ADDRESSES: &[&str] = &["background", "cite", "href", "src"];
const SCHEMES: &[&str] = &["https://", "http://", "mailto:", "tel:", "sms:", "cid:"];
const PICTURES: &[&str] = &["data:image/png", "data:image/jpeg", "data:image/gif", "data:image/webp"];
/// What styles of old programs could act with.
const ACTING_STYLES: &[&str] =
    &["expression(", "javascript:", "vbscript:", "behavior:", "-moz-binding", "@import"];
/// HTML that is still changing after so many times is made to be.
const PASSES_MAX: usize = 5;
const NAMED_MAX_CHARS: usize = 60;

/// What was said in a template's own language: its value is not known, or nothing is shown.
static PLACEHOLDERS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{\{.*?\}\}").ok());
static STATEMENTS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"(?s)\{%.*?%\}|\{#.*?#\}").ok());
static NUMBERS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"&#(?:[xX]([0-9a-fA-F]+)|([0-9]+));?").ok());
static EVERYTHING: LazyLock<Option<Selector>> = LazyLock::new(|| "*".parse().ok());
static STYLES: LazyLock<Option<Selector>> = LazyLock::new(|| "style".parse().ok());

fn words(list: &'static str) -> HashSet<&'static str> {
    list.split_ascii_whitespace().collect()
}

/// HTML that does nothing by itself, and what was left out of it, as it was written.
#[derive(Debug, PartialEq, Eq)]
pub struct Harmless {
    pub html: String,
    pub left_out: BTreeSet<String>,
}

/// Why HTML is not understood: it can be read in two ways, and one of them may act.
pub const AMBIGUOUS: &str = "This HTML can be read in more than one way. Close its elements in order.";

/// What a template's HTML has that no letter will have; [`AMBIGUOUS`] when it cannot be told.
pub fn left_out_of(template: &str) -> Result<BTreeSet<String>, &'static str> {
    let (Some(placeholders), Some(statements)) = (PLACEHOLDERS.as_ref(), STATEMENTS.as_ref()) else {
        return Err(AMBIGUOUS);
    };
    let filled = placeholders.replace_all(template, "x");
    made_harmless(&statements.replace_all(&filled, "")).map(|harmless| harmless.left_out)
}

/// The same HTML without what acts. [`AMBIGUOUS`] when it can be read in two ways.
pub fn made_harmless(html: &str) -> Result<Harmless, &'static str> {
    let mut now = html.to_owned();
    let mut left_out = BTreeSet::new();
    // What stands on both sides of something that goes may become something else together.
    for _ in 0..PASSES_MAX {
        let next = once_over(&now)?;
        if next.left_out.is_empty() && next.html == now {
            return Ok(Harmless { html: now, left_out });
        }
        left_out.extend(next.left_out);
        now = next.html;
    }
    Err(AMBIGUOUS)
}

fn once_over(html: &str) -> Result<Harmless, &'static str> {
    let (Some(everything), Some(styles)) = (EVERYTHING.as_ref(), STYLES.as_ref()) else {
        return Err(AMBIGUOUS);
    };
    let left_out = RefCell::new(BTreeSet::new());
    let name = |what: String| {
        left_out.borrow_mut().insert(what);
    };
    let mut style = String::new();
    let elements = ElementContentHandlers::default().element(|element: &mut Element<'_, '_>| {
        keep_to_the_lists(element, &name);
        Ok(())
    });
    let sheets = ElementContentHandlers::default().text(|chunk: &mut TextChunk<'_>| {
        style.push_str(chunk.as_str());
        chunk.remove();
        if chunk.last_in_text_node() {
            match acting_style(&style) {
                Some(acting) => name(acting.to_owned()),
                None => chunk.after(&style, ContentType::Html),
            }
            style.clear();
        }
        Ok(())
    });
    let settings = RewriteStrSettings::new()
        .append_element_content_handler((Cow::Borrowed(everything), elements))
        .append_element_content_handler((Cow::Borrowed(styles), sheets))
        .append_document_content_handler(doc_comments!(|comment| {
            // Conditions for Outlook stay: its letters fall apart without them.
            let text = comment.text();
            if !(text.starts_with("[if ") || text.starts_with("<![endif]")) {
                comment.remove();
            }
            Ok(())
        }));
    let html = rewrite_str(html, settings).map_err(|_ambiguous: RewritingError| AMBIGUOUS)?;
    Ok(Harmless { html, left_out: left_out.into_inner() })
}

fn keep_to_the_lists(element: &mut Element<'_, '_>, name: &impl Fn(String)) {
    let tag = element.tag_name();
    if !ELEMENTS.contains(tag.as_str()) || acts_as_meta(element, &tag) {
        name(shortened(&format!("<{tag}>")));
        if WITH_CONTENT.contains(tag.as_str()) || tag == "meta" {
            element.remove();
        } else {
            element.remove_and_keep_content();
        }
        return;
    }
    let odd: Vec<(String, String)> = element
        .attributes()
        .iter()
        .map(|attribute| (attribute.name(), attribute.value()))
        .filter_map(|(key, value)| what_is_odd(&key, &value).map(|odd| (key, odd)))
        .collect();
    for (key, odd) in &odd {
        element.remove_attribute(key);
        name(shortened(odd));
    }
    // A name that no attribute can have is not found again.
    if odd.iter().any(|(key, _)| element.attributes().iter().any(|attribute| attribute.name() == *key)) {
        element.remove_and_keep_content();
    }
}

/// `<meta http-equiv="refresh">` leads elsewhere.
fn acts_as_meta(element: &Element<'_, '_>, tag: &str) -> bool {
    let harmless = ["content-type", "x-ua-compatible", "content-language"];
    tag == "meta"
        && element
            .get_attribute("http-equiv")
            .is_some_and(|what| !harmless.contains(&what.trim().to_ascii_lowercase().as_str()))
}

/// What of an attribute cannot stay, as it is told.
fn what_is_odd(key: &str, value: &str) -> Option<String> {
    if ADDRESSES.contains(&key) {
        return (!is_harmless_address(value)).then(|| format!("{key}=\"{value}\""));
    }
    if !ATTRIBUTES.contains(key) && !BEGINNINGS.iter().any(|beginning| key.starts_with(beginning)) {
        return Some(key.to_owned());
    }
    if key == "style" {
        return acting_style(&numbers_decoded(value)).map(str::to_owned);
    }
    None
}

/// An address of a scheme that only shows or asks, or one without a scheme. What a browser would still decode by name or skip on its way
/// to the scheme is no address here.
fn is_harmless_address(value: &str) -> bool {
    let value = numbers_decoded(value).trim().to_ascii_lowercase();
    if SCHEMES.iter().chain(PICTURES).any(|scheme| value.starts_with(scheme)) {
        return true;
    }
    let before_path = value.split(['/', '?', '#']).next().unwrap_or_default();
    !before_path.contains([':', '&']) && !before_path.chars().any(char::is_control)
}

/// `&#x2f;` as `/`: so values are escaped that are filled in.
fn numbers_decoded(value: &str) -> Cow<'_, str> {
    let Some(numbers) = NUMBERS.as_ref() else { return value.into() };
    numbers.replace_all(value, |found: &Captures<'_>| {
        let hex = found.get(1).and_then(|digits| u32::from_str_radix(digits.as_str(), 16).ok());
        let number = hex.or_else(|| found.get(2).and_then(|digits| digits.as_str().parse().ok()));
        number.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER).to_string()
    })
}

fn acting_style(style: &str) -> Option<&'static str> {
    let mut plain = String::with_capacity(style.len());
    let mut rest = style;
    while let Some((before, comment)) = rest.split_once("/*") {
        plain.push_str(before);
        rest = comment.split_once("*/").map_or("", |(_, after)| after);
    }
    plain.push_str(rest);
    let plain: String = plain.to_ascii_lowercase().split_whitespace().collect();
    ACTING_STYLES.iter().copied().find(|acting| plain.contains(acting))
}

fn shortened(text: &str) -> String {
    text.chars().take(NAMED_MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cleaned(html: &str) -> String {
        made_harmless(html).unwrap().html
    }

    const LETTER: &str = r##"<!DOCTYPE html><html lang="en" xmlns:o="urn:schemas-microsoft-com:office:office"><head><meta charset="utf-8">
<meta http-equiv="X-UA-Compatible" content="IE=edge"><title>March &amp; April</title>
<style>@media (max-width:600px){.wide{width:100%!important}} .a > .b{background:url("https://x.example/a.png")}</style>
<!--[if mso]><xml><o:OfficeDocumentSettings/></xml><![endif]--></head>
<body bgcolor=#ffffff style="margin:0"><table role="presentation" width=600 align='center'><tr><td class="wide" data-x="1" aria-label="Bill">
<a href="https://x.example/?a=1&amp;b=2" target="_blank">Pay</a> <a href="mailto:a@x.example">Write</a> <a href="#top">Up</a>
<img src="cid:logo" alt="Logo" width="10"> <img src="data:image/png;base64,AAAA" alt=""> 3 < 4 &amp; 5 > 4<br/></td></tr></table></body></html>"##;

    #[test]
    fn a_letter_stays_as_it_was_typed() {
        let Harmless { html, left_out } = made_harmless(LETTER).unwrap();
        assert_eq!(html, LETTER);
        assert_eq!(left_out, BTreeSet::new());
    }

    /// What acts, in the ways in which it is hidden, and what is left of it.
    const CORPUS: &[(&str, &str)] = &[
        ("<script>alert(1)</script>Hi", "Hi"),
        ("<SCRIPT SRC=https://x.example/a.js></SCRIPT >Hi", "Hi"),
        ("a<script>alert('</p>')</script>b", "ab"),
        ("<scr<script>ipt>alert(1)</scr</script>ipt>", "ipt>alert(1)</scr</script>ipt>"),
        ("Hi<script>alert(1)", "Hi"),
        ("<<x>script>alert(1)</script>Hi", "Hi"),
        ("<<!-- -->script>alert(1)</script>Hi", "Hi"),
        ("<img src=x onerror=alert(1)>", "<img src=x>"),
        ("<img/src=x/onerror=alert(1)>", "<img/src=x/onerror=alert(1)>"),
        ("<p ONCLICK='alert(1)' class=a>Hi</p>", "<p class=a>Hi</p>"),
        ("<p onclick\n=\n'alert(1)'>Hi</p>", "<p>Hi</p>"),
        ("<body onload=alert(1)>Hi</body>", "<body>Hi</body>"),
        ("<a href=javascript:alert(1)>Hi</a>", "<a>Hi</a>"),
        ("<a href=' \u{1}javascript:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='JaVaScRiPt:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='java&#115;cript:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='javascript&colon;alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='java\tscript:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='java&#9;script:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='java&#x0Ascript&#x3a;alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='&#0000106avascript:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='&Tab;javascript:alert(1)'>Hi</a>", "<a>Hi</a>"),
        ("<a href='vbscript:x'>Hi</a>", "<a>Hi</a>"),
        ("<a href='data:text/html,<script>1</script>'>Hi</a>", "<a>Hi</a>"),
        ("<img src='data:image/svg+xml,<svg onload=alert(1)>'>", "<img>"),
        ("<a href=x href=javascript:1>Hi</a>", "<a>Hi</a>"),
        ("<iframe src=https://x.example></iframe>Hi", "Hi"),
        ("<iframe srcdoc='<script>1</script>'></iframe>Hi", "Hi"),
        ("<object data=x><p>In</p></object>Hi", "Hi"),
        ("<embed src=x>Hi", "Hi"),
        ("<svg><script>alert(1)</script></svg>Hi", "Hi"),
        ("<svg onload=alert(1)><a>x</a></svg>Hi", "Hi"),
        ("<math><mtext><img src=x onerror=alert(1)></mtext></math>Hi", "Hi"),
        ("<form action=https://x.example><input name=pin><b>Hi</b></form>", "<b>Hi</b>"),
        ("<button formaction=javascript:1>Hi</button>", "Hi"),
        ("<base href=https://x.example/>Hi", "Hi"),
        ("<meta http-equiv=refresh content='0;url=https://x.example'>Hi", "Hi"),
        ("<meta http-equiv=' REFRESH ' content=0>Hi", "Hi"),
        ("<p style='width:expression(alert(1))'>Hi</p>", "<p>Hi</p>"),
        ("<p style='width:exp/**/ression(alert(1))'>Hi</p>", "<p>Hi</p>"),
        ("<p style='background:url(javascript:alert(1))'>Hi</p>", "<p>Hi</p>"),
        ("<style>@import 'https://x.example/a.css';</style>Hi", "<style></style>Hi"),
        ("<style>p{behavior : url(x)}</style>Hi", "<style></style>Hi"),
        ("<noscript><p title='</noscript><img src=x onerror=alert(1)>'>Hi", "<img src=x>'>Hi"),
        ("<template><script>1</script></template>Hi", "Hi"),
        ("<marquee onstart=alert(1)>Hi</marquee>", "Hi"),
        ("<x-y onclick=1>Hi</x-y>", "Hi"),
        ("<video><source onerror=alert(1)></video>Hi", "Hi"),
        ("<!-- <script>alert(1)</script> -->Hi", "Hi"),
        ("<!--><script>alert(1)</script>-->Hi", "-->Hi"),
        ("<link rel=stylesheet href=javascript:1>Hi", "<link rel=stylesheet>Hi"),
        ("<table background='javascript:1'><tr><td>Hi</table>", "<table><tr><td>Hi</table>"),
    ];

    #[test]
    fn what_acts_is_left_out_and_named() {
        let mut wrong = Vec::new();
        for (html, left) in CORPUS {
            let harmless = made_harmless(html).unwrap();
            // Comments go unnamed, and two of the tricks are none to begin with.
            let is_named =
                !harmless.left_out.is_empty() || html.starts_with("<!-- ") || html.contains("/onerror");
            if harmless.html != *left || !is_named {
                wrong.push((html, harmless));
            }
        }
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_template_is_read_without_its_own_words() {
        let good = r#"<table>{% for bill in bills %}<tr><td {% if bill.late %}class="late"{% endif %}>{{ bill.sum }}</td></tr>{% endfor %}</table>
            <a href="{{ link }}">Pay</a><a href="https://x.example/{{ id }}">See</a>{# <script> #}{% if a < b and c > d %}x{% endif %}"#;
        assert_eq!(left_out_of(good), Ok(BTreeSet::new()));
        let bad = r#"{% if a %}<script>{{ b }}</script>{% endif %}<p onclick="{{ c }}">"#;
        let told = ["<script>", "onclick"].map(str::to_owned);
        assert_eq!(left_out_of(bad), Ok(BTreeSet::from(told)));
        assert_eq!(
            left_out_of("<scr{% if a %}ipt>1</script>{% endif %}"),
            Ok(BTreeSet::from(["<script>".to_owned()]))
        );
    }

    #[test]
    fn an_address_may_be_escaped() {
        for html in [
            "<a href=\"https:&#x2f;&#x2f;x.example&#x2f;?a=1&amp;b=2\">Hi</a>",
            "<a href='&#104;ttps&#58//x.example'>Hi</a>",
            "<a href='a/b:c?d=e:f&amp;g'>Hi</a>",
            "<a href=''>Hi</a>",
        ] {
            assert_eq!(cleaned(html), html);
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        assert_eq!(made_harmless("<select><xmp><script>alert(1)</script></xmp></select>"), Err(AMBIGUOUS));
    }

    proptest! {
        /// Pieces of HTML in any order: nothing that acts is ever left, and cleaning twice is cleaning once.
        #[test]
        fn nothing_that_acts_is_left(pieces in prop::collection::vec(
            prop::sample::select(vec![
                "<", ">", "/", "'", "\"", "=", " ", "&", "--", "<!--", "-->", "script", "<script>", "</script>", "<p ", "<a ", "img", "<img ",
                "onclick", "onerror=", "href=", "src=", "javascript:", "x", "<svg>", "</svg>", "<style>", "</style>", "<table>", "<select>",
                "</title>", "<title>", "<textarea>", "</textarea>", "<b>", "</b>", "\n", "style=", "expression(",
            ]), 0..30)) {
            let Ok(once) = made_harmless(&pieces.concat()) else { return Ok(()) };
            let Ok(twice) = made_harmless(&once.html) else { return Ok(()) };
            prop_assert_eq!(&twice.left_out, &BTreeSet::new(), "{}", once.html);
            prop_assert_eq!(&twice.html, &once.html);
        }
    }
}
