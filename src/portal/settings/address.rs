//! The portal's own web address under the base domain: changing it, and what becomes of the old one.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use poem_openapi::{Object, OpenApi, Tags};
use serde::Serialize;
use serde_json::json;

use crate::{
    access::{ApiUser, By, CheckedForm, Guarded, Owner, PageUser},
    audit::Event,
    error::{Error, Result},
    tenancy::{self, Resolver, Tenant},
    types::{Check, Slug},
    web::{Body, FormView, Json, RouteTable},
    words::say,
};

const PATH: &str = "/settings/address";
const FIELDS: [&str; 1] = ["slug"];

#[derive(Tags)]
enum Tag {
    /// The company profile, its branding and its domains.
    Settings,
}

/// Changes the web address. The old one leads to the new one from then on, and is nobody else's. 409 `same_address`, `slug_taken`,
/// `too_many_addresses`.
async fn change(resolver: &Resolver, by: &By, typed: &str) -> Result<Tenant> {
    by.must_have_proved()?;
    let mut check = Check::new();
    let slug = check.field("slug", Slug::parse_field(typed));
    let slug = check.finish(slug)?;
    let registry = resolver.registry();
    let from = by.tenant.slug.to_string();
    registry
        .db()
        .in_tenant(&by.tenant, async |tx| {
            tenancy::change_slug(tx, &slug, &by.actor.label).await?;
            let event = Event {
                action: "company.address_changed",
                object_type: "company",
                object_id: None,
                object_label: &by.tenant.name,
                before: Some(json!({ "slug": from })),
                after: Some(json!({ "slug": slug.as_str() })),
            };
            by.record(tx, event).await
        })
        .await?;
    registry.news().tenant_changed();
    registry.find_by_id(by.tenant.id()).await?.ok_or(Error::not_found("provider"))
}

/// Registers the page and its form's target.
pub fn pages(table: &mut RouteTable) {
    table.page::<Owner>(Method::GET, PATH, show).page::<Owner>(Method::POST, PATH, save);
}

#[derive(Serialize)]
struct AddressPage {
    settings_tab: &'static str,
    host: String,
    form: FormView,
    /// Where the portal is from now on; empty before it was changed.
    moved_to: String,
}

fn render(
    user: &PageUser,
    resolver: &Resolver,
    status: StatusCode,
    form: FormView,
    moved: Option<&Tenant>,
) -> Result<Response> {
    let tenant = moved.unwrap_or(user.tenant());
    let view = AddressPage {
        settings_tab: "domains",
        host: resolver.host_under_base(&tenant.slug),
        form,
        moved_to: moved
            .map(|tenant| resolver.url(&resolver.host_under_base(&tenant.slug)))
            .unwrap_or_default(),
    };
    user.render_with(status, "portal/settings_address.html", say("Web address"), &view)
}

fn form_of(slug: &str) -> FormView {
    FormView::empty(PATH, &FIELDS).with("slug", slug)
}

#[handler]
async fn show(user: PageUser, resolver: Data<&Resolver>) -> Result<Response> {
    render(&user, &resolver, StatusCode::OK, form_of(user.tenant().slug.as_str()), None)
}

/// The answer is a page of the old address: a form of a portal leads to no other portal.
#[handler]
async fn save(user: PageUser, resolver: Data<&Resolver>, form: CheckedForm) -> Result<Response> {
    match change(&resolver, &user.by, form.get("slug")).await {
        Ok(tenant) => render(&user, &resolver, StatusCode::OK, form_of(tenant.slug.as_str()), Some(&tenant)),
        Err(error) => {
            let error = match error {
                Error::Conflict { code, detail } => Error::invalid("slug", code, detail),
                other => other,
            };
            let shown = FormView::empty(PATH, &FIELDS).typed(&form).failed(error)?;
            render(&user, &resolver, StatusCode::UNPROCESSABLE_ENTITY, shown, None)
        }
    }
}

/// Where the portal is.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "WebAddress")]
struct AddressView {
    slug: String,
    host: String,
    portal_url: String,
}

/// The address that is wanted.
#[derive(Debug, Object)]
#[oai(rename = "WebAddressChange")]
struct AddressBody {
    /// 3 to 40 of a-z, 0-9 and single hyphens.
    #[oai(validator(min_length = 3, max_length = 40))]
    slug: String,
}

/// The operation on the web address.
pub struct AddressApi {
    resolver: Resolver,
}

impl AddressApi {
    pub fn new(resolver: Resolver) -> Self {
        Self { resolver }
    }
}

#[OpenApi(tag = "Tag::Settings")]
impl AddressApi {
    /// Change the portal's web address
    ///
    /// Owners only, who signed in within the last quarter of an hour (403 `proof_needed`). The old address leads to the new one and is
    /// nobody else's; API and webhooks answer at both. Everybody signs in again, and passkeys have to be made anew. 409 `same_address`,
    /// `slug_taken`, `too_many_addresses` (ten former ones).
    #[oai(path = "/settings/address", method = "put", operation_id = "change_web_address")]
    async fn change_address(&self, by: ApiUser<Owner>, body: Body<AddressBody>) -> Result<Json<AddressView>> {
        let tenant = change(&self.resolver, &by, &body.0.slug).await?;
        Ok(Json(AddressView {
            slug: tenant.slug.to_string(),
            host: self.resolver.host_under_base(&tenant.slug),
            portal_url: self.resolver.url_of(&tenant),
        }))
    }
}
