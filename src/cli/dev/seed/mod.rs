//! The demo provider, made at the first start: signed up like anybody, its staff added by the same rules as anybody's. What it
//! has and what it did is written by statements of its own, because it is to have happened over a year and not at this moment.

mod books;
mod care;
mod plant;

use std::time::Duration;

use chrono::{DateTime, NaiveTime, Timelike, Utc};
use chrono_tz::Tz;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    access::{By, Invitation, NewStaff},
    app::App,
    audit::Event,
    cli::user::random_password,
    db::TenantTx,
    demo::{self, DemoCustomer},
    error::{Error, OrInternal, Result},
    platform::{NewSignup, SignupInput},
    tenancy::{self, Tenant},
    types::StaffId,
};

pub const OWNER_EMAIL: &str = "owner@cdeo.example";
const OWNER_NAME: &str = "Marisol Abejuela";
const SEED: u64 = 20_260_401;
const ACTOR: &str = "lastmile dev";
/// A year of business is some ten thousand rows.
const FILL_AT_MOST: Duration = Duration::from_secs(120);

/// Name, address and role of the demo's staff besides its owner.
const STAFF: &[(&str, &str, &str)] = &[
    ("Dodong Ramos", "admin@cdeo.example", "Admin"),
    ("Liza Macapagal", "cashier@cdeo.example", "Cashier"),
    ("Jun Villanueva", "technician@cdeo.example", "Technician"),
    ("Grace Tan", "support@cdeo.example", "Support"),
    ("Rey Uy", "viewer@cdeo.example", "Viewer"),
];

/// Somebody who can sign in.
pub struct Login {
    pub role: &'static str,
    pub email: &'static str,
    pub password: String,
}

/// The demo provider of this deployment.
pub enum Demo {
    /// Made now.
    Made { slug: String, logins: Vec<Login> },
    /// Made by an earlier start.
    There { slug: String },
    /// Not wanted, or this deployment has providers of its own.
    None,
}

/// Makes the demo provider in a deployment that has none. What an interrupted start left out is made up for.
pub async fn make(app: &App, customers: usize) -> Result<Demo> {
    let registry = &app.parts.registry;
    let slug = demo::SLUG.to_owned();
    if let Some(tenant) = registry.find_by_slug(demo::SLUG).await? {
        if tenant.is_active() && tenant.is_current {
            fill_demo(app, &tenant, customers).await?;
        }
        return Ok(Demo::There { slug });
    }
    if !tenancy::count_by_status(&app.parts.db).await?.is_empty() {
        return Ok(Demo::None);
    }
    tracing::info!("making the demo provider");
    let password = random_password();
    let new = NewSignup::parse(SignupInput {
        company_name: demo::COMPANY.to_owned(),
        slug: Some(slug.clone()),
        owner_name: OWNER_NAME.to_owned(),
        owner_email: OWNER_EMAIL.to_owned(),
        password: password.clone(),
        time_zone: Some(demo::TIME_ZONE.to_owned()),
        currency: Some(demo::CURRENCY.to_owned()),
        country: Some(demo::COUNTRY.to_owned()),
    })?;
    match app.signups().sign_up(new, None, None).await {
        Ok(_) => {}
        // Two first starts at once: the other one makes it.
        Err(Error::Conflict { code: "slug_taken", .. }) => return Ok(Demo::There { slug }),
        Err(error) => return Err(error),
    }
    let tenant = registry
        .find_by_slug(demo::SLUG)
        .await?
        .ok_or_else(|| Error::internal("the demo provider is gone"))?;
    let mut logins = vec![Login { role: "Owner", email: OWNER_EMAIL, password }];
    for (name, email, role) in STAFF {
        logins.push(hire(app, &tenant, name, email, role).await?);
    }
    fill_demo(app, &tenant, customers).await?;
    Ok(Demo::Made { slug, logins })
}

/// Adds one person, who chooses a password by the same link as everybody.
async fn hire(
    app: &App,
    tenant: &Tenant,
    name: &str,
    email: &'static str,
    role: &'static str,
) -> Result<Login> {
    let by = By::platform(tenant.clone(), ACTOR);
    let roles = app.people.all_roles(&by).await?;
    let id = roles
        .iter()
        .find(|known| known.name == role)
        .ok_or_else(|| Error::internal(format!("there is no role {role}")))?
        .id;
    let new = NewStaff::parse(name, email, &[id.0])?;
    let (_, link) = app.people.create_staff(&by, &new, Invitation::Shown).await?;
    let code = link
        .and_then(|link| url::Url::parse(&link.url).ok())
        .and_then(|url| url.query_pairs().find(|(name, _)| name == "code").map(|(_, code)| code.into_owned()))
        .ok_or_else(|| Error::internal("an invitation without a code"))?;
    let password = random_password();
    if app.people.redeem_link(tenant, None, &code, &password).await? {
        Ok(Login { role, email, password })
    } else {
        Err(Error::internal("an invitation that does not count"))
    }
}

