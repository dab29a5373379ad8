//! The operations on customers.

use futures_util::try_join;
use poem_openapi::{
    OpenApi, Tags,
    param::{Header, Path, Query},
};
use uuid::Uuid;

use super::{
    CreateCustomers, DeleteCustomers, EditCustomers, ExportCustomers, MergeCustomers, ViewCustomers,
    body::{BulkBody, CustomerChangesBody, MergeBody, NewCustomerBody, StatusBody},
    export::{self, Order},
    list,
    many::{self, Action},
    model::Typed,
    query::{Filter, Mark, Sort},
    rules::{self, Duplicates},
    view::{
        BulkOutcome, CustomerCounts, CustomerDuplicate, CustomerDuplicates, CustomerFeatures, CustomerList,
        CustomerView,
    },
};
use crate::{
    access::{ApiUser, CreatedOnce, Fingerprint, IdempotencyKey, once},
    db::Db,
    error::{Error, Result},
    sheets::Bom,
    types::{AreaId, BoundingBox, CustomerId, Limit, optional_line},
    web::sheet::{Format, Sheet},
    web::{Body, Json, NoContent},
};

/// The map shows at most so many at once.
const SPOTS: Limit = Limit::of(5_000);
const REASON_MAX: usize = 500;

#[derive(Tags)]
enum Tag {
    /// The people and firms that the provider connects.
    Customers,
}

/// The operations on customers.
pub struct CustomersApi {
    db: Db,
}

impl CustomersApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// What narrows a list, as parameters bring it.
fn filter(
    q: Option<String>,
    status: Option<Vec<String>>,
    area_id: Option<Uuid>,
    located: Option<bool>,
) -> Result<Filter> {
    let statuses = status.unwrap_or_default();
    Filter::parse(
        q.as_deref().unwrap_or_default(),
        statuses.iter().map(String::as_str),
        area_id.map(AreaId),
        located,
    )
}

