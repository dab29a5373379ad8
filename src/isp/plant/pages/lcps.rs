//! Pages of LCPs.

use std::sync::Arc;

use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{Crumb, PATH, PlaceForm, PortsView, SiteView, may, metres};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::Db,
    error::{Error, Result},
    isp::{
        areas,
        customers::MapView,
        plant::{
            DeletePlant, EditPlant,
            api::{Mark, searched},
            budget::OltClass,
            fibre::Stretch,
            model::{Lcp, LcpDraft},
            rules,
            store::{
                lcps::{self, CountedLcp, LcpFilter, LcpSort},
                map,
            },
            tree::{self, Branch},
        },
        site::Site,
    },
    types::{LcpId, Limit},
    web::parts::{Choice, Column, Pager, Tab, address, grouped, id_of, shown},
    web::typed::Typed,
    web::{Flash, Form, FormView},
    words::say,
};

const PAGE: Limit = Limit::of(50);
const OWN_FIELDS: [&str; 10] = [
    "code",
    "name",
    "location",
    "area_id",
    "is_active",
    "notes",
    "coverage_radius_m",
    "olt_name",
    "olt_class",
    "olt_tx_dbm",
];

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    state: String,
    sort: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct ListPage {
    area_word: String,
    q: String,
    state: &'static str,
    tabs: Vec<Tab>,
    code: Column,
    name: Column,
    lcps: Vec<Row>,
    pager: Pager,
    filtered: bool,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    code: String,
    name: String,
    href: String,
    area: String,
    location: String,
    splitters: String,
    naps: String,
    ports: PortsView,
    is_active: bool,
}

impl From<CountedLcp> for Row {
    fn from(counted: CountedLcp) -> Self {
        let Lcp { id, draft, .. } = counted.lcp;
        Self {
            href: format!("/plant/lcps/{id}"),
            code: draft.code,
            name: draft.name,
            area: counted.area.unwrap_or_default(),
            location: draft.location.unwrap_or_default(),
            splitters: grouped(counted.splitters),
            naps: grouped(counted.naps),
            ports: counted.ports.into(),
            is_active: draft.is_active,
        }
    }
}

/// The list's address with another state or order.
fn href(q: &str, state: &str, sort: &str) -> String {
    let pairs = [("q", q), ("state", state), ("sort", sort)];
    address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty()))
}

fn sort_of(text: &str) -> (LcpSort, &'static str) {
    match text {
        "-code" => (LcpSort::CodeDown, "-code"),
        "name" => (LcpSort::Name, "name"),
        "-name" => (LcpSort::NameDown, "-name"),
        _ => (LcpSort::Code, "code"),
    }
}

fn column(label: &'static str, q: &str, state: &str, order: &str) -> Column {
    let key = label.to_lowercase();
    let (next, sort) = if order == key {
        (format!("-{key}"), "ascending")
    } else if order.strip_prefix('-') == Some(&key) {
        (key, "descending")
    } else {
        (key, "")
    };
    Column { label: label.to_owned(), href: href(q, state, &next), sort }
}

