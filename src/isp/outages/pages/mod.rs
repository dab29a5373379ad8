//! Pages of outages.

mod banner;
mod detail;
mod done;
mod form;
mod listing;
mod policy;

use chrono::{DateTime, NaiveDateTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use poem::http::Method;

use super::{
    ManageOutages, SetOutagePolicy, ViewOutages,
    model::{Outage, Status},
};
use crate::{
    access::{Guarded, PageUser, Right},
    error::{Error, Result},
    messaging::messages::SendMessages,
    web::RouteTable,
    web::parts::address,
};

pub use banner::{Banner, banner};

const PATH: &str = "/outages";
/// Where messages are written.
const COMPOSE: &str = "/messages/new";
/// So long after its end an outage's subscribers are offered as those whom a message is for.
const TOLD_WITHIN: TimeDelta = TimeDelta::days(31);
/// Proxies take no longer line of a request than 8 KiB.
const ADDRESS_MAX_BYTES: usize = 7 * 1024;

/// Every page of outages.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewOutages>(Method::GET, PATH, listing::list_outages);
    table.page::<ManageOutages>(Method::GET, "/outages/new", form::new_outage);
    table.page::<ManageOutages>(Method::POST, PATH, form::add_outage);
    table.page::<ViewOutages>(Method::GET, "/outages/:id", detail::show_outage);
    table.page::<ViewOutages>(Method::GET, "/outages/:id/map/data", detail::map_data);
    table.page::<ManageOutages>(Method::POST, "/outages/:id", done::save_outage);
    table.page::<ManageOutages>(Method::POST, "/outages/:id/confirm", done::confirm_outage);
    table.page::<ManageOutages>(Method::POST, "/outages/:id/dismiss", done::dismiss_outage);
    table.page::<ManageOutages>(Method::POST, "/outages/:id/message", done::send_message);
    table.page::<ManageOutages>(Method::GET, "/outages/:id/restore", done::show_end);
    table.page::<ManageOutages>(Method::POST, "/outages/:id/restore", done::end_outage);
    table.page::<ManageOutages>(Method::POST, "/outages/:id/extensions", done::decide);
    table.page::<SetOutagePolicy>(Method::GET, "/settings/outages", policy::show_policy);
    table.page::<SetOutagePolicy>(Method::POST, "/settings/outages", policy::save_policy);
}

fn may<R: Right>(user: &PageUser) -> bool {
    user.by.require::<R>().is_ok()
}

/// Where the message to all whom an outage hits is sent.
struct Sending {
    href: String,
    /// Whether its text is in the address; a long one in letters that take much room is not.
    has_text: bool,
}

/// Whether those whom an outage hits can still be chosen where messages are written.
fn is_told(outage: &Outage) -> bool {
    match outage.status {
        Status::Down => true,
        Status::Restored => outage.restored_at.is_some_and(|at| Utc::now() - at < TOLD_WITHIN),
        Status::Proposed | Status::Dismissed => false,
    }
}

/// None when nobody is told of the outage any more, or this person may not send messages.
fn sending(user: &PageUser, outage: &Outage) -> Option<Sending> {
    let text = outage.message.as_deref().filter(|_| is_told(outage) && may::<SendMessages>(user))?;
    let segment = format!("outage:{}", outage.id);
    let href = address(COMPOSE, [("segment", segment.as_str()), ("text", text)]);
    if href.len() <= ADDRESS_MAX_BYTES {
        return Some(Sending { href, has_text: true });
    }
    Some(Sending { href: address(COMPOSE, [("segment", segment.as_str())]), has_text: false })
}

fn tone(status: Status) -> &'static str {
    match status {
        Status::Proposed => "warning",
        Status::Down => "error",
        Status::Restored => "success",
        Status::Dismissed => "",
    }
}

/// An instant as a form's field writes it, in the tenant's zone.
fn local(at: DateTime<Utc>, zone: Tz) -> String {
    at.with_timezone(&zone).format("%Y-%m-%dT%H:%M").to_string()
}

/// An instant as a form's field holds it; nothing is now. `unchanged` is what stood there before: a minute that was not touched keeps
/// its seconds.
fn instant(
    text: &str,
    field: &'static str,
    zone: Tz,
    unchanged: Option<DateTime<Utc>>,
) -> Result<Option<DateTime<Utc>>> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    if unchanged.is_some_and(|at| local(at, zone) == text) {
        return Ok(unchanged);
    }
    let wrong =
        || Error::invalid(field, "not_an_instant", "This is a day and a time, such as 2026-11-21T14:05.");
    let naive = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M")
        .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S"))
        .map_err(|_unreadable| wrong())?;
    zone.from_local_datetime(&naive).earliest().map(|at| Some(at.with_timezone(&Utc))).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forms_time_is_the_tenants_own() {
        let zone = chrono_tz::Asia::Manila;
        let at: DateTime<Utc> = "2026-11-21T06:05:31Z".parse().unwrap();
        assert_eq!(local(at, zone), "2026-11-21T14:05");
        assert_eq!(instant("2026-11-21T14:05", "x", zone, Some(at)).unwrap(), Some(at));
        let other = instant("2026-11-21T14:06", "x", zone, Some(at)).unwrap().unwrap();
        assert_eq!(other.to_rfc3339(), "2026-11-21T06:06:00+00:00");
        assert_eq!(instant(" ", "x", zone, None).unwrap(), None);
        // An hour that Berlin skips.
        assert!(instant("2026-03-29T02:30", "x", chrono_tz::Europe::Berlin, None).is_err());
        assert!(instant("yesterday", "x", zone, None).is_err());
    }
}
