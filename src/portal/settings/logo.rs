//! Pictures that strangers send: read with limits, turned upright, made small, and written anew, so that nothing of the
//! original file is kept but what it looks like.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::png::{CompressionType, FilterType, PngEncoder},
    imageops,
};
use tokio::sync::Semaphore;

use crate::{
    error::{Error, OrInternal, Result},
    types::Wrong,
};

/// A side of the original may have so many pixels.
const SIDE_MAX: u32 = 4_096;
/// What decoding may take: a picture of the largest size at one byte a channel, and a little.
const ALLOC_MAX: u64 = 80 * 1_048_576;
/// A side of what is kept.
const KEPT_SIDE_MAX: u32 = 512;
/// Each may take `ALLOC_MAX`: one after the other.
static AT_WORK: Semaphore = Semaphore::const_new(1);

/// A logo as it is kept: PNG, at most 512 pixels a side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logo {
    pub png: Vec<u8>,
    pub width: u32,
    pub height: u32,
}

/// Reads a PNG, JPEG, WebP or GIF. Anything else, and anything too large, is 422.
pub async fn read_logo(bytes: Vec<u8>) -> Result<Logo> {
    let _permit = AT_WORK.acquire().await.internal()?;
    let read = tokio::task::spawn_blocking(move || redrawn(&bytes)).await.internal()?;
    read.map_err(|wrong| Error::Invalid(vec![wrong.at("logo")]))
}

fn redrawn(bytes: &[u8]) -> std::result::Result<Logo, Wrong> {
    let unreadable = || Wrong::new("not_a_picture", "This file is not a picture that can be read.");
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_odd| unreadable())?;
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    if !reader.format().is_some_and(|format| known.contains(&format)) {
        return Err(Wrong::new("not_a_picture", "A logo is a PNG, JPEG, WebP or GIF picture."));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(ALLOC_MAX);
    reader.limits(limits);
    let refusal = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => {
            Wrong::new("picture_too_large", format!("A logo has at most {SIDE_MAX} by {SIDE_MAX} pixels."))
        }
        _ => unreadable(),
    };
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let orientation = decoder.orientation().map_err(refusal)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    picture.apply_orientation(orientation);
    if picture.width() > KEPT_SIDE_MAX || picture.height() > KEPT_SIDE_MAX {
        picture = picture.resize(KEPT_SIDE_MAX, KEPT_SIDE_MAX, imageops::FilterType::CatmullRom);
    }
    // Pixels alone: what the file said of itself stays behind.
    let pixels = DynamicImage::ImageRgba8(picture.into_rgba8());
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, CompressionType::Default, FilterType::Adaptive);
    pixels.write_with_encoder(encoder).map_err(|_odd| unreadable())?;
    Ok(Logo { width: pixels.width(), height: pixels.height(), png })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_made_small_and_written_anew() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let logo = redrawn(&encoded(1024, 256, format)).unwrap();
            assert_eq!((logo.width, logo.height), (512, 128), "{format:?}");
            assert_eq!(image::guess_format(&logo.png).unwrap(), ImageFormat::Png);
        }
        let small = redrawn(&encoded(40, 30, ImageFormat::Png)).unwrap();
        assert_eq!((small.width, small.height), (40, 30));
    }

    #[test]
    fn bombs_and_other_files_are_refused() {
        let code = |bytes: &[u8]| redrawn(bytes).unwrap_err().code;
        assert_eq!(code(&encoded(4097, 1, ImageFormat::Png)), "picture_too_large");
        // A header that promises 60,000 by 60,000 pixels, and a few bytes behind it.
        let mut bomb = encoded(8, 8, ImageFormat::Png);
        bomb.splice(16..24, [0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
        let crc = crc32(&bomb[12..29]);
        bomb.splice(29..33, crc.to_be_bytes());
        assert_eq!(code(&bomb), "picture_too_large");
        assert_eq!(
            code(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"),
            "not_a_picture"
        );
        assert_eq!(code(b"PK\x03\x04 a zip"), "not_a_picture");
        assert_eq!(code(b""), "not_a_picture");
        let whole = encoded(64, 64, ImageFormat::Png);
        assert_eq!(code(&whole[..whole.len() / 2]), "not_a_picture");
    }

    fn crc32(bytes: &[u8]) -> u32 {
        let mut crc = u32::MAX;
        for byte in bytes {
            crc ^= u32::from(*byte);
            for _ in 0..8 {
                crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
            }
        }
        !crc
    }
}
