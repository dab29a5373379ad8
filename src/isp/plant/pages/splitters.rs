//! Pages of splitters.

use std::sync::Arc;

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{
    Crumb, LightView, PlaceForm, SiteView, crumbs, lcps::counted_on, may, metres, node_value, renamed,
};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        customers::MapView,
        plant::{
            DeletePlant, EditPlant,
            budget::Budget,
            fibre::Stretch,
            model::{Hang, Splitter, SplitterDraft, SplitterType},
            node::Node,
            paths::NodePath,
            rules,
            store::{
                lcps, map,
                splitters::{self, CountedSplitter, Output},
            },
        },
        site::Site,
    },
    types::{LcpId, SplitterId},
    web::parts::{Choice, id_of},
    web::typed::Typed,
    web::{Flash, Form, FormView},
    words::say,
};

const OWN_FIELDS: [&str; 5] = ["code", "type", "losses", "location", "is_active"];
/// What a form calls the place that a splitter hangs on.
const HANG_FIELDS: [&str; 2] = ["hangs_on", "parent_output"];

#[derive(Serialize)]
struct DetailPage {
    crumbs: Vec<Crumb>,
    splitter: Shown,
    outputs: Vec<OutputRow>,
    site: Option<SiteView>,
    map: MapView,
    places: Vec<Choice>,
    form: FormView,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Shown {
    id: SplitterId,
    code: String,
    kind: &'static str,
    hangs_on: String,
    is_active: bool,
    is_down: bool,
    location: String,
    fibre: String,
    counted: String,
    used: i64,
    outputs: i16,
    naps: i64,
}

#[derive(Serialize)]
struct OutputRow {
    number: i16,
    loss: String,
    splitter: Option<Crumb>,
    naps: Vec<Crumb>,
    light: LightView,
    add_nap_href: String,
    add_splitter_href: String,
}

/// Everything that the page tells.
struct Known {
    counted: CountedSplitter,
    path: NodePath,
    outputs: Vec<Output>,
    light: Vec<Budget>,
    places: Vec<Choice>,
    is_down: bool,
}

async fn read(tx: &TenantTx, id: SplitterId) -> Result<Known> {
    let counted = rules::get_splitter(tx, id).await?;
    let path = rules::node_path(tx, Node::Splitter(id)).await?;
    let light = rules::light_of_splitter(tx, id, &counted.splitter.draft.losses).await?;
    let outputs = splitters::outputs(tx, id).await?;
    let branch = splitters::branch(tx, id).await?;
    let below: Vec<SplitterId> = branch.into_iter().map(|(id, _)| id).collect();
    let places = places(tx, &below).await?;
    let is_down = map::down(tx).await?.contains(&id.0);
    Ok(Known { counted, path, outputs, light, places, is_down })
}

/// Everything that a splitter may hang on: LCPs, and splitters but for those of its own branch.
async fn places(tx: &TenantTx, without: &[SplitterId]) -> Result<Vec<Choice>> {
    let (lcps, all) = futures_util::try_join!(lcps::choices(tx), splitters::choices(tx))?;
    let lcps = lcps.into_iter().map(|lcp| {
        Choice::new(node_value(Node::Lcp(lcp.id)), say!("{} – {} (the LCP itself)", lcp.code, lcp.name))
    });
    let splitters = all.into_iter().filter(|one| !without.contains(&one.id)).map(|one| {
        let label = format!("{} › {} ({})", one.lcp_code, one.code, one.kind);
        Choice::new(node_value(Node::Splitter(one.id)), label)
    });
    Ok(lcps.chain(splitters).collect())
}

fn output_row(id: SplitterId, output: Output, light: &Budget) -> OutputRow {
    let number = output.number;
    OutputRow {
        number,
        loss: format!("{} dB", output.loss_db),
        splitter: output.splitter.map(|(id, code)| Crumb::new(code, Node::Splitter(id).href())),
        naps: output.naps.into_iter().map(|(id, code)| Crumb::new(code, Node::Nap(id).href())).collect(),
        light: light.into(),
        add_nap_href: format!("/plant/naps/new?splitter={id}&output={number}"),
        add_splitter_href: format!("/plant/splitters/new?splitter={id}&output={number}"),
    }
}

/// What the form calls the place of a splitter.
fn hang_values(splitter: &Splitter) -> (String, String) {
    match splitter.parent {
        Some((parent, output)) => (node_value(Node::Splitter(parent)), output.to_string()),
        None => (node_value(Node::Lcp(splitter.lcp_id)), String::new()),
    }
}

fn move_form(splitter: &Splitter) -> FormView {
    let (hangs_on, output) = hang_values(splitter);
    FormView::empty(format!("/plant/splitters/{}/move", splitter.id), &HANG_FIELDS)
        .with("hangs_on", hangs_on)
        .with("parent_output", output)
}

/// A splitter's page, with what was typed when there is something to mend.
async fn page_of(
    (user, db, settings): (&PageUser, &Db, &Settings),
    id: SplitterId,
    mend: Option<(StatusCode, FormView)>,
) -> Result<Response> {
    let known = db.read_tenant(user.tenant(), async |tx| read(tx, id).await).await?;
    let CountedSplitter { splitter, used_outputs, naps, .. } = known.counted;
    let (status, form) = mend.unwrap_or_else(|| (StatusCode::OK, move_form(&splitter)));
    let hangs_on = match known.path.steps.iter().rev().nth(1) {
        Some((_, name)) => name.clone(),
        None => String::new(),
    };
    let draft = splitter.draft;
    let title = say!("Splitter {}", draft.code);
    let view = DetailPage {
        crumbs: crumbs(&known.path),
        site: SiteView::of(&draft.site),
        map: MapView::around(settings, None),
        outputs: known
            .outputs
            .into_iter()
            .zip(&known.light)
            .map(|(output, light)| output_row(id, output, light))
            .collect(),
        places: known.places,
        form,
        can_edit: may::<EditPlant>(user),
        can_delete: may::<DeletePlant>(user),
        splitter: Shown {
            id,
            kind: draft.kind.as_str(),
            hangs_on,
            is_active: draft.is_active,
            is_down: known.is_down,
            fibre: metres(draft.stretch.fibre_m.into()),
            counted: counted_on(draft.stretch),
            used: used_outputs,
            outputs: draft.outputs(),
            naps,
            location: draft.location.unwrap_or_default(),
            code: draft.code,
        },
    };
    user.render_with(status, "plant/splitter.html", &title, &view)
}

#[handler]
pub async fn show_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    Ok(page_of((&user, &db, &settings), id_of(&id, "splitter")?, None).await?)
}

