//! Showing once more that it is oneself, before what an open browser is not enough for: with the password, a code of the app, a
//! recovery code or a passkey. It counts for a quarter of an hour, in this browser.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Query,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    by::By,
    gate::Access,
    guard::{CheckedForm, Guarded, PageUser},
    mfa::{self, Shown},
    pages::local_path,
    passkeys::{self, Answer, Asked, Judged, Purpose, RelyingParty, asked},
    right::Enrolling,
    sessions::about,
    store,
};
use crate::{
    db::TenantTx,
    error::{Error, Result},
    types::{SessionId, StaffId},
    web::{FormView, RouteTable, see_other},
    words::say,
};

/// Where it is asked for.
pub(super) const PATH: &str = "/account/prove";

/// Mounts the pages.
pub(super) fn pages(table: &mut RouteTable) {
    table
        .page::<Enrolling>(Method::GET, PATH, show)
        .page::<Enrolling>(Method::POST, PATH, prove)
        .page::<Enrolling>(Method::POST, "/account/prove/passkey/begin", ask_for_passkey)
        .page::<Enrolling>(Method::POST, "/account/prove/passkey", prove_by_passkey);
}

/// What somebody can show.
struct Means {
    has_password: bool,
    has_app: bool,
    has_passkey: bool,
}

fn person(by: &By) -> Result<StaffId> {
    by.staff().ok_or(Error::not_found("person"))
}

impl Access {
    async fn means_of(&self, by: &By, party: &RelyingParty) -> Result<Means> {
        let staff = person(by)?;
        let look = async |tx: &TenantTx| {
            let hosts = passkeys::hosts_of(tx, staff).await?;
            Ok(Means {
                has_password: store::has_password(tx, staff).await?,
                has_app: mfa::has_app(tx, staff).await?,
                has_passkey: hosts.iter().any(|host| host == party.host()),
            })
        };
        self.0.db.read_tenant(&by.tenant, look).await
    }

    /// From now on it counts as shown, in this browser.
    async fn note_proof(&self, by: &By, session: SessionId, with: &'static str) -> Result<()> {
        self.change(&by.tenant, async |tx| {
            store::prove_session(tx, session).await?;
            by.record(tx, about(by, "staff.proved", Some(json!({"with": with})))).await
        })
        .await
    }

    async fn prove_with_password(&self, by: &By, session: SessionId, email: &str, typed: &str) -> Result<()> {
        self.prove_self(by, email, typed).await?;
        self.note_proof(by, session, "password").await
    }

    /// A wrong code is counted and written down before it is answered.
    async fn prove_with_code(&self, by: &By, session: SessionId, typed: &str) -> Result<()> {
        let staff = person(by)?;
        let keys = self.0.keys.tenants.of(by.tenant.id()).await?;
        let check = async |tx: &TenantTx| {
            mfa::check(tx, &keys, (staff, &by.actor.label), typed, by.origin.as_ref()).await
        };
        match self.0.db.in_tenant(&by.tenant, check).await? {
            Shown::Passed(_) => self.note_proof(by, session, "code").await,
            Shown::Wrong => Err(Error::invalid("code", "bad_otp", mfa::wrong().detail())),
            Shown::TooSoon(wait) => Err(mfa::too_soon(wait)),
        }
    }

    async fn ask_for_proof(&self, by: &By, party: &RelyingParty) -> Result<Asked> {
        let staff = person(by)?;
        let ask = async |tx: &TenantTx| passkeys::ask(tx, party, Purpose::Proof, staff).await;
        self.0.db.in_tenant(&by.tenant, ask).await
    }

    async fn prove_with_passkey(
        &self,
        by: &By,
        session: SessionId,
        party: &RelyingParty,
        answer: Answer<'_>,
    ) -> Result<()> {
        let whose = (Purpose::Proof, Some(person(by)?));
        let judge = async |tx: &TenantTx| passkeys::judge(tx, party, answer, whose, by.origin.as_ref()).await;
        match self.0.db.in_tenant(&by.tenant, judge).await? {
            Judged::Passed(_) => self.note_proof(by, session, "passkey").await,
            Judged::Refused(refusal) => Err(refusal),
        }
    }
}

#[derive(Deserialize)]
struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Serialize)]
struct ProofPage<'a> {
    has_password: bool,
    has_app: bool,
    has_passkey: bool,
    next: &'a str,
    form: FormView,
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &["current_password", "code"])
}

async fn page(user: &PageUser, party: &RelyingParty, next: &str, form: FormView) -> Result<Response> {
    let means = user.access.means_of(&user.by, party).await?;
    let is_wrong = !(form.errors.is_empty() && form.summary.is_empty());
    let status = if is_wrong { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let view = ProofPage {
        has_password: means.has_password,
        has_app: means.has_app,
        has_passkey: means.has_passkey,
        next,
        form,
    };
    user.render_with(status, "access/prove.html", say("Show that it is you"), &view)
}

#[handler]
async fn show(user: PageUser, party: RelyingParty, query: Query<NextQuery>) -> Result<Response> {
    page(&user, &party, local_path(&query.next), empty_form()).await
}

#[handler]
async fn prove(user: PageUser, party: RelyingParty, form: CheckedForm) -> Result<Response> {
    let (next, email) = (local_path(form.get("next")), &user.shell.user.email);
    let proved = match form.get("code") {
        "" => {
            let typed = form.get("current_password");
            user.access.prove_with_password(&user.by, user.session, email, typed).await
        }
        code => user.access.prove_with_code(&user.by, user.session, code).await,
    };
    match proved {
        Ok(()) => Ok(see_other(next)),
        Err(error) => page(&user, &party, next, empty_form().failed(error)?).await,
    }
}

#[handler]
async fn ask_for_passkey(user: PageUser, party: RelyingParty) -> Result<Response> {
    asked(&user.access.ask_for_proof(&user.by, &party).await?)
}

#[handler]
async fn prove_by_passkey(user: PageUser, party: RelyingParty, form: CheckedForm) -> Result<Response> {
    let next = local_path(form.get("next"));
    let answer = Answer { challenge: form.get("challenge"), json: form.get("answer") };
    match user.access.prove_with_passkey(&user.by, user.session, &party, answer).await {
        Ok(()) => Ok(see_other(next)),
        Err(error @ Error::Unauthenticated { .. }) => {
            page(&user, &party, next, empty_form().said(error.detail())).await
        }
        Err(other) => Err(other),
    }
}