#[handler]
pub async fn list_lcps(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let q: String = searched(Some(&asked.q)).unwrap_or_default().chars().take(100).collect();
    let (sort, order) = sort_of(&asked.sort);
    let (state, is_active) = match asked.state.as_str() {
        "active" => ("active", Some(true)),
        "inactive" => ("inactive", Some(false)),
        _ => ("", None),
    };
    let mark = Mark::decode(Some(&asked.cursor), order)?;
    let after = mark.as_ref().map(|(text, id)| (text.as_str(), LcpId(*id)));
    let filter = LcpFilter { q: Some(q.clone()).filter(|q| !q.is_empty()), is_active, area: None };
    let (mut found, (all, active)) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(lcps::list(tx, &filter, sort, after, PAGE), lcps::count(tx, &filter))
        })
        .await?;
    let more = PAGE.cut(&mut found);
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let draft = &last.lcp.draft;
            let text = if order.ends_with("name") { &draft.name } else { &draft.code };
            let cursor = Mark::encode(order, text, last.lcp.id.0)?;
            let from = (first + PAGE.get()).to_string();
            let pairs =
                [("q", q.as_str()), ("state", state), ("sort", order), ("cursor", &cursor), ("from", &from)];
            Some(address(PATH, pairs.into_iter().filter(|(_, value)| !value.is_empty())))
        }
        None => None,
    };
    let tab = |label, key: &'static str, n: i64| Tab {
        label,
        count: Some(grouped(n)),
        href: href(&q, key, &asked.sort),
        active: key == state,
    };
    let total = is_active.map_or(all, |is| if is { active } else { all - active });
    let view = ListPage {
        area_word: user.shell.brand.area_word.clone(),
        tabs: vec![
            tab(say("All"), "", all),
            tab(say("Active"), "active", active),
            tab(say("Inactive"), "inactive", all - active),
        ],
        code: column(say("Code"), &q, state, order),
        name: column(say("Name"), &q, state, order),
        pager: Pager {
            prev_href: mark.is_some().then(|| href(&q, state, &asked.sort)),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        lcps: found.into_iter().map(Row::from).collect(),
        filtered: !q.is_empty() || is_active.is_some(),
        can_edit: may::<EditPlant>(&user),
        state,
        q,
    };
    Ok(user.render("plant/list.html", say("Plant"), &view)?)
}

#[derive(Serialize)]
struct DetailPage {
    area_word: String,
    crumbs: Vec<Crumb>,
    lcp: Shown,
    ports: PortsView,
    site: Option<SiteView>,
    map: MapView,
    splitters: Vec<Card>,
    can_edit: bool,
    can_delete: bool,
}

#[derive(Serialize)]
struct Shown {
    id: LcpId,
    code: String,
    name: String,
    is_active: bool,
    is_down: bool,
    location: String,
    area: Option<String>,
    area_href: Option<String>,
    notes: String,
    coverage: String,
    olt: String,
    class: &'static str,
    tx: String,
    fibre: String,
    counted: String,
    splitters: String,
    naps: String,
    tree_href: String,
}

/// A splitter on its LCP's page, with the NAPs on it.
#[derive(Serialize)]
struct Card {
    code: String,
    kind: String,
    href: String,
    hangs_on: String,
    is_down: bool,
    is_active: bool,
    used: usize,
    outputs: i16,
    is_full: bool,
    ports: PortsView,
    naps: Vec<CardNap>,
    add_nap_href: String,
    add_splitter_href: String,
}

#[derive(Serialize)]
struct CardNap {
    output: i16,
    code: String,
    name: String,
    href: String,
    is_down: bool,
    is_active: bool,
    ports: PortsView,
}

/// The splitters of a tree one after the other, each after the one that it hangs on.
fn cards(below: &[Branch], parent: Option<&str>, into: &mut Vec<Card>) {
    for branch in below.iter().filter(|branch| branch.node == "splitter") {
        let (used, outputs) = branch.outputs.unwrap_or_default();
        let hangs_on = match (parent, branch.output) {
            (Some(parent), Some(output)) => say!("on {} port {}", parent, output),
            _ => say("on the LCP").to_owned(),
        };
        let naps = branch
            .below
            .iter()
            .filter(|one| one.node == "nap")
            .map(|nap| CardNap {
                output: nap.output.unwrap_or_default(),
                code: nap.code.clone(),
                name: nap.name.clone(),
                href: nap.href.clone(),
                is_down: nap.is_down,
                is_active: nap.is_active,
                ports: nap.ports.into(),
            })
            .collect();
        into.push(Card {
            code: branch.code.clone(),
            kind: branch.name.clone(),
            href: branch.href.clone(),
            hangs_on,
            is_down: branch.is_down,
            is_active: branch.is_active,
            used,
            outputs,
            is_full: used >= usize::try_from(outputs).unwrap_or_default(),
            ports: branch.ports.into(),
            naps,
            add_nap_href: format!("/plant/naps/new?splitter={}", branch.id),
            add_splitter_href: format!("/plant/splitters/new?splitter={}", branch.id),
        });
        cards(&branch.below, Some(&branch.code), into);
    }
}

