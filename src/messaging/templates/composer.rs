//! Words made ready: compiled once, and put together for each recipient.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
};

use minijinja::{AutoEscape, Environment, ErrorKind, UndefinedBehavior, filters, tests, value::ValueKind};
use serde_json::{Map, Value};

use super::{
    super::{Channel, providers},
    harmless::made_harmless,
    language::{self, Asks},
    model::Variable,
    words::{Text, Words},
};
use crate::{
    error::{Error, FieldError, Result},
    mail::one_line,
    words::{in_english, say},
};

/// A text that became longer than this is refused.
pub const OUTPUT_MAX_BYTES: usize = 64 * 1024;
/// Steps that one text may take. A long letter takes a few hundred.
const FUEL: u64 = 50_000;

/// Why a message could not be put together for somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ComposeError {
    /// There are no words for this channel.
    NoWords(Channel),
    /// Nobody said what these are, and they have no fallback.
    Missing(Vec<String>),
    /// It takes too many steps.
    OutOfFuel { field: String },
    /// It became too long.
    TooLong { field: String },
    /// Something else, in words.
    Failed { field: String, line: usize, detail: String },
}

impl ComposeError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoWords(_) => "no_words",
            Self::Missing(_) => "missing_variables",
            Self::OutOfFuel { .. } => "template_too_busy",
            Self::TooLong { .. } => "text_too_long",
            Self::Failed { .. } => "template_failed",
        }
    }
}

impl ComposeError {
    /// Why, in the words of whoever reads the page.
    pub fn said(&self) -> String {
        match self {
            Self::NoWords(channel) => say!("Nothing is written for {}.", say(channel.label())),
            Self::Missing(names) => say!("No value for {}.", names.join(", ")),
            Self::OutOfFuel { field } => say!("The {} does too much: a loop in it is too long.", field),
            Self::TooLong { field } => say!("The {} became longer than 64 KiB.", field),
            Self::Failed { field, line, detail } => say!("The {}, line {}: {}", field, line, detail),
        }
    }
}

/// In English: what a delivery failed of is kept.
impl fmt::Display for ComposeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&in_english(|| self.said()))
    }
}

impl std::error::Error for ComposeError {}

/// The words of one message, compiled.
pub struct Composer {
    env: Environment<'static>,
    channels: BTreeMap<Channel, BTreeMap<String, Pieces>>,
    fallbacks: BTreeMap<String, Fallback>,
    names: BTreeSet<String>,
}

struct Fallback {
    value: Option<String>,
    is_required: bool,
}

/// One text of a message.
struct Piece {
    /// Its name in the environment; None: plain words.
    name: Option<String>,
    plain: String,
    field: &'static str,
}

/// All that is said on one channel in one language.
struct Pieces {
    needed: BTreeSet<Vec<String>>,
    names: BTreeSet<String>,
    subject: Option<Piece>,
    title: Option<Piece>,
    text: Piece,
    html: Option<Piece>,
    footer: Option<Piece>,
    data: Vec<(String, Piece)>,
    provider: Option<(String, String, Vec<Piece>)>,
}

impl Composer {
    /// Compiles everything. Every text that is wrong is named with channel, language, field and line:
    /// `contents.sms.en.text`, "Line 3: ..".
    pub fn new(words: &Words, variables: &[Variable], footer: &str) -> Result<Self> {
        let mut compiler = Compiler { env: environment(), wrong: Vec::new() };
        let mut channels = BTreeMap::new();
        for (channel, variants) in &words.0 {
            let compiled = variants.iter().map(|(language, text)| {
                (language.clone(), compiler.pieces(*channel, language, text, footer))
            });
            channels.insert(*channel, compiled.collect::<BTreeMap<_, _>>());
        }
        if !compiler.wrong.is_empty() {
            return Err(Error::Invalid(compiler.wrong));
        }
        let names = channels
            .values()
            .flat_map(BTreeMap::values)
            .flat_map(|pieces: &Pieces| pieces.names.iter().cloned())
            .collect();
        let fallback = |variable: &Variable| {
            let fallback = Fallback { value: variable.fallback.clone(), is_required: variable.is_required };
            (variable.name.clone(), fallback)
        };
        let fallbacks = variables.iter().map(fallback).collect();
        Ok(Self { env: compiler.env, channels, fallbacks, names })
    }