/// Reads `lcp:<id>` or `splitter:<id>` with the number of an output.
fn hang_of(form: &Form) -> Result<Hang> {
    let (kind, id) = form.get("hangs_on").split_once(':').unwrap_or_default();
    let typed = match kind {
        "splitter" => Typed::default().with("parent_id", id).with("parent_output", form.get("parent_output")),
        _ => Typed::default().with("lcp_id", id),
    };
    Hang::parse(&typed)
}

/// The fields of a place as the form calls them.
fn told(error: Error) -> Error {
    renamed(error, &["lcp_id", "parent_id"], "hangs_on")
}

#[handler]
pub async fn move_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: SplitterId = id_of(&id, "splitter")?;
    let href = Node::Splitter(id).href();
    let moved = match hang_of(&form) {
        Ok(hang) => {
            db.in_tenant(user.tenant(), async |tx| rules::move_splitter(tx, &user.by, id, hang).await).await
        }
        Err(error) => Err(error),
    };
    match moved {
        Ok(()) => Ok(user.then(&href, &Flash::success("The splitter was moved, with everything below it."))),
        Err(error) => {
            let shown =
                FormView::empty(format!("{href}/move"), &HANG_FIELDS).typed(&form).failed(told(error))?;
            let mend = Some((StatusCode::UNPROCESSABLE_ENTITY, shown));
            Ok(page_of((&user, &db, &settings), id, mend).await?)
        }
    }
}

#[derive(Serialize)]
struct FormPage {
    crumbs: Vec<Crumb>,
    is_new: bool,
    places: Vec<Choice>,
    kinds: Vec<Choice>,
    cancel_href: String,
    place: PlaceForm,
    form: FormView,
}

