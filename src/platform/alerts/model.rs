//! What an alert is about, and when there is one. No I/O.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{
    config::AlertSettings,
    tenancy::SightingKind,
    types::TenantId,
    web::parts::{counted, grouped},
    words::say,
};

/// What an alert is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    ForeignCredential,
    HostMismatch,
    UnknownId,
    Stuffing,
    SignInRefused,
    Limited,
    SignUp,
    MessageFailed,
    ServerError,
}

impl Kind {
    pub const ALL: [Self; 9] = [
        Self::ForeignCredential,
        Self::HostMismatch,
        Self::UnknownId,
        Self::Stuffing,
        Self::SignInRefused,
        Self::Limited,
        Self::SignUp,
        Self::MessageFailed,
        Self::ServerError,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stuffing => "stuffing",
            Self::ForeignCredential => SightingKind::ForeignCredential.as_str(),
            Self::HostMismatch => SightingKind::HostMismatch.as_str(),
            Self::UnknownId => SightingKind::UnknownId.as_str(),
            Self::SignInRefused => SightingKind::SignInRefused.as_str(),
            Self::Limited => SightingKind::Limited.as_str(),
            Self::SignUp => SightingKind::SignUp.as_str(),
            Self::MessageFailed => SightingKind::MessageFailed.as_str(),
            Self::ServerError => SightingKind::ServerError.as_str(),
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// So many within the window are an alert; None where nobody looks.
    pub fn threshold(self, settings: &AlertSettings) -> Option<i64> {
        let threshold = match self {
            Self::ForeignCredential => settings.foreign_credentials,
            Self::HostMismatch => settings.host_mismatches,
            Self::UnknownId => settings.unknown_ids,
            Self::Stuffing => settings.stuffed_accounts,
            Self::SignInRefused => settings.sign_ins_refused,
            Self::Limited => settings.limited,
            Self::SignUp => settings.sign_ups,
            Self::MessageFailed => settings.messages_failed,
            Self::ServerError => settings.server_errors,
        };
        (threshold > 0).then_some(i64::from(threshold))
    }

    /// What to look at first.
    pub fn advice(self) -> &'static str {
        match self {
            Self::ForeignCredential => say(
                "A program with the wrong address, or a stolen credential. Ask the provider whose it is; it can be revoked in their portal.",
            ),
            Self::HostMismatch => say("Mostly a program with one setting too many. It was refused with 400."),
            Self::UnknownId => say(
                "A program that lags behind, or somebody who tries ids out. The provider's trail and the request log say who.",
            ),
            Self::Stuffing => say(
                "Somebody tries a list of stolen passwords. Accounts and addresses are slowed; block the addresses at the proxy.",
            ),
            Self::SignInRefused => {
                say("A leaked list of passwords from many addresses, or a portal whose people cannot get in.")
            }
            Self::Limited => say(
                "A crowd, a program that runs wild, or limits that are too low. Metrics say on which routes.",
            ),
            Self::SignUp => {
                say("Robots, perhaps: sign-ups can be held for approval, and a captcha can be asked for.")
            }
            Self::MessageFailed => say(
                "A provider of messages that refuses, or a bad list. The provider sees the reasons in their portal.",
            ),
            Self::ServerError => say("Look for level=ERROR in the logs, then run `lastmile doctor`."),
        }
    }
}

/// What was seen of one thing within the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub kind: Kind,
    pub at: Option<TenantId>,
    pub of: Option<TenantId>,
    /// What the threshold is held against: sightings, or accounts.
    pub total: i64,
    /// The same without what an alert has counted.
    pub fresh: i64,
    /// Sightings that no alert has counted.
    pub amount: i64,
    /// Of sign-ins: how many accounts, from how many addresses.
    pub spread: Option<(i64, i64)>,
}

impl Seen {
    /// Of several open alerts no two are about the same. Passwords tried in crowds are one thing, whosever they are.
    pub fn about(&self) -> String {
        let id = |id: Option<TenantId>| id.map(|id| id.to_string()).unwrap_or_default();
        match self.kind {
            Kind::Stuffing => self.kind.as_str().to_owned(),
            kind => format!("{}:{}:{}", kind.as_str(), id(self.at), id(self.of)),
        }
    }
}

/// What follows from what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Nothing,
    Opens,
    GoesOn { is_over: bool },
}

