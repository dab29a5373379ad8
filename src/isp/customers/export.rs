//! Exactly a list, as a file: read in batches, so that neither the database nor this process holds all of it at once.

use std::collections::HashMap;

use bytes::Bytes;
use chrono_tz::Tz;
use futures_util::stream;
use poem::Body;
use serde_json::json;

use super::{
    list,
    model::Customer,
    query::{Filter, Mark, Sort},
    rules,
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, OrInternal, Result},
    isp::areas,
    sheets::{Bom, Cell, CsvWriter, XlsxWriter},
    tenancy::Tenant,
    types::AreaId,
    web::sheet::{Format, Sheet},
    words::say,
};

/// A file has at most so many customers.
pub const MOST: i64 = 100_000;
const BATCH: i64 = 1_000;

/// Headers that an import understands.
const HEADER: [&str; 14] = [
    "reference",
    "first_name",
    "last_name",
    "email",
    "phone_primary",
    "street_address",
    "area",
    "status",
    "notes",
    "latitude",
    "longitude",
    "location_accuracy",
    "location_notes",
    "created_at",
];

/// How a list is written down.
pub struct Order {
    pub filter: Filter,
    pub sort: Sort,
    pub format: Format,
    /// Spreadsheet programs need it to see UTF-8; other programs rarely want it.
    pub bom: Bom,
}

/// Writes the list down, and in the trail that it left the house.
pub async fn export(db: &Db, by: &By, order: Order) -> Result<Sheet> {
    by.must_have_proved()?;
    db.in_tenant(&by.tenant, async |tx| {
        rules::check_filter(tx, &order.filter).await?;
        let total = list::count(tx, &order.filter).await?.total();
        if total > MOST {
            let detail =
                say!("A file has at most {} customers, and this list has {}. Narrow it.", MOST, total);
            return Err(Error::invalid("q", "too_many", detail));
        }
        let label = format!("{total} customers");
        let after = Some(json!({ "format": order.format.extension(), "customers": total }));
        let told = Event {
            action: "customer.exported",
            object_type: rules::OBJECT,
            object_id: None,
            object_label: &label,
            before: None,
            after,
        };
        by.record(tx, told).await
    })
    .await?;
    let format = order.format;
    let reader = Reader::new(db.clone(), by.tenant.clone(), order);
    let body = match format {
        Format::Csv => Body::from_bytes_stream(csv(reader)),
        Format::Xlsx => Body::from_vec(xlsx(reader).await?),
    };
    Ok(Sheet::named("customers", format, by.tenant.time_zone, body))
}

/// Reads a list batch by batch.
struct Reader {
    db: Db,
    tenant: Tenant,
    order: Order,
    mark: Option<Mark>,
    left: i64,
}

impl Reader {
    fn new(db: Db, tenant: Tenant, order: Order) -> Self {
        Self { db, tenant, order, mark: None, left: MOST }
    }

    /// The next rows; none at the end.
    async fn next(&mut self) -> Result<Vec<[Cell; 14]>> {
        let rows = BATCH.min(self.left);
        if rows <= 0 {
            return Ok(Vec::new());
        }
        let Order { filter, sort, .. } = &self.order;
        let mark = self.mark.as_ref();
        let (found, names) = self
            .db
            .read_tenant(&self.tenant, async |tx| {
                let found = list::list(tx, filter, *sort, mark, rows).await?;
                let names = areas::names(tx, &area_ids(&found)).await?;
                Ok((found, names))
            })
            .await?;
        self.left -= rows;
        match found.last() {
            Some(last) => self.mark = Some(Mark::of(last, *sort)),
            None => self.left = 0,
        }
        let zone = self.tenant.time_zone.0;
        Ok(found.into_iter().map(|customer| cells(customer, &names, zone)).collect())
    }
}

/// The areas of these customers, each once.
pub fn area_ids(customers: &[Customer]) -> Vec<AreaId> {
    let mut ids: Vec<AreaId> = customers.iter().filter_map(|customer| customer.details.area_id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn cells(customer: Customer, areas: &HashMap<AreaId, String>, zone: Tz) -> [Cell; 14] {
    let details = customer.details;
    let area = details.area_id.and_then(|id| areas.get(&id)).map(String::as_str);
    [
        details.reference.into(),
        details.first_name.into(),
        details.last_name.into(),
        details.email.map(String::from).into(),
        details.phone_primary.map(String::from).into(),
        details.street_address.into(),
        area.into(),
        details.status.as_str().into(),
        details.notes.into(),
        details.place.map(|place| place.latitude).into(),
        details.place.map(|place| place.longitude).into(),
        details.location_accuracy.as_str().into(),
        details.location_notes.into(),
        customer.created_at.with_timezone(&zone).naive_local().into(),
    ]
}

fn csv(reader: Reader) -> impl futures_util::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    let writer = CsvWriter::new(&HEADER, reader.order.bom);
    stream::try_unfold(Some((reader, writer)), async |state| {
        let Some((mut reader, mut writer)) = state else { return Ok(None) };
        let rows = reader.next().await.map_err(|error| {
            // The head of the answer is gone: the transfer breaks off, so that nobody takes a part for the whole.
            tracing::warn!(%error, "an export broke off");
            std::io::Error::other("the export broke off")
        })?;
        for row in &rows {
            writer.row(row);
        }
        let chunk = Bytes::from(writer.take());
        let next = (!rows.is_empty()).then_some((reader, writer));
        Ok(Some((chunk, next)))
    })
}

async fn xlsx(mut reader: Reader) -> Result<Vec<u8>> {
    let mut writer =
        tokio::task::spawn_blocking(|| XlsxWriter::new("Customers", &HEADER)).await.internal()??;
    loop {
        let rows = reader.next().await?;
        if rows.is_empty() {
            return tokio::task::spawn_blocking(move || writer.finish()).await.internal()?;
        }
        writer = tokio::task::spawn_blocking(move || {
            for row in &rows {
                writer.row(row)?;
            }
            Ok::<_, Error>(writer)
        })
        .await
        .internal()??;
    }
}
