//! Papers: a page that is filled from the top down, and written as a PDF. The same content makes the same bytes, whenever it is
//! printed.
//!
//! Texts are set glyph by glyph in an embedded face, so that the sign of any currency prints and amounts can stand flush right.

use std::sync::LazyLock;

use krilla::{
    Document, SerializeSettings,
    color::rgb,
    geom::{PathBuilder, Point, Rect, Size, Transform},
    image::Image,
    num::NormalizedF32,
    page::PageSettings,
    paint::{Fill, FillRule},
    surface::Surface,
    text::{Font, GlyphId, KrillaGlyph},
};
use qrcode::{Color, EcLevel, QrCode};
use serde::{Deserialize, Serialize};
use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size as FontSize},
};

use crate::error::{Error, OrInternal, Result};

/// A label and what stands beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    pub label: String,
    pub text: String,
}

impl Fact {
    pub fn new(label: impl Into<String>, text: impl Into<String>) -> Self {
        Self { label: label.into(), text: text.into() }
    }
}

/// What was sold, and for how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub text: String,
    /// More of it in small print, or nothing.
    pub detail: String,
    pub amount: String,
}

/// Points of a millimetre.
pub const MM: f32 = 72.0 / 25.4;
const LOGO_MM: f32 = 18.0;
/// A logo is put in with at most so many pixels on its longer side.
const LOGO_PIXELS: u32 = 320;

/// A face, as it is put in and as it is measured.
struct Face {
    bytes: &'static [u8],
    font: Font,
    units: f32,
}

impl Face {
    fn load(bytes: &'static [u8]) -> Option<Self> {
        let font = Font::new(bytes.into(), 0)?;
        let units = font.units_per_em();
        Some(Self { bytes, font, units })
    }

    /// The glyphs of a text, and its width at a size of one.
    fn set(&self, text: &str) -> Result<(Vec<KrillaGlyph>, f32)> {
        let face = FontRef::new(self.bytes).internal()?;
        let (map, metrics) =
            (face.charmap(), face.glyph_metrics(FontSize::unscaled(), LocationRef::default()));
        let mut width = 0.0;
        let mut glyphs = Vec::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            let id = map.map(c).unwrap_or_default();
            let advance = metrics.advance_width(id).unwrap_or_default() / self.units;
            width += advance;
            let range = at..at + c.len_utf8();
            glyphs.push(KrillaGlyph::new(GlyphId::new(id.to_u32()), advance, 0.0, 0.0, 0.0, range, None));
        }
        Ok((glyphs, width))
    }
}

static FACES: LazyLock<Option<(Face, Face)>> =
    LazyLock::new(|| Some((Face::load(dejavu::sans::regular())?, Face::load(dejavu::sans::bold())?)));

/// How a text looks.
#[derive(Clone, Copy)]
pub struct Style {
    pub size: f32,
    is_bold: bool,
    is_grey: bool,
}

impl Style {
    pub const fn new(size: f32) -> Self {
        Self { size, is_bold: false, is_grey: false }
    }

    pub const fn bold(self) -> Self {
        Self { is_bold: true, ..self }
    }

    pub const fn grey(self) -> Self {
        Self { is_grey: true, ..self }
    }
}

/// Where a line stands between the margins.
#[derive(Clone, Copy, PartialEq)]
pub enum Side {
    Left,
    Middle,
    Right,
}

/// What is put where, before it is known how long the paper must be.
enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Rule { y: f32 },
    Logo { x: f32, y: f32, width: f32, height: f32, image: Image },
    Code { x: f32, y: f32, side: f32, text: String },
}

/// A page that is filled from the top down.
pub struct Page {
    width: f32,
    margin: f32,
    y: f32,
    marks: Vec<Mark>,
    faces: &'static (Face, Face),
}

impl Page {
    /// An empty one, in points.
    pub fn new(width: f32, margin: f32) -> Result<Self> {
        let faces = FACES.as_ref().ok_or_else(|| Error::internal("the face of papers cannot be read"))?;
        Ok(Self { width, margin, y: margin, marks: Vec::new(), faces })
    }