    pub fn channels(&self) -> Vec<Channel> {
        self.channels.keys().copied().collect()
    }

    /// Every variable that is asked for on any channel.
    pub fn variables(&self) -> BTreeSet<String> {
        self.names.clone()
    }

    /// Puts the words together for one recipient. A language that is not there becomes its root (`pt-br`, `pt`), then the
    /// tenant's own, then whichever there is.
    pub fn compose(
        &self,
        channel: Channel,
        language: Option<&str>,
        default_language: &str,
        context: &Map<String, Value>,
    ) -> Result<providers::Content, ComposeError> {
        let variants = self.channels.get(&channel).ok_or(ComposeError::NoWords(channel))?;
        let wanted = language.into_iter().chain([default_language]).find_map(|tag| variant(variants, tag));
        let pieces = wanted.or_else(|| variants.values().next()).ok_or(ComposeError::NoWords(channel))?;
        let values = self.values(pieces, context)?;
        let say = |piece: &Piece| self.render(piece, &values);
        let line = |piece: &Option<Piece>| {
            piece.as_ref().map(say).transpose().map(|said| said.map(|said| one_line(&said)))
        };
        let mut text = say(&pieces.text)?;
        let mut html = pieces.html.as_ref().map(say).transpose()?.map(harmless).transpose()?;
        if let Some(footer) = pieces.footer.as_ref().map(say).transpose()? {
            html = html.map(|html| with_footer(&html, &footer));
            if !text.is_empty() {
                text = format!("{text}\n\n{footer}");
            }
        }
        let mut data = BTreeMap::new();
        for (key, piece) in &pieces.data {
            data.insert(key.clone(), say(piece)?);
        }
        let template = match &pieces.provider {
            None => None,
            Some((name, language, parameters)) => Some(providers::Approved {
                name: name.clone(),
                language: language.clone(),
                parameters: parameters.iter().map(say).collect::<Result<_, _>>()?,
            }),
        };
        Ok(providers::Content {
            subject: line(&pieces.subject)?,
            title: line(&pieces.title)?,
            text,
            html,
            data,
            template,
            attachments: Vec::new(),
            unsubscribe: None,
        })
    }

    /// The values that these pieces ask for, with fallbacks where there are none.
    fn values(
        &self,
        pieces: &Pieces,
        context: &Map<String, Value>,
    ) -> Result<BTreeMap<String, minijinja::Value>, ComposeError> {
        let mut values = BTreeMap::new();
        let mut filled = BTreeSet::new();
        for name in &pieces.names {
            let given = context.get(name).filter(|value| !value.is_null());
            let is_blank =
                given.is_none_or(|value| value.as_str().is_some_and(|text| text.trim().is_empty()));
            let value = match (given, self.fallbacks.get(name)) {
                (Some(value), None) => minijinja::Value::from_serialize(value),
                (Some(value), Some(_)) if !is_blank => minijinja::Value::from_serialize(value),
                (_, Some(Fallback { value: Some(fallback), .. })) => {
                    filled.insert(name.as_str());
                    fallback.as_str().into()
                }
                (_, Some(Fallback { is_required: false, .. })) => {
                    filled.insert(name.as_str());
                    "".into()
                }
                // Left out: a condition may look after it, and else it is missing.
                _ => continue,
            };
            values.insert(name.clone(), value);
        }
        let is_missing = |path: &&Vec<String>| match path.split_first() {
            None => false,
            Some((root, [])) => !values.contains_key(root),
            Some((root, _)) if filled.contains(root.as_str()) => true,
            Some((root, rest)) => context.get(root).and_then(|value| lookup(value, rest)).is_none(),
        };
        let missing: BTreeSet<String> =
            pieces.needed.iter().filter(is_missing).map(|path| path.join(".")).collect();
        if missing.is_empty() {
            Ok(values)
        } else {
            Err(ComposeError::Missing(missing.into_iter().collect()))
        }
    }

