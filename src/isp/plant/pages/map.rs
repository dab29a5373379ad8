//! The network map.

use std::sync::Arc;

use poem::{
    IntoResponse, Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::Crumb;
use crate::{
    access::PageUser,
    config::Settings,
    db::Db,
    isp::{
        customers::MapView,
        plant::{
            api::searched,
            features::{self, Asked, Layer},
            store::map,
        },
    },
    web::Json,
    web::parts::Choice,
    words::say,
};

#[derive(Serialize)]
struct MapPage {
    crumbs: Vec<Crumb>,
    map: MapView,
    layers: Vec<Choice>,
    statuses: Vec<Choice>,
    sees_people: bool,
}

#[handler]
pub async fn show_map(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
) -> poem::Result<Response> {
    let middle = db.read_tenant(user.tenant(), async |tx| map::middle(tx).await).await?;
    let layers: Vec<Layer> = Layer::ALL.into_iter().filter(|layer| layer.is_seen_by(&user.by)).collect();
    let statuses = [
        ("active", say("Active")),
        ("scheduled", say("Scheduled")),
        ("inactive", say("Inactive")),
        ("suspended", say("Suspended")),
        ("terminated", say("Terminated")),
    ];
    let view = MapPage {
        crumbs: vec![Crumb::plant()],
        map: MapView::around(&settings, middle),
        sees_people: layers.len() > 3,
        layers: layers.into_iter().map(|layer| Choice::new(layer.as_str(), layer.label())).collect(),
        statuses: statuses.into_iter().map(|(value, label)| Choice::new(value, label)).collect(),
    };
    Ok(user.render("plant/map.html", say("Network map"), &view)?)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Wanted {
    bbox: String,
    layers: String,
    status: String,
    q: String,
}

/// The same as the API's map, for the page's own script: `/api` takes no cookies.
#[handler]
pub async fn map_data(user: PageUser, db: Data<&Db>, Query(wanted): Query<Wanted>) -> poem::Result<Response> {
    let asked = Asked::parse(&wanted.bbox, &wanted.layers, &wanted.status)?;
    let found = db.read_tenant(user.tenant(), async |tx| features::map(tx, &user.by, &asked).await).await?;
    Ok(Json(found).with_header("cache-control", "no-store").into_response())
}

#[derive(Serialize)]
struct Hits {
    items: Vec<Hit>,
}

#[derive(Serialize)]
struct Hit {
    layer: Layer,
    title: String,
    href: String,
    lng: f64,
    lat: f64,
}

/// What is found on the map by a search.
#[handler]
pub async fn found_data(
    user: PageUser,
    db: Data<&Db>,
    Query(wanted): Query<Wanted>,
) -> poem::Result<Response> {
    let found = match searched(Some(&wanted.q)) {
        None => Vec::new(),
        Some(q) => {
            let people = Layer::Customers.is_seen_by(&user.by);
            db.read_tenant(user.tenant(), async |tx| map::search(tx, &q, people).await).await?
        }
    };
    let items = found
        .into_iter()
        .map(|hit| Hit {
            href: hit.layer.href(hit.id),
            layer: hit.layer,
            title: hit.title,
            lng: hit.at.0,
            lat: hit.at.1,
        })
        .collect();
    Ok(Json(Hits { items }).with_header("cache-control", "no-store").into_response())
}
