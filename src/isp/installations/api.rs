//! The operations on installations.

use chrono::{DateTime, NaiveDate, Utc};
use poem_openapi::{
    Object, OpenApi, Tags,
    param::{Path, Query},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    CreateInstallations, EditInstallations, TerminateInstallations, ViewInstallations,
    body::{
        CompletionBody, HoldBody, InstallationChangesBody, NewInstallationBody, PortBody, RouterBody,
        TerminationBody,
    },
    export,
    model::{Installation, InstallationDraft, REASON_MAX, Status},
    query::{self, Filter},
    rules::{self, Hold, NewInstallation, Termination},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::{customers::Accuracy, plant},
    sheets::Bom,
    types::{
        AreaId, Cursor, CustomerId, InstallationId, Limit, NapId, RouterId, StaffId, degrees, optional_line,
    },
    web::parts::time_mark,
    web::sheet::{Format, Sheet},
    web::{Body, Created, Json},
};

#[derive(Tags)]
enum Tag {
    /// Where customers are connected.
    Installations,
}

/// An installation.
#[derive(Debug, Clone, Serialize, Object)]
#[oai(rename = "Installation")]
pub struct InstallationView {
    id: Uuid,
    customer_id: Uuid,
    customer_name: String,
    status: Status,
    #[oai(nullable)]
    nap_id: Option<Uuid>,
    #[oai(nullable)]
    nap_code: Option<String>,
    #[oai(nullable)]
    nap_port: Option<i16>,
    #[oai(nullable)]
    router_id: Option<Uuid>,
    /// Brand, model and serial number.
    #[oai(nullable)]
    router: Option<String>,
    #[oai(nullable)]
    technician_id: Option<Uuid>,
    #[oai(nullable)]
    technician: Option<String>,
    #[oai(nullable)]
    installed_on: Option<NaiveDate>,
    /// Its own; the customer's counts where there is none.
    #[oai(nullable)]
    street_address: Option<String>,
    #[oai(nullable)]
    area_id: Option<Uuid>,
    #[oai(nullable)]
    latitude: Option<f64>,
    #[oai(nullable)]
    longitude: Option<f64>,
    location_accuracy: Accuracy,
    #[oai(nullable)]
    location_notes: Option<String>,
    #[oai(nullable)]
    drop_m: Option<i32>,
    #[oai(nullable)]
    drop_connectors: Option<i16>,
    #[oai(nullable)]
    drop_splices: Option<i16>,
    #[oai(nullable)]
    notes: Option<String>,
    /// The end of the last period that was sold.
    #[oai(nullable)]
    paid_until: Option<DateTime<Utc>>,
    #[oai(nullable)]
    terminated_at: Option<DateTime<Utc>>,
    #[oai(nullable)]
    termination_reason: Option<String>,
    /// The port that it was on until it was terminated, in words.
    #[oai(nullable)]
    held_port: Option<String>,
    #[oai(nullable)]
    held_router: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Installation> for InstallationView {
    fn from(one: Installation) -> Self {
        let draft = one.draft;
        let ending = one.ending;
        Self {
            id: one.id.0,
            customer_id: one.customer.id.0,
            customer_name: one.customer.name,
            status: one.status,
            nap_id: one.port.as_ref().map(|port| port.nap.0),
            nap_port: one.port.as_ref().map(|port| port.number),
            nap_code: one.port.map(|port| port.nap_code),
            router_id: one.router.as_ref().map(|router| router.id.0),
            router: one.router.map(|router| router.name),
            technician_id: draft.technician_id.map(|id| id.0),
            technician: one.technician,
            installed_on: draft.installed_on,
            street_address: draft.street_address,
            area_id: draft.area_id.map(|id| id.0),
            latitude: draft.site.place.map(|place| degrees(place.latitude)),
            longitude: draft.site.place.map(|place| degrees(place.longitude)),
            location_accuracy: draft.site.accuracy,
            location_notes: draft.site.notes,
            drop_m: draft.drop_m,
            drop_connectors: draft.drop_connectors,
            drop_splices: draft.drop_splices,
            notes: draft.notes,
            paid_until: one.paid_until,
            terminated_at: ending.as_ref().map(|ending| ending.at),
            termination_reason: ending.as_ref().and_then(|ending| ending.reason.clone()),
            held_port: ending.as_ref().and_then(|ending| ending.held_port.clone()),
            held_router: ending.and_then(|ending| ending.held_router),
            created_at: one.created_at,
            updated_at: one.updated_at,
        }
    }
}

/// One page of installations, newest first.
#[derive(Debug, Serialize, Object)]
pub struct InstallationList {
    items: Vec<InstallationView>,
    /// Hand it back as `cursor` for the next page; null on the last one.
    #[oai(nullable)]
    next_cursor: Option<String>,
    /// How many there are; only when `total=true` asks for it.
    #[oai(nullable)]
    total: Option<i64>,
}

/// The operations on installations.
pub struct InstallationsApi {
    db: Db,
}

impl InstallationsApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

/// What narrows a list, as parameters bring it.
#[derive(Default)]
struct Narrowing {
    q: Option<String>,
    status: Option<Status>,
    customer_id: Option<Uuid>,
    area_id: Option<Uuid>,
    technician_id: Option<Uuid>,
    nap_id: Option<Uuid>,
}

impl From<Narrowing> for Filter {
    fn from(asked: Narrowing) -> Self {
        Self {
            status: asked.status,
            customer: asked.customer_id.map(CustomerId),
            area: asked.area_id.map(AreaId),
            technician: asked.technician_id.map(StaffId),
            nap: asked.nap_id.map(NapId),
            ..Self::searching(asked.q.as_deref().unwrap_or_default())
        }
    }
}

fn reason(text: Option<&str>) -> Result<Option<String>> {
    optional_line(text.unwrap_or_default(), REASON_MAX)
        .map_err(|wrong| Error::Invalid(vec![wrong.at("reason")]))
}

#[OpenApi(tag = "Tag::Installations")]
impl InstallationsApi {
    /// List installations.
    ///
    /// Newest first.
    #[oai(path = "/installations", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn list_installations(
        &self,
        by: ApiUser<ViewInstallations>,
        /// Words of the customer, the router's serial number or MAC address, or the NAP's code.
        #[oai(validator(max_length = 200))]
        q: Query<Option<String>>,
        status: Query<Option<Status>>,
        customer_id: Query<Option<Uuid>>,
        area_id: Query<Option<Uuid>>,
        technician_id: Query<Option<Uuid>>,
        nap_id: Query<Option<Uuid>>,
        /// 1 to 200; 25 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "200")))]
        limit: Query<Option<i64>>,
        /// `next_cursor` of the page before, with the same filter.
        cursor: Query<Option<String>>,
        /// Whether to count all who match.
        total: Query<Option<bool>>,
    ) -> Result<Json<InstallationList>> {
        let limit = Limit::parse(limit.0)?;
        let after = cursor.0.as_deref().map(time_mark).transpose()?;
        let (q, status) = (q.0, status.0);
        let (customer_id, area_id) = (customer_id.0, area_id.0);
        let (technician_id, nap_id) = (technician_id.0, nap_id.0);
        let filter = Filter::from(Narrowing { q, status, customer_id, area_id, technician_id, nap_id });
        let counted = total.0 == Some(true);
        let (mut found, counts) = self
            .db
            .read_tenant(&by.tenant, async |tx| {
                query::check(tx, &filter).await?;
                let found = query::list(tx, &filter, after, limit.and_one()).await?;
                let counts = if counted { Some(query::count(tx, &filter).await?) } else { None };
                Ok((found, counts))
            })
            .await?;
        let more = limit.cut(&mut found);
        let next_cursor = match found.last().filter(|_| more) {
            Some(last) => Some(Cursor((last.created_at, last.id.0)).encode()?),
            None => None,
        };
        let total = counts.map(|counts| {
            counts.iter().filter(|(of, _)| status.is_none_or(|wanted| wanted == *of)).map(|(_, n)| n).sum()
        });
        let items = found.into_iter().map(InstallationView::from).collect();
        Ok(Json(InstallationList { items, next_cursor, total }))
    }