    fn render(
        &self,
        piece: &Piece,
        values: &BTreeMap<String, minijinja::Value>,
    ) -> Result<String, ComposeError> {
        let Some(name) = &piece.name else { return Ok(piece.plain.clone()) };
        let field = || piece.field.to_owned();
        let failed = |error: &minijinja::Error| {
            let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
            ComposeError::Failed { field: field(), line: error.line().unwrap_or(1), detail }
        };
        let template = self.env.get_template(name).map_err(|error| failed(&error))?;
        let mut room = Room(Vec::new());
        match template.render_captured_to(values, &mut room) {
            Ok(_done) => String::from_utf8(room.0).map_err(|_odd| ComposeError::Failed {
                field: field(),
                line: 1,
                detail: say("This is no text.").into(),
            }),
            Err(error) => Err(match error.kind() {
                ErrorKind::OutOfFuel => ComposeError::OutOfFuel { field: field() },
                ErrorKind::WriteFailure => ComposeError::TooLong { field: field() },
                _ => failed(&error),
            }),
        }
    }
}

/// A letter takes what the variables brought along without what acts by itself.
fn harmless(html: String) -> Result<String, ComposeError> {
    let ambiguous = |detail: &'static str| ComposeError::Failed {
        field: "html".into(),
        line: 1,
        detail: say(detail).into(),
    };
    made_harmless(&html).map(|harmless| harmless.html).map_err(ambiguous)
}

/// The words for a language tag, or for what it begins with.
fn variant<'a>(variants: &'a BTreeMap<String, Pieces>, tag: &str) -> Option<&'a Pieces> {
    let mut tag = tag.trim().replace('_', "-").to_ascii_lowercase();
    loop {
        if let Some(pieces) = variants.get(&tag) {
            return Some(pieces);
        }
        let shorter = tag.rfind('-')?;
        tag.truncate(shorter);
    }
}

fn lookup<'a>(value: &'a Value, path: &[String]) -> Option<&'a Value> {
    let found = path.iter().try_fold(value, |value, part| match value {
        Value::Object(object) => object.get(part),
        Value::Array(list) => part.parse::<usize>().ok().and_then(|at| list.get(at)),
        _ => None,
    });
    found.filter(|value| !value.is_null())
}

/// The footer goes before the end of the body, where the letter has one. It was typed as text.
fn with_footer(html: &str, footer: &str) -> String {
    let footer = minijinja::HtmlEscape(footer).to_string().replace('\n', "<br>");
    let lower = html.to_ascii_lowercase();
    match lower.rfind("</body>").and_then(|at| html.split_at_checked(at)) {
        Some((before, after)) => format!("{before}<p>{footer}</p>{after}"),
        None => format!("{html}<p>{footer}</p>"),
    }
}

/// Where a text is written, as far as it may go.
struct Room(Vec<u8>);

