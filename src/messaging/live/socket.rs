//! The WebSocket, and the door that it shares with server-sent events.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{SinkExt, StreamExt};
use poem::{
    Endpoint, FromRequest, IntoResponse, Request, Response,
    http::{Method, header},
    web::websocket::{CloseCode, Message, WebSocket, WebSocketStream},
};
use serde::Deserialize;

use super::{
    feed::{Feed, opened, topics_of},
    hub::Hub,
    stream,
};
use crate::{
    access::{Access, Held},
    error::{Error, Result},
    messaging::Messaging,
    tenancy::Tenant,
    web::{Authority, Host, Origin, RouteTable},
};

/// Who offers this protocol may send its token in the first message.
const PROTOCOL: &str = "lastmile.v1";
const GREETING: Duration = Duration::from_secs(5);
const PING: Duration = Duration::from_secs(20);
const SEND: Duration = Duration::from_secs(10);
/// Nobody who lives is quiet for longer: pings are answered.
const SILENCE: Duration = Duration::from_secs(70);
const MESSAGE_MAX_BYTES: usize = 16_384;

/// Mounts `/ws` and `/events`.
pub fn mount(table: &mut RouteTable, messaging: &Messaging, hub: &Hub) {
    for (path, is_socket) in [("/ws", true), ("/events", false)] {
        let door = Door { messaging: messaging.clone(), hub: hub.clone(), is_socket };
        table.at(Method::GET, path, Authority::SignedIn, door);
    }
}

struct Door {
    messaging: Messaging,
    hub: Hub,
    is_socket: bool,
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    after: String,
    topics: String,
}

/// What a client says.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    Hello {
        token: String,
        #[serde(default)]
        after: String,
        #[serde(default)]
        topics: Vec<String>,
    },
    Watch {
        topics: Vec<String>,
    },
    Unwatch {
        topics: Vec<String>,
    },
    Ping,
}

impl Endpoint for Door {
    type Output = Response;

    async fn call(&self, request: Request) -> poem::Result<Response> {
        let tenant = request.extensions().get::<Tenant>().cloned().ok_or(Error::not_found("page"))?;
        let access =
            request.extensions().get::<Access>().cloned().ok_or_else(|| Error::internal("no access"))?;
        let held = Held::of(&access, &tenant, &request);
        let is_late = held.is_none() && self.is_socket && offers_protocol(&request);
        if held.is_none() && !is_late {
            return Err(Error::unauthenticated("no_credential", "Sign in, or send a token.").into());
        }
        self.check_origin(&access, &tenant, &request, held.as_ref()).await?;
        let asked: Asked = poem::web::Query::from_request_without_body(&request)
            .await
            .map(|query| query.0)
            .unwrap_or_default();
        let topics = topics_of(asked.topics.split(',').filter(|one| !one.is_empty()))?;
        if !self.is_socket {
            let last = request.header("last-event-id").unwrap_or(&asked.after);
            let held = held.ok_or_else(|| Error::internal("a stream without a credential"))?;
            return Ok(stream::answer(self.feed(held, topics, last).await?));
        }
        let feed = match held {
            Some(held) => Some(self.feed(held, topics, &asked.after).await?),
            None => None,
        };
        let socket = WebSocket::from_request_without_body(&request).await?.protocols(vec![PROTOCOL]);
        let late = Late {
            messaging: self.messaging.clone(),
            hub: self.hub.clone(),
            access,
            tenant,
            origin: request.extensions().get::<Origin>().cloned(),
        };
        Ok(socket.on_upgrade(move |socket| serve(socket, feed, late)).into_response())
    }
}

impl Door {
    async fn feed(&self, held: Held, topics: BTreeSet<String>, after: &str) -> Result<Feed> {
        begin(&self.messaging, &self.hub, held, topics, after).await
    }

