//! What a file is, by its own bytes: what its sender calls it counts for nothing.

use std::io::Cursor;

use super::{FILE_MAX_BYTES, HELP};
use crate::error::{Error, Result};

const NAME_MAX: usize = 120;
const ZIP: &str = "application/zip";
const WORD: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const EXCEL: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// What the bytes may show, and how such a file's name ends.
const KINDS: &[(&str, &str)] = &[
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/gif", "gif"),
    ("image/webp", "webp"),
    ("application/pdf", "pdf"),
    (ZIP, "zip"),
    (WORD, "docx"),
    (EXCEL, "xlsx"),
    ("audio/mpeg", "mp3"),
    ("audio/ogg", "ogg"),
    ("video/mp4", "mp4"),
];
/// Texts show nothing of what they are: these are told by their names, all others are plain.
const TEXTS: &[(&str, &str)] = &[("text/csv", "csv"), ("text/calendar", "ics"), ("text/vcard", "vcf")];

/// A file that may be sent.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    pub name: String,
    pub media_type: &'static str,
}

/// Finds out what it is, and gives it a name that ends like it.
pub fn checked(name: &str, content: &[u8]) -> Result<Kind> {
    let refuse = |code, detail: &str| Err(Error::invalid("file", code, detail.to_owned()));
    if content.is_empty() {
        return refuse("empty", "The file is empty.");
    }
    if content.len() > FILE_MAX_BYTES {
        return refuse("too_large", "A file weighs at most 10 MiB.");
    }
    let (stem, ending) = parted(name);
    let ending = ending.to_ascii_lowercase();
    let (media_type, ends) = match infer::get(content) {
        Some(found) => match kind_of(found.mime_type(), content) {
            Some(known) => known,
            None => return refuse("not_a_kind", HELP),
        },
        None if is_text(content) => {
            TEXTS.iter().find(|(_, known)| *known == ending).copied().unwrap_or(("text/plain", "txt"))
        }
        None => return refuse("not_a_kind", HELP),
    };
    let is_jpeg = ends == "jpg" && ending == "jpeg";
    let ends = if is_jpeg { "jpeg" } else { ends };
    Ok(Kind { name: format!("{stem}.{ends}"), media_type })
}

/// Documents of an office are archives, which writers order as they like: what is inside tells them apart.
fn kind_of(shown: &str, content: &[u8]) -> Option<(&'static str, &'static str)> {
    let known = |media_type: &str| KINDS.iter().find(|(known, _)| *known == media_type).copied();
    if ![ZIP, WORD, EXCEL].contains(&shown) {
        return known(shown);
    }
    let archive = zip::ZipArchive::new(Cursor::new(content)).ok()?;
    let holds = |name: &str| archive.index_for_name(name).is_some();
    known(match () {
        () if holds("word/document.xml") => WORD,
        () if holds("xl/workbook.xml") => EXCEL,
        () => ZIP,
    })
}

/// A name without folders, and without what breaks a header or hides an ending.
fn parted(name: &str) -> (String, &str) {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let (stem, ending) = last.rsplit_once('.').unwrap_or((last, ""));
    let plain = |c: char| c.is_alphanumeric() || " ._-()&+,".contains(c);
    let stem: String = stem.chars().map(|c| if plain(c) { c } else { '_' }).take(NAME_MAX).collect();
    let stem = stem.trim_matches(['.', ' ']).to_owned();
    (if stem.is_empty() { "file".to_owned() } else { stem }, ending)
}

/// Readable as it is, and nothing that a browser would run.
fn is_text(content: &[u8]) -> bool {
    let odd = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    std::str::from_utf8(content).is_ok_and(|text| !text.contains(odd))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR";

    fn kind(name: &str, content: &[u8]) -> Result<(String, &'static str), &'static str> {
        match checked(name, content) {
            Ok(kind) => Ok((kind.name, kind.media_type)),
            Err(Error::Invalid(wrong)) => Err(wrong[0].code),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_file_is_what_its_bytes_are() {
        assert_eq!(kind("a.png", PNG), Ok(("a.png".into(), "image/png")));
        assert_eq!(kind("bill.pdf.exe", b"%PDF-1.7\n"), Ok(("bill.pdf.pdf".into(), "application/pdf")));
        assert_eq!(kind("C:\\x\\list.csv", b"a,b\n1,2\n"), Ok(("list.csv".into(), "text/csv")));
        assert_eq!(kind("page.html", b"hello <b>"), Ok(("page.txt".into(), "text/plain")));
        assert_eq!(kind("", "hé".as_bytes()), Ok(("file.txt".into(), "text/plain")));
    }

    /// An archive that holds these files, in this order.
    fn archive(names: &[&str]) -> Vec<u8> {
        let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for name in names {
            writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
            writer.write_all(b"<xml/>").unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    #[test]
    fn documents_of_an_office_are_told_from_other_archives() {
        let of = |names: &[&str]| kind("a.docx", &archive(names)).map(|(name, _)| name);
        let word = [
            "[Content_Types].xml",
            "_rels/.rels",
            "docProps/app.xml",
            "docProps/core.xml",
            "word/document.xml",
        ];
        assert_eq!(of(&word), Ok("a.docx".into()));
        assert_eq!(of(&["word/document.xml", "[Content_Types].xml"]), Ok("a.docx".into()));
        assert_eq!(of(&["mine.txt", "xl/workbook.xml"]), Ok("a.xlsx".into()));
        assert_eq!(of(&["photos/one.jpg"]), Ok("a.zip".into()));
        let mut cut = archive(&word);
        cut.truncate(60);
        assert_eq!(kind("a.docx", &cut), Err("not_a_kind"));
    }

    #[test]
    fn programs_pages_and_nothing_are_refused() {
        assert_eq!(kind("a.pdf", b"MZ\x90\0\x03\0\0\0"), Err("not_a_kind"));
        assert_eq!(kind("a.pdf", b"\x7fELF\x02\x01\x01\0"), Err("not_a_kind"));
        assert_eq!(kind("a.txt", b"<!DOCTYPE html><html>"), Err("not_a_kind"));
        assert_eq!(kind("a.txt", b"#!/bin/sh\nrm"), Err("not_a_kind"));
        assert_eq!(kind("a.txt", b"\xff\xfe\x00"), Err("not_a_kind"));
        assert_eq!(kind("a.txt", b""), Err("empty"));
        assert_eq!(kind("a.txt", &vec![b'a'; FILE_MAX_BYTES + 1]), Err("too_large"));
    }

    proptest! {
        #[test]
        fn no_name_breaks_a_header_or_leaves_its_folder(name in "\\PC{0,40}|[\\x00-\\x7f]{0,40}") {
            let kind = checked(&name, PNG).unwrap();
            prop_assert!(kind.name.ends_with(".png"));
            prop_assert!(!kind.name.contains(['/', '\\', '"', '\r', '\n', '\0', ';']));
            prop_assert!(!kind.name.starts_with('.'));
        }
    }
}
