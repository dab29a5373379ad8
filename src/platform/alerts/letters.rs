//! Letters about alerts, to the platform's people who want them. At most one for each alert and hour.

use chrono::{Duration, Utc};
use serde::Serialize;

use super::{model::Alert, store};
use crate::{
    config::Settings,
    db::ControlTx,
    error::Result,
    mail::{Body, Letter, PlatformPost},
    web::Pages,
};

/// A letter that could not be sent for so long is about something that is over.
const LETTER_HOURS: i64 = 6;

#[derive(Serialize)]
struct LetterView<'a> {
    name: &'a str,
    title: &'a str,
    extent: &'a str,
    since: &'a str,
    advice: &'a str,
    link: &'a str,
    account_link: &'a str,
}

/// What letters are made of.
pub struct Written<'a> {
    pub pages: &'a Pages,
    pub post: &'a PlatformPost,
    pub settings: &'a Settings,
}

impl Written<'_> {
    /// Queues a letter about each to everybody who wants them, in the unit that says that they were told.
    pub async fn tell(&self, tx: &ControlTx, alerts: &[Alert]) -> Result<()> {
        if alerts.is_empty() {
            return Ok(());
        }
        let readers = store::list_readers(tx).await?;
        let until = Utc::now() + Duration::hours(LETTER_HOURS);
        let at = |path: &str| format!("{}{path}", self.settings.url_of(&self.settings.base_domain));
        let (link, account_link) = (at("/console/alerts"), at("/console/account"));
        for alert in alerts {
            let (title, extent) = (alert.title(), alert.extent());
            let since = alert.opened_at.format("%-d %B %Y, %H:%M UTC").to_string();
            for reader in &readers {
                let view = LetterView {
                    name: &reader.name,
                    title: &title,
                    extent: &extent,
                    since: &since,
                    advice: alert.kind.advice(),
                    link: &link,
                    account_link: &account_link,
                };
                let body = Body {
                    text: self.pages.text("mail/alert.txt", &view)?,
                    html: self.pages.text("mail/alert.html", &view)?,
                };
                let letter = Letter::new(reader.email.clone(), &format!("Alert: {title}"), body, until);
                self.post.queue(tx, &letter).await?;
            }
        }
        Ok(())
    }
}
