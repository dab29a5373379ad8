//! The certificate of an erasure: what was done, on paper.

use chrono_tz::Tz;

use super::model::{Erasure, Status};
use crate::{
    error::Result,
    print::{Fact, MM, Page, Side, Style},
    tenancy::Tenant,
    web::Pdf,
    words::in_english,
};

const WIDTH: f32 = 210.0 * MM;
const HEIGHT: f32 = 297.0 * MM;
const MARGIN: f32 = 22.0 * MM;
const NAME: Style = Style::new(15.0).bold();
const BODY: Style = Style::new(10.5);
const SMALL: Style = Style::new(8.5);

fn at(time: chrono::DateTime<chrono::Utc>, zone: Tz) -> String {
    time.with_timezone(&zone).format("%-d %B %Y, %H:%M (%Z)").to_string()
}

/// What the search came to, in a sentence.
pub fn outcome(erasure: &Erasure) -> String {
    match erasure.status {
        Status::Removing => "The search for what is left has not ended yet.".to_owned(),
        Status::Clean => format!(
            "{} tables were searched, every column of them. Nothing that names the person was found.",
            erasure.tables_searched
        ),
        Status::Found => format!(
            "{} tables were searched, every column of them. The places below still name the person.",
            erasure.tables_searched
        ),
    }
}

/// What stays, whoever was erased.
pub const STAYS: &str = "Payments, receipts, periods and the ledger stay with their numbers, days and sums, as the law of accounts \
    asks for; the erasure's number stands in the place of the name. Addresses stay as codes that keep them from being written to. \
    Backups that were taken before hold the data until they are thrown away.";

/// The certificate as a document of one page.
pub fn paper(tenant: &Tenant, erasure: &Erasure) -> Result<Pdf> {
    let zone = tenant.time_zone.0;
    let mut page = Page::new(WIDTH, MARGIN)?;
    let room = page.inner();
    page.lines(&tenant.name, NAME, Side::Left, room)?;
    page.gap(8.0);
    page.lines("CERTIFICATE OF ERASURE", BODY.bold(), Side::Left, room)?;
    page.lines(&format!("No. {}", erasure.number), BODY, Side::Left, room)?;
    page.rule();
    let mut facts = vec![
        Fact::new("Erased", in_english(|| erasure.kind.label())),
        Fact::new("On", at(erasure.asked_at, zone)),
        Fact::new("By", &erasure.asked_by),
        Fact::new("Reason", &erasure.reason),
    ];
    if let Some(searched) = erasure.searched_at {
        facts.push(Fact::new("Searched", at(searched, zone)));
    }
    page.facts(&facts, BODY)?;
    page.rule();
    page.lines("What was removed", BODY.bold(), Side::Left, room)?;
    let removed = erasure.removed.iter();
    let removed: Vec<Fact> =
        removed.map(|one| Fact::new(&one.table, format!("{} {}", one.rows, one.what))).collect();
    page.facts(&removed, SMALL)?;
    page.rule();
    page.lines(&outcome(erasure), BODY, Side::Left, room)?;
    let found = erasure.found.iter();
    let found: Vec<Fact> =
        found.map(|one| Fact::new(format!("{}.{}", one.table, one.column), one.rows.to_string())).collect();
    page.facts(&found, SMALL)?;
    page.gap(6.0);
    page.lines(STAYS, SMALL.grey(), Side::Left, room)?;
    let content = page.finish(&format!("Certificate of erasure {}", erasure.number), HEIGHT)?;
    Ok(Pdf::new(erasure.number.clone(), content))
}
