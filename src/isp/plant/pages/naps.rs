//! Pages of NAPs, but for the one with its ports.

use std::sync::Arc;

use poem::{
    IntoResponse, Response, handler,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::{Deserialize, Serialize};

use super::{Crumb, PlaceForm, PortsView, may};
use crate::{
    access::{CheckedForm, PageUser},
    config::Settings,
    db::{Db, TenantTx},
    error::{Error, Result},
    isp::{
        customers::MapView,
        plant::{
            EditPlant,
            api::{Mark, searched},
            export,
            fibre::Stretch,
            model::{CAPACITIES, Nap, NapDraft, output},
            node::Node,
            rules,
            store::{
                lcps, map,
                naps::{self, CountedNap, NapFilter},
                splitters,
            },
        },
        site::Site,
    },
    sheets::Bom,
    types::{Check, LcpId, Limit, NapId, SplitterId},
    web::parts::{Choice, Pager, Tab, address, grouped, id_of, shown},
    web::sheet::Format,
    web::typed::{Typed, optional_id},
    web::{Flash, Form, FormView},
    words::{now_in_english, say},
};

pub const PATH: &str = "/plant/naps";
const PAGE: Limit = Limit::of(50);
const OWN_FIELDS: [&str; 9] = [
    "splitter_id",
    "splitter_output",
    "code",
    "name",
    "location",
    "port_capacity",
    "is_active",
    "notes",
    "max_distance_m",
];

#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub struct Asked {
    q: String,
    state: String,
    lcp: String,
    cursor: String,
    from: i64,
    format: String,
}

impl Asked {
    fn filter(&self) -> NapFilter {
        let (is_active, has_free) = match self.state.as_str() {
            "free" => (Some(true), Some(true)),
            "full" => (Some(true), Some(false)),
            "inactive" => (Some(false), None),
            _ => (None, None),
        };
        NapFilter {
            q: searched(Some(&self.q)).map(|q| q.chars().take(100).collect()),
            lcp: self.lcp.parse().ok().map(LcpId),
            splitter: None,
            is_active,
            has_free,
        }
    }

    /// The same list elsewhere, with some things otherwise.
    fn href(&self, path: &str, otherwise: &[(&str, &str)]) -> String {
        let kept = [("q", self.q.as_str()), ("state", &self.state), ("lcp", &self.lcp)];
        let kept = kept.into_iter().filter(|(name, _)| otherwise.iter().all(|(other, _)| other != name));
        address(path, kept.chain(otherwise.iter().copied()).filter(|(_, value)| !value.is_empty()))
    }
}

#[derive(Serialize)]
struct ListPage {
    crumbs: Vec<Crumb>,
    q: String,
    state: String,
    lcp: String,
    lcps: Vec<Choice>,
    tabs: Vec<Tab>,
    naps: Vec<Row>,
    pager: Pager,
    filtered: bool,
    csv_href: String,
    xlsx_href: String,
    can_edit: bool,
}

#[derive(Serialize)]
struct Row {
    code: String,
    name: String,
    href: String,
    splitter: Crumb,
    output: i16,
    lcp: Crumb,
    location: String,
    ports: PortsView,
    is_active: bool,
}

impl From<CountedNap> for Row {
    fn from(one: CountedNap) -> Self {
        let nap = one.nap;
        Self {
            href: Node::Nap(nap.id).href(),
            code: nap.draft.code,
            name: nap.draft.name,
            splitter: Crumb::new(one.splitter_code, Node::Splitter(nap.splitter_id).href()),
            output: nap.splitter_output,
            lcp: Crumb::new(one.lcp_code, Node::Lcp(one.lcp_id).href()),
            location: nap.draft.location.unwrap_or_default(),
            ports: one.ports.into(),
            is_active: nap.draft.is_active,
        }
    }
}

