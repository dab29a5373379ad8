//! What a logo may be, and what is kept of it.

use crate::{
    error::{Error, Result},
    files::{Frame, Picture, redraw},
};

/// PNG, at most 512 pixels a side.
const LOGO: Frame = Frame {
    what: "A logo",
    side_max: 4_096,
    // A picture of the largest size at one byte a channel, and a little.
    alloc_max: 80 * 1_048_576,
    kept_side_max: 512,
    keeps_photographs: false,
};

/// Reads a PNG, JPEG, WebP or GIF. Anything else, and anything too large, is 422.
pub async fn read_logo(bytes: Vec<u8>) -> Result<Picture> {
    redraw(bytes, LOGO).await?.map_err(|wrong| Error::Invalid(vec![wrong.at("logo")]))
}
