//! An authenticator app: keeps a secret and shows the code of the moment.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use super::{Browser, PASSWORD, Tenant, between, sql};

pub struct Authenticator {
    secret: Vec<u8>,
}

impl Authenticator {
    /// With the secret as a page shows it.
    pub fn new(shown: &str) -> Self {
        let bare: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
        Self { secret: BASE32_NOPAD.decode(bare.as_bytes()).unwrap() }
    }

    /// The code of now.
    pub fn code(&self) -> String {
        self.code_of(0)
    }

    /// The code of now, or of so many steps later.
    pub fn code_of(&self, later: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let step = i64::try_from(now / 30).unwrap() + later;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

impl Tenant {
    /// As if a step of time had passed since each code was taken, so that the next need not be waited for: that of now counts again.
    pub async fn a_step_passes(&self) {
        let later = format!("UPDATE {}.totp SET last_step = last_step - 1", self.schema().await);
        sql(&self.server.database).await.batch_execute(&later).await.unwrap();
    }
}

/// The recovery codes that a page shows.
pub fn shown_codes(page: &str) -> Vec<String> {
    let list = between(page, "aria-label=\"Recovery codes\">", "</ul>")
        .unwrap_or_else(|| panic!("no codes in {page}"));
    list.split("<li>").skip(1).map(|item| item.split("</li>").next().unwrap().to_owned()).collect()
}

impl Browser {
    /// Sets two-step sign-in up, a step of time ago: the code of now is good.
    pub async fn set_up_mfa(&mut self, at: &Tenant) -> (Authenticator, Vec<String>) {
        self.get("/account/mfa").await.expect_status(200);
        self.post("/account/mfa/begin", &[("current_password", PASSWORD)]).await.expect_status(303);
        let page = self.get("/account/mfa").await.text();
        let key = between(&page, "aria-label=\"Key for the app\"", "</code>").unwrap();
        let app = Authenticator::new(key.split('>').nth(1).unwrap());
        let done = self.post("/account/mfa/confirm", &[("code", &app.code())]).await;
        done.expect_status(200);
        at.a_step_passes().await;
        let codes = shown_codes(&done.text());
        (app, codes)
    }
}
