//! Pictures that strangers send: read with limits, turned upright, made small, and written anew, so that nothing of the
//! original file is kept but what it looks like.

use std::io::Cursor;

use image::{
    DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits,
    codecs::{
        jpeg::JpegEncoder,
        png::{CompressionType, FilterType, PngEncoder},
    },
    imageops,
};
use tokio::sync::Semaphore;

use crate::{
    error::{OrInternal, Result},
    types::Wrong,
    words::say,
};

/// How good a photograph is kept: what nobody sees is left out.
const JPEG_QUALITY: u8 = 85;
/// Each may take what its [`Frame`] allows: one after the other.
static AT_WORK: Semaphore = Semaphore::const_new(1);

/// What a picture may be, and what is kept of it.
#[derive(Debug, Clone, Copy)]
pub struct Frame {
    /// What refusals call it: `A logo`.
    pub what: &'static str,
    /// A side of the original may have so many pixels.
    pub side_max: u32,
    /// What decoding may take, in bytes.
    pub alloc_max: u64,
    /// A side of what is kept.
    pub kept_side_max: u32,
    /// Whether what came as JPEG or WebP is kept as JPEG; else all is kept as PNG.
    pub keeps_photographs: bool,
}

/// A picture as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    pub content: Vec<u8>,
    pub media_type: &'static str,
    pub extension: &'static str,
    pub width: u32,
    pub height: u32,
}

/// Reads a PNG, JPEG, WebP or GIF. What is wrong with anything else, and with anything too large, is said.
pub async fn redraw(bytes: Vec<u8>, frame: Frame) -> Result<std::result::Result<Picture, Wrong>> {
    let _permit = AT_WORK.acquire().await.internal()?;
    tokio::task::spawn_blocking(move || redrawn(&bytes, &frame)).await.internal()
}

fn redrawn(bytes: &[u8], frame: &Frame) -> std::result::Result<Picture, Wrong> {
    let unreadable = || Wrong::new("not_a_picture", "This file is not a picture that can be read.");
    let mut reader =
        ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_odd| unreadable())?;
    let known = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Gif];
    let format = reader.format().filter(|format| known.contains(format)).ok_or_else(|| {
        Wrong::new("not_a_picture", say!("{} is a PNG, JPEG, WebP or GIF picture.", frame.what))
    })?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(frame.side_max);
    limits.max_image_height = Some(frame.side_max);
    limits.max_alloc = Some(frame.alloc_max);
    reader.limits(limits);
    let refusal = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => Wrong::new(
            "picture_too_large",
            say!("{} has at most {} by {} pixels.", frame.what, frame.side_max, frame.side_max),
        ),
        _ => unreadable(),
    };
    let mut decoder = reader.into_decoder().map_err(refusal)?;
    let orientation = decoder.orientation().map_err(refusal)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    picture.apply_orientation(orientation);
    if picture.width() > frame.kept_side_max || picture.height() > frame.kept_side_max {
        picture = picture.resize(frame.kept_side_max, frame.kept_side_max, imageops::FilterType::CatmullRom);
    }
    let is_photograph = frame.keeps_photographs
        && matches!(format, ImageFormat::Jpeg | ImageFormat::WebP)
        && !picture.color().has_alpha();
    written(picture, is_photograph).map_err(|_odd| unreadable())
}

/// Pixels alone: what the file said of itself stays behind.
fn written(picture: DynamicImage, is_photograph: bool) -> image::ImageResult<Picture> {
    let (width, height) = (picture.width(), picture.height());
    let mut content = Vec::new();
    if is_photograph {
        let pixels = DynamicImage::ImageRgb8(picture.into_rgb8());
        pixels.write_with_encoder(JpegEncoder::new_with_quality(&mut content, JPEG_QUALITY))?;
        return Ok(Picture { content, media_type: "image/jpeg", extension: "jpg", width, height });
    }
    let pixels = DynamicImage::ImageRgba8(picture.into_rgba8());
    let encoder = PngEncoder::new_with_quality(&mut content, CompressionType::Default, FilterType::Adaptive);
    pixels.write_with_encoder(encoder)?;
    Ok(Picture { content, media_type: "image/png", extension: "png", width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame {
        what: "A logo",
        side_max: 4_096,
        alloc_max: 80 * 1_048_576,
        kept_side_max: 512,
        keeps_photographs: false,
    };

    fn encoded(width: u32, height: u32, format: ImageFormat) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        DynamicImage::new_rgb8(width, height).write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn a_picture_is_made_small_and_written_anew() {
        for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::WebP] {
            let logo = redrawn(&encoded(1024, 256, format), &FRAME).unwrap();
            assert_eq!((logo.width, logo.height), (512, 128), "{format:?}");
            assert_eq!(image::guess_format(&logo.content).unwrap(), ImageFormat::Png);
        }
        let small = redrawn(&encoded(40, 30, ImageFormat::Png), &FRAME).unwrap();
        assert_eq!((small.width, small.height), (40, 30));
    }

    #[test]
    fn a_photograph_stays_one_where_photographs_are_kept() {
        let frame = Frame { keeps_photographs: true, ..FRAME };
        let kept = |format| redrawn(&encoded(64, 64, format), &frame).unwrap();
        let photograph = kept(ImageFormat::Jpeg);
        assert_eq!((photograph.media_type, photograph.extension), ("image/jpeg", "jpg"));
        assert_eq!(image::guess_format(&photograph.content).unwrap(), ImageFormat::Jpeg);
        assert_eq!(kept(ImageFormat::Png).media_type, "image/png");
    }

    #[test]
    fn bombs_and_other_files_are_refused() {
        let code = |bytes: &[u8]| redrawn(bytes, &FRAME).unwrap_err().code;
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
