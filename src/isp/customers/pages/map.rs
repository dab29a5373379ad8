//! Customers on a map.

use std::sync::Arc;

use poem::{IntoResponse, Request, Response, handler, web::Data};
use serde::Serialize;

use super::{
    MapView,
    asked::Asked,
    listing::{chips, status_tabs},
};
use crate::{
    access::PageUser,
    config::Settings,
    db::Db,
    error::Error,
    isp::{
        areas,
        customers::{list, model::Status, rules, view::CustomerFeatures},
    },
    types::{BoundingBox, Limit},
    web::Json,
    web::parts::{Chip, Tab},
    words::say,
};

const MAP_PATH: &str = "/customers/map";
const DATA_PATH: &str = "/customers/map/data";
const SPOTS: Limit = Limit::of(10_000);

#[derive(Serialize)]
struct MapPage {
    map: Overview,
    list_href: String,
    tabs: Vec<Tab>,
    filters: Vec<Chip>,
    clear_href: &'static str,
    legend: Vec<Legend>,
}

#[derive(Serialize)]
struct Overview {
    #[serde(flatten)]
    view: MapView,
    geojson_url: String,
}

#[derive(Serialize)]
struct Legend {
    status: &'static str,
    label: &'static str,
}

#[handler]
pub async fn show_map(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    request: &Request,
) -> poem::Result<Response> {
    let asked = Asked { located: None, ..Asked::parse(request.uri().query().unwrap_or_default()) };
    let filter = asked.filter()?;
    let mut counted = filter.of_any_status();
    counted.located = Some(true);
    let (counts, areas, middle, ()) = db
        .read_tenant(user.tenant(), async |tx| {
            futures_util::try_join!(
                list::count(tx, &counted),
                areas::find_choices(tx),
                list::middle(tx),
                rules::check_filter(tx, &filter)
            )
        })
        .await?;
    let on_map = Asked { located: Some(true), ..asked.clone() };
    let view = MapPage {
        map: Overview {
            view: MapView::around(&settings, middle),
            geojson_url: asked.href(DATA_PATH, "sort", &[]),
        },
        list_href: on_map.href(super::PATH, "", &[]),
        tabs: status_tabs(&asked, Some(&counts), MAP_PATH),
        filters: chips(&asked, &areas, &user.shell.brand.area_word, MAP_PATH),
        clear_href: MAP_PATH,
        legend: Status::ALL.iter().map(|s| Legend { status: s.as_str(), label: s.label() }).collect(),
    };
    Ok(user.render("customers/map.html", say("Customer map"), &view)?)
}

/// The same as the API's coordinates, for the page's own script: `/api` takes no cookies.
#[handler]
pub async fn map_data(user: PageUser, db: Data<&Db>, request: &Request) -> poem::Result<Response> {
    let query = request.uri().query().unwrap_or_default();
    let asked = Asked { located: None, ..Asked::parse(query) };
    let inside = url::form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| name == "bbox")
        .map(|(_, value)| BoundingBox::parse(&value))
        .transpose()
        .map_err(|wrong| Error::Invalid(vec![wrong.at("bbox")]))?;
    let filter = asked.filter()?;
    let mut spots = db
        .read_tenant(user.tenant(), async |tx| {
            rules::check_filter(tx, &filter).await?;
            list::spots(tx, &filter, inside, SPOTS).await
        })
        .await?;
    let truncated = SPOTS.cut(&mut spots);
    Ok(Json(CustomerFeatures::new(spots, truncated)).with_header("cache-control", "no-store").into_response())
}