/// What somebody counted on a stretch.
pub fn counted_on(stretch: Stretch) -> String {
    let said = |n: Option<i16>, noun: &str| n.map(|n| format!("{n} {noun}"));
    let parts: Vec<String> = [said(stretch.connectors, "connectors"), said(stretch.splices, "splices")]
        .into_iter()
        .flatten()
        .collect();
    if parts.is_empty() { say("not counted").to_owned() } else { parts.join(", ") }
}

fn shown_lcp(counted: CountedLcp, is_down: bool) -> Shown {
    let Lcp { id, draft, .. } = counted.lcp;
    Shown {
        id,
        tree_href: format!("/plant/tree?lcp={id}"),
        area_href: draft.area_id.map(|area| format!("/areas/{area}")),
        code: draft.code,
        name: draft.name,
        is_active: draft.is_active,
        is_down,
        location: draft.location.unwrap_or_default(),
        area: counted.area,
        notes: draft.notes.unwrap_or_default(),
        coverage: metres(draft.coverage_radius_m.into()),
        olt: draft.olt_name.unwrap_or_default(),
        class: draft.olt_class.label(),
        tx: format!("{} dBm", draft.olt_tx_dbm.normalize()),
        fibre: metres(draft.stretch.fibre_m.into()),
        counted: counted_on(draft.stretch),
        splitters: grouped(counted.splitters),
        naps: grouped(counted.naps),
    }
}

#[handler]
pub async fn show_lcp(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: LcpId = id_of(&id, "LCP")?;
    let (counted, trees) = db
        .read_tenant(user.tenant(), async |tx| {
            let counted = rules::get_lcp(tx, id).await?;
            let trees = tree::grow(tx, vec![counted.clone()]).await?;
            Ok((counted, trees))
        })
        .await?;
    let mut splitters = Vec::new();
    for lcp in &trees {
        cards(&lcp.below, None, &mut splitters);
    }
    let title = format!("{} – {}", counted.lcp.draft.code, counted.lcp.draft.name);
    let view = DetailPage {
        area_word: user.shell.brand.area_word.clone(),
        crumbs: vec![Crumb::plant()],
        ports: counted.ports.into(),
        site: SiteView::of(&counted.lcp.draft.site),
        map: MapView::around(&settings, None),
        lcp: shown_lcp(counted, trees.iter().any(|lcp| lcp.is_down)),
        splitters,
        can_edit: may::<EditPlant>(&user),
        can_delete: may::<DeletePlant>(&user),
    };
    Ok(user.render("plant/lcp.html", &title, &view)?)
}

#[derive(Serialize)]
struct FormPage {
    area_word: String,
    crumbs: Vec<Crumb>,
    is_new: bool,
    areas: Vec<Choice>,
    classes: Vec<Choice>,
    cancel_href: String,
    place: PlaceForm,
    form: FormView,
}

/// The program's parts that every form needs.
struct Desk<'a> {
    user: &'a PageUser,
    db: &'a Db,
    settings: &'a Settings,
}

impl Desk<'_> {
    async fn show(&self, status: StatusCode, form: FormView, lcp: Option<&Lcp>) -> Result<Response> {
        let (areas, middle) = self
            .db
            .read_tenant(self.user.tenant(), async |tx| {
                futures_util::try_join!(areas::find_choices(tx), map::middle(tx))
            })
            .await?;
        let chosen = form.values.get("area_id").cloned().unwrap_or_default();
        let (title, crumbs, cancel_href) = match lcp {
            Some(lcp) => {
                let href = format!("/plant/lcps/{}", lcp.id);
                let crumbs = vec![Crumb::plant(), Crumb::new(&lcp.draft.code, href.clone())];
                (say!("Edit {}", lcp.draft.code), crumbs, href)
            }
            None => (say("New LCP").to_owned(), vec![Crumb::plant()], PATH.to_owned()),
        };
        let view = FormPage {
            area_word: self.user.shell.brand.area_word.clone(),
            crumbs,
            is_new: lcp.is_none(),
            areas: areas
                .iter()
                .filter(|area| area.is_active || area.id.to_string() == chosen)
                .map(|area| Choice::new(area.id, area.name.clone()))
                .collect(),
            classes: OltClass::ALL.iter().map(|class| Choice::new(class.as_str(), class.label())).collect(),
            cancel_href,
            place: PlaceForm::new(MapView::around(self.settings, middle)),
            form,
        };
        self.user.render_with(status, "plant/lcp_form.html", &title, &view)
    }
}

