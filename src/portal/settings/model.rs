//! The company as its settings show it, and a change of it, parsed.

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::{
    error::Result,
    tenancy::Tenant,
    types::{
        Check, Country, Currency, EmailAddress, FileId, Phone, TimeZone, Wrong, line, optional_line,
        optional_text,
    },
    words::say,
};

const ORIGINS_MAX: usize = 20;
const ORIGIN_MAX_CHARS: usize = 300;

/// What the tenant's own schema says of the company.
#[derive(Debug, Clone)]
pub struct Profile {
    pub legal_name: Option<String>,
    pub street_address: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub website: Option<String>,
    pub tax_number: Option<String>,
    pub area_word: String,
    pub accent: String,
    pub logo: Option<FileId>,
    pub cors_origins: Vec<String>,
    pub version: i32,
    pub updated_at: DateTime<Utc>,
}

/// What the registry says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    pub name: String,
    pub time_zone: String,
    pub currency: String,
    pub country: String,
}

impl Region {
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            name: tenant.name.clone(),
            time_zone: tenant.time_zone.to_string(),
            currency: tenant.currency.clone(),
            country: tenant.country.clone(),
        }
    }
}

/// The whole company.
#[derive(Debug, Clone)]
pub struct Company {
    pub region: Region,
    pub profile: Profile,
}

impl Company {
    /// The fields that a change may touch, as the trail shows them.
    pub fn traced(&self) -> Value {
        let (region, profile) = (&self.region, &self.profile);
        json!({
            "name": region.name,
            "time_zone": region.time_zone,
            "currency": region.currency,
            "country": region.country,
            "legal_name": profile.legal_name,
            "street_address": profile.street_address,
            "phone": profile.phone,
            "email": profile.email,
            "website": profile.website,
            "tax_number": profile.tax_number,
            "area_word": profile.area_word,
            "cors_origins": profile.cors_origins,
        })
    }
}

/// A change as it was typed: None leaves a field as it is, an empty text empties it.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    pub name: Option<String>,
    pub legal_name: Option<String>,
    pub street_address: Option<String>,
    pub phone: Option<String>,
    pub email: Option<String>,
    pub website: Option<String>,
    pub tax_number: Option<String>,
    pub time_zone: Option<String>,
    pub currency: Option<String>,
    pub country: Option<String>,
    pub area_word: Option<String>,
    pub cors_origins: Option<Vec<String>>,
}

/// A change, parsed.
#[derive(Debug, Clone, Default)]
pub struct Change {
    name: Option<String>,
    legal_name: Option<Option<String>>,
    street_address: Option<Option<String>>,
    phone: Option<Option<Phone>>,
    email: Option<Option<EmailAddress>>,
    website: Option<Option<String>>,
    tax_number: Option<Option<String>>,
    time_zone: Option<TimeZone>,
    currency: Option<Currency>,
    country: Option<Country>,
    area_word: Option<String>,
    cors_origins: Option<Vec<String>>,
}

/// Parses a field that was sent; None when it was not, or was wrong.
fn sent<T>(
    check: &mut Check,
    field: &'static str,
    text: Option<&String>,
    parse: impl FnOnce(&str) -> Result<T, Wrong>,
) -> Option<T> {
    text.and_then(|text| check.field(field, parse(text)))
}

impl Typed {
    /// `country` is the company's present one: telephone numbers are read by it unless another comes with them.
    pub fn parse(&self, country: &str) -> Result<Change> {
        let mut check = Check::new();
        let c = &mut check;
        let new_country = sent(c, "country", self.country.as_ref(), Country::parse);
        let country = new_country.as_ref().map_or(country, Country::as_str);
        let change = Change {
            name: sent(c, "name", self.name.as_ref(), |text| line(text, 100)),
            legal_name: sent(c, "legal_name", self.legal_name.as_ref(), |text| optional_line(text, 200)),
            street_address: sent(c, "street_address", self.street_address.as_ref(), |text| {
                optional_text(text, 500)
            }),
            phone: sent(c, "phone", self.phone.as_ref(), |text| Phone::parse_optional(text, country)),
            email: sent(c, "email", self.email.as_ref(), EmailAddress::parse_optional),
            website: sent(c, "website", self.website.as_ref(), website),
            tax_number: sent(c, "tax_number", self.tax_number.as_ref(), |text| optional_line(text, 50)),
            time_zone: sent(c, "time_zone", self.time_zone.as_ref(), TimeZone::parse),
            currency: sent(c, "currency", self.currency.as_ref(), Currency::parse),
            area_word: sent(c, "area_word", self.area_word.as_ref(), |text| line(text, 30)),
            cors_origins: self
                .cors_origins
                .as_ref()
                .and_then(|texts| c.field("cors_origins", origins(texts))),
            country: new_country,
        };
        check.finish(Some(change))
    }
}