    fn face(&self, style: Style) -> &'static Face {
        if style.is_bold { &self.faces.1 } else { &self.faces.0 }
    }

    /// What is between the margins.
    pub fn inner(&self) -> f32 {
        self.width - 2.0 * self.margin
    }

    /// One line at the present height, which stays.
    pub fn put(&mut self, text: &str, style: Style, side: Side) -> Result<()> {
        let width = self.face(style).set(text)?.1 * style.size;
        let x = match side {
            Side::Left => self.margin,
            Side::Middle => (self.width - width) / 2.0,
            Side::Right => self.width - self.margin - width,
        };
        self.marks.push(Mark::Text { x, y: self.y, style, text: text.to_owned() });
        Ok(())
    }

    /// A text in as many lines as it needs, within `room`.
    pub fn lines(&mut self, text: &str, style: Style, side: Side, room: f32) -> Result<()> {
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = if line.is_empty() { word.to_owned() } else { format!("{line} {word}") };
            if !line.is_empty() && self.face(style).set(&longer)?.1 * style.size > room {
                self.down(style);
                self.put(&line, style, side)?;
                line = word.to_owned();
            } else {
                line = longer;
            }
        }
        self.down(style);
        self.put(&line, style, side)
    }

    /// On to the next line.
    pub fn down(&mut self, style: Style) {
        self.y += style.size * 1.35;
    }

    pub fn gap(&mut self, points: f32) {
        self.y += points;
    }

    /// A line across.
    pub fn rule(&mut self) {
        self.gap(5.0);
        self.marks.push(Mark::Rule { y: self.y });
        self.gap(2.0);
    }

    /// A label on the left and a text on the right of it.
    pub fn fact(&mut self, fact: &Fact, style: Style) -> Result<()> {
        let from = self.y;
        self.down(style);
        self.put(&fact.label, style.grey(), Side::Left)?;
        self.y = from;
        self.lines(&fact.text, style, Side::Right, self.inner() * 0.62)
    }

    /// Facts, one below the other.
    pub fn facts(&mut self, facts: &[Fact], style: Style) -> Result<()> {
        facts.iter().try_for_each(|fact| self.fact(fact, style))
    }

    /// What was sold, and what it comes to.
    pub fn amounts(&mut self, lines: &[Line], total: &str, (body, small): (Style, Style)) -> Result<()> {
        for line in lines {
            let from = self.y;
            self.down(body);
            self.put(&line.amount, body, Side::Right)?;
            self.y = from;
            self.lines(&line.text, body, Side::Left, self.inner() * 0.62)?;
            if !line.detail.is_empty() {
                self.lines(&line.detail, small.grey(), Side::Left, self.inner())?;
            }
        }
        self.rule();
        let bold = Style::new(body.size + 2.0).bold();
        self.down(bold);
        self.put("Total", bold, Side::Left)?;
        self.put(total, bold, Side::Right)?;
        self.rule();
        Ok(())
    }

    /// A picture, where it is one.
    pub fn logo(&mut self, content: &[u8], side: Side) {
        let Some(image) = logo_image(content) else { return };
        let (w, h) = image.size();
        let (w, h) = (short(w), short(h));
        let scale = LOGO_MM * MM / w.max(h).max(1.0);
        let (width, height) = (w * scale, h * scale);
        let x = if side == Side::Middle { (self.width - width) / 2.0 } else { self.margin };
        self.marks.push(Mark::Logo { x, y: self.y, width, height, image });
        self.gap(height + 4.0);
    }

    /// A text as a square that a phone reads.
    pub fn code(&mut self, text: &str, side: f32, place: Side) {
        let x = if place == Side::Middle { (self.width - side) / 2.0 } else { self.margin };
        self.marks.push(Mark::Code { x, y: self.y, side, text: text.to_owned() });
        self.gap(side + 2.0);
    }

    /// The bytes of a document of this one page: as high as it was filled, and at least `height`.
    pub fn finish(self, title: &str, height: f32) -> Result<Vec<u8>> {
        let height = height.max(self.y + self.margin);
        let mut document = Document::new_with(SerializeSettings {
            compress_content_streams: true,
            ..SerializeSettings::default()
        });
        let settings =
            PageSettings::from_wh(self.width, height).ok_or_else(|| Error::internal("a paper of no size"))?;
        let mut page = document.start_page_with(settings);
        let mut surface = page.surface();
        for mark in &self.marks {
            draw_mark(&mut surface, &self, mark)?;
        }
        surface.finish();
        page.finish();
        let metadata = krilla::metadata::Metadata::new().title(title.to_owned()).language("en".into());
        document.set_metadata(metadata);
        document.finish().map_err(|error| Error::internal(format!("a paper cannot be written: {error:?}")))
    }
}

/// Pixels and modules are few.
fn short(n: u32) -> f32 {
    f32::from(u16::try_from(n).unwrap_or(u16::MAX))
}

fn logo_image(content: &[u8]) -> Option<Image> {
    let picture = image::load_from_memory(content).ok()?;
    let small = picture.thumbnail(LOGO_PIXELS, LOGO_PIXELS).to_rgba8();
    let (width, height) = small.dimensions();
    Some(Image::from_rgba8(small.into_raw(), width, height))
}

fn fill(grey: u8) -> Fill {
    Fill {
        paint: rgb::Color::new(grey, grey, grey).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }
}

fn draw_mark(surface: &mut Surface<'_>, page: &Page, mark: &Mark) -> Result<()> {
    match mark {
        Mark::Text { x, y, style, text } => {
            let face = page.face(*style);
            let (glyphs, _) = face.set(text)?;
            surface.set_fill(Some(fill(if style.is_grey { 90 } else { 15 })));
            surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, face.font.clone(), text, style.size, false);
        }
        Mark::Rule { y } => {
            surface.set_fill(Some(fill(190)));
            rectangle(surface, page.margin, *y, page.inner(), 0.6);
        }
        Mark::Logo { x, y, width, height, image } => {
            let size = Size::from_wh(*width, *height).ok_or_else(|| Error::internal("a logo of no size"))?;
            surface.push_transform(&Transform::from_translate(*x, *y));
            surface.draw_image(image.clone(), size);
            surface.pop();
        }
        Mark::Code { x, y, side, text } => draw_code(surface, (*x, *y, *side), text)?,
    }
    Ok(())
}

fn rectangle(surface: &mut Surface<'_>, x: f32, y: f32, width: f32, height: f32) {
    let mut path = PathBuilder::new();
    if let Some(rect) = Rect::from_xywh(x, y, width, height) {
        path.push_rect(rect);
    }
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
}

fn draw_code(surface: &mut Surface<'_>, (x, y, side): (f32, f32, f32), text: &str) -> Result<()> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).internal()?;
    let modules = code.width();
    let step = side / short(u32::try_from(modules).unwrap_or(u32::MAX));
    let mut path = PathBuilder::new();
    for (at, color) in code.to_colors().into_iter().enumerate().filter(|(_, color)| *color == Color::Dark) {
        let _dark = color;
        let place = |n: usize| short(u32::try_from(n).unwrap_or_default()) * step;
        if let Some(rect) = Rect::from_xywh(x + place(at % modules), y + place(at / modules), step, step) {
            path.push_rect(rect);
        }
    }
    surface.set_fill(Some(fill(0)));
    if let Some(path) = path.finish() {
        surface.draw_path(&path);
    }
    Ok(())
}
