//! The operations on payments and on customers' accounts.

use chrono::{NaiveDate, Utc};
use poem_openapi::{
    OpenApi, Tags,
    param::{Header, Path, Query},
};
use uuid::Uuid;

use super::{
    export::export as write_down,
    list::{self, Filter},
    model::Method,
    rules,
    view::{
        CreditUsed, PaymentBody, PaymentDetailsView, PaymentList, PaymentView, RefundBody, RefundView,
        ShareView, VoidBody,
    },
};
use crate::{
    access::{ApiUser, CreatedOnce, Fingerprint, IdempotencyKey, once},
    db::Db,
    error::{Error, Result},
    isp::{
        billing::{
            RecordPayments, RefundPayments, ViewPayments, VoidPayments,
            ledger::{self, EntryView, LedgerView},
            mark::Mark,
        },
        customers,
    },
    sheets::Bom,
    tenancy::Resolver,
    types::{CustomerId, Limit, PaymentId, ShiftId, StaffId, line},
    web::sheet::Format as SheetFormat,
    web::{Body, Download, Json},
};

#[derive(Tags)]
enum Tag {
    /// Money that was taken, given back, and what each customer owes.
    Payments,
}

/// The operations on payments.
pub struct PaymentsApi {
    db: Db,
    resolver: Resolver,
}

impl PaymentsApi {
    pub fn new(db: Db, resolver: Resolver) -> Self {
        Self { db, resolver }
    }
}