async fn form_page(
    (user, db, settings): (&PageUser, &Db, &Settings),
    status: StatusCode,
    form: FormView,
    splitter: Option<&Splitter>,
) -> Result<Response> {
    let (places, middle) = db
        .read_tenant(user.tenant(), async |tx| futures_util::try_join!(places(tx, &[]), map::middle(tx)))
        .await?;
    let (title, crumbs, cancel_href) = match splitter {
        Some(splitter) => {
            let href = Node::Splitter(splitter.id).href();
            let crumbs = vec![Crumb::plant(), Crumb::new(&splitter.draft.code, href.clone())];
            (say!("Edit splitter {}", splitter.draft.code), crumbs, href)
        }
        None => (say("New splitter").to_owned(), vec![Crumb::plant()], super::PATH.to_owned()),
    };
    let kinds = SplitterType::ALL.iter().map(|kind| {
        let label = if *kind == SplitterType::Tap { say("Tap (uneven)") } else { kind.as_str() };
        Choice::new(kind.as_str(), label)
    });
    let view = FormPage {
        crumbs,
        is_new: splitter.is_none(),
        places,
        kinds: kinds.collect(),
        cancel_href,
        place: PlaceForm::new(MapView::around(settings, middle)),
        form,
    };
    user.render_with(status, "plant/splitter_form.html", &title, &view)
}

fn typed(form: &Form) -> Typed {
    let names: Vec<&'static str> =
        OWN_FIELDS.iter().chain(&HANG_FIELDS).chain(&Stretch::FIELDS).chain(&Site::FIELDS).copied().collect();
    Typed::of_form(form, &names)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    lcp: String,
    splitter: String,
    output: String,
}

#[handler]
pub async fn new_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let hangs_on = if asked.splitter.is_empty() {
        asked.lcp.parse().map(|id| node_value(Node::Lcp(LcpId(id)))).unwrap_or_default()
    } else {
        asked.splitter.parse().map(|id| node_value(Node::Splitter(SplitterId(id)))).unwrap_or_default()
    };
    let fresh = typed(&Form::default())
        .with("is_active", true)
        .with("type", "1:8")
        .with("hangs_on", hangs_on)
        .with("parent_output", asked.output)
        .with("fibre_m", 0)
        .with("location_accuracy", "manual");
    let form = fresh.into_form("/plant/splitters");
    Ok(form_page((&user, &db, &settings), StatusCode::OK, form, None).await?)
}

#[handler]
pub async fn add_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let added = match (SplitterDraft::parse(&typed(&form)), hang_of(&form)) {
        (Ok(draft), Ok(hang)) => {
            db.in_tenant(user.tenant(), async |tx| rules::create_splitter(tx, &user.by, hang, &draft).await)
                .await
        }
        (Err(Error::Invalid(mut wrongs)), Err(Error::Invalid(more))) => {
            wrongs.extend(more);
            Err(Error::Invalid(wrongs))
        }
        (Err(error), _) | (_, Err(error)) => Err(error),
    };
    match added {
        Ok(id) => {
            let flash = Flash::success(say!("{} was added.", form.get("code").trim()));
            Ok(user.then(&Node::Splitter(id).href(), &flash))
        }
        Err(error) => {
            let shown = typed(&form).into_form("/plant/splitters").failed(told(error))?;
            Ok(form_page((&user, &db, &settings), StatusCode::UNPROCESSABLE_ENTITY, shown, None).await?)
        }
    }
}

#[handler]
pub async fn edit_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: SplitterId = id_of(&id, "splitter")?;
    let found = db.read_tenant(user.tenant(), async |tx| rules::get_splitter(tx, id).await).await?.splitter;
    let form = found.draft.typed().into_form(Node::Splitter(id).href());
    Ok(form_page((&user, &db, &settings), StatusCode::OK, form, Some(&found)).await?)
}

#[handler]
pub async fn save_splitter(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: SplitterId = id_of(&id, "splitter")?;
    let href = Node::Splitter(id).href();
    let wanted = typed(&form);
    let saved = db
        .in_tenant(user.tenant(), async |tx| {
            rules::change_splitter(tx, &user.by, id, |_| SplitterDraft::parse(&wanted)).await
        })
        .await;
    match saved {
        Ok(()) => Ok(user.then(&href, &Flash::success(say!("{} was saved.", form.get("code").trim())))),
        Err(error) => {
            let shown = wanted.into_form(&href).failed(error)?;
            let found = db.read_tenant(user.tenant(), async |tx| rules::get_splitter(tx, id).await).await?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(form_page((&user, &db, &settings), status, shown, Some(&found.splitter)).await?)
        }
    }
}

#[handler]
pub async fn delete_splitter(
    user: PageUser,
    db: Data<&Db>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: SplitterId = id_of(&id, "splitter")?;
    let gone = db.in_tenant(user.tenant(), async |tx| rules::delete_splitter(tx, &user.by, id).await).await;
    match gone {
        Ok((lcp, code)) => {
            Ok(user.then(&Node::Lcp(lcp).href(), &Flash::success(say!("{} was deleted.", code))))
        }
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&Node::Splitter(id).href(), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}