#[handler]
pub async fn list_naps(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let filter = asked.filter();
    let mark = Mark::decode(Some(&asked.cursor), "nap")?;
    let after = mark.as_ref().map(|(text, id)| (text.as_str(), NapId(*id)));
    let (mut found, total, lcps) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                naps::list(tx, &filter, after, PAGE),
                naps::count(tx, &filter),
                lcps::choices(tx)
            )
        })
        .await?;
    let more = PAGE.cut(&mut found);
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match found.last().filter(|_| more) {
        Some(last) => {
            let cursor = Mark::encode("nap", &last.nap.draft.code, last.nap.id.0)?;
            let from = (first + PAGE.get()).to_string();
            Some(asked.href(PATH, &[("cursor", &cursor), ("from", &from)]))
        }
        None => None,
    };
    let tab = |label, key: &'static str| Tab {
        label,
        count: None,
        href: asked.href(PATH, &[("state", key)]),
        active: key == asked.state,
    };
    let view = ListPage {
        crumbs: vec![Crumb::plant()],
        tabs: vec![
            tab(say("All"), ""),
            tab(say("With free ports"), "free"),
            tab(say("Full"), "full"),
            tab(say("Inactive"), "inactive"),
        ],
        lcps: lcps
            .into_iter()
            .map(|lcp| Choice::new(lcp.id, format!("{} – {}", lcp.code, lcp.name)))
            .collect(),
        pager: Pager {
            prev_href: mark.is_some().then(|| asked.href(PATH, &[])),
            next_href,
            shown: shown(first, found.len()),
            total: Some(grouped(total)),
        },
        naps: found.into_iter().map(Row::from).collect(),
        filtered: !asked.q.is_empty() || !asked.state.is_empty() || !asked.lcp.is_empty(),
        csv_href: asked.href("/plant/naps/export", &[("format", "csv")]),
        xlsx_href: asked.href("/plant/naps/export", &[("format", "xlsx")]),
        can_edit: may::<EditPlant>(&user),
        q: asked.q,
        state: asked.state,
        lcp: asked.lcp,
    };
    Ok(user.render("plant/naps.html", say("NAPs"), &view)?)
}

#[handler]
pub async fn export_naps(
    user: PageUser,
    db: Data<&Db>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    now_in_english();
    let format = Format::of_page(&asked.format);
    Ok(export::naps(&db, &user.by, asked.filter(), format, Bom::With).await?.into_response())
}

#[derive(Serialize)]
struct FormPage {
    crumbs: Vec<Crumb>,
    is_new: bool,
    splitters: Vec<Choice>,
    capacities: Vec<Choice>,
    cancel_href: String,
    place: PlaceForm,
    form: FormView,
}

/// Splitters for a select box.
pub async fn splitter_choices(tx: &TenantTx) -> Result<Vec<Choice>> {
    let all = splitters::choices(tx).await?;
    Ok(all
        .into_iter()
        .map(|one| Choice::new(one.id, format!("{} › {} ({})", one.lcp_code, one.code, one.kind)))
        .collect())
}

async fn form_page(
    (user, db, settings): (&PageUser, &Db, &Settings),
    status: StatusCode,
    form: FormView,
    nap: Option<&Nap>,
) -> Result<Response> {
    let (splitters, middle) = db
        .read_tenant(user.tenant(), async |tx| futures_util::try_join!(splitter_choices(tx), map::middle(tx)))
        .await?;
    let list = Crumb::new(say("NAPs"), PATH);
    let (title, crumbs, cancel_href) = match nap {
        Some(nap) => {
            let href = Node::Nap(nap.id).href();
            let crumbs = vec![Crumb::plant(), list, Crumb::new(&nap.draft.code, href.clone())];
            (say!("Edit {}", nap.draft.code), crumbs, href)
        }
        None => (say("New NAP").to_owned(), vec![Crumb::plant(), list], PATH.to_owned()),
    };
    let view = FormPage {
        crumbs,
        is_new: nap.is_none(),
        splitters,
        capacities: CAPACITIES.iter().map(|ports| Choice::new(ports, format!("{ports} ports"))).collect(),
        cancel_href,
        place: PlaceForm::new(MapView::around(settings, middle)),
        form,
    };
    user.render_with(status, "plant/nap_form.html", &title, &view)
}