    /// Add an installation.
    ///
    /// Scheduled, or set up when it says on which day it was installed. A port that somebody else has is 409 `port_taken`, and names
    /// who has it.
    #[oai(path = "/installations", method = "post")]
    async fn create_installation(
        &self,
        by: ApiUser<CreateInstallations>,
        body: Body<NewInstallationBody>,
    ) -> Result<Created<InstallationView>> {
        let now = Utc::now();
        let body = body.0;
        let new = NewInstallation {
            customer: CustomerId(body.customer_id),
            draft: InstallationDraft::parse(&body.typed(), rules::today(&by, now))?,
            port: plant::chosen_port(body.nap_id.map(NapId), body.nap_port)?,
            router: body.router_id.map(RouterId),
        };
        let made = self.db.in_tenant(&by.tenant, async |tx| rules::create(tx, &by, &new, now).await).await?;
        Ok(Created(made.into()))
    }

    /// Download installations as a file.
    ///
    /// Exactly the list of the same filter, all pages of it; at most 50,000 installations.
    #[oai(path = "/installations/export", method = "get")]
    #[expect(clippy::too_many_arguments, reason = "one argument per parameter of the query")]
    async fn export_installations(
        &self,
        by: ApiUser<ViewInstallations>,
        format: Query<Format>,
        #[oai(validator(max_length = 200))] q: Query<Option<String>>,
        status: Query<Option<Status>>,
        customer_id: Query<Option<Uuid>>,
        area_id: Query<Option<Uuid>>,
        technician_id: Query<Option<Uuid>>,
        nap_id: Query<Option<Uuid>>,
    ) -> Result<Sheet> {
        let (q, status) = (q.0, status.0);
        let (customer_id, area_id) = (customer_id.0, area_id.0);
        let (technician_id, nap_id) = (technician_id.0, nap_id.0);
        let filter = Filter::from(Narrowing { q, status, customer_id, area_id, technician_id, nap_id });
        self.db.read_tenant(&by.tenant, async |tx| query::check(tx, &filter).await).await?;
        export::export(&self.db, &by, &filter, format.0, Bom::Without).await
    }

