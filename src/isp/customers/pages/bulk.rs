//! One action on many rows of the list.

use chrono::DateTime;
use poem::{
    Response, handler,
    web::{Data, Path},
};

use super::{PATH, asked::Asked, may, people};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        customers::{
            DeleteCustomers, EditCustomers,
            body::{self, BulkAction},
            many::{self, Action, Chosen},
            model::Status,
        },
    },
    types::CustomerId,
    web::{Flash, Form},
    words::say,
};

fn chosen(form: &Form, asked: &Asked) -> Result<Chosen> {
    if form.get("scope") == "all" {
        return Ok(Chosen::Matching(asked.filter()?));
    }
    let ids: Vec<CustomerId> = form.all("ids").filter_map(|text| text.parse().ok()).collect();
    Ok(Chosen::Ids(ids))
}

fn wanted(form: &Form) -> Result<Action> {
    match form.get("action") {
        "set_status" => body::action(BulkAction::SetStatus, Some(form.get("status"))),
        "set_area" => body::action(BulkAction::SetArea, Some(form.get("area_id"))),
        "delete" => Ok(Action::Delete),
        _ => Err(Error::invalid("action", "not_a_choice", "There is no such action.")),
    }
}

#[handler]
pub async fn change_many(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let asked = Asked::parse(form.get("filter"));
    let back = asked.href(PATH, "", &[]);
    let done = async {
        let (chosen, action) = (chosen(&form, &asked)?, wanted(&form)?);
        if action == Action::Delete {
            user.by.require::<DeleteCustomers>()?;
        } else {
            user.by.require::<EditCustomers>()?;
        }
        if matches!(&chosen, Chosen::Ids(ids) if ids.is_empty()) {
            return Err(Error::invalid("ids", "required", "No customer was selected."));
        }
        db.in_tenant_for(user.tenant(), many::AT_MOST, async |tx| {
            let outcome = many::change_many(tx, &user.by, &chosen, action).await?;
            let area = match action {
                Action::SetArea(Some(id)) => areas::find_name(tx, id).await?.map(|(name, _)| name),
                _ => None,
            };
            Ok((outcome, action, area))
        })
        .await
    }
    .await;
    let (outcome, action, area) = match done {
        Ok(done) => done,
        // Nothing was changed, and the list says why.
        Err(error @ (Error::Invalid(_) | Error::Conflict { .. })) => {
            return Ok(user.then(&back, &Flash::error(error.detail())));
        }
        Err(error) => return Err(error.into()),
    };
    let n = i64::try_from(outcome.changed).unwrap_or(i64::MAX);
    let were = say(if n == 1 { "was" } else { "were" });
    let said = match action {
        Action::SetStatus(status) => say!("{} {} set to {}.", people(n), were, lower(status)),
        Action::SetArea(_) => {
            say!("{} {} moved to {}.", people(n), were, area.unwrap_or_else(|| say("no area").into()))
        }
        Action::Delete | Action::Restore => say!("{} {} deleted.", people(n), were),
    };
    let mut flash = Flash::success(said);
    if let Some(at) = outcome.deleted_at.filter(|_| may::<DeleteCustomers>(&user)) {
        flash = flash.with_undo(format!("/customers/undo/{}", at.timestamp_micros()));
    }
    Ok(user.then(&back, &flash))
}

fn lower(status: Status) -> String {
    status.label().to_lowercase()
}

/// Brings back those who were deleted at one instant.
#[handler]
pub async fn undo_deletion(user: PageUser, db: Data<&Db>, Path(at): Path<String>) -> poem::Result<Response> {
    let at = at
        .parse::<i64>()
        .ok()
        .filter(|micros| (0..=253_402_300_799_999_999).contains(micros))
        .and_then(DateTime::from_timestamp_micros)
        .ok_or(Error::not_found("page"))?;
    let restored = db
        .in_tenant_for(user.tenant(), many::AT_MOST, async |tx| many::undo_deletion(tx, &user.by, at).await)
        .await;
    let flash = match restored {
        Ok(0) => Flash::error("There is nothing to bring back: it was done already."),
        Ok(n) => {
            let n = i64::try_from(n).unwrap_or(i64::MAX);
            let are = if n == 1 { "is" } else { "are" };
            Flash::success(format!("{} {are} back.", people(n)))
        }
        Err(error @ Error::Conflict { .. }) => Flash::error(error.detail()),
        Err(error) => return Err(error.into()),
    };
    Ok(user.then(PATH, &flash))
}
