//! The week: days beside each other, or each technician's round.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Card, card, may};
use crate::{
    access::{PageUser, colleagues},
    db::Db,
    isp::visits::{
        PlanVisits, ViewAllVisits,
        model::{Visit, VisitFilter},
        rules,
        week::Week,
    },
    types::{Limit, StaffId},
    web::parts::{Choice, address, counted},
    words::{locale, say},
};

/// A week has at most so many on one page.
const WEEK: Limit = Limit::of(500);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    week: String,
    technician: String,
    view: String,
}

#[derive(Serialize)]
struct Day {
    label: String,
    is_today: bool,
    plan_href: String,
    visits: Vec<Card>,
}

#[derive(Serialize)]
struct Round {
    technician: String,
    days: Vec<Day>,
}

#[derive(Serialize)]
struct SchedulePage {
    title_text: String,
    zone: &'static str,
    view: &'static str,
    week: String,
    technician: String,
    technicians: Vec<Choice>,
    days: Vec<Day>,
    rounds: Vec<Round>,
    /// `3 visits`.
    total: String,
    truncated: bool,
    before_href: String,
    after_href: String,
    now_href: String,
    week_href: String,
    list_href: String,
    sees_all: bool,
    can_plan: bool,
}

fn day_of(day: NaiveDate, today: NaiveDate, visits: Vec<Card>) -> Day {
    Day {
        label: day.format_localized("%a %-d %b", locale()).to_string(),
        is_today: day == today,
        plan_href: format!("/visits/new?day={day}"),
        visits,
    }
}

/// The same visits by technician, each day by day; those that nobody has come first.
fn rounds(visits: Vec<Visit>, today: NaiveDate, zone: Tz) -> Vec<Round> {
    let mut by_person: BTreeMap<String, BTreeMap<NaiveDate, Vec<Card>>> = BTreeMap::new();
    for visit in visits {
        let day = visit.span.starts_at.with_timezone(&zone).date_naive();
        let person = visit.technician_name.clone().unwrap_or_default();
        by_person.entry(person).or_default().entry(day).or_default().push(card(visit, zone));
    }
    by_person
        .into_iter()
        .map(|(technician, days)| Round {
            technician: if technician.is_empty() { say("Nobody yet").into() } else { technician },
            days: days.into_iter().map(|(day, cards)| day_of(day, today, cards)).collect(),
        })
        .collect()
}

#[handler]
pub async fn show_schedule(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let (zone, now) = (user.tenant().time_zone.0, Utc::now());
    let today = now.with_timezone(&zone).date_naive();
    let week = Week::asked(&asked.week, now, zone);
    let (from, until) = week.bounds();
    let sees_all = may::<ViewAllVisits>(&user);
    // Whoever sees their own only has no choice here.
    let technician: Option<StaffId> = if sees_all { asked.technician.parse().ok() } else { None };
    let filter = VisitFilter { technician, from: Some(from), until: Some(until), ..VisitFilter::default() };
    let filter = rules::seen_by(&user.by, filter)?;
    let ((visits, truncated), people) = db
        .read_tenant(user.tenant(), async |tx| {
            rules::check_filter(tx, &filter).await?;
            let visits = rules::list(tx, &filter, None, WEEK).await?;
            let people = if sees_all { colleagues(tx).await? } else { Vec::new() };
            Ok((visits, people))
        })
        .await?;
    let shown = Shown { week, chosen: technician, is_list: asked.view == "list", sees_all, truncated };
    let technicians = people.into_iter().map(|one| Choice::new(one.id, one.name)).collect();
    let page = schedule_page(&user, shown, visits, technicians, today);
    Ok(user.render("visits/schedule.html", say("Schedule"), &page)?)
}

/// Which week is shown, and how.
struct Shown {
    week: Week,
    chosen: Option<StaffId>,
    is_list: bool,
    sees_all: bool,
    truncated: bool,
}

fn schedule_page(
    user: &PageUser,
    shown: Shown,
    visits: Vec<Visit>,
    technicians: Vec<Choice>,
    today: NaiveDate,
) -> SchedulePage {
    let zone = user.tenant().time_zone.0;
    let Shown { week, chosen, is_list, sees_all, truncated } = shown;
    let total = counted(i64::try_from(visits.len()).unwrap_or(i64::MAX), "visit", "visits");
    let chosen = chosen.map(|id| id.to_string()).unwrap_or_default();
    let view = if is_list { "list" } else { "" };
    let href = |week: String, view: &str| {
        let pairs = [("week", week.as_str()), ("technician", chosen.as_str()), ("view", view)];
        address("/schedule", pairs.into_iter().filter(|(_, value)| !value.is_empty()))
    };
    let mut by_day: BTreeMap<NaiveDate, Vec<Card>> = BTreeMap::new();
    let mut rounds_of_week = Vec::new();
    if is_list {
        rounds_of_week = rounds(visits, today, zone);
    } else {
        for visit in visits {
            let day = visit.span.starts_at.with_timezone(&zone).date_naive();
            by_day.entry(day).or_default().push(card(visit, zone));
        }
    }
    let sunday = week.days().last().unwrap_or(week.monday);
    SchedulePage {
        title_text: format!(
            "{} – {}",
            week.monday.format_localized("%-d %B", locale()),
            sunday.format_localized("%-d %B %Y", locale())
        ),
        zone: zone.name(),
        view,
        week: week.monday.to_string(),
        technicians,
        days: week.days().map(|day| day_of(day, today, by_day.remove(&day).unwrap_or_default())).collect(),
        rounds: rounds_of_week,
        total,
        truncated,
        before_href: href(week.before().monday.to_string(), view),
        after_href: href(week.after().monday.to_string(), view),
        now_href: href(String::new(), view),
        week_href: href(week.monday.to_string(), ""),
        list_href: href(week.monday.to_string(), "list"),
        technician: chosen.clone(),
        sees_all,
        can_plan: may::<PlanVisits>(user),
    }
}
