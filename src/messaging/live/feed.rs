//! What one watcher is told, whichever way it travels.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use data_encoding::BASE64URL_NOPAD;
use serde::Serialize;
use tokio::sync::broadcast::{
    self,
    error::{RecvError, TryRecvError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::hub::{Hub, Topic, Window};
use crate::{
    access::{By, Held},
    db::Db,
    error::{Error, Result},
    events::{
        NOTICES,
        notices::{self, Moment, Notice},
    },
    tenancy::{Registry, Status},
    types::{StaffId, TenantId},
    words::say,
};

/// Whether the credential still counts is looked at so often, and before everything that is told.
const LOOK: Duration = Duration::from_secs(2);
/// How long a crowd is waited for.
const GATHER: Duration = Duration::from_millis(40);
pub const TOPICS_MAX: usize = 50;
/// The right to see what became of messages.
const MESSAGES: &str = "messages.view";

/// What a watcher is told.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Told {
    /// Lines of the bell that are new, how many are unread, and the moment that this was: who hands it back as `after` is told
    /// what came later, and nothing twice.
    Notices { items: Vec<Line>, unread: i64, at: String },
    /// What lies behind these topics has changed.
    Changed { topics: Vec<String> },
}

impl Told {
    /// What the browser hands back after it lost the connection.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Notices { at, .. } => Some(at),
            Self::Changed { .. } => None,
        }
    }
}

#[derive(Debug, Clone, Serialize)]
pub struct Line {
    id: Uuid,
    text: String,
    href: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<Notice> for Line {
    fn from(notice: Notice) -> Self {
        Self { id: notice.id.0, text: notice.text, href: notice.href, created_at: notice.created_at }
    }
}

/// A moment as it is given out.
pub fn sealed(moment: &Moment) -> String {
    BASE64URL_NOPAD.encode(moment.as_str().as_bytes())
}

/// A moment that was given out; a text that never was one counts as none.
pub fn opened(text: &str) -> Option<Moment> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).ok()?;
    Moment::parse(std::str::from_utf8(&bytes).ok()?)
}

/// Topics that may be watched, as they were asked for.
pub fn topics_of(asked: impl IntoIterator<Item = impl AsRef<str>>) -> Result<BTreeSet<String>> {
    let topics: BTreeSet<String> = asked.into_iter().map(|one| one.as_ref().trim().to_owned()).collect();
    let is_topic = |text: &String| match text.split_once(':') {
        Some(("message", id)) => id.len() == 36 && id.parse::<Uuid>().is_ok(),
        None => matches!(text.as_str(), "deliveries"),
        _ => false,
    };
    if topics.len() > TOPICS_MAX || !topics.iter().all(is_topic) {
        return Err(Error::invalid(
            "topics",
            "not_a_topic",
            say!("At most {} of deliveries and message:<id>.", TOPICS_MAX),
        ));
    }
    Ok(topics)
}

/// One watcher.
pub struct Feed {
    db: Db,
    registry: Registry,
    held: Held,
    heard: broadcast::Receiver<Topic>,
    topics: BTreeSet<String>,
    moment: Option<Moment>,
    waiting: Waiting,
    /// Whether the bell's state was told once.
    has_begun: bool,
    closing: CancellationToken,
    tenant: TenantId,
    _window: Window,
}

/// What was heard and is not told yet.
enum Waiting {
    Nothing,
    These(BTreeSet<String>),
    /// It was not heard, so it may be anything.
    Anything,
}

impl Waiting {
    fn add(&mut self, topic: Topic) {
        match (&mut *self, topic) {
            (_, None) => *self = Self::Anything,
            (Self::Anything, _) => {}
            (Self::These(all), Some(topic)) => {
                all.insert(topic.to_string());
            }
            (Self::Nothing, Some(topic)) => *self = Self::These(BTreeSet::from([topic.to_string()])),
        }
    }

    fn has(&self, topic: &str) -> bool {
        match self {
            Self::Nothing => false,
            Self::These(all) => all.contains(topic),
            Self::Anything => true,
        }
    }
}

impl Feed {
    /// Begins to watch; 401 when the credential does not count.
    pub async fn begin(
        db: Db,
        registry: Registry,
        hub: &Hub,
        held: Held,
        topics: BTreeSet<String>,
        moment: Option<Moment>,
    ) -> Result<Self> {
        let by = held.by().await?.ok_or_else(|| {
            Error::unauthenticated("bad_credential", "This credential does not count here, or not any more.")
        })?;
        let tenant = by.tenant.id();
        let window = hub.open(tenant, by.credential_id())?;
        // First the ear, then the look: nothing falls in between.
        let heard = hub.watch(tenant);
        let closing = hub.closing();
        Ok(Self {
            db,
            registry,
            held,
            heard,
            topics,
            moment,
            waiting: Waiting::Nothing,
            has_begun: false,
            closing,
            tenant,
            _window: window,
        })
    }

