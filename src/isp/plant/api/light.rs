//! Operations on light, on what is near, on the tree and on the map.

use poem_openapi::{OpenApi, param::Query};
use uuid::Uuid;

use super::{
    Tag,
    bodies::{PolicyChangesBody, WhatIfBody},
    views::{BudgetView, NearList, NearView, PolicyView},
};
use crate::{
    access::ApiUser,
    db::Db,
    error::{Error, Result},
    isp::plant::{
        EditPlant, ViewPlant,
        budget::Policy,
        features::{self, Asked, PlantFeatures},
        rules,
        tree::{self, PlantTree},
    },
    types::{Coordinates, InstallationId, LcpId, Limit, NapId},
    web::{Body, Json, compressed},
};
use rust_decimal::Decimal;

/// A list of what is near has so many at most.
const NEAREST_MAX: i64 = 50;

pub struct LightApi {
    db: Db,
}

impl LightApi {
    pub fn new(db: Db) -> Self {
        Self { db }
    }
}

fn place_of(latitude: f64, longitude: f64) -> Result<Coordinates> {
    let degrees = |field, value: f64| {
        Decimal::try_from(value).map_err(|_not_a_number| {
            Error::invalid(field, "out_of_range", "Degrees are a number such as 8.4772.")
        })
    };
    Coordinates::new(degrees("lat", latitude)?, degrees("lng", longitude)?).map_err(|(half, wrong)| {
        Error::Invalid(vec![wrong.at(if half == "latitude" { "lat" } else { "lng" })])
    })
}

#[OpenApi(tag = "Tag::Plant")]
impl LightApi {
    /// Compute the light at a NAP or in a house.
    ///
    /// Give either `nap_id` or `installation_id`. An installation without a NAP has no light: 422 `no_nap`.
    #[oai(path = "/plant/budget", method = "get")]
    async fn get_plant_budget(
        &self,
        by: ApiUser<ViewPlant>,
        nap_id: Query<Option<Uuid>>,
        installation_id: Query<Option<Uuid>>,
    ) -> Result<Json<BudgetView>> {
        let light = match (nap_id.0, installation_id.0) {
            (Some(nap), None) => {
                self.db.read_tenant(&by.tenant, async |tx| rules::light_of_nap(tx, NapId(nap)).await).await?
            }
            (None, Some(id)) => {
                let id = InstallationId(id);
                let light = self
                    .db
                    .read_tenant(&by.tenant, async |tx| rules::light_of_installation(tx, id).await)
                    .await?;
                light.ok_or_else(|| {
                    Error::invalid("installation_id", "no_nap", "The installation hangs on no NAP.")
                })?
            }
            _ => {
                return Err(Error::invalid("nap_id", "required", "Give either nap_id or installation_id."));
            }
        };
        Ok(Json(light.into()))
    }

    /// Compute the light of a way that is not built yet.
    #[oai(path = "/plant/budget", method = "post")]
    async fn plan_plant_budget(
        &self,
        by: ApiUser<ViewPlant>,
        body: Body<WhatIfBody>,
    ) -> Result<Json<BudgetView>> {
        let asked = body.0.parse()?;
        let light =
            self.db.read_tenant(&by.tenant, async |tx| rules::light_what_if(tx, asked.clone()).await).await?;
        Ok(Json(light.into()))
    }

    /// Find the nearest NAPs with a free port.
    #[oai(path = "/plant/nearest", method = "get")]
    async fn list_nearest_naps(
        &self,
        by: ApiUser<ViewPlant>,
        #[oai(validator(minimum(value = "-90"), maximum(value = "90")))] lat: Query<f64>,
        #[oai(validator(minimum(value = "-180"), maximum(value = "180")))] lng: Query<f64>,
        /// 1 to 50; 5 when absent.
        #[oai(validator(minimum(value = "1"), maximum(value = "50")))]
        limit: Query<Option<i64>>,
    ) -> Result<Json<NearList>> {
        let place = place_of(lat.0, lng.0)?;
        let limit = Limit::of(limit.0.unwrap_or(5).clamp(1, NEAREST_MAX));
        let found =
            self.db.read_tenant(&by.tenant, async |tx| rules::nearest(tx, place, limit).await).await?;
        Ok(Json(NearList { items: found.into_iter().map(NearView::from).collect() }))
    }

    /// Show the plant on a map.
    ///
    /// GeoJSON of what lies inside a box and what the caller may see. Layers with too many points come gathered.
    #[oai(path = "/plant/map", method = "get", transform = "compressed")]
    async fn get_plant_map(
        &self,
        by: ApiUser<ViewPlant>,
        /// west,south,east,north in degrees.
        #[oai(validator(max_length = 200))]
        bbox: Query<String>,
        /// `lcps,splitters,naps,customers,installations`, or some of them.
        #[oai(validator(max_length = 200))]
        layers: Query<Option<String>>,
        /// Of customers and installations, parted by commas.
        #[oai(validator(max_length = 200))]
        status: Query<Option<String>>,
    ) -> Result<Json<PlantFeatures>> {
        let asked = Asked::parse(
            &bbox.0,
            layers.0.as_deref().unwrap_or_default(),
            status.0.as_deref().unwrap_or_default(),
        )?;
        let found = self.db.read_tenant(&by.tenant, async |tx| features::map(tx, &by, &asked).await).await?;
        Ok(Json(found))
    }

    /// Show the whole tree below an LCP.
    #[oai(path = "/plant/tree", method = "get")]
    async fn get_plant_tree(&self, by: ApiUser<ViewPlant>, lcp_id: Query<Uuid>) -> Result<Json<PlantTree>> {
        let tree = self.db.read_tenant(&by.tenant, async |tx| tree::below(tx, LcpId(lcp_id.0)).await).await?;
        Ok(Json(tree))
    }

    /// Show how light is counted.
    #[oai(path = "/plant/policy", method = "get")]
    async fn get_plant_policy(&self, by: ApiUser<ViewPlant>) -> Result<Json<PolicyView>> {
        let policy = self.db.read_tenant(&by.tenant, async |tx| rules::policy(tx).await).await?;
        Ok(Json(policy.into()))
    }

    /// Change how light is counted.
    #[oai(path = "/plant/policy", method = "patch")]
    async fn update_plant_policy(
        &self,
        by: ApiUser<EditPlant>,
        body: Body<PolicyChangesBody>,
    ) -> Result<Json<PolicyView>> {
        let body = &body.0;
        let policy = self
            .db
            .in_tenant(&by.tenant, async |tx| {
                let wanted = Policy::parse(&body.over(rules::policy(tx).await?.typed()))?;
                rules::change_policy(tx, &by, &wanted).await?;
                rules::policy(tx).await
            })
            .await?;
        Ok(Json(policy.into()))
    }
}
