//! The sandbox, as programs ask for it.

use poem_openapi::{Enum, Object, OpenApi, Tags};
use serde::Serialize;

use super::rules::{Sandboxes, Standing};
use crate::{
    access::{ApiUser, By, Owner},
    error::Result,
    tenancy::Resolver,
    web::{Json, NoContent},
};

#[derive(Tags)]
enum Tag {
    /// A copy of the provider with made-up people, to try things out in.
    Sandbox,
}

#[derive(Debug, Clone, Copy, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename = "SandboxState", rename_all = "snake_case")]
enum State {
    None,
    /// It was asked for, and is being made.
    Making,
    Ready,
}

/// How far it is with the sandbox.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Sandbox")]
struct View {
    state: State,
    #[oai(nullable)]
    slug: Option<String>,
    /// Where owners sign in, with the passwords that they have here.
    #[oai(nullable)]
    portal_url: Option<String>,
}

/// Operations on the sandbox.
pub struct SandboxApi {
    sandboxes: Sandboxes,
    resolver: Resolver,
}

impl SandboxApi {
    pub fn new(sandboxes: Sandboxes, resolver: Resolver) -> Self {
        Self { sandboxes, resolver }
    }

    async fn view(&self, by: &By) -> Result<Json<View>> {
        Ok(Json(match self.sandboxes.standing(&by.tenant).await? {
            Standing::None => View { state: State::None, slug: None, portal_url: None },
            Standing::Making => View { state: State::Making, slug: None, portal_url: None },
            Standing::Ready(sandbox) => View {
                state: State::Ready,
                slug: Some(sandbox.slug.to_string()),
                portal_url: Some(self.resolver.url_of(&sandbox)),
            },
        }))
    }
}

#[OpenApi(tag = "Tag::Sandbox")]
impl SandboxApi {
    /// Look how far it is with the sandbox
    #[oai(path = "/sandbox", method = "get", operation_id = "get_sandbox")]
    async fn get(&self, by: ApiUser<Owner>) -> Result<Json<View>> {
        self.view(&by).await
    }

    /// Have a sandbox made
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). A worker makes it: a copy of everything with
    /// made-up people, without credentials, domains and plan, that sends nothing. 409 `sandbox_exists`, `sandbox_under_way`, or
    /// `is_sandbox` in a sandbox.
    #[oai(path = "/sandbox", method = "post", operation_id = "make_sandbox")]
    async fn make(&self, by: ApiUser<Owner>) -> Result<Json<View>> {
        self.sandboxes.ask(&by).await?;
        self.view(&by).await
    }

    /// Remove the sandbox
    ///
    /// With all that is in it, at once.
    #[oai(path = "/sandbox", method = "delete", operation_id = "delete_sandbox")]
    async fn remove(&self, by: ApiUser<Owner>) -> Result<NoContent> {
        self.sandboxes.remove(&by).await.map(|()| NoContent)
    }
}