    pub fn add(&mut self, topics: BTreeSet<String>) {
        self.topics.extend(topics);
        while self.topics.len() > TOPICS_MAX {
            self.topics.pop_first();
        }
    }

    pub fn remove(&mut self, topics: &BTreeSet<String>) {
        self.topics.retain(|topic| !topics.contains(topic));
    }

    /// What is to be told next. None when it is over: the credential ended, or the process does. It may be dropped while it waits:
    /// what was heard is still known then.
    pub async fn next(&mut self) -> Option<Vec<Told>> {
        loop {
            let by = self.by().await?;
            if !self.has_begun {
                let told = self.bell(&by).await?;
                self.has_begun = true;
                if let Some(told) = told {
                    return Some(vec![told]);
                }
            }
            if matches!(self.waiting, Waiting::Nothing) {
                tokio::select! {
                    heard = self.heard.recv() => match heard {
                        Err(RecvError::Closed) => return None,
                        Err(RecvError::Lagged(_)) => self.waiting = Waiting::Anything,
                        Ok(topic) => self.waiting.add(topic),
                    },
                    () = tokio::time::sleep(LOOK) => continue,
                    () = self.closing.cancelled() => return None,
                }
            }
            // What comes in a crowd is told at once.
            tokio::time::sleep(GATHER).await;
            loop {
                match self.heard.try_recv() {
                    Ok(topic) => self.waiting.add(topic),
                    Err(TryRecvError::Lagged(_)) => self.waiting = Waiting::Anything,
                    Err(_) => break,
                }
            }
            let by = self.by().await?;
            let told = self.told(&by).await?;
            self.waiting = Waiting::Nothing;
            if !told.is_empty() {
                return Some(told);
            }
        }
    }

    async fn by(&self) -> Option<By> {
        let by = self.held.by().await.unwrap_or_default()?;
        let tenant = self.registry.find_by_id(self.tenant).await.unwrap_or_default()?;
        (tenant.status == Status::Active).then_some(by)
    }

    async fn told(&mut self, by: &By) -> Option<Vec<Told>> {
        let mut told = Vec::new();
        if self.waiting.has(NOTICES) {
            told.extend(self.bell(by).await?);
        }
        let topics: Vec<String> =
            self.topics.iter().filter(|topic| self.waiting.has(topic)).cloned().collect();
        if !topics.is_empty() && by.rights.holds(MESSAGES) {
            told.push(Told::Changed { topics });
        }
        Some(told)
    }

    /// The bell of a person: None inside when a key watches, None outside when it cannot be read and the watcher has to come again.
    async fn bell(&mut self, by: &By) -> Option<Option<Told>> {
        let Some(staff) = by.staff() else { return Some(None) };
        match self.read_bell(by, staff).await {
            Ok(told) => Some(Some(told)),
            Err(error) => {
                tracing::warn!(%error, "a bell cannot be read");
                None
            }
        }
    }

    async fn read_bell(&mut self, by: &By, staff: StaffId) -> Result<Told> {
        let permissions: Option<Vec<String>> =
            (!by.rights.is_owner).then(|| by.rights.permissions.iter().cloned().collect());
        let moment = self.moment.clone();
        let (news, unread) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let permissions = permissions.as_deref();
                let news = notices::since(tx, staff, permissions, moment.as_ref()).await?;
                Ok((news, notices::unread(&tx.last(), staff, permissions).await?))
            })
            .await?;
        let at = sealed(&news.moment);
        self.moment = Some(news.moment);
        Ok(Told::Notices { items: news.fresh.into_iter().map(Line::from).collect(), unread, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_topics_are_watched() {
        let id = Uuid::now_v7();
        assert_eq!(topics_of([format!("message:{id}"), "deliveries".into()]).unwrap().len(), 2);
        for odd in ["", "notices2", "message:", "message:x", "DELIVERIES", "message:1:2"] {
            assert!(topics_of([odd]).is_err(), "{odd}");
        }
        assert!(topics_of((0..=TOPICS_MAX).map(|_| format!("message:{}", Uuid::now_v7()))).is_err());
    }

    #[test]
    fn a_moment_comes_back_as_it_was() {
        for text in ["10:10:", "10:20:10,14,15", "7:9:8"] {
            let moment = Moment::parse(text).unwrap();
            assert_eq!(opened(&sealed(&moment)), Some(moment));
        }
        for odd in ["", "1", "1:2", "0:1:", "2:1:", "1:2:3", "1:9:5,3", "1:2:x", "1:2:1:", "-1:2:", "1:2:1,"]
        {
            assert_eq!(Moment::parse(odd), None, "{odd}");
        }
        assert_eq!(opened("%%%"), None);
    }
}