fn typed(form: &Form) -> Typed {
    let names: Vec<&'static str> =
        OWN_FIELDS.iter().chain(&Stretch::FIELDS).chain(&Site::FIELDS).copied().collect();
    Typed::of_form(form, &names)
}

/// What a new LCP begins with.
fn fresh() -> Typed {
    typed(&Form::default())
        .with("is_active", true)
        .with("coverage_radius_m", 1_000)
        .with("olt_class", "b_plus")
        .with("olt_tx_dbm", 3)
        .with("fibre_m", 0)
        .with("location_accuracy", "manual")
}

#[handler]
pub async fn new_lcp(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
) -> poem::Result<Response> {
    let desk = Desk { user: &user, db: &db, settings: &settings };
    Ok(desk.show(StatusCode::OK, fresh().into_form("/plant/lcps"), None).await?)
}

#[handler]
pub async fn add_lcp(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let added = match LcpDraft::parse(&typed(&form)) {
        Ok(draft) => {
            db.in_tenant(user.tenant(), async |tx| rules::create_lcp(tx, &user.by, &draft).await).await
        }
        Err(error) => Err(error),
    };
    match added {
        Ok(id) => {
            let flash = Flash::success(say!("{} was added.", form.get("code").trim()));
            Ok(user.then(&format!("/plant/lcps/{id}"), &flash))
        }
        Err(error) => {
            let desk = Desk { user: &user, db: &db, settings: &settings };
            let shown = typed(&form).into_form("/plant/lcps").failed(error)?;
            Ok(desk.show(StatusCode::UNPROCESSABLE_ENTITY, shown, None).await?)
        }
    }
}

#[handler]
pub async fn edit_lcp(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: LcpId = id_of(&id, "LCP")?;
    let desk = Desk { user: &user, db: &db, settings: &settings };
    let lcp = db.read_tenant(user.tenant(), async |tx| rules::get_lcp(tx, id).await).await?.lcp;
    let form = lcp.draft.typed().into_form(format!("/plant/lcps/{id}"));
    Ok(desk.show(StatusCode::OK, form, Some(&lcp)).await?)
}

#[handler]
pub async fn save_lcp(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: LcpId = id_of(&id, "LCP")?;
    let href = format!("/plant/lcps/{id}");
    let wanted = typed(&form);
    let saved = db
        .in_tenant(user.tenant(), async |tx| {
            rules::change_lcp(tx, &user.by, id, |_| LcpDraft::parse(&wanted)).await
        })
        .await;
    match saved {
        Ok(()) => Ok(user.then(&href, &Flash::success(say!("{} was saved.", form.get("code").trim())))),
        Err(error) => {
            let shown = wanted.into_form(&href).failed(error)?;
            let lcp = db.read_tenant(user.tenant(), async |tx| rules::get_lcp(tx, id).await).await?.lcp;
            let desk = Desk { user: &user, db: &db, settings: &settings };
            Ok(desk.show(StatusCode::UNPROCESSABLE_ENTITY, shown, Some(&lcp)).await?)
        }
    }
}

#[handler]
pub async fn delete_lcp(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: LcpId = id_of(&id, "LCP")?;
    let gone = db.in_tenant(user.tenant(), async |tx| rules::delete_lcp(tx, &user.by, id).await).await;
    match gone {
        Ok(code) => Ok(user.then(PATH, &Flash::success(say!("{} was deleted.", code)))),
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&format!("/plant/lcps/{id}"), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}
