//! The page that a receipt's QR code leads to: that it is genuine, and no more of whom it is than initials.

use poem::{
    Request, Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use crate::{
    access::{Access, Bare, Visitor},
    db::Db,
    error::{Error, OrInternal},
    isp::billing::receipts::{self, initials},
    tenancy::Tenant,
    web::parts::money,
    words::{locale, say},
};

#[derive(Serialize)]
struct VerifyPage {
    /// `valid`, `void` or `unknown`.
    state: &'static str,
    company: String,
    number: String,
    day: String,
    amount: String,
    initials: String,
}

#[handler]
pub async fn verify_receipt(
    visitor: Visitor,
    db: Data<&Db>,
    Path(code): Path<String>,
    request: &Request,
) -> poem::Result<Response> {
    let tenant = request.extensions().get::<Tenant>().ok_or(Error::not_found("page"))?;
    let access = request.extensions().get::<Access>().ok_or(say("no access")).internal()?;
    let found = db.read_tenant(tenant, async |tx| receipts::verify(tx, &code).await).await?;
    let company = tenant.name.clone();
    let (status, view) = match found {
        Some(receipt) => {
            let local = receipt.issued_at.with_timezone(&tenant.time_zone.0);
            let view = VerifyPage {
                state: if receipt.is_void { "void" } else { "valid" },
                company,
                day: local.format_localized("%-d %B %Y", locale()).to_string(),
                amount: money(receipt.amount, &tenant.currency),
                initials: initials(&receipt.customer_name),
                number: receipt.label,
            };
            (StatusCode::OK, view)
        }
        None => {
            let none = String::new;
            let view = VerifyPage {
                state: "unknown",
                company,
                number: none(),
                day: none(),
                amount: none(),
                initials: none(),
            };
            (StatusCode::NOT_FOUND, view)
        }
    };
    let brand = access.brand(tenant).await?;
    let bare = Bare { status, template: "billing/verify.html", title: say("Receipt") };
    Ok(visitor.render(access, bare, Some(brand), &view)?)
}
