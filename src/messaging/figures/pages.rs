//! The page of figures.

use chrono::{NaiveDate, Utc};
use poem::{
    IntoResponse, Response, handler,
    http::Method,
    web::{Data, Query},
};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use super::{
    ViewFigures, api,
    model::{Asked, Cut, Figures, Latency, Sums, Typed},
    store,
};
use crate::{
    access::{Guarded, PageUser},
    db::Db,
    error::Result,
    messaging::{Channel, providers},
    web::{
        RouteTable,
        parts::{Choice, Tab, address, grouped, money},
    },
    words::{now_in_english, say},
};

const PATH: &str = "/messages/figures";
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
/// How many shades the map of hours has.
const SHADES: i64 = 5;

/// Every page of figures.
pub fn pages(table: &mut RouteTable) {
    table.page::<ViewFigures>(Method::GET, PATH, show_figures);
    table.page::<ViewFigures>(Method::GET, "/messages/figures/export", export_figures);
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Wanted {
    from: String,
    to: String,
    channel: String,
    provider: String,
    by: String,
}

impl Wanted {
    /// What cannot be read is as if it were not said; a range that cannot be is refused.
    fn parse(&self, user: &PageUser) -> Result<Asked> {
        let day = |text: &str| text.parse::<NaiveDate>().ok();
        let channel = self.channel.parse::<Channel>().map_or("", Channel::as_str);
        let typed = Typed {
            from: day(&self.from),
            to: day(&self.to),
            channel,
            provider: &self.provider,
            template: None,
            by: Cut::parse(&self.by).ok(),
        };
        Asked::parse(typed, Utc::now(), user.tenant().time_zone.0)
    }
}

#[derive(Serialize)]
struct FiguresPage {
    from: String,
    to: String,
    channel: &'static str,
    provider: String,
    by: &'static str,
    by_label: &'static str,
    channels: Vec<Choice>,
    providers: Vec<Choice>,
    cuts: Vec<Tab>,
    total: Shown,
    rows: Vec<Shown>,
    to_accept: Took,
    to_deliver: Took,
    hours: Vec<i32>,
    heat: Vec<Day>,
    csv_href: String,
    is_empty: bool,
}

#[derive(Serialize)]
struct Shown {
    label: String,
    sent: String,
    delivered: String,
    read: String,
    failed: String,
    unknown: String,
    left: String,
    segments: String,
    cost: String,
    success: String,
}

fn shown(label: String, sums: &Sums, currency: &str) -> Shown {
    Shown {
        label,
        sent: grouped(sums.sent),
        delivered: grouped(sums.delivered),
        read: grouped(sums.read),
        failed: grouped(sums.failed),
        unknown: grouped(sums.unknown),
        left: grouped(sums.left),
        segments: grouped(sums.segments),
        cost: money(rounded(sums.cost), currency),
        success: sums.success().map_or_else(|| "–".into(), |rate| format!("{rate:.1} %")),
    }
}

fn rounded(sum: Decimal) -> Decimal {
    sum.round_dp_with_strategy(2, rust_decimal::RoundingStrategy::MidpointAwayFromZero)
}

#[derive(Serialize)]
struct Took {
    p50: String,
    p95: String,
    p99: String,
}

fn took(latency: Latency) -> Took {
    let told = |ms: Option<i64>| match ms {
        None => "–".to_owned(),
        Some(ms) if ms < 1_000 => format!("{ms} ms"),
        Some(ms) if ms < 60_000 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        Some(ms) if ms < 3_600_000 => format!("{} min", (ms + 30_000) / 60_000),
        Some(ms) => format!("{} h", (ms + 1_800_000) / 3_600_000),
    };
    Took { p50: told(latency.p50), p95: told(latency.p95), p99: told(latency.p99) }
}

#[derive(Serialize)]
struct Day {
    label: &'static str,
    hours: Vec<Hour>,
}

#[derive(Serialize)]
struct Hour {
    count: String,
    shade: i64,
}

fn heat(figures: &Figures) -> Vec<Day> {
    let most = figures.heat.values().copied().max().unwrap_or_default().max(1);
    let hour = |weekday: i32, hour: i32| {
        let count = figures.heat.get(&(weekday, hour)).copied().unwrap_or_default();
        let count = count.max(0);
        let shade = (count * SHADES + most - 1) / most;
        Hour { count: if count == 0 { String::new() } else { grouped(count) }, shade }
    };
    DAYS.iter()
        .zip(1..)
        .map(|(label, weekday)| Day {
            label: say(label),
            hours: (0..24).map(|one| hour(weekday, one)).collect(),
        })
        .collect()
}

fn href(path: &str, asked: &Asked, by: Cut) -> String {
    let (from, to) = (asked.first.to_string(), asked.last.to_string());
    let pairs = [
        ("from", from.as_str()),
        ("to", to.as_str()),
        ("channel", asked.channel.map_or("", Channel::as_str)),
        ("provider", asked.provider.as_deref().unwrap_or_default()),
        ("by", by.as_str()),
    ];
    address(path, pairs.into_iter().filter(|(_, value)| !value.is_empty()))
}

#[handler]
async fn show_figures(user: PageUser, db: Data<&Db>, Query(wanted): Query<Wanted>) -> poem::Result<Response> {
    let asked = wanted.parse(&user)?;
    let figures = db
        .read_tenant(user.tenant(), async |tx| {
            tx.plan_for_each().await?;
            store::figures(tx, &asked).await
        })
        .await?;
    let currency = user.tenant().currency.clone();
    let cut = |cut: &Cut| Tab {
        label: cut.label(),
        count: None,
        href: href(PATH, &asked, *cut),
        active: *cut == asked.by,
    };
    let view = FiguresPage {
        from: asked.first.to_string(),
        to: asked.last.to_string(),
        channel: asked.channel.map_or("", Channel::as_str),
        provider: asked.provider.clone().unwrap_or_default(),
        by: asked.by.as_str(),
        by_label: asked.by.label(),
        channels: Channel::ALL.iter().map(|one| Choice::new(one.as_str(), one.label())).collect(),
        providers: providers::REGISTRY.iter().map(|about| Choice::new(about.kind, about.label)).collect(),
        cuts: Cut::ALL.iter().map(cut).collect(),
        total: shown(say("All").into(), &figures.total, &currency),
        rows: figures.parts.iter().map(|part| shown(part.label.clone(), &part.sums, &currency)).collect(),
        to_accept: took(figures.to_accept),
        to_deliver: took(figures.to_deliver),
        hours: (0..24).collect(),
        heat: heat(&figures),
        csv_href: href("/messages/figures/export", &asked, asked.by),
        is_empty: figures.parts.is_empty(),
    };
    Ok(user.render("messages/figures.html", say("Message figures"), &view)?)
}

#[handler]
async fn export_figures(
    user: PageUser,
    db: Data<&Db>,
    Query(wanted): Query<Wanted>,
) -> poem::Result<Response> {
    let asked = wanted.parse(&user)?;
    now_in_english();
    Ok(api::export(&db, &user.by, &asked).await?.into_response())
}