impl Change {
    /// The company after it.
    pub fn applied_to(&self, company: &Company) -> Company {
        fn put<T: ToString>(slot: &mut Option<String>, change: Option<&Option<T>>) {
            if let Some(new) = change {
                *slot = new.as_ref().map(ToString::to_string);
            }
        }
        let mut after = company.clone();
        let (region, profile) = (&mut after.region, &mut after.profile);
        if let Some(name) = &self.name {
            region.name.clone_from(name);
        }
        if let Some(zone) = &self.time_zone {
            region.time_zone = zone.to_string();
        }
        if let Some(currency) = &self.currency {
            region.currency = currency.to_string();
        }
        if let Some(country) = &self.country {
            region.country = country.to_string();
        }
        put(&mut profile.legal_name, self.legal_name.as_ref());
        put(&mut profile.street_address, self.street_address.as_ref());
        put(&mut profile.phone, self.phone.as_ref());
        put(&mut profile.email, self.email.as_ref());
        put(&mut profile.website, self.website.as_ref());
        put(&mut profile.tax_number, self.tax_number.as_ref());
        if let Some(word) = &self.area_word {
            profile.area_word.clone_from(word);
        }
        if let Some(origins) = &self.cors_origins {
            profile.cors_origins.clone_from(origins);
        }
        after
    }
}

fn website(text: &str) -> Result<Option<String>, Wrong> {
    let Some(text) = optional_line(text, 200)? else { return Ok(None) };
    let is_one = url::Url::parse(&text).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.username().is_empty()
    });
    if is_one {
        Ok(Some(text))
    } else {
        Err(Wrong::new("not_a_web_address", "This is not a web address, such as https://example.com."))
    }
}

/// Exact origins, each once: `https://shop.example.com`, with a port where it has one, and nothing behind it.
fn origins(texts: &[String]) -> Result<Vec<String>, Wrong> {
    if texts.len() > ORIGINS_MAX {
        return Err(Wrong::new("too_many", say!("At most {} origins.", ORIGINS_MAX)));
    }
    let mut known = Vec::with_capacity(texts.len());
    for text in texts {
        let text = text.trim();
        let written = url::Url::parse(text)
            .ok()
            .filter(|url| url.scheme() == "https" && url.domain().is_some_and(|name| !name.contains('*')));
        let exact = written.map(|url| url.origin().ascii_serialization());
        if text.len() > ORIGIN_MAX_CHARS || exact.as_deref() != Some(text.to_ascii_lowercase().as_str()) {
            let detail = "Each is an exact https origin, such as https://shop.example.com, without a path.";
            return Err(Wrong::new("not_an_origin", detail));
        }
        known.extend(exact);
    }
    known.sort_unstable();
    known.dedup();
    Ok(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Result<Vec<String>, Wrong> {
        origins(&[text.to_owned()])
    }

    #[test]
    fn only_exact_https_origins_may_call() {
        assert_eq!(one("https://Shop.Example.com").unwrap(), ["https://shop.example.com"]);
        assert_eq!(one("https://shop.example.com:8443").unwrap(), ["https://shop.example.com:8443"]);
        for bad in [
            "http://shop.example.com",
            "https://shop.example.com/",
            "https://shop.example.com/path",
            "https://user@shop.example.com",
            "https://*.example.com",
            "https://203.0.113.7",
            "https://shop.example.com:443",
            "null",
            "*",
            "",
            "javascript:alert(1)",
        ] {
            assert!(one(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_wrong_field_is_named_at_once() {
        let typed = Typed {
            name: Some(" ".into()),
            email: Some("hello@".into()),
            website: Some("javascript:alert(1)".into()),
            time_zone: Some("Mars/Olympus".into()),
            country: Some("XX".into()),
            ..Typed::default()
        };
        let crate::error::Error::Invalid(wrongs) = typed.parse("PH").unwrap_err() else { panic!() };
        let mut fields: Vec<_> = wrongs.iter().map(|wrong| wrong.field.as_ref()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["country", "email", "name", "time_zone", "website"]);
    }
}
