//! Charts as shapes of an SVG that needs no script: where each bar, line and slice lies. The template writes them down; what they
//! say stands beside them as a table.

use std::f64::consts::TAU;

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde::Serialize;

use super::model::{Chart, Kind, Shape, Told, Value, valued};
use crate::words::say;

const LEFT: f64 = 46.0;
const RIGHT: f64 = 474.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 172.0;
/// Lines across, besides that of zero.
const GRID: u32 = 4;
/// Labels below the plot.
const TICKS: usize = 5;
/// Points are marked where there are few.
const MARKED: usize = 31;
const TONES: usize = 6;
/// The doughnut: its middle and its radii.
const MIDDLE: (f64, f64) = (90.0, 90.0);
const RADII: (f64, f64) = (82.0, 50.0);

/// A chart as its template reads it.
#[derive(Debug, Clone, Serialize)]
pub struct Drawing {
    id: &'static str,
    title: &'static str,
    /// What it shows, for those who do not see it.
    summary: String,
    is_doughnut: bool,
    is_empty: bool,
    width: u32,
    height: u32,
    grid: Vec<Rule>,
    ticks: Vec<Tick>,
    bars: Vec<Bar>,
    lines: Vec<Stroke>,
    dots: Vec<Dot>,
    slices: Vec<Slice>,
    legend: Vec<Entry>,
    of: &'static str,
    names: Vec<String>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Serialize)]
struct Rule {
    y: String,
    label: String,
}

#[derive(Debug, Clone, Serialize)]
struct Tick {
    x: String,
    anchor: &'static str,
    label: String,
}

#[derive(Debug, Clone, Serialize)]
struct Bar {
    x: String,
    y: String,
    width: String,
    height: String,
    tone: usize,
    title: String,
}

#[derive(Debug, Clone, Serialize)]
struct Stroke {
    points: String,
    tone: usize,
}

#[derive(Debug, Clone, Serialize)]
struct Dot {
    x: String,
    y: String,
    tone: usize,
    title: String,
}

#[derive(Debug, Clone, Serialize)]
struct Slice {
    d: String,
    tone: usize,
    title: String,
}

#[derive(Debug, Clone, Serialize)]
struct Entry {
    tone: usize,
    name: String,
    value: String,
}

#[derive(Debug, Clone, Serialize)]
struct Row {
    label: String,
    values: Vec<String>,
}

/// What a chart looks like.
pub fn drawing(chart: &Chart, told: &Told) -> Drawing {
    let said = |n: Decimal| valued(chart.kind, n).shown(told);
    let rows = chart.labels.iter().enumerate().map(|(i, label)| Row {
        label: label.clone(),
        values: chart.series.iter().filter_map(|series| series.values.get(i)).map(|n| said(*n)).collect(),
    });
    let mut drawing = Drawing {
        id: chart.key,
        title: chart.title,
        summary: summary(chart, told),
        is_doughnut: chart.shape == Shape::Doughnut,
        is_empty: chart.series.iter().all(|series| series.values.iter().all(Decimal::is_zero)),
        width: if chart.shape == Shape::Doughnut { 180 } else { 480 },
        height: if chart.shape == Shape::Doughnut { 180 } else { 200 },
        grid: Vec::new(),
        ticks: Vec::new(),
        bars: Vec::new(),
        lines: Vec::new(),
        dots: Vec::new(),
        slices: Vec::new(),
        legend: Vec::new(),
        of: chart.of,
        names: chart.series.iter().map(|series| series.name.clone()).collect(),
        rows: rows.collect(),
    };
    if drawing.is_doughnut {
        slice(chart, told, &mut drawing);
    } else {
        plot(chart, told, &mut drawing);
    }
    drawing
}

/// The sum of each series, and where it is highest.
fn summary(chart: &Chart, told: &Told) -> String {
    let parts: Vec<String> = chart
        .series
        .iter()
        .map(|series| {
            let sum = valued(chart.kind, series.values.iter().sum()).shown(told);
            let most = series.values.iter().zip(&chart.labels).max_by_key(|(n, _)| **n);
            match most.filter(|(n, _)| !n.is_zero()) {
                Some((n, label)) => {
                    let n = valued(chart.kind, *n).shown(told);
                    say!("{}: {} in all, most in {} with {}", series.name, sum, label, n)
                }
                None => say!("{}: nothing", series.name),
            }
        })
        .collect();
    parts.join(". ")
}

fn float(n: Decimal) -> f64 {
    n.to_f64().unwrap_or_default()
}

fn at(n: f64) -> String {
    format!("{n:.1}")
}

fn tone(i: usize) -> usize {
    i % TONES + 1
}

/// The first of 1, 2, 2.5, 5 and 10 times a power of ten that is at least `least`; of counts a whole one.
fn nice(least: f64, kind: Kind) -> f64 {
    if kind == Kind::Int && least <= 1.0 {
        return 1.0;
    }
    if least <= 0.0 {
        return 1.0;
    }
    let decade = 10f64.powf(least.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0]
        .into_iter()
        .map(|n| n * decade)
        .find(|n| *n >= least - 1e-9 && (kind != Kind::Int || n.fract() == 0.0))
        .unwrap_or(10.0 * decade)
}