/// What was counted for an alert before opens no other: only what is fresh can.
pub fn judge(seen: &Seen, threshold: Option<i64>, is_open: bool) -> Verdict {
    let Some(threshold) = threshold else { return Verdict::Nothing };
    match is_open {
        true if seen.amount > 0 => Verdict::GoesOn { is_over: seen.total >= threshold },
        false if seen.fresh >= threshold => Verdict::Opens,
        _ => Verdict::Nothing,
    }
}

/// A provider that an alert names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    pub id: TenantId,
    pub name: String,
}

/// One alert.
#[derive(Debug, Clone)]
pub struct Alert {
    pub id: Uuid,
    pub kind: Kind,
    pub at: Option<Named>,
    pub of: Option<Named>,
    pub amount: i64,
    pub spread: Option<(i64, i64)>,
    pub opened_at: DateTime<Utc>,
    pub last_seen_at: DateTime<Utc>,
    pub closed_at: Option<DateTime<Utc>>,
    pub acknowledged_by: Option<String>,
    pub note: String,
}

impl Alert {
    /// What happened, with the names of those concerned.
    pub fn title(&self) -> String {
        let name = |named: &Option<Named>| {
            named.as_ref().map_or_else(|| say("another provider").to_owned(), |named| named.name.clone())
        };
        let (at, of) = (name(&self.at), name(&self.of));
        match self.kind {
            Kind::ForeignCredential => say!("Credentials of {} were shown at {}", of, at),
            Kind::HostMismatch => say!("Requests to {} named {}", at, of),
            Kind::UnknownId => say!("Ids were asked for at {} that it does not have", at),
            Kind::Stuffing => match &self.at {
                Some(at) => say!("Passwords of many accounts are tried at {}", at.name),
                None => say("Passwords of many accounts are tried").to_owned(),
            },
            Kind::SignInRefused => say("Many sign-ins were refused").to_owned(),
            Kind::Limited => say("Many requests were refused by limits").to_owned(),
            Kind::SignUp => say("Many sign-ups").to_owned(),
            Kind::MessageFailed => say!("Many messages of {} failed", at),
            Kind::ServerError => say("Many requests ended in an error of ours").to_owned(),
        }
    }

    /// How much of it there was.
    pub fn extent(&self) -> String {
        match self.spread {
            Some((accounts, addresses)) => format!(
                "{} of {} from {}",
                counted(self.amount, "refused sign-in", "refused sign-ins"),
                counted(accounts, "account", "accounts"),
                counted(addresses, "address", "addresses")
            ),
            None => format!("{} times", grouped(self.amount)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(total: i64, fresh: i64) -> Seen {
        let (at, of) = (Some(TenantId(Uuid::from_u128(1))), Some(TenantId(Uuid::from_u128(2))));
        Seen { kind: Kind::ForeignCredential, at, of, total, fresh, amount: fresh, spread: None }
    }

    #[test]
    fn an_alert_opens_at_its_threshold_and_not_before() {
        assert_eq!(judge(&seen(9, 9), Some(10), false), Verdict::Nothing);
        assert_eq!(judge(&seen(10, 10), Some(10), false), Verdict::Opens);
        assert_eq!(judge(&seen(10, 10), None, false), Verdict::Nothing);
    }

    #[test]
    fn what_was_counted_before_opens_no_second_one() {
        assert_eq!(judge(&seen(500, 9), Some(10), false), Verdict::Nothing);
        assert_eq!(judge(&seen(500, 10), Some(10), false), Verdict::Opens);
    }

    #[test]
    fn an_open_one_counts_on_and_is_kept_up_by_what_is_over_the_threshold() {
        assert_eq!(judge(&seen(12, 2), Some(10), true), Verdict::GoesOn { is_over: true });
        assert_eq!(judge(&seen(3, 2), Some(10), true), Verdict::GoesOn { is_over: false });
        assert_eq!(judge(&seen(12, 0), Some(10), true), Verdict::Nothing);
    }

    #[test]
    fn a_pair_is_one_thing_and_its_reverse_another() {
        let (one, mut other) = (seen(1, 1), seen(1, 1));
        std::mem::swap(&mut other.at, &mut other.of);
        assert_ne!(one.about(), other.about());
        assert_eq!(one.about(), seen(5, 0).about());
    }

    #[test]
    fn every_kind_has_a_setting_and_is_read_as_it_is_written() {
        let usual = AlertSettings::default();
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
            assert!(kind.threshold(&usual).is_some_and(|n| n > 0), "{kind:?}");
        }
    }
}
