//! The one table that a run prints.

use std::fmt::Write;

/// One line of the table.
pub struct Line {
    figure: String,
    ours: String,
    beside: String,
    ratio: String,
    bound: String,
    /// None for what is only shown.
    met: Option<bool>,
}

impl Line {
    pub fn new(figure: impl Into<String>, ours: impl Into<String>) -> Self {
        Self {
            figure: figure.into(),
            ours: ours.into(),
            beside: String::new(),
            ratio: String::new(),
            bound: String::new(),
            met: None,
        }
    }

    /// What it was held against, measured in the same run.
    pub fn beside(mut self, what: &str, value: &str, ratio: f64) -> Self {
        self.beside = format!("{value} {what}");
        self.ratio = format!("{ratio:.2}");
        self
    }

    /// What was promised, and whether it is so.
    pub fn bound(mut self, bound: impl Into<String>, met: bool) -> Self {
        self.bound = bound.into();
        self.met = Some(met);
        self
    }

    /// A figure that must not be above `most`; the ratio is that of the two.
    pub fn at_most(self, value: f64, most: f64, bound: impl Into<String>) -> Self {
        let mut line = self.bound(bound, value <= most);
        if line.ratio.is_empty() {
            line.ratio = format!("{:.2}", value / most);
        }
        line
    }
}

/// All lines of a run.
#[derive(Default)]
pub struct Table(Vec<Line>);

impl Table {
    /// Keeps a line, and shows at once how it went: a whole run takes minutes.
    pub fn push(&mut self, line: Line) {
        eprintln!("  {}: {} {}", line.figure, line.ours, verdict(line.met));
        self.0.push(line);
    }

    pub fn missed(&self) -> usize {
        self.0.iter().filter(|line| line.met == Some(false)).count()
    }

    pub fn render(&self) -> String {
        let head = ["figure", "ours", "beside it", "ratio", "bound", ""].map(str::to_owned);
        let mut rows = vec![head];
        rows.extend(self.0.iter().map(|line| {
            [
                line.figure.clone(),
                line.ours.clone(),
                line.beside.clone(),
                line.ratio.clone(),
                line.bound.clone(),
                verdict(line.met).to_owned(),
            ]
        }));
        let mut widths = [0; 6];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for (n, row) in rows.iter().enumerate() {
            let cells: Vec<String> =
                row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if n == 0 {
                let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
                let _ = writeln!(text, "|{}|", rules.join("|"));
            }
        }
        text
    }
}

fn verdict(met: Option<bool>) -> &'static str {
    match met {
        Some(true) => "pass",
        Some(false) => "MISS",
        None => "",
    }
}

/// The middle of what was measured.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => sorted[n / 2],
        n => f64::midpoint(sorted[n / 2 - 1], sorted[n / 2]),
    }
}