/// What the parts of the demo are written with.
struct Seeded<'a> {
    customers: &'a [DemoCustomer],
    /// Of the customers, in their order.
    ids: &'a [Uuid],
    areas: &'a [Uuid],
    /// The provider's name.
    company: String,
    currency: String,
    zone: Tz,
    now: DateTime<Utc>,
    /// The portal's address.
    home: String,
}

/// How much was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Filled {
    pub areas: usize,
    pub customers: usize,
    pub periods: usize,
}

/// How many steps the filling takes, as it tells of them.
pub const STEPS: usize = 5;

/// Fills the demo provider, unless that was done.
async fn fill_demo(app: &App, tenant: &Tenant, count: usize) -> Result<()> {
    let done = fill(app, tenant, count, ACTOR, &|_| ()).await;
    match done {
        Ok(_) | Err(Error::Conflict { code: "not_empty", .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

/// Fills a provider that has nothing yet with a demo's customers and its year of business: all of it or nothing. `told` hears of
/// each step that is done. 409 `not_empty` for a provider with rows of its own.
pub async fn fill(
    app: &App,
    tenant: &Tenant,
    count: usize,
    actor: &'static str,
    told: &(dyn Fn(usize) + Sync),
) -> Result<Filled> {
    let now = Utc::now().with_nanosecond(0).unwrap_or_default();
    let customers = demo::customers(SEED, count, now.date_naive());
    let by = By::platform(tenant.clone(), actor);
    let home = app.parts.settings.url_of(&app.parts.resolver.host_of(tenant));
    app.parts
        .db
        .in_tenant_for(tenant, FILL_AT_MOST, async |tx| {
            require_empty(tx).await?;
            if tenant.slug.as_str() == demo::SLUG {
                tx.execute("UPDATE company SET area_word = $1", &[&demo::AREA_WORD]).await?;
            }
            let areas = insert_areas(tx).await?;
            told(1);
            let ids = insert_customers(tx, &areas, &customers).await?;
            told(2);
            let (zone, company) = (tenant.time_zone.0, tenant.name.clone());
            let seeded = Seeded {
                customers: &customers,
                ids: &ids,
                areas: &areas,
                company,
                currency: tenant.currency.clone(),
                zone,
                now,
                home: home.clone(),
            };
            let periods = write_business(tx, &seeded, told).await?;
            let filled = Filled { areas: areas.len(), customers: customers.len(), periods };
            let event = Event {
                action: "demo.filled",
                object_type: "company",
                object_id: None,
                object_label: &seeded.company,
                before: None,
                after: Some(serde_json::to_value(filled).internal()?),
            };
            by.record(tx, event).await?;
            Ok(filled)
        })
        .await
}

/// Refuses a provider with rows of its own, and says which. Customers that were deleted count.
async fn require_empty(tx: &TenantTx) -> Result<()> {
    let row = tx
        .query_one(
            "SELECT EXISTS (SELECT FROM customer), EXISTS (SELECT FROM area), EXISTS (SELECT FROM lcp), \
             EXISTS (SELECT FROM plan), EXISTS (SELECT FROM router)",
            &[],
        )
        .await?;
    let has: Vec<&str> = ["customers", "areas", "a plant", "plans", "routers"]
        .into_iter()
        .enumerate()
        .filter(|(at, _)| row.get::<_, bool>(*at))
        .map(|(_, what)| what)
        .collect();
    if has.is_empty() {
        return Ok(());
    }
    let detail = format!("This provider has {} of its own: nothing was written.", has.join(", "));
    Err(Error::conflict("not_empty", detail))
}

/// Plant, installations, a year of sales, tickets and an outage; how many periods were sold.
async fn write_business(tx: &TenantTx, seeded: &Seeded<'_>, told: &(dyn Fn(usize) + Sync)) -> Result<usize> {
    let rows = tx.query("SELECT email, id, name FROM staff WHERE is_active LIMIT 100", &[]).await?;
    let known = |role: &str| -> Option<(StaffId, String)> {
        let email = STAFF.iter().find(|(.., of)| *of == role).map(|(_, email, _)| *email)?;
        let row = rows.iter().find(|row| row.get::<_, &str>(0) == email)?;
        Some((row.get(1), row.get(2)))
    };
    let technician = known("Technician").map(|(id, _)| id);
    let support = known("Support");
    let cashier = known("Cashier").map(|(id, name)| books::Cashier { id, name });
    let installations = plant::write(tx, seeded, technician).await?;
    told(3);
    let sold = books::write(tx, seeded, &installations, cashier.as_ref()).await?;
    told(4);
    let team = care::Team {
        technician,
        support: support.as_ref().map(|(id, _)| *id),
        support_name: support.map_or_else(|| ACTOR.to_owned(), |(_, name)| name),
    };
    care::write(tx, seeded, &installations, &team).await?;
    told(STEPS);
    Ok(sold)
}

async fn insert_areas(tx: &TenantTx) -> Result<Vec<Uuid>> {
    let ids: Vec<Uuid> = demo::AREAS.iter().map(|_| Uuid::now_v7()).collect();
    let names: Vec<&str> = demo::AREAS.iter().map(|area| area.name).collect();
    let codes: Vec<&str> = demo::AREAS.iter().map(|area| area.code).collect();
    let descriptions: Vec<&str> = demo::AREAS.iter().map(|area| area.description).collect();
    tx.execute(
        "INSERT INTO area (id, name, code, description)
         SELECT a.id, a.name, a.code, a.description
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS a (id, name, code, description)",
        &[&ids, &names, &codes, &descriptions],
    )
    .await?;
    Ok(ids)
}

/// One array for each column.
#[derive(Default)]
struct Columns {
    ids: Vec<Uuid>,
    references: Vec<String>,
    first_names: Vec<String>,
    last_names: Vec<String>,
    emails: Vec<String>,
    phones: Vec<String>,
    streets: Vec<String>,
    areas: Vec<Option<Uuid>>,
    statuses: Vec<&'static str>,
    notes: Vec<Option<&'static str>>,
    latitudes: Vec<f64>,
    longitudes: Vec<f64>,
    joined: Vec<DateTime<Utc>>,
}

async fn insert_customers(tx: &TenantTx, areas: &[Uuid], customers: &[DemoCustomer]) -> Result<Vec<Uuid>> {
    let mut all = Columns::default();
    for (index, customer) in customers.iter().enumerate() {
        // Office hours in Manila are the small hours of the day in UTC; spread, so that no two are of one instant.
        let minutes = u32::try_from(index * 37 % 540).unwrap_or_default();
        let time = NaiveTime::from_num_seconds_from_midnight_opt(minutes * 60 + 7, 0).unwrap_or_default();
        all.ids.push(Uuid::now_v7());
        all.references.push(format!("CDO-{:05}", index + 1));
        all.first_names.push(customer.first_name.clone());
        all.last_names.push(customer.last_name.clone());
        all.emails.push(customer.email.clone());
        all.phones.push(customer.phone.clone());
        all.streets.push(customer.street_address.clone());
        all.areas.push(areas.get(customer.area).copied());
        all.statuses.push(customer.status.as_str());
        all.notes.push(customer.notes);
        all.latitudes.push(customer.latitude);
        all.longitudes.push(customer.longitude);
        all.joined.push(customer.joined_on.and_time(time).and_utc().min(Utc::now()));
    }
    tx.execute(
        "INSERT INTO customer (id, reference, first_name, last_name, email, phone_primary, street_address, area_id, status, notes,
            latitude, longitude, location_accuracy, created_at, updated_at)
         SELECT c.id, c.reference, c.first_name, c.last_name, c.email, c.phone, c.street, c.area, c.status, c.notes,
            c.latitude, c.longitude, 'approximate', c.joined, c.joined
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::uuid[], $9::text[],
            $10::text[], $11::float8[], $12::float8[], $13::timestamptz[])
            AS c (id, reference, first_name, last_name, email, phone, street, area, status, notes, latitude, longitude, joined)",
        &[
            &all.ids,
            &all.references,
            &all.first_names,
            &all.last_names,
            &all.emails,
            &all.phones,
            &all.streets,
            &all.areas,
            &all.statuses,
            &all.notes,
            &all.latitudes,
            &all.longitudes,
            &all.joined,
        ],
    )
    .await?;
    Ok(all.ids)
}