/// `1.2k`, `35M`: what fits beside an axis.
fn short(n: f64) -> String {
    let (n, unit) = match n.abs() {
        size if size >= 1e9 => (n / 1e9, "G"),
        size if size >= 1e6 => (n / 1e6, "M"),
        size if size >= 1e4 => (n / 1e3, "k"),
        _ => (n, ""),
    };
    let text = format!("{n:.1}");
    format!("{}{unit}", text.strip_suffix(".0").unwrap_or(&text))
}

/// From values to heights.
struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    fn of(chart: &Chart, drawing: &mut Drawing) -> Self {
        let sums = |positive: bool| {
            chart.labels.iter().enumerate().map(move |(i, _)| {
                let values =
                    chart.series.iter().filter_map(|series| series.values.get(i)).copied().map(float);
                let sided = values.filter(|n| (*n >= 0.0) == positive);
                if chart.shape == Shape::Stacked { sided.sum() } else { sided.fold(0.0, f64_further) }
            })
        };
        let high = sums(true).fold(0.0, f64::max);
        let low = sums(false).fold(0.0, f64::min);
        let step = nice((high - low) / f64::from(GRID), chart.kind);
        let (low, high) = ((low / step).floor() * step, ((high / step).ceil() * step).max(step));
        let axis = Self { low, high };
        let mut n = low;
        while n <= high + step / 2.0 {
            drawing.grid.push(Rule { y: at(axis.y(n)), label: short(n) });
            n += step;
        }
        axis
    }

    fn y(&self, n: f64) -> f64 {
        BOTTOM - (n - self.low) / (self.high - self.low) * (BOTTOM - TOP)
    }
}

/// The one of two numbers that is further from zero.
fn f64_further(a: f64, b: f64) -> f64 {
    if b.abs() > a.abs() { b } else { a }
}

fn plot(chart: &Chart, told: &Told, drawing: &mut Drawing) {
    let axis = Axis::of(chart, drawing);
    let count = chart.labels.len().max(1);
    let slot = (RIGHT - LEFT) / count_as_float(count);
    let middle = |i: usize| LEFT + slot * (count_as_float(i) + 0.5);
    let every = count.div_ceil(TICKS).max(1);
    for (i, label) in chart.labels.iter().enumerate().step_by(every) {
        let anchor = if count <= TICKS { "middle" } else { "start" };
        let x = if count <= TICKS { middle(i) } else { middle(i) - slot / 2.0 };
        drawing.ticks.push(Tick { x: at(x), anchor, label: brief(label, count) });
    }
    if chart.series.len() > 1 {
        drawing.legend = chart
            .series
            .iter()
            .enumerate()
            .map(|(i, series)| Entry {
                tone: tone(i),
                name: series.name.clone(),
                value: valued(chart.kind, series.values.iter().sum()).shown(told),
            })
            .collect();
    }
    match chart.shape {
        Shape::Line => lines(chart, told, &axis, &middle, drawing),
        _bars => bars(chart, told, &axis, (slot, &middle), drawing),
    }
}

/// Years are left out below a chart: its table has them. Names are cut.
fn brief(label: &str, count: usize) -> String {
    let most = if count <= 3 { 20 } else { 11 };
    let short = match label.rsplit_once(' ') {
        Some((day, year)) if day.contains(' ') && year.len() == 4 && year.parse::<u16>().is_ok() => day,
        _ => label,
    };
    if short.chars().count() <= most {
        return short.to_owned();
    }
    let cut: String = short.chars().take(most - 1).collect();
    format!("{cut}…")
}

fn count_as_float(n: usize) -> f64 {
    u32::try_from(n).map_or(f64::from(u32::MAX), f64::from)
}

fn hint(chart: &Chart, told: &Told, label: &str, name: &str, n: Decimal) -> String {
    let n = valued(chart.kind, n).shown(told);
    if chart.series.len() > 1 { format!("{label}, {name}: {n}") } else { format!("{label}: {n}") }
}

fn lines(chart: &Chart, told: &Told, axis: &Axis, middle: &impl Fn(usize) -> f64, drawing: &mut Drawing) {
    for (s, series) in chart.series.iter().enumerate() {
        let places: Vec<(String, String)> =
            series.values.iter().enumerate().map(|(i, n)| (at(middle(i)), at(axis.y(float(*n))))).collect();
        let points: Vec<String> = places.iter().map(|(x, y)| format!("{x},{y}")).collect();
        drawing.lines.push(Stroke { points: points.join(" "), tone: tone(s) });
        if places.len() > MARKED {
            continue;
        }
        for (((x, y), n), label) in places.into_iter().zip(&series.values).zip(&chart.labels) {
            drawing.dots.push(Dot { x, y, tone: tone(s), title: hint(chart, told, label, &series.name, *n) });
        }
    }
}

