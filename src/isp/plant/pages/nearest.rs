//! From where somebody at a place is best connected.

use std::sync::Arc;

use poem::{
    Response, handler,
    web::{Data, Query},
};
use serde::{Deserialize, Serialize};

use super::{Crumb, LightView, PlaceForm};
use crate::{
    access::PageUser,
    config::Settings,
    db::Db,
    isp::{
        customers::MapView,
        plant::{node::Node, rules, store::map},
        site::Site,
    },
    types::{Check, Limit},
    web::FormView,
    web::typed::Typed,
    words::say,
};

const PATH: &str = "/plant/nearest";
const SHOWN: Limit = Limit::of(10);

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Asked {
    latitude: String,
    longitude: String,
}

#[derive(Serialize)]
struct NearestPage {
    crumbs: Vec<Crumb>,
    place: PlaceForm,
    form: FormView,
    /// None until a place is given.
    naps: Option<Vec<Row>>,
}

#[derive(Serialize)]
struct Row {
    code: String,
    name: String,
    href: String,
    path: String,
    distance: String,
    is_inside: bool,
    reach: String,
    free: i64,
    light: LightView,
}

#[handler]
pub async fn show_nearest(
    user: PageUser,
    db: Data<&Db>,
    settings: Data<&Arc<Settings>>,
    Query(asked): Query<Asked>,
) -> poem::Result<Response> {
    let typed = Typed::default()
        .with("latitude", asked.latitude)
        .with("longitude", asked.longitude)
        .with("location_accuracy", "");
    let mut check = Check::new();
    let site = Site::parse(&typed, &mut check);
    let form = typed.into_form(PATH);
    let (form, wanted) = match check.finish(site) {
        Ok(site) => (form, site.place),
        Err(error) => (form.failed(error)?, None),
    };
    let (found, middle) = db
        .read_tenant(user.tenant(), async |tx| {
            let found = match wanted {
                Some(place) => Some(rules::nearest(tx, place, SHOWN).await?),
                None => None,
            };
            Ok((found, map::middle(tx).await?))
        })
        .await?;
    let naps = found.map(|found| {
        found
            .into_iter()
            .map(|(near, path, light)| Row {
                href: Node::Nap(near.id).href(),
                path: path.label(),
                distance: super::metres(near.drop_m().into()),
                is_inside: near.is_inside(),
                reach: super::metres(near.max_distance_m.into()),
                free: near.free,
                light: (&light).into(),
                code: near.code,
                name: near.name,
            })
            .collect()
    });
    let view = NearestPage {
        crumbs: vec![Crumb::plant()],
        place: PlaceForm::new(MapView::around(&settings, middle)),
        form,
        naps,
    };
    Ok(user.render("plant/nearest.html", say("Nearest NAP"), &view)?)
}
