//! Asking for a passkey, and judging what is shown: the same at every door.

use serde_json::json;

use super::{
    ceremony::{Question, RelyingParty, Reply, Verdict},
    store::{self, Kept},
};
use crate::{
    access::{
        credentials::{TokenHash, hash_of},
        mfa::Passed,
        sessions::{self, Begun, random_token},
        sign_in::{AtDoor, record_sign_in},
        sso,
    },
    audit::{self, Actor, Event},
    db::TenantTx,
    error::{Error, OrInternal, Result},
    types::StaffId,
    web::Origin,
};

/// What a passkey is asked for. An answer counts for nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new one for somebody who is signed in.
    Add,
    /// A new one in the place of a first password.
    Accept,
    SignIn,
    /// After the password.
    SecondStep,
    /// To show once more that it is them.
    Proof,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Accept => "accept",
            Self::SignIn => "sign_in",
            Self::SecondStep => "second_step",
            Self::Proof => "proof",
        }
    }
}

/// What the browser is given: options for its device, and the token by which the answer is recognised.
#[derive(Debug, serde::Serialize)]
pub struct Asked {
    pub challenge: String,
    pub options: serde_json::Value,
}

/// What the browser sends back.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a> {
    pub challenge: &'a str,
    pub json: &'a str,
}

/// How an answer was judged. Whatever it was is to be committed: the question is used up.
pub enum Judged {
    Passed(Shown),
    Refused(Error),
}

/// Somebody whose passkey was right in this unit of work.
pub struct Shown {
    pub staff: StaffId,
    pub person: String,
    pub passed: Passed,
}

fn refused() -> Error {
    Error::unauthenticated(
        "bad_passkey",
        "This passkey does not count here, or the answer came too late. Try again.",
    )
}

fn copied() -> Error {
    Error::unauthenticated(
        "passkey_copied",
        "This passkey was refused: its counter went back, so there may be a copy of it. Sign in another way and remove it.",
    )
}

/// Keeps a question, and makes what the browser is given.
pub async fn keep(
    tx: &TenantTx,
    party: &RelyingParty,
    whose: (Purpose, Option<StaffId>),
    question: Question,
) -> Result<Asked> {
    let challenge = random_token();
    store::insert_challenge(tx, &hash_of(&challenge), whose, party.host(), &question.state).await?;
    Ok(Asked { challenge, options: question.options })
}

/// Asks one person to show one of their passkeys of this host.
pub async fn ask(tx: &TenantTx, party: &RelyingParty, purpose: Purpose, staff: StaffId) -> Result<Asked> {
    let among = store::credential_ids(tx, staff, party.host()).await?;
    if among.is_empty() {
        return Err(Error::conflict("no_passkey", "You have no passkey at this address."));
    }
    keep(tx, party, (purpose, Some(staff)), party.ask(&among)?).await
}

/// Judges an answer: the question must be one for this, at this host and for this person, and not answered before.
pub async fn judge(
    tx: &TenantTx,
    party: &RelyingParty,
    answer: Answer<'_>,
    (purpose, of): (Purpose, Option<StaffId>),
    origin: Option<&Origin>,
) -> Result<Judged> {
    let taken = store::take_challenge(tx, &hash_of(answer.challenge), purpose, party.host()).await?;
    let Some((asked_of, state)) = taken else { return Ok(Judged::Refused(refused())) };
    let Some(reply) = Reply::parse(answer.json).filter(|_| asked_of == of) else {
        return Ok(Judged::Refused(refused()));
    };
    let Some(kept) = store::lock_shown(tx, reply.credential_id(), party.host()).await? else {
        return Ok(Judged::Refused(refused()));
    };
    let is_theirs = match of {
        Some(staff) => kept.staff == staff,
        // Nobody was named: then the device has to.
        None => reply.person() == Some(kept.staff.0),
    };
    if !is_theirs || kept.is_suspected {
        return refuse(tx, &kept, origin, refused()).await;
    }
    match party.judge(&reply, state, &kept.credential)? {
        Verdict::Right(key) => {
            store::use_passkey(tx, kept.id, &serde_json::to_value(&key).internal()?).await?;
            let passed = Passed::by_passkey();
            Ok(Judged::Passed(Shown { staff: kept.staff, person: kept.person, passed }))
        }
        Verdict::Copied => {
            store::suspect(tx, kept.id).await?;
            record(tx, &kept, origin, "staff.passkey_suspected").await?;
            Ok(Judged::Refused(copied()))
        }
        Verdict::Wrong => refuse(tx, &kept, origin, refused()).await,
    }
}

async fn refuse(tx: &TenantTx, kept: &Kept, origin: Option<&Origin>, refusal: Error) -> Result<Judged> {
    record(tx, kept, origin, "staff.passkey_refused").await?;
    Ok(Judged::Refused(refusal))
}

async fn record(tx: &TenantTx, kept: &Kept, origin: Option<&Origin>, action: &'static str) -> Result<()> {
    let event = Event {
        action,
        object_type: "staff",
        object_id: Some(kept.staff.0),
        object_label: &kept.person,
        before: None,
        after: Some(json!({"passkey": kept.name})),
    };
    audit::record(tx, &Actor::anonymous(&kept.person), origin, event).await
}

impl AtDoor {
    /// Asks whoever is there to show a passkey of this host.
    pub(super) async fn ask_for_passkey(&self, party: &RelyingParty) -> Result<Asked> {
        let question = party.ask(&[])?;
        let whose = (Purpose::SignIn, None);
        let state = &question.state;
        let challenge = random_token();
        let keep = async |tx: &TenantTx| {
            store::insert_challenge(tx, &hash_of(&challenge), whose, party.host(), state).await
        };
        self.access.0.db.in_tenant(&self.tenant, keep).await?;
        Ok(Asked { challenge, options: question.options })
    }

    /// Signs in whoever showed a passkey: the device has made sure of the person, so that it is both steps. A refusal is
    /// remembered before it is answered.
    pub(super) async fn enter_by_passkey(
        &self,
        party: &RelyingParty,
        answer: Answer<'_>,
        old: Option<&TokenHash>,
    ) -> Result<Begun> {
        let origin = self.origin.as_ref();
        let enter = async |tx: &TenantTx| {
            let shown = match judge(tx, party, answer, (Purpose::SignIn, None), origin).await? {
                Judged::Passed(shown) => shown,
                Judged::Refused(refusal) => return Ok(Err(refusal)),
            };
            if sso::is_closed_to(tx, shown.staff).await? {
                return Ok(Err(sso::only()));
            }
            if !store::sign_in(tx, shown.staff).await? {
                return Ok(Err(refused()));
            }
            record_sign_in(tx, (shown.staff, &shown.person), origin, "portal", Some(&shown.passed)).await?;
            sessions::begin(tx, shown.staff, origin, old).await.map(Ok)
        };
        self.access.0.db.in_tenant(&self.tenant, enter).await?
    }
}
