//! Settings of the alerts to the platform's people.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const DAY_MINUTES: u32 = 24 * 60;

/// How much of something within the window is an alert. 0 looks away.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AlertSettings {
    /// How far back is looked.
    pub window_minutes: u32,
    /// An alert closes by itself when its threshold was not reached for so long.
    pub quiet_minutes: u32,
    /// Whether anybody is written to.
    pub letters: bool,
    /// Times that credentials of one provider are shown at another.
    pub foreign_credentials: u32,
    /// Requests whose host is one provider's and whose `X-Tenant-ID` names another.
    pub host_mismatches: u32,
    /// Ids asked for at one provider that it does not have.
    pub unknown_ids: u32,
    /// Accounts that few addresses try passwords of.
    pub stuffed_accounts: u32,
    /// Refused sign-ins, at all doors together.
    pub sign_ins_refused: u32,
    /// Requests that a limit refused.
    pub limited: u32,
    pub sign_ups: u32,
    /// Messages of one provider that failed for good.
    pub messages_failed: u32,
    /// Requests answered with a 5xx.
    pub server_errors: u32,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            window_minutes: 10,
            quiet_minutes: 30,
            letters: true,
            foreign_credentials: 10,
            host_mismatches: 10,
            unknown_ids: 200,
            stuffed_accounts: 30,
            sign_ins_refused: 300,
            limited: 2_000,
            sign_ups: 30,
            messages_failed: 500,
            server_errors: 50,
        }
    }
}

impl AlertSettings {
    pub(super) fn check(&self) -> Result<()> {
        for (name, minutes) in
            [("alerts.window_minutes", self.window_minutes), ("alerts.quiet_minutes", self.quiet_minutes)]
        {
            if !(1..=DAY_MINUTES).contains(&minutes) {
                return Err(Error::invalid(name, "out_of_range", format!("{name} is 1 to {DAY_MINUTES}.")));
            }
        }
        Ok(())
    }
}
