//! The operations on receipts.

use chrono::{DateTime, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use rust_decimal::Decimal;
use serde::Serialize;
use uuid::Uuid;

use super::{
    pdf::{self, Paper},
    rules,
    store::Receipt,
};
use crate::{
    access::{ApiUser, By},
    db::Db,
    error::{OrInternal, Result},
    isp::billing::{PrintReceipts, ViewPayments},
    types::ReceiptId,
    web::{Json, Pdf},
};

#[derive(Tags)]
enum Tag {
    /// Receipts: numbered without a gap, printed the same for ever.
    Receipts,
}

/// A receipt.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Receipt")]
pub struct ReceiptView {
    id: Uuid,
    /// As it is printed, such as AR-2026-11-21-0001.
    number: String,
    payment_id: Uuid,
    customer_id: Uuid,
    customer_name: String,
    amount: Decimal,
    issued_at: DateTime<Utc>,
    /// The payment does not count any more; what was issued stays as it is.
    is_void: bool,
    #[oai(nullable)]
    void_reason: Option<String>,
    /// What `/receipts/verify/{code}` on the provider's host asks for.
    verification_code: String,
}

impl From<Receipt> for ReceiptView {
    fn from(receipt: Receipt) -> Self {
        Self {
            id: receipt.id.0,
            number: receipt.label,
            payment_id: receipt.payment.0,
            customer_id: receipt.customer.0,
            customer_name: receipt.customer_name,
            amount: receipt.amount,
            issued_at: receipt.issued_at,
            is_void: receipt.is_void,
            void_reason: receipt.void_reason,
            verification_code: receipt.code,
        }
    }
}

/// A receipt as it was issued. A void one is the same, with its payment marked void in the portal and on the public page: what
/// was handed out is never written over.
pub async fn paper(db: &Db, by: &By, id: ReceiptId, paper: Paper) -> Result<Pdf> {
    let (printed, logo) = db.read_tenant(&by.tenant, async |tx| rules::printed(tx, id).await).await?;
    let name = printed.label.clone();
    let content = tokio::task::spawn_blocking(move || pdf::render(&printed, logo.as_deref(), paper))
        .await
        .internal()??;
    Ok(Pdf::new(format!("receipt_{name}"), content))
}

/// The operations on receipts.
pub struct ReceiptsApi {
    db: Db,
}

impl ReceiptsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

#[OpenApi(tag = "Tag::Receipts")]
impl ReceiptsApi {
    /// Show a receipt.
    #[oai(path = "/receipts/:id", method = "get")]
    async fn get_receipt(&self, by: ApiUser<ViewPayments>, id: Path<Uuid>) -> Result<Json<ReceiptView>> {
        let receipt =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, ReceiptId(id.0)).await).await?;
        Ok(Json(receipt.into()))
    }

    /// Print a receipt.
    ///
    /// The same bytes whenever it is printed; as it was issued, also when its payment is void by now.
    #[oai(path = "/receipts/:id/pdf", method = "get")]
    async fn print_receipt(
        &self,
        by: ApiUser<PrintReceipts>,
        id: Path<Uuid>,
        /// A4 when absent.
        paper: Query<Option<Paper>>,
    ) -> Result<Pdf> {
        self::paper(&self.db, &by, ReceiptId(id.0), paper.0.unwrap_or(Paper::A4)).await
    }
}
