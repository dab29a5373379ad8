//! The door for providers: what comes is stored whole, then proved on its raw bytes, then answered. Nothing else is done while the
//! provider waits.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use chrono::Utc;
use poem::{
    Endpoint, Request, RequestBody, Response,
    http::{Method, StatusCode, header},
};

use super::{HEAR, model::NewCall, store};
use crate::{
    error::{Error, Result},
    jobs,
    messaging::{
        Messaging,
        accounts::{self, Account, Opened},
        providers::{Hook, HookRefusal, Reply},
    },
    tenancy::Tenant,
    types::{HookCallId, TenantId},
    web::{self, Authority, Host, Origin, RateLimits, RouteTable, StandingNote, read_body},
};

const BODY_MAX_BYTES: u64 = 1_048_576;
const HEADERS_MAX: usize = 64;
const HEADER_MAX_BYTES: usize = 4_096;
const URL_MAX_BYTES: usize = 4_096;
const KNOWN: u64 = 20_000;
const KNOWN_FOR: Duration = Duration::from_secs(600);
const REASON: &str = "a provider calls; it proves itself by its signature, or by knowing the address";

/// Mounts the door.
pub fn mount(table: &mut RouteTable, messaging: &Messaging) {
    let known = moka::future::Cache::builder().max_capacity(KNOWN).time_to_live(KNOWN_FOR).build();
    let intake = Intake { messaging: messaging.clone(), known };
    for method in [Method::GET, Method::POST] {
        let authority = Authority::Anyone(REASON.into());
        table.at(method, "/hooks/:kind/:hook_id", authority, intake.clone());
    }
}

#[derive(Clone)]
struct Intake {
    messaging: Messaging,
    /// Addresses that were called well a moment ago. Receipts come in crowds from few machines: such calls are not counted
    /// against their sender, all others are.
    known: moka::future::Cache<(TenantId, String), ()>,
}

impl Endpoint for Intake {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let request_id = request.extensions().get::<Origin>().map(|origin| origin.request_id);
        let answer = self.take(request).await;
        Ok(answer.unwrap_or_else(|error| {
            if let Error::Internal { .. } = &error {
                tracing::error!(%error, "a provider's call could not be taken");
            }
            let mut response = web::problem(&error, request_id);
            web::failure_headers(&error, &mut response);
            response
        }))
    }
}

impl Intake {
    async fn take(&self, mut request: Request) -> Result<Response> {
        let tenant = request.extensions().get::<Tenant>().cloned().ok_or(Error::not_found("hook"))?;
        let (kind, hook_id) = named(&request)?;
        let key = (tenant.id(), hook_id.clone());
        if !self.known.contains_key(&key) {
            limit(&request, &tenant)?;
        }
        let mut body = RequestBody::new(request.take_body());
        let call = NewCall {
            id: HookCallId::new(),
            is_get: *request.method() == Method::GET,
            url: self.url(&request)?,
            headers: headers(&request),
            body: read_body(&mut body, BODY_MAX_BYTES).await?,
            received_at: Utc::now(),
        };
        let account = self.store(&tenant, &kind, &hook_id, &call).await?;
        let opened = self.messaging.accounts.open(&tenant, &account).await?;
        match greet(&opened, &hook_of(&call)) {
            Ok(reply) => {
                self.known.insert(key, ()).await;
                Ok(answer(&reply))
            }
            Err(refusal) => {
                self.known.invalidate(&key).await;
                let (account, id, code) = (account.id, call.id, refusal.code());
                self.messaging
                    .db
                    .in_tenant(&tenant, async |tx| store::refuse(tx, account, id, code).await)
                    .await?;
                Ok(refused(refusal))
            }
        }
    }

    /// Stores the call before anything is made of it. An address that nobody was given is 404, and nothing is kept of it.
    async fn store(&self, tenant: &Tenant, kind: &str, hook_id: &str, call: &NewCall) -> Result<Account> {
        self.messaging
            .db
            .in_tenant(tenant, async |tx| {
                let account = accounts::find_by_hook(tx, hook_id).await?;
                let account =
                    account.filter(|account| account.kind == kind).ok_or(Error::not_found("hook"))?;
                store::insert(tx, account.id, call).await?;
                jobs::call_at(tx, HEAR, Utc::now()).await?;
                Ok(account)
            })
            .await
    }

    /// The address as the outside knows it: providers sign what they were given.
    fn url(&self, request: &Request) -> Result<String> {
        let host = Host::of(request)?;
        let uri = request.original_uri();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if path.len() > URL_MAX_BYTES {
            return Err(Error::malformed("long_address", "The address is too long."));
        }
        Ok(format!("{}{path}", self.messaging.resolver.url(host.as_str())))
    }
}

fn named(request: &Request) -> Result<(String, String)> {
    let part = |name: &str| request.raw_path_param(name).unwrap_or_default().to_owned();
    let (kind, hook_id) = (part("kind"), part("hook_id"));
    let is_plain = |text: &str| {
        (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'))
    };
    if is_plain(&kind) && is_plain(&hook_id) { Ok((kind, hook_id)) } else { Err(Error::not_found("hook")) }
}

fn limit(request: &Request, tenant: &Tenant) -> Result<()> {
    let extensions = request.extensions();
    let (Some(limits), Some(note), Some(origin)) =
        (extensions.get::<Arc<RateLimits>>(), extensions.get::<StandingNote>(), extensions.get::<Origin>())
    else {
        return Ok(());
    };
    limits.address(origin.address, note)?;
    // The plan's own rate is for callers: what a provider has to tell is not turned away for it.
    limits.tenant(tenant.id(), None, note)
}

/// What the proof may need of the headers, with limits; names in lower case, doubles joined.
fn headers(request: &Request) -> BTreeMap<String, String> {
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in request.headers() {
        let Ok(value) = value.to_str() else { continue };
        let is_ours = matches!(name.as_str(), "cookie" | "authorization" | "proxy-authorization");
        if is_ours || value.len() > HEADER_MAX_BYTES || kept.len() >= HEADERS_MAX {
            continue;
        }
        kept.entry(name.as_str().to_owned())
            .and_modify(|known| {
                known.push(',');
                known.push_str(value);
            })
            .or_insert_with(|| value.to_owned());
    }
    kept
}

pub(super) fn hook_of(call: &NewCall) -> Hook<'_> {
    Hook {
        is_get: call.is_get,
        url: &call.url,
        headers: &call.headers,
        body: &call.body,
        received_at: call.received_at,
    }
}

/// By the present credential, or by the one before while that still counts.
fn greet(opened: &Opened, hook: &Hook<'_>) -> Result<Reply, HookRefusal> {
    opened.now.greet(hook).or_else(|refusal| match &opened.before {
        Some(before) => before.greet(hook).map_err(|_older| refusal),
        None => Err(refusal),
    })
}

fn answer(reply: &Reply) -> Response {
    let status = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::OK);
    Response::builder()
        .status(status)
        .content_type(reply.content_type)
        .header(header::CACHE_CONTROL, "no-store")
        .body(reply.body.clone())
}

fn refused(refusal: HookRefusal) -> Response {
    let error = match refusal {
        HookRefusal::NotHere => Error::not_found("hook"),
        HookRefusal::Malformed => Error::malformed(refusal.code(), "This call cannot be read."),
        _ => Error::forbidden(refusal.code(), "This call is not proved."),
    };
    web::problem(&error, None)
}
