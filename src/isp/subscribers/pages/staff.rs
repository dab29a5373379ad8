//! The tab of a customer's page by which staff give access to the portal, and end it.

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path},
};
use serde::Serialize;

use crate::{
    access::{CheckedForm, PageUser},
    error::{Error, Result},
    isp::{
        customers::{self, Frame},
        subscribers::{
            invite::{Invited, standing},
            letters::Office,
            store::Purpose,
        },
    },
    types::CustomerId,
    web::parts::id_of,
    web::{Flash, FormView, Moment},
    words::say,
};

#[derive(Serialize)]
struct AccessPage {
    #[serde(flatten)]
    frame: Frame,
    login: Option<LoginCard>,
    invited_until: Option<Moment>,
    email: Option<String>,
    /// Shown this once.
    invited: Option<InvitedCard>,
    valid_for: &'static str,
    end_action: String,
    form: FormView,
}

#[derive(Serialize)]
struct LoginCard {
    sign_in_name: String,
    since: Moment,
    last_signed_in: Option<Moment>,
    proved_email: Option<String>,
}

#[derive(Serialize)]
struct InvitedCard {
    link: String,
    until: Moment,
    mailed_to: Option<String>,
}

fn href(id: CustomerId) -> String {
    format!("/customers/{id}/portal")
}

async fn show(
    user: &PageUser,
    office: &Office,
    id: CustomerId,
    invited: Option<Invited>,
    form: FormView,
) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let (frame, known) = office
        .db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(customers::frame(tx, user, id, "portal"), standing(tx, id))
        })
        .await?;
    let title = frame.name().to_owned();
    let status = if form.summary.is_empty() { StatusCode::OK } else { StatusCode::UNPROCESSABLE_ENTITY };
    let view = AccessPage {
        frame,
        login: known.login.map(|login| LoginCard {
            sign_in_name: login.sign_in_name,
            since: Moment::at(login.created_at, zone),
            last_signed_in: login.last_signed_in_at.map(|at| Moment::at(at, zone)),
            proved_email: login.proved_email,
        }),
        invited_until: known.invited_until.map(|at| Moment::at(at, zone)),
        email: known.email,
        invited: invited.map(|invited| InvitedCard {
            link: invited.link.url,
            until: Moment::at(invited.link.expires_at, zone),
            mailed_to: invited.mailed_to,
        }),
        valid_for: Purpose::Invitation.valid_for(),
        end_action: format!("{}/end", href(id)),
        form,
    };
    user.render_with(status, "my/customer_tab.html", &title, &view)
}

fn invite_form(id: CustomerId) -> FormView {
    FormView::empty(format!("{}/invite", href(id)), &[])
}

#[handler]
pub async fn show_access(
    user: PageUser,
    office: Data<&Office>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id = id_of(&id, "customer")?;
    Ok(show(&user, &office, id, None, invite_form(id)).await?)
}

#[handler]
pub async fn invite(
    user: PageUser,
    office: Data<&Office>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id = id_of(&id, "customer")?;
    match office.invite(&user.by, id, form.has("send_mail")).await {
        Ok(invited) => Ok(show(&user, &office, id, Some(invited), invite_form(id)).await?),
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            Ok(show(&user, &office, id, None, invite_form(id).failed(error)?).await?)
        }
        Err(other) => Err(other.into()),
    }
}

#[handler]
pub async fn end_access(
    user: PageUser,
    office: Data<&Office>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id = id_of(&id, "customer")?;
    let name = office.end(&user.by, id).await?;
    Ok(user.then(&href(id), &Flash::success(say!("{} can no longer sign in.", name))))
}
