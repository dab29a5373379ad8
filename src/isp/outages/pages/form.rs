//! Marking a node as down.

use chrono::Utc;
use poem::{
    Response, handler,
    http::StatusCode,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{PATH, instant, local};
use crate::{
    access::{CheckedForm, PageUser},
    db::Db,
    error::{Error, Result},
    isp::{
        outages::{
            model::{Cause, Draft, Outage},
            rules,
            tree::{self, FoundNode},
        },
        plant::node::{self, Node},
    },
    web::parts::Choice,
    web::{Flash, Form, FormView},
    words::say,
};

const FIELDS: [&str; 5] = ["node_kind", "node_id", "cause", "note", "started_at"];
const HITS: i64 = 30;
const Q_MAX: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    kind: String,
    node: String,
    q: String,
}

#[derive(Serialize)]
struct FormPage {
    /// None: choose one first.
    node: Option<Chosen>,
    q: String,
    found: Vec<Found>,
    causes: Vec<Choice>,
    form: FormView,
}

#[derive(Serialize)]
struct Chosen {
    label: String,
    kind: &'static str,
    affected: usize,
    active: usize,
}

#[derive(Serialize)]
struct Found {
    label: String,
    kind: &'static str,
    hint: String,
    href: String,
}

fn found_of(found: FoundNode) -> Found {
    let (kind, id) = (found.node.kind(), found.node.id());
    Found {
        label: found.label,
        kind: kind.label(),
        hint: found.hint,
        href: format!("{PATH}/new?kind={}&node={id}", kind.as_str()),
    }
}

async fn show(
    user: &PageUser,
    db: &Db,
    status: StatusCode,
    form: FormView,
    node: Option<Node>,
    q: &str,
) -> Result<Response> {
    let (chosen, found) = db
        .read_tenant(user.tenant(), async |tx| match node {
            Some(node) => {
                let label = node::find_label(tx, node).await?.ok_or(Error::not_found("node"))?;
                let served = tree::served_by(tx, node).await?;
                let active = served.iter().filter(|one| one.is_active).count();
                let chosen = Chosen { label, kind: node.kind().label(), affected: served.len(), active };
                Ok((Some(chosen), Vec::new()))
            }
            None => Ok((None, tree::find_nodes(tx, q, HITS).await?)),
        })
        .await?;
    let view = FormPage {
        node: chosen,
        q: q.to_owned(),
        found: found.into_iter().map(found_of).collect(),
        causes: Cause::options(),
        form,
    };
    user.render_with(status, "outages/form.html", say("Mark a node as down"), &view)
}

fn node_of(kind: &str, id: &str) -> Result<Option<Node>> {
    Node::parse(kind, id).map_err(|_unreadable| Error::not_found("node"))
}

#[handler]
pub async fn new_outage(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let node = node_of(&asked.kind, &asked.node)?;
    let q: String = asked.q.chars().filter(|c| !c.is_control()).take(Q_MAX).collect();
    let form = FormView::empty(PATH, &FIELDS)
        .with("node_kind", asked.kind)
        .with("node_id", asked.node)
        .with("cause", Cause::Unknown.as_str())
        .with("started_at", local(Utc::now(), user.tenant().time_zone.0));
    Ok(show(&user, &db, StatusCode::OK, form, node, q.trim()).await?)
}

async fn add(user: &PageUser, db: &Db, node: Node, form: &Form) -> Result<Outage> {
    let now = Utc::now();
    // The minute that just runs is not in the future, and neither is its beginning meant.
    let started_at = instant(form.get("started_at"), "started_at", user.tenant().time_zone.0, Some(now))?;
    let draft = Draft::parse(form.get("cause"), form.get("note"), started_at, now)?;
    db.in_tenant(user.tenant(), async |tx| rules::report(tx, &user.by, node, &draft).await).await
}

#[handler]
pub async fn add_outage(user: PageUser, db: Data<&Db>, form: CheckedForm) -> poem::Result<Response> {
    let node = node_of(form.get("node_kind"), form.get("node_id"))?;
    let empty = FormView::empty(PATH, &FIELDS);
    let Some(node) = node else {
        let shown = empty.typed(&form).said("Choose the node first.");
        return Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, None, "").await?);
    };
    match add(&user, &db, node, &form).await {
        Ok(outage) => {
            let flash = Flash::success(say!("{} is marked as down.", outage.node_label));
            Ok(user.then(&format!("{PATH}/{}", outage.id), &flash))
        }
        Err(error) => {
            let shown = empty.typed(&form).failed(error)?;
            Ok(show(&user, &db, StatusCode::UNPROCESSABLE_ENTITY, shown, Some(node), "").await?)
        }
    }
}