impl io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > OUTPUT_MAX_BYTES {
            return Err(io::Error::other("too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Compiler {
    env: Environment<'static>,
    wrong: Vec<FieldError>,
}

impl Compiler {
    fn pieces(&mut self, channel: Channel, language: &str, text: &Text, footer: &str) -> Pieces {
        let mut asks = Asks::default();
        let at = format!("contents.{channel}.{language}");
        let mut piece = |source: &str, field: &'static str| self.piece(&at, field, source, &mut asks);
        let subject = text.subject.as_deref().map(|source| piece(source, "subject"));
        let title = text.title.as_deref().map(|source| piece(source, "title"));
        let html = text.html.as_deref().map(|source| piece(source, "html"));
        let body = piece(&text.text, "text");
        let has_room =
            matches!(channel, Channel::Email | Channel::Whatsapp | Channel::Telegram | Channel::Instagram);
        let has_room = has_room && !(text.text.is_empty() && html.is_none());
        let footer = Some(footer.trim()).filter(|footer| has_room && !footer.is_empty());
        let footer = footer.map(|source| piece(source, "footer"));
        let data = text.data.iter().map(|(key, source)| (key.clone(), piece(source, "data"))).collect();
        let provider = text.provider.as_ref().map(|provider| {
            let parameters = provider.parameters.iter().map(|p| piece(p, "provider.parameters")).collect();
            (provider.name.clone(), provider.language.clone(), parameters)
        });
        let Asks { names, needed, .. } = asks;
        Pieces { needed, names, subject, title, text: body, html, footer, data, provider }
    }

    fn piece(&mut self, at: &str, field: &'static str, source: &str, asks: &mut Asks) -> Piece {
        let mut piece = Piece { name: None, plain: source.to_owned(), field };
        match language::read(source) {
            Ok(read) if read.is_plain => {}
            Ok(read) => {
                let kind = if field == "html" { "html" } else { "txt" };
                let name = format!("{at}.{field}.{}.{kind}", self.env.templates().count());
                match self.env.add_template_owned(name.clone(), source.to_owned()) {
                    Ok(()) => piece.name = Some(name),
                    Err(error) => {
                        let detail = error.detail().unwrap_or("this cannot be read").to_owned();
                        self.refuse(at, field, error.line().unwrap_or(1), "template_syntax", &detail);
                    }
                }
                asks.names.extend(read.names);
                asks.needed.extend(read.needed);
            }
            Err(odd) => self.refuse(at, field, odd.line, odd.code, &odd.detail),
        }
        piece
    }

    fn refuse(&mut self, at: &str, field: &str, line: usize, code: &'static str, detail: &str) {
        let at = if field == "footer" { "footer".to_owned() } else { format!("{at}.{field}") };
        let wrong = FieldError::new(at, code, say!("Line {}: {}", line, detail));
        if !self.wrong.contains(&wrong) {
            self.wrong.push(wrong);
        }
    }
}

/// What a template may do. See [`language`].
fn environment() -> Environment<'static> {
    let mut env = Environment::empty();
    env.set_fuel(Some(FUEL));
    env.set_undefined_behavior(UndefinedBehavior::Chainable);
    env.set_trim_blocks(true);
    env.set_lstrip_blocks(true);
    env.set_auto_escape_callback(
        |name| {
            if name.ends_with(".html") { AutoEscape::Html } else { AutoEscape::None }
        },
    );
    env.set_formatter(|out, state, value| match value.kind() {
        ValueKind::Undefined | ValueKind::None => {
            Err(minijinja::Error::new(ErrorKind::UndefinedError, "There is no value for something here."))
        }
        ValueKind::Seq | ValueKind::Map | ValueKind::Iterable | ValueKind::Plain | ValueKind::Bytes => {
            let detail = "This is more than one value: name the one that is meant, or use a loop.";
            Err(minijinja::Error::new(ErrorKind::NonPrimitive, detail))
        }
        _ => minijinja::escape_formatter(out, state, value),
    });
    env.add_filter("abs", filters::abs);
    env.add_filter("capitalize", filters::capitalize);
    env.add_filter("d", filters::default);
    env.add_filter("default", filters::default);
    env.add_filter("first", filters::first);
    env.add_filter("int", filters::int);
    env.add_filter("join", filters::join);
    env.add_filter("last", filters::last);
    env.add_filter("length", filters::length);
    env.add_filter("lower", filters::lower);
    env.add_filter("round", filters::round);
    env.add_filter("title", filters::title);
    env.add_filter("trim", filters::trim);
    env.add_filter("upper", filters::upper);
    env.add_test("defined", tests::is_defined);
    env.add_test("undefined", tests::is_undefined);
    env.add_test("none", tests::is_none);
    env.add_test("number", tests::is_number);
    env.add_test("string", tests::is_string);
    env.add_test("sequence", tests::is_sequence);
    env.add_function(language::RANGE, range);
    env
}

/// Numbers one by one, never as a list: fuel ends what is too long.
fn range(from: i64, to: Option<i64>) -> minijinja::Value {
    let (from, to) = to.map_or((0, from), |to| (from, to));
    minijinja::Value::make_iterable(move || from..to)
}
