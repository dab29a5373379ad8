//! The demo provider, made at the first start: signed up like anybody, its staff added by the same rules as anybody's. Its areas
//! and customers are written by two statements, because they are to have joined over three years and not at this moment.

use chrono::{DateTime, NaiveTime, Utc};
use uuid::Uuid;

use crate::{
    access::{By, Invitation, NewStaff},
    app::App,
    audit::Event,
    cli::user::random_password,
    db::TenantTx,
    demo::{self, DemoCustomer},
    error::{Error, Result},
    platform::{NewSignup, SignupInput},
    tenancy::{self, Tenant},
};

pub const OWNER_EMAIL: &str = "owner@cdeo.example";
const OWNER_NAME: &str = "Marisol Abejuela";
const SEED: u64 = 20_260_401;
const ACTOR: &str = "lastmile dev";

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
            fill(app, &tenant, customers).await?;
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
    fill(app, &tenant, customers).await?;
    for (name, email, role) in STAFF {
        logins.push(hire(app, &tenant, name, email, role).await?);
    }
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

async fn fill(app: &App, tenant: &Tenant, count: usize) -> Result<()> {
    let customers = demo::customers(SEED, count, Utc::now().date_naive());
    let by = By::platform(tenant.clone(), ACTOR);
    app.parts
        .db
        .in_tenant(tenant, async |tx| {
            let is_empty = tx
                .query_one(
                    "SELECT NOT EXISTS (SELECT 1 FROM customer) AND NOT EXISTS (SELECT 1 FROM area) AS is_empty",
                    &[],
                )
                .await?;
            if !is_empty.get::<_, bool>("is_empty") {
                return Ok(());
            }
            let areas = insert_areas(tx).await?;
            insert_customers(tx, &areas, &customers).await?;
            let event = Event {
                action: "demo.filled",
                object_type: "company",
                object_id: None,
                object_label: demo::COMPANY,
                before: None,
                after: Some(serde_json::json!({"areas": areas.len(), "customers": customers.len()})),
            };
            by.record(tx, event).await
        })
        .await
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

async fn insert_customers(tx: &TenantTx, areas: &[Uuid], customers: &[DemoCustomer]) -> Result<()> {
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
    Ok(())
}