#[OpenApi(tag = "Tag::Payments")]
impl PaymentsApi {
    /// List payments.
    ///
    /// The newest come first. Days are the provider's own, the last one included.
    #[oai(path = "/payments", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_payments(
        &self,
        by: ApiUser<ViewPayments>,
        method: Query<Option<Method>>,
        received_by: Query<Option<Uuid>>,
        customer_id: Query<Option<Uuid>>,
        shift_id: Query<Option<Uuid>>,
        is_void: Query<Option<bool>>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
        /// Whether to count and sum them all.
        total: Query<Option<bool>>,
    ) -> Result<Json<PaymentList>> {
        let limit = Limit::parse(limit.0)?;
        let mark = cursor.0.as_deref().map(Mark::decode).transpose()?;
        let filter = Filter {
            method: method.0,
            received_by: received_by.0.map(StaffId),
            customer: customer_id.0.map(CustomerId),
            shift: shift_id.0.map(ShiftId),
            is_void: is_void.0,
            ..Filter::default()
        }
        .on_days(from.0, to.0, by.tenant.time_zone.0);
        let counted = total.0 == Some(true);
        let (items, more, totals) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                let (items, more) = list::page(tx, &filter, mark.map(Mark::pair), limit).await?;
                let totals = if counted { Some(list::totals(tx, &filter).await?) } else { None };
                Ok((items, more, totals))
            })
            .await?;
        let next_cursor = match items.last() {
            Some(last) if more => Some(Mark::new(last.received_at, last.id.0).encode()?),
            _ => None,
        };
        Ok(Json(PaymentList {
            items: items.into_iter().map(PaymentView::from).collect(),
            next_cursor,
            total: totals.map(|totals| totals.count),
            total_amount: totals.map(|totals| totals.amount),
        }))
    }

    /// Download payments as a file.
    ///
    /// Exactly the list of the same filter, all pages of it; at most 100,000.
    #[oai(path = "/payments/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_payments(
        &self,
        by: ApiUser<ViewPayments>,
        format: Query<SheetFormat>,
        method: Query<Option<Method>>,
        received_by: Query<Option<Uuid>>,
        customer_id: Query<Option<Uuid>>,
        is_void: Query<Option<bool>>,
        from: Query<Option<NaiveDate>>,
        to: Query<Option<NaiveDate>>,
    ) -> Result<Download> {
        let filter = Filter {
            method: method.0,
            received_by: received_by.0.map(StaffId),
            customer: customer_id.0.map(CustomerId),
            is_void: is_void.0,
            ..Filter::default()
        }
        .on_days(from.0, to.0, by.tenant.time_zone.0);
        write_down(&self.db, &by, &filter, format.0, Bom::Without).await
    }

    /// Show a payment.
    ///
    /// With what of it lies on which subscription, and what was given back.
    #[oai(path = "/payments/:id", method = "get")]
    async fn get_payment(
        &self,
        by: ApiUser<ViewPayments>,
        id: Path<Uuid>,
    ) -> Result<Json<PaymentDetailsView>> {
        let id = PaymentId(id.0);
        let (payment, shares, refunds) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                Ok((rules::get(tx, id).await?, rules::shares(tx, id).await?, rules::refunds(tx, id).await?))
            })
            .await?;
        Ok(Json(PaymentDetailsView {
            payment: payment.into(),
            allocations: shares
                .into_iter()
                .map(|(subscription, amount)| ShareView { subscription_id: subscription.0, amount })
                .collect(),
            refunds: refunds.into_iter().map(RefundView::from).collect(),
        }))
    }

    /// Record a payment.
    ///
    /// Its receipt is issued with it. It pays what it is said to pay, else what is owed, oldest first; what is left over is the
    /// customer's credit. With an `Idempotency-Key` the same request again gets the same answer.
    #[oai(path = "/customers/:id/payments", method = "post")]
    async fn create_payment(
        &self,
        by: ApiUser<RecordPayments>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        id: Path<Uuid>,
        body: Body<PaymentBody>,
    ) -> Result<CreatedOnce<PaymentView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of(&format!("create_payment {}", id.0), &body.0);
        let new = body.0.parse(self.resolver.url_of(&by.tenant), Utc::now())?;
        let customer = CustomerId(id.0);
        self.db
            .in_tenant(&by.tenant, async |tx| {
                customers::get(tx, customer).await?;
                let work = Box::pin(async {
                    rules::record(tx, &by, customer, &new, None).await.map(PaymentView::from)
                });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await
    }

    /// Declare a payment void.
    ///
    /// It is kept and counts no more; what it paid is owed again. Refused for one of which money was given back (409 `refunded`),
    /// and, without the right to review shifts, for one of a shift that was counted (409 `shift_closed`).
    #[oai(path = "/payments/:id/void", method = "post")]
    async fn void_payment(
        &self,
        by: ApiUser<VoidPayments>,
        id: Path<Uuid>,
        body: Body<VoidBody>,
    ) -> Result<Json<PaymentView>> {
        let reason = line(&body.0.reason, super::model::REASON_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let payment = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::void(tx, &by, PaymentId(id.0), &reason).await)
            .await?;
        Ok(Json(payment.into()))
    }

    /// Give money back.
    ///
    /// Out of what of the payment is credit; cancel what it paid first. With an `Idempotency-Key` the same request again gets the
    /// same answer.
    #[oai(path = "/payments/:id/refunds", method = "post")]
    async fn refund_payment(
        &self,
        by: ApiUser<RefundPayments>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        id: Path<Uuid>,
        body: Body<RefundBody>,
    ) -> Result<CreatedOnce<RefundView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of(&format!("refund_payment {}", id.0), &body.0);
        let new = body.0.parse()?;
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let work = Box::pin(async {
                    rules::refund(tx, &by, PaymentId(id.0), &new).await.map(RefundView::from)
                });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await
    }

    /// Use a customer's credit.
    ///
    /// It pays what is owed, oldest first.
    #[oai(path = "/customers/:id/credit/use", method = "post")]
    async fn use_customer_credit(
        &self,
        by: ApiUser<RecordPayments>,
        id: Path<Uuid>,
    ) -> Result<Json<CreditUsed>> {
        let customer = CustomerId(id.0);
        let used = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                customers::get(tx, customer).await?;
                let used = rules::use_credit(tx, &by, customer, None).await?;
                Ok(CreditUsed {
                    used,
                    credit: rules::credit(tx, customer).await?,
                    owed: rules::owed(tx, customer).await?,
                })
            })
            .await?;
        Ok(Json(used))
    }

    /// Show a customer's account.
    ///
    /// Every charge, payment, void, refund and credit with the balance after it, the newest first. What is owed is positive.
    #[oai(path = "/customers/:id/ledger", method = "get")]
    async fn get_customer_ledger(
        &self,
        by: ApiUser<ViewPayments>,
        id: Path<Uuid>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        cursor: Query<Option<String>>,
    ) -> Result<Json<LedgerView>> {
        let limit = Limit::parse(limit.0)?;
        let before = cursor.0.as_deref().map(ledger::decode).transpose()?;
        let customer = CustomerId(id.0);
        let (mut entries, balance, credit) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                customers::get_any(tx, customer).await?;
                Ok((
                    ledger::list(tx, customer, before, limit).await?,
                    ledger::balance(tx, customer).await?,
                    rules::credit(tx, customer).await?,
                ))
            })
            .await?;
        let more = limit.cut(&mut entries);
        let next_cursor = match entries.last() {
            Some(last) if more => Some(ledger::encode(last.position)?),
            _ => None,
        };
        let items = entries.into_iter().map(EntryView::from).collect();
        Ok(Json(LedgerView { balance, credit, items, next_cursor }))
    }
}
