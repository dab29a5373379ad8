//! One's own profile as programs see it.

use poem_openapi::{Object, OpenApi, types::MaybeUndefined};
use serde::Serialize;

use super::{
    extract::ApiUser,
    gate::Access,
    profile::{PICTURE_MAX_BYTES, Profile, ProfileChanges, Sent, read_picture},
    right::SignedIn,
};
use crate::{
    error::Result,
    web::{
        Body, Json, NoContent,
        file_body::{FileBody, FileKind},
    },
};

/// A person as they show themselves.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Profile")]
struct ProfileView {
    name: String,
    /// E.164, such as `+639171234567`, where the country's numbering plan knows it.
    #[oai(nullable)]
    phone: Option<String>,
    has_avatar: bool,
    /// IANA name of the zone in which the portal shows them times; null: the provider's.
    #[oai(nullable)]
    time_zone: Option<String>,
    /// In which language the portal speaks to them: `en` or `fr`; null: the one that their browser asks for.
    #[oai(nullable)]
    language: Option<String>,
}

impl From<Profile> for ProfileView {
    fn from(profile: Profile) -> Self {
        Self {
            name: profile.name,
            phone: profile.phone,
            has_avatar: profile.avatar.is_some(),
            time_zone: profile.time_zone.map(|zone| zone.to_string()),
            language: profile.language.map(|language| language.to_string()),
        }
    }
}

/// Changes of one's own profile; what is absent stays.
#[derive(Debug, Object)]
#[oai(rename = "ProfileChanges")]
struct ProfileBody {
    #[oai(nullable, validator(min_length = 1, max_length = 100))]
    name: Option<String>,
    /// Null takes it away.
    #[oai(nullable, validator(max_length = 60))]
    phone: MaybeUndefined<String>,
    /// IANA name, such as `Europe/Berlin`. Null: the provider's.
    #[oai(nullable, validator(max_length = 100))]
    time_zone: MaybeUndefined<String>,
    /// `en` or `fr`. Null: the one that the browser asks for.
    #[oai(nullable, validator(max_length = 35))]
    language: MaybeUndefined<String>,
}

/// None for what stays, an empty text for what is taken away.
fn sent(field: &MaybeUndefined<String>) -> Option<&str> {
    match field {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(""),
        MaybeUndefined::Value(text) => Some(text.as_str()),
    }
}

/// A picture of somebody.
struct Portrait;

impl FileKind for Portrait {
    const HELP: &'static str = "A PNG, JPEG, WebP or GIF picture of at most 4 MiB and 4096 pixels a side.";
    const ASKED: &'static str = "Choose a picture.";
    const UPLOAD_MAX_BYTES: u64 = PICTURE_MAX_BYTES as u64 + 64 * 1_024;
}

/// Operations on one's own profile.
pub struct ProfileApi {
    access: Access,
}

impl ProfileApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl ProfileApi {
    /// Read one's own profile
    ///
    /// 403 for a program: only a person has one.
    #[oai(path = "/me/profile", method = "get", operation_id = "get_profile")]
    async fn get_profile(&self, by: ApiUser<SignedIn>) -> Result<Json<ProfileView>> {
        Ok(Json(self.access.own_profile(&by).await?.into()))
    }

    /// Change one's own profile
    ///
    /// A number without a prefix is one of the provider's country. The time zone counts for what the portal shows this person; a day,
    /// a receipt and a report keep the provider's, and the API says instants in UTC. The language too counts for the portal; the API speaks English.
    #[oai(path = "/me/profile", method = "patch", operation_id = "change_profile")]
    async fn change_profile(
        &self,
        by: ApiUser<SignedIn>,
        body: Body<ProfileBody>,
    ) -> Result<Json<ProfileView>> {
        let sent = Sent {
            name: body.0.name.as_deref(),
            phone: sent(&body.0.phone),
            time_zone: sent(&body.0.time_zone),
            language: sent(&body.0.language),
        };
        let changes = ProfileChanges::parse(&sent, &by.tenant.country)?;
        Ok(Json(self.access.change_profile(&by, &changes).await?.into()))
    }

    /// Put one's own picture up
    ///
    /// It is drawn anew, at most 256 pixels a side; what the file said of itself stays behind. 422 for what is no picture.
    #[oai(path = "/me/avatar", method = "put", operation_id = "put_avatar")]
    async fn put_avatar(&self, by: ApiUser<SignedIn>, file: FileBody<Portrait>) -> Result<NoContent> {
        let picture = read_picture(file.content).await?;
        self.access.change_picture(&by, Some(&picture)).await?;
        Ok(NoContent)
    }

    /// Take one's own picture down
    #[oai(path = "/me/avatar", method = "delete", operation_id = "delete_avatar")]
    async fn delete_avatar(&self, by: ApiUser<SignedIn>) -> Result<NoContent> {
        self.access.change_picture(&by, None).await?;
        Ok(NoContent)
    }
}
