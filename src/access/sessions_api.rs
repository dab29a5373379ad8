//! Where one is signed in, as programs see it.

use poem_openapi::{OpenApi, param::Path};
use uuid::Uuid;

use super::{extract::ApiUser, gate::Access, right::SignedIn, staff::StaffSessions};
use crate::{
    error::Result,
    web::{Json, NoContent},
};

/// Operations on one's own sessions.
pub struct SessionsApi {
    access: Access,
}

impl SessionsApi {
    pub fn new(access: Access) -> Self {
        Self { access }
    }
}

#[OpenApi]
impl SessionsApi {
    /// List one's own sessions
    ///
    /// Browsers in which the caller is signed in now, the one seen last first, at most fifty. 403 for a program: only a person has
    /// any.
    #[oai(path = "/me/sessions", method = "get", operation_id = "list_my_sessions")]
    async fn list_my_sessions(&self, by: ApiUser<SignedIn>) -> Result<Json<StaffSessions>> {
        Ok(Json(StaffSessions::of(self.access.own_sessions(&by).await?)))
    }

    /// End one of one's own sessions
    ///
    /// In one browser. 404 for a session that is not the caller's or has ended.
    #[oai(path = "/me/sessions/:id", method = "delete", operation_id = "end_my_session")]
    async fn end_my_session(&self, by: ApiUser<SignedIn>, id: Path<Uuid>) -> Result<NoContent> {
        self.access.end_own_session(&by, id.0.into()).await?;
        Ok(NoContent)
    }

    /// End all one's other sessions
    ///
    /// Every browser's, and every sign-in of a program but the one that asks, whose tokens go on. API keys are no sessions.
    #[oai(path = "/me/sessions", method = "delete", operation_id = "end_my_other_sessions")]
    async fn end_my_other_sessions(&self, by: ApiUser<SignedIn>) -> Result<NoContent> {
        self.access.end_other_sessions(&by, None).await?;
        Ok(NoContent)
    }
}
