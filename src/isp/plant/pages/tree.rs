//! The plant as a tree.

use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Crumb, PortsView, may};
use crate::{
    access::PageUser,
    db::Db,
    isp::plant::{
        EditPlant,
        api::Mark,
        rules,
        store::lcps::{self, LcpFilter, LcpSort},
        tree::{self, Branch},
    },
    types::{LcpId, Limit},
    web::parts::{Choice, Pager, address, grouped, shown},
    words::say,
};

const PATH: &str = "/plant/tree";
/// So many LCPs with everything below them stand on one page.
const PAGE: Limit = Limit::of(10);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    lcp: String,
    cursor: String,
    from: i64,
}

#[derive(Serialize)]
struct TreePage {
    crumbs: Vec<Crumb>,
    lcp: String,
    lcps: Vec<Choice>,
    tree: Vec<NodeView>,
    pager: Pager,
    can_edit: bool,
}

/// A node and everything below it.
#[derive(Serialize)]
struct NodeView {
    kind: &'static str,
    code: String,
    name: String,
    href: String,
    /// `port 3`: what it hangs on.
    output: String,
    ports: PortsView,
    outputs: String,
    is_active: bool,
    is_down: bool,
    below: Vec<NodeView>,
}

impl From<Branch> for NodeView {
    fn from(branch: Branch) -> Self {
        Self {
            kind: branch.node,
            code: branch.code,
            name: branch.name,
            href: branch.href,
            output: branch.output.map(|output| say!("port {}", output)).unwrap_or_default(),
            ports: branch.ports.into(),
            outputs: branch
                .outputs
                .map(|(used, all)| say!("{} of {} outputs used", used, all))
                .unwrap_or_default(),
            is_active: branch.is_active,
            is_down: branch.is_down,
            below: branch.below.into_iter().map(Self::from).collect(),
        }
    }
}

#[handler]
pub async fn show_tree(user: PageUser, db: Data<&Db>, Query(asked): Query<Asked>) -> poem::Result<Response> {
    let mark = Mark::decode(Some(&asked.cursor), "tree")?;
    let after = mark.as_ref().map(|(text, id)| (text.as_str(), LcpId(*id)));
    let only: Option<LcpId> = asked.lcp.parse().ok();
    let (trees, more, total, choices) = db
        .read_tenant(user.tenant(), async |tx| {
            let filter = LcpFilter::default();
            let mut found = match only {
                Some(id) => vec![rules::get_lcp(tx, id).await?],
                None => lcps::list(tx, &filter, LcpSort::Code, after, PAGE).await?,
            };
            let more = PAGE.cut(&mut found);
            let (total, _) = lcps::count(tx, &filter).await?;
            Ok((tree::grow(tx, found).await?, more, total, lcps::choices(tx).await?))
        })
        .await?;
    let first = if mark.is_some() { asked.from.max(1) } else { 1 };
    let next_href = match trees.last().filter(|_| more) {
        Some(last) => {
            let cursor = Mark::encode("tree", &last.code, last.id)?;
            let from = (first + PAGE.get()).to_string();
            Some(address(PATH, [("cursor", cursor.as_str()), ("from", &from)]))
        }
        None => None,
    };
    let view = TreePage {
        crumbs: vec![Crumb::plant()],
        lcp: asked.lcp,
        lcps: choices
            .into_iter()
            .map(|lcp| Choice::new(lcp.id, format!("{} – {}", lcp.code, lcp.name)))
            .collect(),
        pager: Pager {
            prev_href: mark.is_some().then(|| PATH.to_owned()),
            next_href,
            shown: shown(first, trees.len()),
            total: Some(grouped(if only.is_some() { 1 } else { total })),
        },
        tree: trees.into_iter().map(NodeView::from).collect(),
        can_edit: may::<EditPlant>(&user),
    };
    Ok(user.render("plant/tree.html", say("Plant tree"), &view)?)
}
