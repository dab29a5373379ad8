//! An authenticator app: keeps a secret and shows the code of the moment.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::hmac;
use data_encoding::BASE32_NOPAD;

use super::{Browser, PASSWORD, between};

pub struct Authenticator {
    secret: Vec<u8>,
}

impl Authenticator {
    /// With the secret as a page shows it.
    pub fn new(shown: &str) -> Self {
        let bare: String = shown.chars().filter(|c| !c.is_whitespace()).collect();
        Self { secret: BASE32_NOPAD.decode(bare.as_bytes()).unwrap() }
    }

    /// The code of now, or of so many steps later.
    pub fn code(&self, later: i64) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let step = i64::try_from(now / 30).unwrap() + later;
        let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &self.secret);
        let tag = hmac::sign(&key, &step.to_be_bytes());
        let at = usize::from(tag.as_ref()[19] & 15);
        let number = u32::from_be_bytes(tag.as_ref()[at..at + 4].try_into().unwrap()) & 0x7fff_ffff;
        format!("{:06}", number % 1_000_000)
    }
}

/// A code of the step before this one is no code any more when the next step begins: not to be begun with shortly before.
pub async fn until_early_in_a_step() {
    let left = || 30 - SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 30;
    while left() <= 5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The recovery codes that a page shows.
pub fn shown_codes(page: &str) -> Vec<String> {
    let list = between(page, "aria-label=\"Recovery codes\">", "</ul>")
        .unwrap_or_else(|| panic!("no codes in {page}"));
    list.split("<li>").skip(1).map(|item| item.split("</li>").next().unwrap().to_owned()).collect()
}

impl Browser {
    /// Sets two-step sign-in up, with the code of the step before this one: that of now, and the next, are still good.
    pub async fn set_up_mfa(&mut self) -> (Authenticator, Vec<String>) {
        self.get("/account/mfa").await.expect_status(200);
        self.post("/account/mfa/begin", &[("current_password", PASSWORD)]).await.expect_status(303);
        let page = self.get("/account/mfa").await.text();
        let key = between(&page, "aria-label=\"Key for the app\"", "</code>").unwrap();
        let app = Authenticator::new(key.split('>').nth(1).unwrap());
        until_early_in_a_step().await;
        let done = self.post("/account/mfa/confirm", &[("code", &app.code(-1))]).await;
        done.expect_status(200);
        let codes = shown_codes(&done.text());
        (app, codes)
    }
}