#[OpenApi(tag = "Tag::Customers")]
impl CustomersApi {
    /// List customers.
    #[oai(path = "/customers", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_customers(
        &self,
        by: ApiUser<ViewCustomers>,
        /// Words, each of which is found in a name, an address, a number or the account number; or a telephone number as it is dialled.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        /// One or more of active, inactive, suspended, terminated: repeated, or between commas.
        status: Query<Option<Vec<String>>>,
        area_id: Query<Option<Uuid>>,
        /// Whether the customer is on the map.
        located: Query<Option<bool>>,
        /// `created`, `name` or `updated`; a minus before it turns the order. Newest first when absent.
        sort: Query<Option<String>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter and order.
        cursor: Query<Option<String>>,
        /// Whether to count all who match; an exact count costs more than a page.
        total: Query<Option<bool>>,
    ) -> Result<Json<CustomerList>> {
        let limit = Limit::parse(limit.0)?;
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let mark = cursor.0.as_deref().map(|text| Mark::decode(text, sort)).transpose()?;
        let filter = filter(q.0, status.0, area_id.0, located.0)?;
        let counted = total.0 == Some(true);
        let (mut found, total) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                let (mark, rows) = (mark.as_ref(), limit.and_one());
                if counted {
                    let page = list::list(tx, &filter, sort, mark, rows);
                    let (found, counts) = try_join!(page, list::count(tx, &filter))?;
                    return Ok((found, Some(counts.total())));
                }
                Ok((list::list(&tx.last(), &filter, sort, mark, rows).await?, None))
            })
            .await?;
        let more = limit.cut(&mut found);
        let next_cursor = match found.last() {
            Some(last) if more => Some(Mark::of(last, sort).encode()?),
            _ => None,
        };
        let items = found.into_iter().map(CustomerView::from).collect();
        Ok(Json(CustomerList { items, next_cursor, total }))
    }

    /// Add a customer.
    ///
    /// With an `Idempotency-Key` the same request again gets the same answer, and is done once.
    #[oai(path = "/customers", method = "post")]
    async fn create_customer(
        &self,
        by: ApiUser<CreateCustomers>,
        /// 1 to 255 characters of the caller's own.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: Header<Option<String>>,
        /// Whether one who looks like a customer that is here already is refused: 409 `possible_duplicate`.
        refuse_duplicates: Query<Option<bool>>,
        body: Body<NewCustomerBody>,
    ) -> Result<CreatedOnce<CustomerView>> {
        let key = IdempotencyKey::parse(idempotency_key.0.as_deref())?;
        let request = Fingerprint::of("create_customer", &body.0);
        let details = Typed::from(body.0).parse(&by.tenant.country)?;
        let duplicates =
            if refuse_duplicates.0 == Some(true) { Duplicates::Refuse } else { Duplicates::Allow };
        self.db
            .in_tenant(&by.tenant, async |tx| {
                let work = Box::pin(async {
                    rules::create(tx, &by, &details, duplicates).await.map(CustomerView::from)
                });
                once(tx, &by, key.as_ref(), &request, work).await
            })
            .await
    }

    /// Count customers by status.
    #[oai(path = "/customers/counts", method = "get")]
    async fn count_customers(
        &self,
        by: ApiUser<ViewCustomers>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        area_id: Query<Option<Uuid>>,
        located: Query<Option<bool>>,
    ) -> Result<Json<CustomerCounts>> {
        let filter = filter(q.0, None, area_id.0, located.0)?;
        let counts = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                list::count(tx, &filter).await
            })
            .await?;
        Ok(Json(counts.into()))
    }

    /// Customers on the map.
    ///
    /// At most 5,000, newest first; `truncated` says whether there are more.
    #[oai(path = "/customers/coordinates", method = "get")]
    async fn list_coordinates(
        &self,
        by: ApiUser<ViewCustomers>,
        /// west,south,east,north in degrees; everywhere when absent.
        bbox: Query<Option<String>>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// Repeated, or between commas.
        status: Query<Option<Vec<String>>>,
        area_id: Query<Option<Uuid>>,
    ) -> Result<Json<CustomerFeatures>> {
        let inside = bbox
            .0
            .as_deref()
            .map(BoundingBox::parse)
            .transpose()
            .map_err(|wrong| Error::Invalid(vec![wrong.at("bbox")]))?;
        let filter = filter(q.0, status.0, area_id.0, None)?;
        let mut spots = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                rules::check_filter(tx, &filter).await?;
                list::spots(tx, &filter, inside, SPOTS).await
            })
            .await?;
        let truncated = SPOTS.cut(&mut spots);
        Ok(Json(CustomerFeatures::new(spots, truncated)))
    }

    /// Download customers as a file.
    ///
    /// Exactly the list of the same filter and order, all pages of it; at most 100,000 customers.
    #[oai(path = "/customers/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_customers(
        &self,
        by: ApiUser<ExportCustomers>,
        format: Query<Format>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        /// Repeated, or between commas.
        status: Query<Option<Vec<String>>>,
        area_id: Query<Option<Uuid>>,
        located: Query<Option<bool>>,
        sort: Query<Option<String>>,
    ) -> Result<Sheet> {
        let sort = Sort::parse(sort.0.as_deref().unwrap_or_default())?;
        let filter = filter(q.0, status.0, area_id.0, located.0)?;
        let order = Order { filter, sort, format: format.0, bom: Bom::Without };
        export::export(&self.db, &by, order).await
    }

    /// Change many customers at once.
    ///
    /// All of them or none, at most 50,000; one entry per customer in the audit trail. Deleting and restoring need the right to delete.
    #[oai(path = "/customers/bulk", method = "post")]
    async fn change_customers(
        &self,
        by: ApiUser<EditCustomers>,
        body: Body<BulkBody>,
    ) -> Result<Json<BulkOutcome>> {
        let (chosen, action) = body.0.parse()?;
        if matches!(action, Action::Delete | Action::Restore) {
            by.require::<DeleteCustomers>()?;
        }
        let outcome = self
            .db
            .in_tenant_for(&by.tenant, many::AT_MOST, async |tx| {
                many::change_many(tx, &by, &chosen, action).await
            })
            .await?;
        Ok(Json(outcome.into()))
    }

    /// Show a customer.
    ///
    /// Deleted and merged ones are 404.
    #[oai(path = "/customers/:id", method = "get")]
    async fn get_customer(&self, by: ApiUser<ViewCustomers>, id: Path<Uuid>) -> Result<Json<CustomerView>> {
        let customer = self
            .db
            .read_tenant(&by.tenant, async |tx| rules::get(&tx.last(), CustomerId(id.0)).await)
            .await?;
        Ok(Json(customer.into()))
    }

    /// Change a customer.
    #[oai(path = "/customers/:id", method = "patch")]
    async fn update_customer(
        &self,
        by: ApiUser<EditCustomers>,
        id: Path<Uuid>,
        body: Body<CustomerChangesBody>,
    ) -> Result<Json<CustomerView>> {
        let (id, body) = (CustomerId(id.0), &body.0);
        let customer = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::change(tx, &by, id, None, |typed| Ok(body.over(typed))).await
            })
            .await?;
        Ok(Json(customer.into()))
    }

    /// Delete a customer.
    ///
    /// It leaves every list and can be restored.
    #[oai(path = "/customers/:id", method = "delete")]
    async fn delete_customer(&self, by: ApiUser<DeleteCustomers>, id: Path<Uuid>) -> Result<NoContent> {
        self.db.in_tenant(&by.tenant, async |tx| rules::delete(tx, &by, CustomerId(id.0)).await).await?;
        Ok(NoContent)
    }

    /// Bring a deleted customer back.
    ///
    /// Merged ones stay where they are: 409 `merged`. So do those whose address or account number another one has by now:
    /// 409 `email_taken`, `reference_taken`.
    #[oai(path = "/customers/:id/restore", method = "post")]
    async fn restore_customer(
        &self,
        by: ApiUser<DeleteCustomers>,
        id: Path<Uuid>,
    ) -> Result<Json<CustomerView>> {
        let customer =
            self.db.in_tenant(&by.tenant, async |tx| rules::restore(tx, &by, CustomerId(id.0)).await).await?;
        Ok(Json(customer.into()))
    }

    /// Change a customer's status.
    #[oai(path = "/customers/:id/status", method = "post")]
    async fn set_customer_status(
        &self,
        by: ApiUser<EditCustomers>,
        id: Path<Uuid>,
        body: Body<StatusBody>,
    ) -> Result<Json<CustomerView>> {
        let StatusBody { status, reason } = body.0;
        let reason = optional_line(&reason.unwrap_or_default(), REASON_MAX)
            .map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))?;
        let customer = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::set_status(tx, &by, CustomerId(id.0), status, reason.clone()).await
            })
            .await?;
        Ok(Json(customer.into()))
    }

    /// Merge another customer into this one.
    ///
    /// This one stays, with the values of the other where `fields` says so. The other is deleted for good.
    #[oai(path = "/customers/:id/merge", method = "post")]
    async fn merge_customers(
        &self,
        by: ApiUser<MergeCustomers>,
        id: Path<Uuid>,
        body: Body<MergeBody>,
    ) -> Result<Json<CustomerView>> {
        let MergeBody { from, fields } = body.0;
        let customer = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::merge(tx, &by, CustomerId(id.0), CustomerId(from), &fields).await
            })
            .await?;
        Ok(Json(customer.into()))
    }

    /// Customers who may be the same as this one.
    ///
    /// The same telephone number, the same address, or a similar name in the same area.
    #[oai(path = "/customers/:id/duplicates", method = "get")]
    async fn list_duplicates(
        &self,
        by: ApiUser<ViewCustomers>,
        id: Path<Uuid>,
    ) -> Result<Json<CustomerDuplicates>> {
        let id = CustomerId(id.0);
        let alike = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                let customer = rules::get(tx, id).await?;
                rules::find_lookalikes(tx, Some(id), &customer.details).await
            })
            .await?;
        Ok(Json(CustomerDuplicates { items: alike.into_iter().map(CustomerDuplicate::from).collect() }))
    }
}