    /// A browser sends its cookie wherever a page of anybody's asks it to: only our own pages may. Programs send no Origin; other
    /// sites' scripts may come with a token where the tenant named them.
    async fn check_origin(
        &self,
        access: &Access,
        tenant: &Tenant,
        request: &Request,
        held: Option<&Held>,
    ) -> Result<()> {
        let has_cookie = held.is_some_and(Held::is_cookie);
        let host = Host::of(request)?;
        let own = self.messaging.resolver.url(host.as_str());
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        let is_good = match (origins.next().map(|origin| origin.to_str().unwrap_or_default()), has_cookie) {
            (None, true) => !self.is_socket,
            (None, false) => true,
            (Some(origin), _) if origin == own => true,
            (Some(_), true) => false,
            (Some(origin), false) => access.cors_allows(tenant, origin).await?,
        };
        if is_good && origins.next().is_none() {
            Ok(())
        } else {
            Err(Error::forbidden("foreign_origin", "This was not asked for by a page of this site."))
        }
    }
}

async fn begin(
    messaging: &Messaging,
    hub: &Hub,
    held: Held,
    topics: BTreeSet<String>,
    after: &str,
) -> Result<Feed> {
    let registry = messaging.resolver.registry().clone();
    Feed::begin(messaging.db.clone(), registry, hub, held, topics, opened(after)).await
}

fn offers_protocol(request: &Request) -> bool {
    request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|one| one.trim() == PROTOCOL)
}

/// What is needed for a token that comes in the first message.
struct Late {
    messaging: Messaging,
    hub: Hub,
    access: Access,
    tenant: Tenant,
    origin: Option<Origin>,
}

impl Late {
    async fn hear(&self, socket: &mut WebSocketStream) -> Option<Feed> {
        let first = tokio::time::timeout(GREETING, socket.next()).await.ok()??.ok()?;
        let Message::Text(text) = first else { return None };
        let Some(Said::Hello { token, after, topics }) = said(&text) else { return None };
        let held = Held::token(&self.access, &self.tenant, &token, self.origin.clone());
        begin(&self.messaging, &self.hub, held, topics_of(topics).ok()?, &after).await.ok()
    }
}

fn said(text: &str) -> Option<Said> {
    if text.len() > MESSAGE_MAX_BYTES {
        return None;
    }
    serde_json::from_str(text).ok()
}

async fn send(socket: &mut WebSocketStream, message: Message) -> bool {
    matches!(tokio::time::timeout(SEND, socket.send(message)).await, Ok(Ok(())))
}

async fn close(socket: &mut WebSocketStream, code: CloseCode, why: &str) {
    send(socket, Message::Close(Some((code, why.to_owned())))).await;
}

/// Tells until either side has enough.
async fn serve(mut socket: WebSocketStream, feed: Option<Feed>, late: Late) {
    let feed = match feed {
        Some(feed) => Some(feed),
        None => late.hear(&mut socket).await,
    };
    let Some(mut feed) = feed else {
        close(&mut socket, CloseCode::Policy, "no credential").await;
        return;
    };
    let closing = late.hub.closing();
    let mut pings = tokio::time::interval(PING);
    let mut heard_at = tokio::time::Instant::now();
    loop {
        tokio::select! {
            told = feed.next() => {
                let Some(told) = told else {
                    let (code, why) = if closing.is_cancelled() { (CloseCode::Restart, "restart") } else { (CloseCode::Policy, "over") };
                    close(&mut socket, code, why).await;
                    return;
                };
                for one in told {
                    let text = serde_json::to_string(&one).unwrap_or_default();
                    if !send(&mut socket, Message::Text(text)).await {
                        return;
                    }
                }
            }
            message = socket.next() => {
                heard_at = tokio::time::Instant::now();
                match message {
                    Some(Ok(Message::Text(text))) => {
                        if !obey(&mut feed, &text) {
                            close(&mut socket, CloseCode::Invalid, "not understood").await;
                            return;
                        }
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return,
                }
            }
            _ = pings.tick() => {
                if heard_at.elapsed() > SILENCE || !send(&mut socket, Message::Ping(Vec::new())).await {
                    return;
                }
            }
        }
    }
}

fn obey(feed: &mut Feed, text: &str) -> bool {
    match said(text) {
        Some(Said::Ping) => true,
        Some(Said::Watch { topics }) => match topics_of(topics) {
            Ok(topics) => {
                feed.add(topics);
                true
            }
            Err(_) => false,
        },
        Some(Said::Unwatch { topics }) => {
            feed.remove(&topics.into_iter().collect());
            true
        }
        Some(Said::Hello { .. }) | None => false,
    }
}
