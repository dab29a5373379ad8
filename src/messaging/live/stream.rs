//! Server-sent events: the same feed over plain HTTP.

use std::time::Duration;

use futures_util::stream;
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, header},
    web::sse::{Event, SSE},
};

use super::feed::{Feed, Told};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub fn answer(feed: Feed) -> Response {
    let told = stream::unfold((feed, Vec::<Told>::new()), |(mut feed, mut waiting)| async move {
        if waiting.is_empty() {
            waiting = feed.next().await?;
            waiting.reverse();
        }
        let told = waiting.pop()?;
        Some((event(&told), (feed, waiting)))
    });
    let mut response = SSE::new(told).keep_alive(KEEP_ALIVE).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // nginx would hold the events back to make larger packets of them.
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

fn event(told: &Told) -> Event {
    let event = Event::message(serde_json::to_string(told).unwrap_or_default());
    match told.id() {
        Some(id) => event.id(id),
        None => event,
    }
}
