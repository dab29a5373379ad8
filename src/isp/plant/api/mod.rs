//! The plant as programs see it.

mod bodies;
mod lcps;
mod light;
mod naps;
mod splitters;
mod views;

use poem_openapi::Tags;
use uuid::Uuid;

use crate::{
    db::Db,
    error::{Error, Result},
    types::Cursor,
};

/// The operations on the plant, of each noun.
pub type PlantApi = (lcps::LcpsApi, splitters::SplittersApi, naps::NapsApi, light::LightApi);

/// The operations on the plant.
pub fn api(db: &Db) -> PlantApi {
    (
        lcps::LcpsApi::new(db.clone()),
        splitters::SplittersApi::new(db.clone()),
        naps::NapsApi::new(db.clone()),
        light::LightApi::new(db.clone()),
    )
}

#[derive(Tags)]
enum Tag {
    /// The fibre plant: cabinets (LCP), splitters, boxes at the street (NAP), their ports, and the light that arrives there.
    Plant,
}

/// Where a list by a text goes on.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// In which order.
    k: String,
    t: String,
    i: Uuid,
}

impl Mark {
    pub fn encode(order: &str, text: &str, id: Uuid) -> Result<String> {
        Cursor(Self { k: order.to_owned(), t: text.to_owned(), i: id }).encode()
    }

    /// Reads a cursor of a list in this order: a text and an id.
    pub fn decode(text: Option<&str>, order: &str) -> Result<Option<(String, Uuid)>> {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
        let mark = Cursor::<Self>::decode(text)?.0;
        if mark.k == order && !mark.t.contains('\0') {
            Ok(Some((mark.t, mark.i)))
        } else {
            Err(Error::malformed("bad_cursor", "The cursor was not given out by this list."))
        }
    }
}

/// What was searched for, without what no name holds; None when nothing is left.
pub fn searched(text: Option<&str>) -> Option<String> {
    let plain: String = text.unwrap_or_default().chars().filter(|c| !c.is_control()).collect();
    Some(plain.trim().to_owned()).filter(|plain| !plain.is_empty())
}
