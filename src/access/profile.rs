//! What people show of themselves: their name, their telephone number, a picture; and in which language and time zone they
//! are shown the portal.

use serde_json::json;

use super::{by::By, gate::Access, profile_store as store};
use crate::{
    audit::{Event, changes},
    db::TenantTx,
    error::{Error, Result},
    files::{self, Frame, Picture, redraw},
    types::{Check, FileId, Phone, StaffId, TimeZone, Wrong, line},
    words::{Language, say},
};

const NAME_MAX_CHARS: usize = 100;
/// What a picture's file may weigh.
pub(super) const PICTURE_MAX_BYTES: usize = 4 * 1_048_576;
/// PNG or JPEG, at most 256 pixels a side.
const FRAME: Frame = Frame {
    what: "A picture",
    side_max: 4_096,
    // A picture of the largest size at one byte a channel, and a little.
    alloc_max: 80 * 1_048_576,
    kept_side_max: 256,
    keeps_photographs: true,
};

/// A person as they show themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub name: String,
    /// E.164, where the country's numbering plan knows it.
    pub phone: Option<String>,
    pub avatar: Option<FileId>,
    /// In which zone they read times; None for the provider's.
    pub time_zone: Option<TimeZone>,
    /// In which language they read; None for the one that their browser asks for.
    pub language: Option<Language>,
}

impl Profile {
    /// As the audit trail remembers it.
    fn told(&self) -> serde_json::Value {
        let zone = self.time_zone.map(|zone| zone.to_string());
        let language = self.language.map(Language::code);
        json!({"name": self.name, "phone": self.phone, "time_zone": zone, "language": language})
    }
}

/// What is to change; None stays as it is.
#[derive(Debug, Default)]
pub(super) struct ProfileChanges {
    name: Option<String>,
    /// The inner None: no number.
    phone: Option<Option<String>>,
    /// The inner None: the provider's.
    time_zone: Option<Option<TimeZone>>,
    /// The inner None: the browser's.
    language: Option<Option<Language>>,
}

/// What somebody sent of their profile, as they wrote it; None for what stays.
#[derive(Debug, Default)]
pub(super) struct Sent<'a> {
    pub name: Option<&'a str>,
    pub phone: Option<&'a str>,
    pub time_zone: Option<&'a str>,
    pub language: Option<&'a str>,
}

impl ProfileChanges {
    /// A number without a prefix is one of `country`; an empty one is none, an empty time zone is the provider's, and an empty
    /// language the browser's.
    pub fn parse(sent: &Sent<'_>, country: &str) -> Result<Self> {
        let mut check = Check::new();
        let mut changes = Self::default();
        if let Some(name) = sent.name {
            changes.name = check.field("name", line(name, NAME_MAX_CHARS));
        }
        if let Some(phone) = sent.phone {
            changes.phone = check
                .field("phone", Phone::parse_optional(phone, country))
                .map(|phone| phone.map(String::from));
        }
        if let Some(zone) = sent.time_zone {
            let own = Some(zone.trim()).filter(|zone| !zone.is_empty());
            changes.time_zone = check.field("time_zone", own.map(TimeZone::parse).transpose());
        }
        if let Some(code) = sent.language {
            let own = Some(code.trim()).filter(|code| !code.is_empty());
            changes.language = check.field("language", own.map(spoken).transpose());
        }
        check.finish(Some(changes))
    }
}

fn spoken(code: &str) -> Result<Language, Wrong> {
    Language::of_code(code).ok_or_else(|| {
        let known = Language::ALL.map(Language::code).join(", ");
        Wrong::new("not_a_choice", say!("This must be one of {}.", known))
    })
}

/// The person who asks, or 403 for a program.
pub(super) fn person(by: &By) -> Result<StaffId> {
    by.staff().ok_or_else(|| Error::forbidden("forbidden", "Only a person has this; a program has none."))
}

/// Reads a PNG, JPEG, WebP or GIF, as a logo is read. Anything else, and anything too large, is 422.
pub(super) async fn read_picture(bytes: Vec<u8>) -> Result<Picture> {
    if bytes.len() > PICTURE_MAX_BYTES {
        return Err(Error::TooLarge { limit_bytes: PICTURE_MAX_BYTES as u64 });
    }
    redraw(bytes, FRAME).await?.map_err(|wrong| Error::Invalid(vec![wrong.at("avatar")]))
}

impl Access {
    pub(super) async fn own_profile(&self, by: &By) -> Result<Profile> {
        let staff = person(by)?;
        self.0.db.read_tenant(&by.tenant, async |tx| store::get(tx, staff).await).await
    }

    /// Changes one's own name, number, time zone and language.
    pub(super) async fn change_profile(&self, by: &By, wanted: &ProfileChanges) -> Result<Profile> {
        let staff = person(by)?;
        self.change(&by.tenant, async |tx| {
            let was = store::lock(tx, staff).await?;
            let now = Profile {
                name: wanted.name.clone().unwrap_or_else(|| was.name.clone()),
                phone: wanted.phone.clone().unwrap_or_else(|| was.phone.clone()),
                avatar: was.avatar,
                time_zone: wanted.time_zone.unwrap_or(was.time_zone),
                language: wanted.language.unwrap_or(was.language),
            };
            let (before, after) = changes(&was.told(), &now.told());
            if after.is_none() {
                return Ok(was);
            }
            store::update(tx, staff, &now).await?;
            record(tx, by, &now.name, (before, after)).await?;
            Ok(now)
        })
        .await
    }

    /// Shows another picture of oneself, or none. The one before is forgotten.
    pub(super) async fn change_picture(&self, by: &By, picture: Option<&Picture>) -> Result<()> {
        let staff = person(by)?;
        self.change(&by.tenant, async |tx| {
            let was = store::lock(tx, staff).await?;
            if was.avatar.is_none() && picture.is_none() {
                return Ok(());
            }
            let kept = match picture {
                Some(picture) => {
                    let name = format!("avatar.{}", picture.extension);
                    Some(
                        files::keep(
                            tx,
                            &by.tenant,
                            store::PURPOSE,
                            &name,
                            picture.media_type,
                            &picture.content,
                        )
                        .await?,
                    )
                }
                None => None,
            };
            store::set_avatar(tx, staff, kept).await?;
            if let Some(old) = was.avatar {
                files::forget(tx, old).await?;
            }
            let size = picture.map(|one| format!("{} by {} pixels", one.width, one.height));
            let told =
                (Some(json!({"avatar": was.avatar.map(|_| "another")})), Some(json!({"avatar": size})));
            record(tx, by, &was.name, told).await
        })
        .await
    }

    /// The picture of somebody of the staff, or 404.
    pub(super) async fn picture_of(&self, by: &By, staff: StaffId) -> Result<(FileId, files::File)> {
        let look = async |tx: &TenantTx| {
            let id = store::find_avatar(tx, staff).await?.ok_or(Error::not_found("picture"))?;
            Ok((id, files::get(tx, id).await?))
        };
        self.0.db.read_tenant(&by.tenant, look).await
    }
}

async fn record(
    tx: &TenantTx,
    by: &By,
    name: &str,
    (before, after): (Option<serde_json::Value>, Option<serde_json::Value>),
) -> Result<()> {
    let event = Event {
        action: "staff.updated",
        object_type: "staff",
        object_id: by.staff().map(|staff| staff.0),
        object_label: name,
        before,
        after,
    };
    by.record(tx, event).await
}
