//! The page that a link in a message leads to. Looking at it changes nothing, whoever looks: mail programs do. Leaving is one POST,
//! by the page's button or by the mail program itself (RFC 8058), which has neither a session nor our form's token: what the link
//! holds is the proof.

use poem::{
    Body, Request, RequestBody, Response, handler,
    http::{Method, StatusCode, header},
    web::{Data, Path},
};
use serde::Serialize;

use super::{
    links::Leaving,
    model::{Consent, Reason, Source},
    rules::{self, Hand, Word},
    store,
};
use crate::{
    access::{Access, Bare, Guarded, Visitor},
    audit::Actor,
    error::{Error, OrInternal, Result},
    messaging::{Address, Messaging},
    tenancy::Tenant,
    web::{Authority, Form, Origin, RouteTable},
    words::say,
};

const PATH: &str = "/u/:token";
const REASON: &str = "whoever holds the link of a message leaves by it; its token is the proof";
/// What a mail program sends is a few bytes.
const BODY_MAX_BYTES: u64 = 16 * 1024;
/// What RFC 8058 has a mail program send.
const ONE_CLICK: (&str, &str) = ("List-Unsubscribe", "One-Click");
/// What the page's way back sends.
const BACK: (&str, &str) = ("action", "subscribe");

/// The page of a link.
pub fn pages(table: &mut RouteTable) {
    table.open_page(Method::GET, PATH, REASON, show);
    table.at(Method::POST, PATH, Authority::Anyone(REASON.to_owned()), leave);
}

#[derive(Serialize)]
struct UnsubscribePage {
    /// `subscribed`, `left`, `other` (not written to for another reason) or `unknown` (no link of ours).
    state: &'static str,
    /// Whether this very request changed it.
    is_done: bool,
    company: String,
    channel: &'static str,
    address: String,
    action: String,
}

struct Asked<'a> {
    access: &'a Access,
    tenant: &'a Tenant,
    messaging: &'a Messaging,
    token: &'a str,
}

impl<'a> Asked<'a> {
    fn of(request: &'a Request, messaging: &'a Messaging, token: &'a str) -> Result<Self> {
        Ok(Self {
            access: request.extensions().get::<Access>().ok_or(say("no access")).internal()?,
            tenant: request.extensions().get::<Tenant>().ok_or(Error::not_found("page"))?,
            messaging,
            token,
        })
    }

    fn leaving(&self) -> Option<Leaving> {
        self.messaging.links.read(self.tenant.id(), self.token)
    }

    async fn page(&self, visitor: &Visitor, leaving: Option<&Leaving>, is_done: bool) -> Result<Response> {
        let found = match leaving {
            None => None,
            Some(one) => {
                let db = &self.messaging.db;
                let find = async |tx: &_| store::find(tx, one.channel, &one.address).await;
                Some((one, db.read_tenant(self.tenant, find).await?))
            }
        };
        let (status, state) = match &found {
            None => (StatusCode::NOT_FOUND, "unknown"),
            Some((_, None)) => (StatusCode::OK, "subscribed"),
            Some((_, Some(one))) if one.reason == Reason::Unsubscribed => (StatusCode::OK, "left"),
            Some(_) => (StatusCode::OK, "other"),
        };
        let shown = |one: &Leaving| Address::stored(one.channel, one.address.clone()).masked();
        let view = UnsubscribePage {
            state,
            is_done,
            company: self.tenant.name.clone(),
            channel: leaving.map_or("", |one| one.channel.label()),
            address: leaving.map(shown).unwrap_or_default(),
            action: format!("/u/{}", self.token),
        };
        let brand = self.access.brand(self.tenant).await?;
        let bare = Bare { status, template: "suppressions/unsubscribe.html", title: say("Unsubscribe") };
        let mut response = visitor.render(self.access, bare, Some(brand), &view)?;
        // The address of this page is a key: it goes nowhere else.
        let headers = response.headers_mut();
        headers.insert(header::REFERRER_POLICY, header::HeaderValue::from_static("no-referrer"));
        headers.insert("x-robots-tag", header::HeaderValue::from_static("noindex"));
        Ok(response)
    }
}

#[handler]
async fn show(
    visitor: Visitor,
    messaging: Data<&Messaging>,
    Path(token): Path<String>,
    request: &Request,
) -> poem::Result<Response> {
    let asked = Asked::of(request, &messaging, &token)?;
    let leaving = asked.leaving();
    Ok(asked.page(&visitor, leaving.as_ref(), false).await?)
}

#[handler]
async fn leave(
    messaging: Data<&Messaging>,
    Path(token): Path<String>,
    request: &Request,
    body: Body,
) -> poem::Result<Response> {
    let asked = Asked::of(request, &messaging, &token)?;
    let visitor = Visitor::passing(asked.access, request);
    let Some(leaving) = asked.leaving() else {
        return Ok(asked.page(&visitor, None, false).await?);
    };
    let form = Form::read(request, &mut RequestBody::new(body), BODY_MAX_BYTES).await?;
    let says = |(name, value): (&str, &str)| form.get(name).eq_ignore_ascii_case(value);
    let consent = if says(ONE_CLICK) {
        Consent::Withdrawn
    } else if says(BACK) {
        Consent::Granted
    } else {
        let detail = say("Send List-Unsubscribe=One-Click to leave.");
        return Err(Error::invalid(ONE_CLICK.0, "required", detail).into());
    };
    let actor = Actor::anonymous(say("Unsubscribe link"));
    let origin = request.extensions().get::<Origin>();
    let Leaving { channel, ref address, delivery } = leaving;
    let word = Word { channel, address, consent, source: Source::Link, delivery };
    let hand = Hand { actor: &actor, origin };
    messaging.db.in_tenant(asked.tenant, async |tx| rules::say(tx, hand, &word).await).await?;
    Ok(asked.page(&visitor, Some(&leaving), true).await?)
}