fn typed(form: &Form) -> Typed {
    let names: Vec<&'static str> =
        OWN_FIELDS.iter().chain(&Stretch::FIELDS).chain(&Site::FIELDS).copied().collect();
    Typed::of_form(form, &names)
}

/// The splitter and its output that a form names.
pub fn place_of(form: &Form) -> Result<(SplitterId, i16)> {
    let mut check = Check::new();
    let splitter = check.field("splitter_id", optional_id(form.get("splitter_id"), "splitter"));
    if splitter == Some(None) {
        check.wrong("splitter_id", "required", say("Choose the splitter that it hangs on."));
    }
    let output = check.field("splitter_output", output(form.get("splitter_output")));
    check.finish(splitter.flatten().zip(output))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    splitter: String,
    output: String,
}

#[handler]
pub async fn new_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Query(wanted): Query<Wanted>,
) -> poem::Result<Response> {
    let fresh = typed(&Form::default())
        .with("splitter_id", wanted.splitter)
        .with("splitter_output", wanted.output)
        .with("is_active", true)
        .with("port_capacity", 8)
        .with("max_distance_m", 100)
        .with("fibre_m", 0)
        .with("location_accuracy", "manual");
    Ok(form_page((&user, &db, &settings), StatusCode::OK, fresh.into_form(PATH), None).await?)
}

#[handler]
pub async fn add_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let added = match (NapDraft::parse(&typed(&form)), place_of(&form)) {
        (Ok(draft), Ok(place)) => {
            db.in_tenant(user.tenant(), async |tx| rules::create_nap(tx, &user.by, place, &draft).await).await
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
            Ok(user.then(&Node::Nap(id).href(), &flash))
        }
        Err(error) => {
            let shown = typed(&form).into_form(PATH).failed(error)?;
            Ok(form_page((&user, &db, &settings), StatusCode::UNPROCESSABLE_ENTITY, shown, None).await?)
        }
    }
}

#[handler]
pub async fn edit_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    let nap = db.read_tenant(user.tenant(), async |tx| rules::get_nap(tx, id).await).await?.nap;
    let form = nap.draft.typed().into_form(Node::Nap(id).href());
    Ok(form_page((&user, &db, &settings), StatusCode::OK, form, Some(&nap)).await?)
}

#[handler]
pub async fn save_nap(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Path(id): Path<String>,
    form: CheckedForm,
) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    let href = Node::Nap(id).href();
    let wanted = typed(&form);
    let saved = db
        .in_tenant(user.tenant(), async |tx| {
            rules::change_nap(tx, &user.by, id, |_| NapDraft::parse(&wanted)).await
        })
        .await;
    match saved {
        Ok(()) => Ok(user.then(&href, &Flash::success(say!("{} was saved.", form.get("code").trim())))),
        Err(error) => {
            let shown = wanted.into_form(&href).failed(error)?;
            let nap = db.read_tenant(user.tenant(), async |tx| rules::get_nap(tx, id).await).await?.nap;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            Ok(form_page((&user, &db, &settings), status, shown, Some(&nap)).await?)
        }
    }
}

#[handler]
pub async fn delete_nap(user: PageUser, db: Data<&Db>, Path(id): Path<String>) -> poem::Result<Response> {
    let id: NapId = id_of(&id, "NAP")?;
    match db.in_tenant(user.tenant(), async |tx| rules::delete_nap(tx, &user.by, id).await).await {
        Ok((splitter, code)) => {
            let flash = Flash::success(say!("{} was deleted.", code));
            Ok(user.then(&Node::Splitter(splitter).href(), &flash))
        }
        Err(error @ Error::Conflict { .. }) => {
            Ok(user.then(&Node::Nap(id).href(), &Flash::error(error.detail())))
        }
        Err(error) => Err(error.into()),
    }
}