fn bars(
    chart: &Chart,
    told: &Told,
    axis: &Axis,
    (slot, middle): (f64, &impl Fn(usize) -> f64),
    drawing: &mut Drawing,
) {
    let width = (slot * 0.72).min(48.0);
    let side_by_side = if chart.shape == Shape::Stacked { 1 } else { chart.series.len().max(1) };
    let each = width / count_as_float(side_by_side);
    for (i, label) in chart.labels.iter().enumerate() {
        let (mut above, mut below) = (0.0, 0.0);
        for (s, series) in chart.series.iter().enumerate() {
            let Some(n) = series.values.get(i).filter(|n| !n.is_zero()) else { continue };
            let value = float(*n);
            let base = match chart.shape {
                Shape::Stacked if value < 0.0 => below,
                Shape::Stacked => above,
                _ => 0.0,
            };
            if value < 0.0 {
                below = base + value
            } else {
                above = base + value
            }
            let (one, other) = (axis.y(base), axis.y(base + value));
            let offset = if side_by_side == 1 { 0.0 } else { each * count_as_float(s) };
            drawing.bars.push(Bar {
                x: at(middle(i) - width / 2.0 + offset),
                y: at(one.min(other)),
                width: at(each),
                height: at((one - other).abs().max(0.5)),
                tone: tone(s),
                title: hint(chart, told, label, &series.name, *n),
            });
        }
    }
}

fn slice(chart: &Chart, told: &Told, drawing: &mut Drawing) {
    let Some(series) = chart.series.first() else { return };
    let total: Decimal = series.values.iter().filter(|n| n.is_sign_positive()).sum();
    let mut turned = 0.0;
    for (i, (n, label)) in series.values.iter().zip(&chart.labels).enumerate() {
        let said = valued(chart.kind, *n).shown(told);
        let part = super::model::share(*n, total);
        let share = if part == Value::Nothing { String::new() } else { format!(" ({})", part.shown(told)) };
        drawing.legend.push(Entry { tone: tone(i), name: label.clone(), value: format!("{said}{share}") });
        if total.is_zero() || n.is_zero() || n.is_sign_negative() {
            continue;
        }
        let part = float(*n / total);
        drawing.slices.push(Slice {
            d: arc(turned, turned + part),
            tone: tone(i),
            title: format!("{label}: {said}{share}"),
        });
        turned += part;
    }
}

/// A piece of the ring, from one part of a turn to another, clockwise from the top.
fn arc(from: f64, to: f64) -> String {
    // A whole ring has no two ends: it is drawn a hair short of one.
    let to = to.min(from + 0.9999);
    let place = |turn: f64, radius: f64| {
        let (sin, cos) = (turn * TAU).sin_cos();
        format!("{:.2} {:.2}", MIDDLE.0 + radius * sin, MIDDLE.1 - radius * cos)
    };
    let (outer, inner) = RADII;
    let large = u8::from(to - from > 0.5);
    format!(
        "M{} A{outer} {outer} 0 {large} 1 {} L{} A{inner} {inner} 0 {large} 0 {} Z",
        place(from, outer),
        place(to, outer),
        place(to, inner),
        place(from, inner)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isp::reports::model::Series;

    fn told() -> Told {
        Told { currency: "PHP".into(), zone: chrono_tz::Asia::Manila }
    }

    fn chart(shape: Shape, values: &[i64]) -> Chart {
        Chart {
            key: "c",
            title: "C",
            shape,
            kind: Kind::Int,
            of: "Day",
            labels: (1..=values.len()).map(|n| format!("{n} Nov 2026")).collect(),
            series: vec![Series::new("N", values.iter().map(|n| Decimal::from(*n)).collect())],
        }
    }

    #[test]
    fn a_bar_is_as_high_as_its_value() {
        let drawn = drawing(&chart(Shape::Bar, &[4, 2, 0]), &told());
        let heights: Vec<&str> = drawn.bars.iter().map(|bar| bar.height.as_str()).collect();
        assert_eq!(heights, ["162.0", "81.0"], "nothing has no bar");
        assert_eq!(drawn.grid.len(), 5);
        assert_eq!(drawn.rows[1].values, ["2"]);
        assert_eq!(drawn.summary, "N: 6 in all, most in 1 Nov 2026 with 4");
    }

    #[test]
    fn nothing_and_losses_can_be_drawn() {
        let empty = drawing(&chart(Shape::Line, &[]), &told());
        assert!(empty.is_empty && empty.dots.is_empty());
        let loss = drawing(&chart(Shape::Bar, &[-3, 5]), &told());
        assert_eq!(loss.bars.len(), 2);
        let doughnut = drawing(&chart(Shape::Doughnut, &[3, -1, 0]), &told());
        assert_eq!((doughnut.slices.len(), doughnut.legend.len()), (1, 3));
    }
}
