//! A list of payments as a file: exactly the list of the same filter.

use chrono::Utc;
use serde_json::json;

use super::{
    list::{self, Filter},
    model::Payment,
    rules::check_filter,
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, OrInternal, Result},
    sheets::{self, Bom, Cell},
    web::Download,
    web::sheet::Format as SheetFormat,
    words::say,
};

/// A file has at most so many payments.
const MOST: i64 = 100_000;
const BATCH: i64 = 2_000;
const HEADER: [&str; 12] = [
    "received_at",
    "receipt",
    "customer",
    "amount",
    "method",
    "reference",
    "received_by",
    "allocated",
    "refunded",
    "credit",
    "status",
    "note",
];

fn row_of(payment: Payment, by: &By) -> Vec<Cell> {
    let local = payment.received_at.with_timezone(&by.tenant.time_zone.0).naive_local();
    let credit = payment.credit();
    vec![
        local.into(),
        payment.receipt.map(|(_, label)| label).unwrap_or_default().into(),
        payment.customer_name.into(),
        payment.amount.into(),
        payment.method.label().into(),
        payment.reference.unwrap_or_default().into(),
        payment.received_by_label.into(),
        payment.allocated.into(),
        payment.refunded.into(),
        credit.into(),
        if payment.void.is_some() { "void" } else { "valid" }.into(),
        payment.note.unwrap_or_default().into(),
    ]
}

/// Writes the list down, and in the trail that it left the house.
pub async fn export(db: &Db, by: &By, filter: &Filter, format: SheetFormat, bom: Bom) -> Result<Download> {
    let rows = db
        .in_tenant(&by.tenant, async |tx| {
            check_filter(tx, filter).await?;
            let total = list::totals(tx, filter).await?.count;
            if total > MOST {
                let detail =
                    say!("A file has at most {} payments, and this list has {}. Narrow it.", MOST, total);
                return Err(Error::invalid("from", "too_many", detail));
            }
            let label = format!("{total} payments");
            let told = Event {
                action: "payment.exported",
                object_type: "payment",
                object_id: None,
                object_label: &label,
                before: None,
                after: Some(json!({ "format": format.extension(), "payments": total })),
            };
            by.record(tx, told).await?;
            let (mut rows, mut mark) = (Vec::new(), None);
            loop {
                let batch = list::list(tx, filter, mark, BATCH).await?;
                mark = batch.last().map(|last| (last.received_at, last.id.0));
                let is_last = i64::try_from(batch.len()).is_ok_and(|n| n < BATCH);
                rows.extend(batch.into_iter().map(|payment| row_of(payment, by)));
                if is_last {
                    return Ok(rows);
                }
            }
        })
        .await?;
    let day = Utc::now().with_timezone(&by.tenant.time_zone.0).format("%Y-%m-%d");
    let file_name = format!("payments-{day}.{}", format.extension());
    let media_type = format.media_type();
    let content = tokio::task::spawn_blocking(move || match format {
        SheetFormat::Csv => Ok(sheets::csv(&HEADER, rows, bom)),
        SheetFormat::Xlsx => sheets::xlsx("Payments", &HEADER, rows),
    })
    .await
    .internal()??;
    Ok(Download { media_type, file_name, content })
}
