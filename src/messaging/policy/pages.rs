//! The page of how messages are sent.

use poem::{
    Response, handler,
    http::{Method, StatusCode},
    web::Data,
};
use serde::Serialize;

use super::{Policy, change, get};
use crate::{
    access::{CheckedForm, Guarded, PageUser},
    db::Db,
    error::Result,
    messaging::accounts::ManageChannels,
    web::{Flash, FormView, RouteTable, typed::Typed},
    words::say,
};

const PATH: &str = "/settings/messaging";

/// The page of how messages are sent.
pub fn pages(table: &mut RouteTable) {
    table.page::<ManageChannels>(Method::GET, PATH, show_policy);
    table.page::<ManageChannels>(Method::POST, PATH, save_policy);
}

#[derive(Serialize)]
struct PolicyPage {
    settings_tab: &'static str,
    form: FormView,
    is_dry_run: bool,
    zone: String,
}

fn page(user: &PageUser, status: StatusCode, typed: Typed, form: FormView) -> Result<Response> {
    let view = PolicyPage {
        settings_tab: "messaging",
        form,
        is_dry_run: typed.is_ticked("is_dry_run"),
        zone: user.tenant().time_zone.to_string(),
    };
    user.render_with(status, "channels/policy.html", say("Messaging settings"), &view)
}

#[handler]
async fn show_policy(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let typed = db.read_tenant(user.tenant(), async |tx| get(tx).await).await?.typed();
    let form = typed.clone().into_form(PATH);
    Ok(page(&user, StatusCode::OK, typed, form)?)
}

#[handler]
async fn save_policy(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let typed = Typed::of_form(&form, &Policy::FIELDS);
    let saved = match Policy::parse(&typed) {
        Ok(policy) => db.in_tenant(user.tenant(), async |tx| change(tx, &user.by, &policy).await).await,
        Err(error) => Err(error),
    };
    match saved {
        Ok(()) => Ok(user.then(PATH, &Flash::success("How messages are sent was saved."))),
        Err(error) => {
            let shown = typed.clone().into_form(PATH).failed(error)?;
            Ok(page(&user, StatusCode::UNPROCESSABLE_ENTITY, typed, shown)?)
        }
    }
}