    /// Show an installation.
    #[oai(path = "/installations/:id", method = "get")]
    async fn get_installation(
        &self,
        by: ApiUser<ViewInstallations>,
        id: Path<Uuid>,
    ) -> Result<Json<InstallationView>> {
        let one =
            self.db.read_tenant(&by.tenant, async |tx| rules::get(tx, InstallationId(id.0)).await).await?;
        Ok(Json(one.into()))
    }

    /// Change an installation.
    #[oai(path = "/installations/:id", method = "patch")]
    async fn update_installation(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<InstallationChangesBody>,
    ) -> Result<Json<InstallationView>> {
        let (id, body, now) = (InstallationId(id.0), &body.0, Utc::now());
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::change(tx, &by, id, now, |was| body.over(was)).await)
            .await?;
        Ok(Json(one.into()))
    }

    /// Complete a scheduled installation.
    ///
    /// It is active from here on when a period runs, and inactive when none does.
    #[oai(path = "/installations/:id/complete", method = "post")]
    async fn complete_installation(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<CompletionBody>,
    ) -> Result<Json<InstallationView>> {
        let day = body.0.installed_on.map(|day| day.to_string());
        let (id, now) = (InstallationId(id.0), Utc::now());
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::complete(tx, &by, id, day.as_deref(), now).await)
            .await?;
        Ok(Json(one.into()))
    }

    /// Move an installation to another port.
    ///
    /// In one step: the old port is free at once. 409 `port_taken` names who has it.
    #[oai(path = "/installations/:id/port", method = "post")]
    async fn move_installation(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<PortBody>,
    ) -> Result<Json<InstallationView>> {
        let port = plant::chosen_port(body.0.nap_id.map(NapId), body.0.nap_port)?;
        let id = InstallationId(id.0);
        let one = self.db.in_tenant(&by.tenant, async |tx| rules::connect(tx, &by, id, port).await).await?;
        Ok(Json(one.into()))
    }

    /// Give an installation another router.
    #[oai(path = "/installations/:id/router", method = "post")]
    async fn exchange_router(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<RouterBody>,
    ) -> Result<Json<InstallationView>> {
        let RouterBody { router_id, old_router } = body.0;
        let (id, router, old) =
            (InstallationId(id.0), router_id.map(RouterId), old_router.unwrap_or_default().into());
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| rules::exchange_router(tx, &by, id, router, old).await)
            .await?;
        Ok(Json(one.into()))
    }

    /// Suspend an installation.
    #[oai(path = "/installations/:id/suspend", method = "post")]
    async fn suspend_installation(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<HoldBody>,
    ) -> Result<Json<InstallationView>> {
        let reason = reason(body.0.reason.as_deref())?;
        let id = InstallationId(id.0);
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::hold_status(tx, &by, id, Hold::Suspend, reason.as_deref()).await
            })
            .await?;
        Ok(Json(one.into()))
    }

    /// End a suspension.
    ///
    /// It is active from here on when a period runs, and inactive when none does.
    #[oai(path = "/installations/:id/resume", method = "post")]
    async fn resume_installation(
        &self,
        by: ApiUser<EditInstallations>,
        id: Path<Uuid>,
        body: Body<HoldBody>,
    ) -> Result<Json<InstallationView>> {
        let reason = reason(body.0.reason.as_deref())?;
        let id = InstallationId(id.0);
        let one = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                rules::hold_status(tx, &by, id, Hold::Resume, reason.as_deref()).await
            })
            .await?;
        Ok(Json(one.into()))
    }

    /// Terminate an installation.
    ///
    /// For good: its port is free at once, and its router comes back.
    #[oai(path = "/installations/:id/terminate", method = "post")]
    async fn terminate_installation(
        &self,
        by: ApiUser<TerminateInstallations>,
        id: Path<Uuid>,
        body: Body<TerminationBody>,
    ) -> Result<Json<InstallationView>> {
        let TerminationBody { reason: why, terminated_on, router } = body.0;
        let how = Termination {
            on: terminated_on,
            reason: reason(Some(&why))?,
            router: router.unwrap_or_default().into(),
        };
        let (id, now) = (InstallationId(id.0), Utc::now());
        let one =
            self.db.in_tenant(&by.tenant, async |tx| rules::terminate(tx, &by, id, &how, now).await).await?;
        Ok(Json(one.into()))
    }
}
