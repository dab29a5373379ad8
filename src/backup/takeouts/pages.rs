//! The page on which an owner takes the data along.

use poem::{
    IntoResponse, Response, handler,
    http::{Method, StatusCode},
    web::{Data, Path},
};
use serde::Serialize;
use uuid::Uuid;

use super::{
    api::fetched,
    model::{Kind, Order, Status, Takeout},
    rules::Takeouts,
};
use crate::{
    access::{CheckedForm, Guarded, Owner, PageUser},
    error::Result,
    web::{
        Flash, FormView, Moment, RouteTable,
        parts::{Choice, grouped, id_of, size_text},
    },
    words::say,
};

const PATH: &str = "/settings/takeouts";
const FIELDS: [&str; 2] = ["kind", "passphrase"];

pub fn pages(table: &mut RouteTable) {
    table
        .page::<Owner>(Method::GET, PATH, show)
        .page::<Owner>(Method::POST, PATH, ask)
        .page::<Owner>(Method::GET, "/settings/takeouts/:id/file", fetch)
        .page::<Owner>(Method::POST, "/settings/takeouts/:id/remove", remove);
}

#[derive(Serialize)]
struct Row {
    kind: &'static str,
    asked: Moment,
    asked_by: String,
    word: &'static str,
    tone: &'static str,
    /// "12 MB, 40,512 rows", why it failed, or empty.
    about: String,
    /// While it is there.
    until: Option<Moment>,
    file: String,
    remove_action: String,
    sha256: String,
}

fn row_of(takeout: Takeout, zone: chrono_tz::Tz) -> Row {
    let is_there = takeout.status == Status::Made;
    let (word, tone) = match takeout.status {
        Status::Waiting => (say("Being made"), "info"),
        Status::Made => (say("Ready"), "success"),
        Status::Failed => (say("Failed"), "error"),
        Status::Gone => (say("Removed"), "neutral"),
    };
    let size = takeout.size_bytes.zip(takeout.rows);
    let about = size.map(|(bytes, rows)| format!("{}, {} rows", size_text(bytes), grouped(rows)));
    Row {
        kind: match takeout.kind {
            Kind::Readable => say("Readable file"),
            Kind::Archive => say("Archive to move"),
        },
        asked: Moment::at(takeout.asked_at, zone),
        asked_by: takeout.asked_by,
        word,
        tone,
        about: takeout.failure.or(about).unwrap_or_default(),
        until: takeout.expires_at.filter(|_| is_there).map(|at| Moment::at(at, zone)),
        file: format!("{PATH}/{}/file", takeout.id),
        remove_action: format!("{PATH}/{}/remove", takeout.id),
        sha256: takeout.sha256.unwrap_or_default(),
    }
}

#[derive(Serialize)]
struct DataPage {
    settings_tab: &'static str,
    takeouts: Vec<Row>,
    /// One is being made: the list is looked at again and again.
    is_moving: bool,
    is_proved: bool,
    kinds: Vec<Choice>,
    form: FormView,
}

async fn page(user: &PageUser, takeouts: &Takeouts, status: StatusCode, form: FormView) -> Result<Response> {
    let zone = user.tenant().time_zone.0;
    let found = takeouts.list(user.tenant()).await?;
    let view = DataPage {
        settings_tab: "takeouts",
        is_moving: found.iter().any(|takeout| takeout.status == Status::Waiting),
        takeouts: found.into_iter().map(|takeout| row_of(takeout, zone)).collect(),
        is_proved: user.by.must_have_proved().is_ok(),
        kinds: vec![
            Choice::new("readable", say("Readable file – CSV, JSON and your files")),
            Choice::new("archive", say("Archive – to move to another deployment")),
        ],
        form,
    };
    user.render_with(status, "portal/settings_takeouts.html", say("Your data"), &view)
}

fn empty_form() -> FormView {
    FormView::empty(PATH, &FIELDS).with("kind", Kind::Readable.as_str())
}

#[handler]
async fn show(user: PageUser, takeouts: Data<&Takeouts>) -> Result<Response> {
    page(&user, &takeouts, StatusCode::OK, empty_form()).await
}

#[handler]
async fn ask(user: PageUser, takeouts: Data<&Takeouts>, form: CheckedForm) -> Result<Response> {
    let attempt = async {
        let order = Order::parse(form.get("kind"), form.get("passphrase"))?;
        takeouts.ask(&user.by, &order).await
    };
    match attempt.await {
        Ok(_) => {
            Ok(user.then(PATH, &Flash::success("Your file is being made. It appears here when it is ready.")))
        }
        Err(error) => {
            let shown = empty_form().with("kind", form.get("kind")).failed(error)?;
            page(&user, &takeouts, StatusCode::UNPROCESSABLE_ENTITY, shown).await
        }
    }
}

#[handler]
async fn fetch(user: PageUser, takeouts: Data<&Takeouts>, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "takeout")?;
    fetched(&takeouts, &user.by, id).await.map(IntoResponse::into_response)
}

#[handler]
async fn remove(user: PageUser, takeouts: Data<&Takeouts>, id: Path<String>) -> Result<Response> {
    let id: Uuid = id_of(&id, "takeout")?;
    takeouts.remove(&user.by, id).await?;
    Ok(user.then(PATH, &Flash::success("The file is removed.")))
}
