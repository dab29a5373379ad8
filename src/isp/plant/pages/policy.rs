//! How light is counted.

use poem::{Response, handler, http::StatusCode, web::Data};
use serde::Serialize;

use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::Result,
    isp::plant::{budget::Policy, rules},
    web::typed::Typed,
    web::{Flash, FormView},
    words::say,
};

const PATH: &str = "/settings/plant";

#[derive(Serialize)]
struct PolicyPage {
    settings_tab: &'static str,
    form: FormView,
}

fn page(user: &PageUser, status: StatusCode, form: FormView) -> Result<Response> {
    user.render_with(
        status,
        "plant/policy.html",
        say("Plant settings"),
        &PolicyPage { settings_tab: "plant", form },
    )
}

#[handler]
pub async fn show_policy(user: PageUser, db: Data<&Db>) -> poem::Result<Response> {
    let policy = db.read_tenant(user.tenant(), async |tx| rules::policy(tx).await).await?;
    Ok(page(&user, StatusCode::OK, policy.typed().into_form(PATH))?)
}

#[handler]
pub async fn save_policy(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let typed = Typed::of_form(&form, &Policy::FIELDS);
    let saved = match Policy::parse(&typed) {
        Ok(policy) => {
            db.in_tenant(user.tenant(), async |tx| rules::change_policy(tx, &user.by, &policy).await).await
        }
        Err(error) => Err(error),
    };
    match saved {
        Ok(()) => Ok(user.then(PATH, &Flash::success("How light is counted was saved."))),
        Err(error) => {
            Ok(page(&user, StatusCode::UNPROCESSABLE_ENTITY, typed.into_form(PATH).failed(error)?)?)
        }
    }
}
