//! Pages: tera templates carried inside the program, rendered from typed view models.

use std::sync::{Arc, OnceLock};

use poem::{
    Response,
    http::{StatusCode, header},
};
use rust_embed::RustEmbed;
use serde::Serialize;
use tera::{Context, Kwargs, State, Tera, TeraResult, Value};

use super::Assets;
use crate::{
    error::{Error, OrInternal, Result},
    words::{Catalogue, Language, reader_language, say_again, translate},
};

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/templates"]
struct Templates;

/// Letters go to others than those who ask for them, and stay as they are written.
const LETTERS: &str = "mail/";

/// Every page of the program. Cheap to clone.
#[derive(Clone)]
pub struct Pages {
    english: Arc<Tera>,
    /// Made when somebody first reads it: most deployments speak one language.
    french: Arc<OnceLock<Tera>>,
    assets: Arc<Assets>,
}

/// What every page says of itself, in the template as `page`.
#[derive(Debug, Clone, Serialize)]
pub struct PageMeta {
    pub title: String,
    pub request_id: String,
    /// `light` or `dark` when the server decides; else the browser does.
    pub theme: Option<String>,
    pub flash: Vec<Flash>,
}

/// One sentence that a page shows once, in the past tense, with a way back where there is one.
#[derive(Debug, Clone, Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct Flash {
    /// `success`, `error` or `info`.
    pub kind: String,
    pub text: String,
    /// Where a POST undoes it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub undo: Option<Undo>,
}

/// The POST that takes an action back.
#[derive(Debug, Clone, Serialize, serde::Deserialize, PartialEq, Eq)]
pub struct Undo {
    pub action: String,
}

impl Flash {
    pub fn success(text: impl Into<String>) -> Self {
        Self { kind: "success".into(), text: say_again(text.into()), undo: None }
    }

    pub fn error(text: impl Into<String>) -> Self {
        Self { kind: "error".into(), text: say_again(text.into()), undo: None }
    }

    pub fn with_undo(mut self, action: impl Into<String>) -> Self {
        self.undo = Some(Undo { action: action.into() });
        self
    }
}

/// Every page in one language.
fn spoken(language: Language, assets: &Arc<Assets>) -> Result<Tera> {
    let mut tera = Tera::new();
    let by_name = assets.clone();
    tera.register_function("asset", move |kwargs: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let name: String = kwargs.must_get("name")?;
        by_name.path(&name).ok_or_else(|| tera::Error::message(format!("no asset {name}")))
    });
    tera.register_function("language", move |_: Kwargs, _: &State<'_>| language.code());
    // Words that a list of the program hands to a page: its entries are constants, made before anybody reads.
    tera.register_filter("say", |words: String, _: Kwargs, _: &State<'_>| say_again(words));
    let catalogue = Catalogue::of(language);
    let sources: Vec<(String, String)> = Templates::iter()
        .filter_map(|name| {
            let file = Templates::get(&name)?;
            let source = String::from_utf8_lossy(&file.data).into_owned();
            let said = match catalogue {
                Some(words) if !name.starts_with(LETTERS) => {
                    translate(&source, &mut |key| words.get(key).map(str::to_owned))
                }
                _ => source,
            };
            Some((name.to_string(), said))
        })
        .collect();
    tera.add_raw_templates(sources).internal()?;
    Ok(tera)
}

/// A part of view models that is the same on many pages: turned into what templates read once, and shared from then on.
#[derive(Debug, Clone, Serialize)]
#[serde(transparent)]
pub struct Shared(Value);

impl Shared {
    pub fn of(part: &impl Serialize) -> Self {
        Self(Value::from_serializable(part))
    }
}

impl Pages {
    /// Parses every template: a broken one stops the start, not a request.
    pub fn load(assets: Assets) -> Result<Self> {
        let assets = Arc::new(assets);
        let english = Arc::new(spoken(Language::English, &assets)?);
        Ok(Self { english, french: Arc::default(), assets })
    }

    /// The pages in the reader's language.
    fn tera(&self) -> &Tera {
        match reader_language() {
            Language::English => &self.english,
            Language::French => self.french.get_or_init(|| {
                spoken(Language::French, &self.assets).unwrap_or_else(|broken| {
                    tracing::error!(error = %broken, "the pages cannot be read in French");
                    Tera::clone(&self.english)
                })
            }),
        }
    }

    pub fn assets(&self) -> &Assets {
        &self.assets
    }

    /// The text of a template, for pages, fragments and letters.
    pub fn text(&self, template: &str, view: &impl Serialize) -> Result<String> {
        let context = Context::from_serialize(view).internal()?;
        self.tera()
            .render(template, &context)
            .map_err(|error| Error::internal(format!("{template}: {error}")))
    }

    /// A page, never kept by a cache.
    pub fn page(&self, template: &str, view: &impl Serialize) -> Result<Response> {
        self.page_with(StatusCode::OK, template, view)
    }

    pub fn page_with(&self, status: StatusCode, template: &str, view: &impl Serialize) -> Result<Response> {
        let html = self.text(template, view)?;
        Ok(Response::builder()
            .status(status)
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "no-store")
            .body(html))
    }
}
