//! NAPs as a file: read page by page.

use poem::Body;
use serde_json::json;

use super::{
    rules,
    store::naps::{self, CountedNap, NapFilter},
};
use crate::{
    access::By,
    audit::Event,
    db::Db,
    error::{Error, OrInternal, Result},
    sheets::{self, Bom, Cell},
    types::{Limit, NapId},
    web::sheet::{Format, Sheet},
    words::say,
};

/// A file has at most so many NAPs.
const MOST: usize = 20_000;
const BATCH: Limit = Limit::of(1_000);

const HEADER: &[&str] = &[
    "code",
    "name",
    "lcp",
    "splitter",
    "splitter_port",
    "location",
    "latitude",
    "longitude",
    "active",
    "ports",
    "used",
    "free",
    "reserved",
    "faulty",
    "loss_1310_db",
    "margin_db",
    "ont_dbm",
    "light",
];

/// Writes NAPs down, and in the trail that they left the house.
pub async fn naps(db: &Db, by: &By, filter: NapFilter, format: Format, bom: Bom) -> Result<Sheet> {
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    let mut mark: Option<(String, NapId)> = None;
    loop {
        let after = mark.as_ref().map(|(text, id)| (text.as_str(), *id));
        let (found, light) = db
            .read_tenant(&by.tenant, async |tx| {
                let mut found = naps::list(tx, &filter, after, BATCH).await?;
                BATCH.cut(&mut found);
                let ids: Vec<NapId> = found.iter().map(|one| one.nap.id).collect();
                let light = rules::light_of_naps(tx, &ids).await?;
                Ok((found, light))
            })
            .await?;
        let Some(last) = found.last() else { break };
        mark = Some((last.nap.draft.code.clone(), last.nap.id));
        if rows.len() + found.len() > MOST {
            return Err(Error::invalid(
                "q",
                "too_many",
                say!("A file has at most {} NAPs. Narrow the list.", MOST),
            ));
        }
        rows.extend(found.into_iter().map(|one| {
            let light = light.get(&one.nap.id);
            cells(one, light)
        }));
    }
    let label = format!("{} NAPs", rows.len());
    let after = Some(json!({ "format": format.extension(), "naps": rows.len() }));
    let told = Event {
        action: "nap.exported",
        object_type: "nap",
        object_id: None,
        object_label: &label,
        before: None,
        after,
    };
    db.in_tenant(&by.tenant, async |tx| by.record(tx, told.clone()).await).await?;
    let bytes = tokio::task::spawn_blocking(move || match format {
        Format::Csv => Ok(sheets::csv(HEADER, rows, bom)),
        Format::Xlsx => sheets::xlsx("NAPs", HEADER, rows),
    })
    .await
    .internal()??;
    Ok(Sheet::named("naps", format, by.tenant.time_zone, Body::from_vec(bytes)))
}

fn cells(one: CountedNap, light: Option<&super::budget::Budget>) -> Vec<Cell> {
    let draft = one.nap.draft;
    let place = draft.site.place;
    let count = |n: i64| Cell::Number(n.into());
    vec![
        draft.code.into(),
        draft.name.into(),
        one.lcp_code.into(),
        one.splitter_code.into(),
        count(one.nap.splitter_output.into()),
        draft.location.into(),
        place.map(|place| place.latitude).into(),
        place.map(|place| place.longitude).into(),
        if draft.is_active { "yes" } else { "no" }.into(),
        count(one.ports.total),
        count(one.ports.used),
        count(one.ports.free),
        count(one.ports.reserved),
        count(one.ports.faulty),
        light.map(|light| light.loss_1310_db).into(),
        light.map(|light| light.margin_db).into(),
        light.map(|light| light.ont_dbm).into(),
        light.map(|light| light.grade.as_str()).into(),
    ]
}
