//! A report as a file: the same figures, charts and tables one below the other, as the page shows them.

use super::{
    definition::Definition,
    model::{Report, Told, Value, valued},
    range::Asked,
    rules,
};
use crate::{
    access::By,
    db::Db,
    error::{OrInternal, Result},
    sheets::{self, Bom, Cell},
    web::Download,
    web::sheet::Format,
    words::say,
};

/// The rows of the file; the first line, its header, is the report's title.
fn rows(report: &Report, asked: &Asked, told: &Told) -> Vec<Vec<Cell>> {
    let cell = |value: &Value| value.cell(told.zone);
    let mut rows: Vec<Vec<Cell>> = vec![
        vec!["From".into(), asked.range.from.into()],
        vec!["To".into(), asked.range.to.into()],
        vec!["Time zone".into(), told.zone.name().into()],
        vec!["Currency".into(), told.currency.as_str().into()],
        vec![],
    ];
    for figure in &report.figures {
        let mut row = vec![figure.label.into(), cell(&figure.value)];
        for change in &figure.changes {
            row.push(say!("% against {}", change.against).into());
            row.push(change.percent.into());
        }
        rows.push(row);
    }
    for chart in &report.charts {
        rows.push(vec![]);
        rows.push(vec![chart.title.into()]);
        let names = chart.series.iter().map(|series| series.name.as_str().into());
        rows.push(std::iter::once(chart.of.into()).chain(names).collect());
        for (i, label) in chart.labels.iter().enumerate() {
            let values = chart.series.iter().filter_map(|series| series.values.get(i));
            let values = values.map(|n| cell(&valued(chart.kind, *n)));
            rows.push(std::iter::once(label.as_str().into()).chain(values).collect());
        }
    }
    for table in &report.tables {
        rows.push(vec![]);
        rows.push(vec![table.title.into()]);
        if !table.note.is_empty() {
            rows.push(vec![table.note.as_str().into()]);
        }
        rows.push(table.columns.iter().map(|column| column.label.into()).collect());
        rows.extend(table.rows.iter().map(|line| line.cells.iter().map(cell).collect()));
    }
    rows
}

/// The bytes of the file.
pub async fn written(
    definition: &'static Definition,
    report: &Report,
    asked: &Asked,
    told: &Told,
    (format, bom): (Format, Bom),
) -> Result<Vec<u8>> {
    let rows = rows(report, asked, told);
    tokio::task::spawn_blocking(move || match format {
        Format::Csv => Ok(sheets::csv(&[definition.title], rows, bom)),
        Format::Xlsx => sheets::xlsx(definition.title, &[definition.title], rows),
    })
    .await
    .internal()?
}

/// `daily-collection-2026-11-01-2026-11-30.csv`
pub fn file_name(definition: &Definition, asked: &Asked, format: Format) -> String {
    format!("{}-{}-{}.{}", definition.name, asked.range.from, asked.range.to, format.extension())
}

/// Makes a report as a file, and writes down that it left the house.
pub async fn export(
    db: &Db,
    by: &By,
    definition: &'static Definition,
    asked: &Asked,
    as_file: (Format, Bom),
) -> Result<Download> {
    let report = rules::make(db, &by.tenant, definition, asked).await?;
    let content = written(definition, &report, asked, &rules::told(&by.tenant), as_file).await?;
    let (format, _) = as_file;
    db.in_tenant(&by.tenant, async |tx| {
        rules::record_export(tx, by, definition, asked, format.extension()).await
    })
    .await?;
    Ok(Download { media_type: format.media_type(), file_name: file_name(definition, asked, format), content })
}
