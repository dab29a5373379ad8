//! Lists as files.

use bytes::Bytes;
use chrono::Utc;
use poem::{Body, IntoResponse, Response, http::header};
use poem_openapi::{
    ApiResponse, Enum,
    registry::{MetaResponses, Registry},
};

use super::Download;
use crate::{
    error::{OrInternal, Result},
    sheets::{self, Bom, Cell},
    types::TimeZone,
};

/// The kind of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename = "SheetFormat", rename_all = "lowercase")]
pub enum Format {
    Csv,
    Xlsx,
}

impl Format {
    /// What a page's address asks for: CSV unless it says `xlsx`.
    pub fn of_page(text: &str) -> Self {
        if text == "xlsx" { Self::Xlsx } else { Self::Csv }
    }

    pub fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }

    pub fn extension(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Xlsx => "xlsx",
        }
    }
}

/// A file in the making, as an answer.
pub struct Sheet(Response);

impl Sheet {
    /// `noun-2026-11-21.csv`, of the day in `zone`.
    pub fn named(noun: &str, format: Format, zone: TimeZone, body: Body) -> Self {
        let day = Utc::now().with_timezone(&zone.0).format("%Y-%m-%d");
        let disposition = format!("attachment; filename=\"{noun}-{day}.{}\"", format.extension());
        Self(
            Response::builder()
                .content_type(format.media_type())
                .header(header::CONTENT_DISPOSITION, disposition)
                .header(header::CACHE_CONTROL, "no-store")
                .body(body),
        )
    }

    /// A file of rows that fit into memory.
    pub async fn of_rows(
        noun: &'static str,
        format: Format,
        zone: TimeZone,
        header: &'static [&'static str],
        rows: Vec<Vec<Cell>>,
        bom: Bom,
    ) -> Result<Self> {
        let bytes = tokio::task::spawn_blocking(move || match format {
            Format::Csv => Ok(sheets::csv(header, rows, bom)),
            Format::Xlsx => sheets::xlsx(noun, header, rows),
        })
        .await
        .internal()??;
        Ok(Self::named(noun, format, zone, Body::from_bytes(Bytes::from(bytes))))
    }
}

impl IntoResponse for Sheet {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Sheet {
    fn meta() -> MetaResponses {
        Download::meta()
    }

    fn register(_registry: &mut Registry) {}
}
