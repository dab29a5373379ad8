//! Forms that browsers send, and forms that pages show.

use std::collections::BTreeMap;

use poem::{FromRequest, Request, RequestBody, web::Multipart};
use serde::Serialize;

use super::body::{media_type, read_body};
use crate::{
    error::{Error, FieldError, Result},
    words::{say, say_again},
};

const FIELDS_MAX: usize = 2_000;

/// A file inside a form.
#[derive(Debug, Clone)]
pub struct Upload {
    pub file_name: String,
    pub content: Vec<u8>,
}

/// What a browser sent: `application/x-www-form-urlencoded` or `multipart/form-data`.
#[derive(Debug, Clone, Default)]
pub struct Form {
    fields: Vec<(String, String)>,
    uploads: Vec<(String, Upload)>,
}

impl Form {
    /// Reads the whole form, or answers 413 as soon as it is over the limit.
    pub async fn read(request: &Request, body: &mut RequestBody, limit_bytes: u64) -> Result<Self> {
        let kind = media_type(request);
        let bytes = read_body(body, limit_bytes).await?;
        match kind.as_deref() {
            Some("application/x-www-form-urlencoded") => Self::from_urlencoded(&bytes),
            Some("multipart/form-data") => Self::from_multipart(request, bytes).await,
            None if bytes.is_empty() => Ok(Self::default()),
            _ => Err(Error::Unsupported { expected: "a form" }),
        }
    }

    /// What a form that is sent by GET leaves in the address.
    pub fn of_query(query: &str) -> Self {
        Self::from_urlencoded(query.as_bytes()).unwrap_or_default()
    }

    fn from_urlencoded(bytes: &[u8]) -> Result<Self> {
        let fields: Vec<(String, String)> = url::form_urlencoded::parse(bytes)
            .take(FIELDS_MAX + 1)
            .map(|(k, v)| (k.into_owned(), v.into_owned()))
            .collect();
        if fields.len() > FIELDS_MAX {
            return Err(Error::malformed(
                "too_many_fields",
                say!("A form has at most {} fields.", FIELDS_MAX),
            ));
        }
        Ok(Self { fields, uploads: Vec::new() })
    }

    async fn from_multipart(request: &Request, bytes: Vec<u8>) -> Result<Self> {
        let cut = |_: poem::Error| Error::malformed("bad_form", "The form cannot be read.");
        let mut form = Self::default();
        let mut body = RequestBody::new(bytes.into());
        let mut parts = Multipart::from_request(request, &mut body).await.map_err(cut)?;
        while let Some(part) = parts
            .next_field()
            .await
            .map_err(|_cut| Error::malformed("bad_form", "The form cannot be read."))?
        {
            if form.fields.len() + form.uploads.len() >= FIELDS_MAX {
                return Err(Error::malformed(
                    "too_many_fields",
                    say!("A form has at most {} fields.", FIELDS_MAX),
                ));
            }
            let name = part.name().unwrap_or_default().to_owned();
            let file_name = part.file_name().map(str::to_owned);
            let content = part
                .bytes()
                .await
                .map_err(|_cut| Error::malformed("bad_form", "The form cannot be read."))?;
            match file_name {
                Some(file_name) if !file_name.is_empty() => {
                    form.uploads.push((name, Upload { file_name, content }))
                }
                Some(_) => {}
                None => form.fields.push((name, String::from_utf8_lossy(&content).into_owned())),
            }
        }
        Ok(form)
    }

    /// A field's text; empty when it was not sent.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// Whether a field was sent at all, as a ticked box is.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }

    /// Every value of a field that may stand several times.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Every field, in the order in which it was sent.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn upload(&self, name: &str) -> Option<&Upload> {
        self.uploads.iter().find(|(known, _)| known == name).map(|(_, upload)| upload)
    }

    /// Every file of a field that may hold several.
    pub fn uploads<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Upload> {
        self.uploads.iter().filter(move |(known, _)| known == name).map(|(_, upload)| upload)
    }
}

/// A form as a page shows it: where it goes, what stands in it, what is wrong with it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct FormView {
    pub action: String,
    pub values: BTreeMap<String, String>,
    pub errors: BTreeMap<String, String>,
    pub summary: Vec<String>,
}

impl FormView {
    /// An empty form with these fields.
    pub fn empty(action: impl Into<String>, names: &[&str]) -> Self {
        let values = names.iter().map(|name| ((*name).to_owned(), String::new())).collect();
        Self { action: action.into(), values, ..Self::default() }
    }

    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// What the person typed, kept after an error. Fields named `password..` are never sent back.
    pub fn typed(mut self, form: &Form) -> Self {
        for (name, value) in form.fields() {
            if self.values.contains_key(name) && !name.starts_with("password") {
                self.values.insert(name.to_owned(), value.to_owned());
            }
        }
        self
    }

    /// Errors beside their fields; those of no field of this form go to the summary.
    pub fn wrong(mut self, wrongs: &[FieldError]) -> Self {
        for wrong in wrongs {
            let field = wrong.field.rsplit('.').next().unwrap_or(&wrong.field).to_owned();
            if self.values.contains_key(&field) {
                self.errors.entry(field).or_insert_with(|| say_again(wrong.detail.clone()));
            } else {
                self.summary.push(say_again(wrong.detail.clone()));
            }
        }
        self
    }

    /// One sentence above the form.
    pub fn said(mut self, sentence: impl Into<String>) -> Self {
        self.summary.push(say_again(sentence.into()));
        self
    }

    /// Shows a failure that the person can mend; any other failure is handed on.
    pub fn failed(self, error: Error) -> Result<Self> {
        match error {
            Error::Invalid(wrongs) => Ok(self.wrong(&wrongs)),
            Error::Conflict { code, detail } => {
                let field = code.strip_suffix("_taken").unwrap_or(code);
                if self.values.contains_key(field) {
                    let mut shown = self;
                    shown.errors.insert(field.to_owned(), say_again(detail));
                    Ok(shown)
                } else {
                    Ok(self.said(detail))
                }
            }
            Error::TooMany { .. } => Ok(self.said(error.detail())),
            other => Err(other),
        }
    }
}
