//! A receipt on paper: A4, or a roll of 80 mm. The same snapshot makes the same bytes, whenever it is printed.
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
use skrifa::{
    FontRef, MetadataProvider,
    instance::{LocationRef, Size as FontSize},
};

use super::model::{Fact, Printed};
use crate::error::{Error, OrInternal, Result};

/// The paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename = "PaperSize", rename_all = "lowercase")]
pub enum Paper {
    A4,
    /// A roll of a small printer.
    #[oai(rename = "80mm")]
    Roll,
}

const MM: f32 = 72.0 / 25.4;
const LOGO_MM: f32 = 18.0;
const QR_MM: f32 = 26.0;
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
struct Style {
    size: f32,
    is_bold: bool,
    is_grey: bool,
}

impl Style {
    const fn new(size: f32) -> Self {
        Self { size, is_bold: false, is_grey: false }
    }

    const fn bold(self) -> Self {
        Self { is_bold: true, ..self }
    }

    const fn grey(self) -> Self {
        Self { is_grey: true, ..self }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Side {
    Left,
    Middle,
    Right,
}

/// What is put where, before it is known how long the paper must be.
enum Mark {
    Text { x: f32, y: f32, style: Style, text: String },
    Rule { y: f32 },
    Logo { x: f32, y: f32, width: f32, height: f32, image: Image },
    Code { x: f32, y: f32, side: f32 },
}

/// A page that is filled from the top down.
struct Layout {
    width: f32,
    margin: f32,
    y: f32,
    marks: Vec<Mark>,
    faces: &'static (Face, Face),
}

impl Layout {
    fn face(&self, style: Style) -> &'static Face {
        if style.is_bold { &self.faces.1 } else { &self.faces.0 }
    }

    fn inner(&self) -> f32 {
        self.width - 2.0 * self.margin
    }

    /// One line at the present height, which stays.
    fn put(&mut self, text: &str, style: Style, side: Side) -> Result<()> {
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
    fn lines(&mut self, text: &str, style: Style, side: Side, room: f32) -> Result<()> {
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

    fn down(&mut self, style: Style) {
        self.y += style.size * 1.35;
    }

    fn gap(&mut self, points: f32) {
        self.y += points;
    }

    fn rule(&mut self) {
        self.gap(5.0);
        self.marks.push(Mark::Rule { y: self.y });
        self.gap(2.0);
    }

    /// A label on the left and a text on the right of it.
    fn fact(&mut self, fact: &Fact, style: Style) -> Result<()> {
        let from = self.y;
        self.down(style);
        self.put(&fact.label, style.grey(), Side::Left)?;
        self.y = from;
        self.lines(&fact.text, style, Side::Right, self.inner() * 0.62)
    }

    fn logo(&mut self, image: Image, side: Side) {
        let (w, h) = image.size();
        let (w, h) = (short(w), short(h));
        let scale = LOGO_MM * MM / w.max(h).max(1.0);
        let (width, height) = (w * scale, h * scale);
        let x = if side == Side::Middle { (self.width - width) / 2.0 } else { self.margin };
        self.marks.push(Mark::Logo { x, y: self.y, width, height, image });
        self.gap(height);
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

fn head(page: &mut Layout, printed: &Printed, logo: Option<&[u8]>, paper: Paper) -> Result<()> {
    let (side, name) = match paper {
        Paper::A4 => (Side::Left, Style::new(15.0).bold()),
        Paper::Roll => (Side::Middle, Style::new(10.5).bold()),
    };
    let small = small(paper);
    if let Some(image) = logo.and_then(logo_image) {
        page.logo(image, side);
        page.gap(4.0);
    }
    page.lines(&printed.company, name, side, page.inner())?;
    for line in &printed.company_lines {
        page.lines(line, small.grey(), side, page.inner())?;
    }
    page.gap(8.0);
    page.lines(&printed.title.to_uppercase(), Style { is_bold: true, ..body(paper) }, side, page.inner())?;
    page.lines(&format!("No. {}", printed.label), body(paper), side, page.inner())?;
    page.lines(&format!("Issued {}", printed.issued), small.grey(), side, page.inner())?;
    page.rule();
    Ok(())
}

fn body(paper: Paper) -> Style {
    Style::new(match paper {
        Paper::A4 => 10.5,
        Paper::Roll => 8.0,
    })
}

fn small(paper: Paper) -> Style {
    Style::new(match paper {
        Paper::A4 => 8.5,
        Paper::Roll => 6.8,
    })
}

fn paid_lines(page: &mut Layout, printed: &Printed, paper: Paper) -> Result<()> {
    let (body, small) = (body(paper), small(paper));
    for line in &printed.lines {
        let from = page.y;
        page.down(body);
        page.put(&line.amount, body, Side::Right)?;
        page.y = from;
        page.lines(&line.text, body, Side::Left, page.inner() * 0.62)?;
        if !line.detail.is_empty() {
            page.lines(&line.detail, small.grey(), Side::Left, page.inner())?;
        }
    }
    page.rule();
    let total = Style::new(body.size + 2.0).bold();
    page.down(total);
    page.put("Total", total, Side::Left)?;
    page.put(&printed.total, total, Side::Right)?;
    page.rule();
    Ok(())
}

fn foot(page: &mut Layout, printed: &Printed, paper: Paper) -> Result<()> {
    let small = small(paper);
    page.gap(6.0);
    let issuer = Fact::new("Issued by", &printed.issuer);
    page.fact(&issuer, body(paper))?;
    for note in &printed.notes {
        page.gap(3.0);
        page.lines(note, small.grey(), Side::Left, page.inner())?;
    }
    page.gap(10.0);
    let side = QR_MM * MM;
    let x = if paper == Paper::Roll { (page.width - side) / 2.0 } else { page.margin };
    page.marks.push(Mark::Code { x, y: page.y, side });
    page.gap(side + 2.0);
    let place = if paper == Paper::Roll { Side::Middle } else { Side::Left };
    page.lines("Scan to see that this receipt is genuine.", small.grey(), place, page.inner())
}

/// The bytes of a receipt.
pub fn render(printed: &Printed, logo: Option<&[u8]>, paper: Paper) -> Result<Vec<u8>> {
    let faces = FACES.as_ref().ok_or_else(|| Error::internal("the face of receipts cannot be read"))?;
    let (width, margin) = match paper {
        Paper::A4 => (210.0 * MM, 22.0 * MM),
        Paper::Roll => (80.0 * MM, 5.0 * MM),
    };
    let mut page = Layout { width, margin, y: margin, marks: Vec::new(), faces };
    head(&mut page, printed, logo, paper)?;
    for fact in printed.customer.iter().chain(&printed.payment) {
        page.fact(fact, body(paper))?;
    }
    page.rule();
    paid_lines(&mut page, printed, paper)?;
    for tax in &printed.taxes {
        page.fact(tax, small(paper))?;
    }
    foot(&mut page, printed, paper)?;
    let height = match paper {
        Paper::A4 => (297.0 * MM).max(page.y + margin),
        Paper::Roll => page.y + margin,
    };
    draw(page, printed, height)
}

fn fill(grey: u8) -> Fill {
    Fill {
        paint: rgb::Color::new(grey, grey, grey).into(),
        opacity: NormalizedF32::ONE,
        rule: FillRule::NonZero,
    }
}

fn draw(layout: Layout, printed: &Printed, height: f32) -> Result<Vec<u8>> {
    let mut document = Document::new_with(SerializeSettings {
        compress_content_streams: true,
        ..SerializeSettings::default()
    });
    let settings =
        PageSettings::from_wh(layout.width, height).ok_or_else(|| Error::internal("a receipt of no size"))?;
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    for mark in &layout.marks {
        draw_mark(&mut surface, &layout, mark, &printed.verify_url)?;
    }
    surface.finish();
    page.finish();
    let title = format!("{} {}", printed.title, printed.label);
    document.set_metadata(krilla::metadata::Metadata::new().title(title).language("en".into()));
    document.finish().map_err(|error| Error::internal(format!("a receipt cannot be written: {error:?}")))
}

fn draw_mark(surface: &mut Surface<'_>, layout: &Layout, mark: &Mark, url: &str) -> Result<()> {
    match mark {
        Mark::Text { x, y, style, text } => {
            let face = layout.face(*style);
            let (glyphs, _) = face.set(text)?;
            surface.set_fill(Some(fill(if style.is_grey { 90 } else { 15 })));
            surface.draw_glyphs(Point::from_xy(*x, *y), &glyphs, face.font.clone(), text, style.size, false);
        }
        Mark::Rule { y } => {
            surface.set_fill(Some(fill(190)));
            rectangle(surface, layout.margin, *y, layout.inner(), 0.6);
        }
        Mark::Logo { x, y, width, height, image } => {
            let size = Size::from_wh(*width, *height).ok_or_else(|| Error::internal("a logo of no size"))?;
            surface.push_transform(&Transform::from_translate(*x, *y));
            surface.draw_image(image.clone(), size);
            surface.pop();
        }
        Mark::Code { x, y, side } => draw_code(surface, (*x, *y, *side), url)?,
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

fn draw_code(surface: &mut Surface<'_>, (x, y, side): (f32, f32, f32), url: &str) -> Result<()> {
    let code = QrCode::with_error_correction_level(url, EcLevel::M).internal()?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isp::billing::receipts::model::Line;

    fn printed() -> Printed {
        Printed {
            layout: 1,
            title: "Acknowledgement Receipt".into(),
            label: "AR-2026-11-21-0001".into(),
            issued: "21 November 2026, 14:02".into(),
            company: "Santos Fiber".into(),
            company_lines: vec!["Purok 5, Carmen, Cagayan de Oro".into(), "TIN 000-123-456-000".into()],
            customer: vec![
                Fact::new("Received from", "María Niña Cruz"),
                Fact::new("Address", "12 Ilaya St, Carmen"),
            ],
            lines: vec![Line {
                text: "Monthly Basic, 25 Mbps".into(),
                detail: "21 November 2026, 14:02 – 21 December 2026, 14:02 (30 days)".into(),
                amount: "₱900.00".into(),
            }],
            total: "₱900.00".into(),
            payment: vec![Fact::new("Paid by", "GCash"), Fact::new("Reference", "G-123")],
            taxes: vec![Fact::new("VATable sales", "₱803.57"), Fact::new("VAT (12%)", "₱96.43")],
            issuer: "Ana Reyes".into(),
            notes: vec!["This document is not valid for claim of input tax.".into()],
            verify_url: "https://santos.example.net/receipts/verify/abcdefghijklmnopqrstuvwx".into(),
        }
    }

    #[test]
    fn a_reprint_is_the_same_to_the_byte_and_quick() {
        for paper in [Paper::A4, Paper::Roll] {
            let first = render(&printed(), None, paper).unwrap();
            let began = std::time::Instant::now();
            let again = render(&printed(), None, paper).unwrap();
            let took = began.elapsed();
            assert!(first.starts_with(b"%PDF-") && first.len() < 200_000, "{} bytes", first.len());
            assert!(first == again, "{paper:?} differs");
            assert!(took < std::time::Duration::from_secs(2), "{took:?}");
            let other = render(&Printed { total: "₱901.00".into(), ..printed() }, None, paper).unwrap();
            assert!(first != other);
        }
    }
}
