//! Figures as programs see them.

use chrono::{NaiveDate, Utc};
use poem_openapi::{Object, OpenApi, Tags, param::Query};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    ViewFigures,
    model::{Asked, Cut, Figures, Latency, Part, Sums, Typed},
    store,
};
use crate::{
    access::{ApiUser, By},
    db::Db,
    error::Result,
    sheets::{self, Bom, Cell},
    web::{Download, Json},
};

#[derive(Tags)]
enum Tag {
    /// What messages came to.
    MessageFigures,
}

/// Sums of some messages, one for each recipient.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageSums")]
pub struct SumsView {
    /// Taken by a provider.
    sent: i64,
    delivered: i64,
    read: i64,
    failed: i64,
    /// They may have been sent, or not.
    unknown: i64,
    /// Suppressed, called off, or of no use any more when their turn came.
    left_out: i64,
    segments: i64,
    cost: Decimal,
    /// How many in a hundred arrived, of those of which the end is known.
    #[oai(nullable)]
    success_rate: Option<f64>,
}

impl From<&Sums> for SumsView {
    fn from(sums: &Sums) -> Self {
        Self {
            sent: sums.sent,
            delivered: sums.delivered,
            read: sums.read,
            failed: sums.failed,
            unknown: sums.unknown,
            left_out: sums.left,
            segments: sums.segments,
            cost: sums.cost,
            success_rate: sums.success(),
        }
    }
}

/// How long messages took, in milliseconds; estimated within powers of two.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageLatency")]
pub struct LatencyView {
    count: i64,
    #[oai(nullable)]
    p50_ms: Option<i64>,
    #[oai(nullable)]
    p95_ms: Option<i64>,
    #[oai(nullable)]
    p99_ms: Option<i64>,
}

impl From<Latency> for LatencyView {
    fn from(latency: Latency) -> Self {
        Self { count: latency.count, p50_ms: latency.p50, p95_ms: latency.p95, p99_ms: latency.p99 }
    }
}

/// One row of a cut.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageFiguresPart")]
pub struct PartView {
    /// The channel, the provider's or the failure's word, the template's id, or the day; empty for none.
    key: String,
    label: String,
    sums: SumsView,
}

/// How many were sent in an hour of the week.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageHeat")]
pub struct HeatView {
    /// 1 is Monday.
    weekday: i32,
    /// In the provider's own zone.
    hour: i32,
    sent: i64,
}

/// What the messages of a range came to.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "MessageFigures")]
pub struct FiguresView {
    from: NaiveDate,
    to: NaiveDate,
    by: Cut,
    total: SumsView,
    /// At most 500, those with most messages.
    items: Vec<PartView>,
    /// From being queued to being taken by a provider.
    to_accept: LatencyView,
    /// From being queued to having arrived.
    to_deliver: LatencyView,
    heat: Vec<HeatView>,
}

fn view(asked: &Asked, figures: Figures) -> FiguresView {
    let part = |part: &Part| PartView {
        key: part.key.clone(),
        label: part.label.clone(),
        sums: (&part.sums).into(),
    };
    FiguresView {
        from: asked.first,
        to: asked.last,
        by: asked.by,
        total: (&figures.total).into(),
        items: figures.parts.iter().map(part).collect(),
        to_accept: figures.to_accept.into(),
        to_deliver: figures.to_deliver.into(),
        heat: figures
            .heat
            .into_iter()
            .map(|((weekday, hour), sent)| HeatView { weekday, hour, sent })
            .collect(),
    }
}

const HEADER: [&str; 11] = [
    "key",
    "label",
    "sent",
    "delivered",
    "read",
    "failed",
    "unknown",
    "left_out",
    "segments",
    "cost",
    "success_rate",
];

fn cells(part: &Part) -> Vec<Cell> {
    let sums = &part.sums;
    let rate = sums.success().map(|rate| format!("{rate:.1}")).unwrap_or_default();
    let mut cells: Vec<Cell> = vec![part.key.clone().into(), part.label.clone().into()];
    cells.extend(
        [sums.sent, sums.delivered, sums.read, sums.failed, sums.unknown, sums.left, sums.segments]
            .map(Cell::from),
    );
    cells.extend([sums.cost.into(), rate.into()]);
    cells
}

/// The rows of a cut as a file.
pub async fn export(db: &Db, by: &By, asked: &Asked) -> Result<Download> {
    let figures = db
        .read_tenant(&by.tenant, async |tx| {
            tx.plan_for_each().await?;
            store::figures(tx, asked).await
        })
        .await?;
    let rows: Vec<Vec<Cell>> = figures.parts.iter().map(cells).collect();
    Ok(Download {
        media_type: "text/csv",
        file_name: format!("messages-{}-{}-{}.csv", asked.by.as_str(), asked.first, asked.last),
        content: sheets::csv(&HEADER, rows, Bom::Without),
    })
}

/// The operations on figures.
pub struct FiguresApi {
    db: Db,
}

impl FiguresApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::MessageFigures")]
impl FiguresApi {
    /// Show what messages came to.
    ///
    /// Sums of a range of days in the provider's own zone, at most 1,100; the last 30 when none is named.
    #[oai(path = "/message-figures", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn get_message_figures(
        &self,
        by: ApiUser<ViewFigures>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
        channel: Query<Option<String>>,
        /// A provider's word, such as `hubtel`.
        #[oai(validator(max_length = 40))]
        provider: Query<Option<String>>,
        template_id: Query<Option<Uuid>>,
        /// What the rows are cut by: `channel` when absent.
        cut: Query<Option<Cut>>,
    ) -> Result<Json<FiguresView>> {
        let typed = Typed {
            from: from.0,
            to: to.0,
            channel: channel.0.as_deref().unwrap_or_default(),
            provider: provider.0.as_deref().unwrap_or_default(),
            template: template_id.0,
            by: cut.0,
        };
        let asked = Asked::parse(typed, Utc::now(), by.tenant.time_zone.0)?;
        let figures = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                tx.plan_for_each().await?;
                store::figures(tx, &asked).await
            })
            .await?;
        Ok(Json(view(&asked, figures)))
    }

    /// Download what messages came to.
    ///
    /// The rows of the same cut, as CSV.
    #[oai(path = "/message-figures/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_message_figures(
        &self,
        by: ApiUser<ViewFigures>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
        channel: Query<Option<String>>,
        #[oai(validator(max_length = 40))] provider: Query<Option<String>>,
        template_id: Query<Option<Uuid>>,
        cut: Query<Option<Cut>>,
    ) -> Result<Download> {
        let typed = Typed {
            from: from.0,
            to: to.0,
            channel: channel.0.as_deref().unwrap_or_default(),
            provider: provider.0.as_deref().unwrap_or_default(),
            template: template_id.0,
            by: cut.0,
        };
        let asked = Asked::parse(typed, Utc::now(), by.tenant.time_zone.0)?;
        export(&self.db, &by, &asked).await
    }
}
