#![expect(clippy::string_slice, clippy::let_underscore_must_use, reason = "a test that cannot go on fails")]

use std::io::{Cursor, Write as _};

use chrono::{NaiveDate, NaiveDateTime};
use proptest::prelude::*;
use rust_decimal::Decimal;
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use zip::{ZipArchive, ZipWriter, write::SimpleFileOptions};

use super::{
    read::{MAX_CELL_CHARS, MAX_COLUMNS, MAX_ROWS, MAX_TEXT_BYTES, MAX_UNPACKED_BYTES},
    *,
};
use crate::error::Error;

macro_rules! fixture {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/fixtures/sheets/", $name))
    };
}

const FIXTURES: &[&[u8]] = &[
    fixture!("bom_semicolon.csv"),
    fixture!("latin1_semicolon.csv"),
    fixture!("bom_latin1_semicolon.csv"),
    fixture!("quoted_newlines.csv"),
    fixture!("ragged.csv"),
    fixture!("utf16_tabs.txt"),
    fixture!("sep_line_pipes.csv"),
    fixture!("formulas.csv"),
    fixture!("old_mac.csv"),
];

fn rows(table: &Table) -> Vec<(u32, Vec<&str>)> {
    table.rows.iter().map(|row| (row.line, row.cells.iter().map(String::as_str).collect())).collect()
}

fn refusal(bytes: &[u8]) -> &'static str {
    match read("upload", bytes) {
        Err(Error::Invalid(wrong)) => {
            assert_eq!(wrong[0].field, "file");
            wrong[0].code
        }
        other => panic!("expected a refusal, got {other:?}"),
    }
}

mod csv_in_the_wild {
    use super::*;

    #[test]
    fn bom_and_semicolons() {
        let table = read("a.csv", fixture!("bom_semicolon.csv")).unwrap();
        assert_eq!(table.header[0], "Account No.");
        assert_eq!(table.header.len(), 10, "the unquoted semicolon in line 3 makes a nameless column");
        assert_eq!(table.rows[0].cells[1..3], ["María", "Nuñez"]);
        assert_eq!(table.rows[1].cells[5], "Block 4 Lot 7, Villa Esperanza");
        assert_eq!(table.rows[1].cells[8..], ["Pays late", " calls first"]);
        assert_eq!(table.rows[2].cells[8], "Semi;colon inside");
        assert_eq!(table.rows.iter().map(|row| row.line).collect::<Vec<_>>(), [2, 3, 4]);
    }

    #[test]
    fn latin1() {
        let table = read("a.csv", fixture!("latin1_semicolon.csv")).unwrap();
        assert_eq!(table.header[3], "Correo electrónico");
        assert_eq!(table.rows[0].cells[1..3], ["Begoña", "Núñez"]);
        assert_eq!(table.rows[1].cells[1..3], ["Íñigo", "Muñoz"]);
    }

    /// One letter in a whole file is not evidence for some other alphabet.
    #[test]
    fn a_single_latin1_letter() {
        let table = read("a.csv", b"Name,Email\nMu\xF1oz,m@example.com\n").unwrap();
        assert_eq!(table.rows[0].cells[0], "Muñoz");
        let table = read("a.csv", b"Name,Price\nCaf\xE9,\x80 5\n").unwrap();
        assert_eq!(table.rows[0].cells, ["Café", "€ 5"], "Windows-1252, not ISO-8859-1");
    }

    #[test]
    fn another_alphabet_with_evidence() {
        let text = "Имя;Адрес\r\nАлександр Петров;улица Ленина дом пять\r\nМария Иванова;проспект Мира\r\n";
        let (bytes, _, _) = encoding_rs::WINDOWS_1251.encode(text);
        let table = read("a.csv", &bytes).unwrap();
        assert_eq!(table.header, ["Имя", "Адрес"]);
        assert_eq!(table.rows[1].cells, ["Мария Иванова", "проспект Мира"]);
    }

    #[test]
    fn a_mark_above_latin1() {
        let table = read("a.csv", fixture!("bom_latin1_semicolon.csv")).unwrap();
        assert_eq!(table.header, ["Name", "Email", "Brgy"]);
        assert_eq!(table.rows[0].cells, ["Peña, Niño", "nino@example.com", "Camaman-an"]);
    }

    #[test]
    fn quoted_new_lines_and_stray_quotes() {
        let table = read("a.csv", fixture!("quoted_newlines.csv")).unwrap();
        assert_eq!(
            rows(&table),
            [
                (
                    2,
                    vec![
                        "Reyes, Pedro Jr.",
                        "+639175550121",
                        "Block 2 Lot 5\r\nGolden Hills\r\nCugman",
                        "Said: \"call after six\"\nDog in the yard"
                    ]
                ),
                (7, vec!["Liza Tan", "+639175550122", "5\" pipe corner, Gate 2", ""]),
                (8, vec!["Sari-sari Store Uy", "639175550123", "9 Luna St.", "ok"]),
            ]
        );
    }

    #[test]
    fn titles_blank_lines_ragged_rows_trailing_delimiters() {
        let table = read("a.csv", fixture!("ragged.csv")).unwrap();
        assert_eq!(table.header, ["First name", "Last name", "Email", ""]);
        assert_eq!(
            rows(&table),
            [
                (5, vec!["Grace", "Yap", "grace@example.com", ""]),
                (6, vec!["Noel", "", "", ""]),
                (8, vec!["Efren", "Roa", "efren@example.com", "extra"]),
                (10, vec!["Hazel", "Tan", "hazel@example.com", ""]),
            ]
        );
    }

    #[test]
    fn utf16_with_and_without_mark() {
        let marked = fixture!("utf16_tabs.txt");
        let big: Vec<u8> = marked.as_chunks::<2>().0.iter().flat_map(|[low, high]| [*high, *low]).collect();
        for bytes in [&marked[..], &marked[2..], &big, &big[2..]] {
            let table = read("a.txt", bytes).unwrap();
            assert_eq!(table.header, ["First name", "Last name", "Address"]);
            assert_eq!(table.rows[0].cells, ["Niño", "Quiño", "3 Peña St., Carmen"]);
        }
    }

    #[test]
    fn a_named_delimiter() {
        let table = read("a.csv", fixture!("sep_line_pipes.csv")).unwrap();
        assert_eq!(table.header, ["Name", "Phone"]);
        assert_eq!(rows(&table), [(3, vec!["Juan Cruz", "+639175550131"])]);
    }

    #[test]
    fn lone_carriage_returns() {
        let table = read("a.csv", fixture!("old_mac.csv")).unwrap();
        assert_eq!(
            rows(&table),
            [(2, vec!["Juan Cruz", "juan@example.com"]), (4, vec!["Ana Tan", "ana@example.com"])]
        );
    }

    #[test]
    fn guarded_cells_come_back_bare() {
        let table = read("a.csv", fixture!("formulas.csv")).unwrap();
        assert_eq!(
            rows(&table),
            [
                (2, vec!["=HYPERLINK(\"x\")", "+63 917 555 0141", "-"]),
                (3, vec!["=1+1", "-12.5", "'Tis fine"])
            ]
        );
    }

    #[test]
    fn delimiters_are_told_by_the_header_and_its_rows() {
        for (text, width) in [
            ("name;address\nJuan;Zone 1, Carmen, CDO\nAna;Zone 2, Gusa, CDO", 2),
            ("name\taddress, city\nJuan\tCarmen, CDO, PH\n", 2),
            ("Customers as of May 1, 2026\nname;email;phone\nA;a@example.com;1\nB;b@example.com;2", 3),
            ("name|email\nA;B|a@example.com", 2),
            ("email\na@example.com\nb@example.com", 1),
            ("a,b", 2),
        ] {
            assert_eq!(read("a.csv", text.as_bytes()).unwrap().header.len(), width, "{text}");
        }
    }
}

mod limits {
    use super::*;

    #[test]
    fn bytes() {
        assert_eq!(refusal(&vec![b'a'; MAX_BYTES + 1]), "too_large");
    }

    #[test]
    fn row_count() {
        let full = format!("a,b\n{}", "1,2\n".repeat(MAX_ROWS));
        assert_eq!(read("a.csv", full.as_bytes()).unwrap().rows.len(), MAX_ROWS);
        assert_eq!(refusal(format!("{full}1,2").as_bytes()), "too_many_rows");
        assert_eq!(refusal("a,b\n".repeat(MAX_ROWS * 4).as_bytes()), "too_many_rows");
        let blank = format!("a,b\n{}1,2", ",\n".repeat(MAX_ROWS * 2));
        assert_eq!(read("a.csv", blank.as_bytes()).unwrap().rows.len(), 1, "blank rows do not count");
    }

    #[test]
    fn column_count() {
        let full = vec!["x"; MAX_COLUMNS].join(",");
        assert_eq!(read("a.csv", full.as_bytes()).unwrap().header.len(), MAX_COLUMNS);
        assert_eq!(read("a.csv", format!("{full},,, ,").as_bytes()).unwrap().header.len(), MAX_COLUMNS);
        assert_eq!(refusal(format!("{full},y").as_bytes()), "too_many_columns");
        assert_eq!(refusal(format!("a,b\n1{}2", ",".repeat(1_000_000)).as_bytes()), "too_many_columns");
    }

    #[test]
    fn cell_length() {
        let full = format!("a,b\n1,{}", "ñ".repeat(MAX_CELL_CHARS));
        assert_eq!(read("a.csv", full.as_bytes()).unwrap().rows.len(), 1);
        assert_eq!(refusal(format!("{full}n").as_bytes()), "cell_too_long");
        assert_eq!(refusal(format!("a,b\n1,\"{}", "x,y\n".repeat(9000)).as_bytes()), "cell_too_long");
    }

    #[test]
    fn cells_of_a_sparse_table() {
        // One wide row would make every other one as wide.
        let text = format!("a,b\n{}\n{}", vec!["x"; MAX_COLUMNS].join(","), "1,2\n".repeat(MAX_ROWS - 1));
        assert_eq!(refusal(text.as_bytes()), "too_many_cells");
    }

    #[test]
    fn unclosed_quotes_name_their_line() {
        let Err(error) = read("a.csv", b"a,b\n1,2\n3,\"four\n5,6\n") else { panic!("refused") };
        assert!(error.to_string().contains("line 3"), "{error}");
        assert_eq!(refusal(b"a,b\n1,2\n3,\"four\n5,6\n"), "unclosed_quote");
    }

    #[test]
    fn what_is_no_table() {
        assert_eq!(refusal(b""), "empty");
        assert_eq!(refusal(b"\xEF\xBB\xBF"), "empty");
        assert_eq!(refusal(b"\n\r\n , ,\n"), "empty");
        assert_eq!(refusal(b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1"), "unsupported_format");
        assert_eq!(refusal(b"%PDF-1.7"), "unsupported_format");
        assert_eq!(refusal(b"  <HTML><table>"), "unsupported_format");
        assert_eq!(refusal(b"name\0,email"), "not_text");
        assert_eq!(refusal(&[1, 2, 3, 4, 5, 6, 7, 8, 14, 15, 16]), "not_text");
        assert_eq!(refusal(b"PK\x03\x04 and then nothing"), "unreadable");
        assert_eq!(
            refusal(&archive(&[("mimetype", b"application/vnd.oasis.opendocument")])),
            "unsupported_format"
        );
    }

    #[test]
    fn messages_do_not_repeat_a_hostile_name() {
        let Err(error) = read(&format!("a\n\u{7}{}", "x".repeat(5000)), b"%PDF") else { panic!("refused") };
        assert!(error.to_string().len() < 300 && !error.to_string().contains(['\n', '\u{7}']), "{error}");
    }

    #[test]
    fn columns_are_named_as_in_a_spreadsheet() {
        let Err(error) = read("a", format!("{}{}", "a,".repeat(27), "y".repeat(20_000)).as_bytes()) else {
            panic!()
        };
        assert!(error.to_string().contains("column AB"), "{error}");
    }
}

/// A zip file with these entries.
fn archive(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// The workbook again, with one entry's text changed.
fn tampered(book: &[u8], entry: &str, change: impl Fn(String) -> String) -> Vec<u8> {
    let mut zip = ZipArchive::new(Cursor::new(book)).unwrap();
    let mut entries = Vec::new();
    for index in 0..zip.len() {
        let mut file = zip.by_index(index).unwrap();
        let mut content = String::new();
        std::io::Read::read_to_string(&mut file, &mut content).unwrap();
        let name = file.name().unwrap().to_string();
        entries.push((name.clone(), if name == entry { change(content) } else { content }));
    }
    let entries: Vec<(&str, &[u8])> =
        entries.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    archive(&entries)
}

const SHEET: &str = "xl/worksheets/sheet2.xml";
const STRINGS: &str = "xl/sharedStrings.xml";

/// What a person's own workbook looks like: shared texts, formats, an empty sheet in front, a gap, a formula.
fn real_book() -> Vec<u8> {
    let mut book = Workbook::new();
    book.add_worksheet();
    let sheet = book.add_worksheet();
    let day = Format::new().set_num_format("dd/mm/yyyy");
    let moment = Format::new().set_num_format("d mmm yy h:mm AM/PM");
    let hours = Format::new().set_num_format("[h]:mm:ss");
    for (column, name) in (0..).zip(["Name", "Phone", "Joined", "Seen", "Lat", "Fee", "Paid", "Time", "Sum"])
    {
        sheet.write(2, column, name).unwrap();
    }
    sheet.write(0, 0, "Customers of CdeO Fiber").unwrap();
    sheet.write(3, 0, " Peña, Niño\nJr. ").unwrap();
    sheet.write(3, 1, 639_175_550_101.0).unwrap();
    sheet.write_with_format(3, 2, ExcelDateTime::from_ymd(2026, 5, 1).unwrap(), &day).unwrap();
    let seen = ExcelDateTime::from_ymd(2026, 5, 1).unwrap().and_hms(8, 30, 15).unwrap();
    sheet.write_with_format(3, 3, &seen, &moment).unwrap();
    sheet.write(3, 4, 8.454_236_1).unwrap();
    sheet.write(3, 5, 0.1 + 0.2).unwrap();
    sheet.write(3, 6, true).unwrap();
    sheet.write_with_format(3, 7, 1.5, &hours).unwrap();
    sheet.write_formula(3, 8, rust_xlsxwriter::Formula::new("=1+1").set_result("2")).unwrap();
    sheet.write(6, 0, "Ana").unwrap();
    sheet.write(6, 5, -1500).unwrap();
    sheet.write_blank(8, 150, &day).unwrap();
    book.save_to_buffer().unwrap()
}

mod workbooks {
    use super::*;

    #[test]
    fn a_real_one() {
        let table = read("list.csv", &real_book()).unwrap();
        assert_eq!(table.header, ["Name", "Phone", "Joined", "Seen", "Lat", "Fee", "Paid", "Time", "Sum"]);
        assert_eq!(
            rows(&table),
            [
                (
                    4,
                    vec![
                        " Peña, Niño\nJr. ",
                        "639175550101",
                        "2026-05-01",
                        "2026-05-01 08:30:15",
                        "8.4542361",
                        "0.3",
                        "true",
                        "36:00:00",
                        "2"
                    ]
                ),
                (7, vec!["Ana", "", "", "", "", "-1500", "", "", ""]),
            ]
        );
    }

    #[test]
    fn an_empty_one() {
        let mut book = Workbook::new();
        book.add_worksheet();
        assert_eq!(refusal(&book.save_to_buffer().unwrap()), "empty");
    }

    #[test]
    fn the_first_sheet_with_rows() {
        let mut book = Workbook::new();
        book.add_worksheet();
        book.add_worksheet().set_hidden(true).write(0, 0, "not this").unwrap();
        book.add_worksheet().write(0, 0, "here").unwrap();
        book.add_worksheet().write(0, 0, "nor this").unwrap();
        assert_eq!(read("a", &book.save_to_buffer().unwrap()).unwrap().header, ["here"]);
    }

    /// Once as it is, once with the sizes in its directory made small.
    #[test]
    fn a_bomb_is_weighed_not_asked() {
        let blanks = vec![b' '; usize::try_from(MAX_UNPACKED_BYTES).unwrap() + 1];
        let mut bomb = archive(&[("xl/workbook.xml", b"<workbook/>"), ("xl/media/a.png", &blanks)]);
        assert!(bomb.len() < MAX_BYTES, "small as uploaded");
        assert_eq!(refusal(&bomb), "unpacks_too_large");
        let size = u32::try_from(blanks.len()).unwrap().to_le_bytes();
        let places: Vec<usize> =
            bomb.windows(4).enumerate().filter(|(_, w)| *w == size).map(|(i, _)| i).collect();
        assert!(!places.is_empty(), "the size is declared somewhere");
        for place in places {
            bomb[place..place + 4].copy_from_slice(&100u32.to_le_bytes());
        }
        assert!(["unpacks_too_large", "unreadable"].contains(&refusal(&bomb)));
    }

    #[test]
    fn too_many_entries() {
        let names: Vec<String> = (0..2_100).map(|i| format!("xl/{i}.xml")).collect();
        let mut entries: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
        entries.push(("xl/workbook.xml", b"<workbook/>"));
        assert_eq!(refusal(&archive(&entries)), "unreadable");
    }

    /// Each of these would ask the reader for terabytes, which ends the process.
    #[test]
    fn announced_texts_that_are_not_there() {
        let book = real_book();
        for announced in
            [r#"uniqueCount="99999999999""#, "uniqueCount = '0099999999999'", "uniqueCount=\"+99999999999\""]
        {
            let bomb = tampered(&book, STRINGS, |xml| {
                let at = xml.find("uniqueCount=").unwrap();
                let end = at + 13 + xml[at + 13..].find('"').unwrap() + 1;
                format!("{}{announced}{}", &xml[..at], &xml[end..])
            });
            assert_eq!(refusal(&bomb), "unpacks_too_large", "{announced}");
        }
        let wide = tampered(&book, STRINGS, |xml| xml.chars().flat_map(|c| [c, '\0']).collect());
        assert_eq!(refusal(&wide), "unpacks_too_large");
    }

    /// One shared text in every cell: small in the file, gigabytes as a table.
    #[test]
    fn one_long_text_everywhere() {
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        let text = "x".repeat(MAX_CELL_CHARS);
        assert!(200 * 50 * text.len() > MAX_TEXT_BYTES);
        for row in 0..200 {
            for column in 0..50 {
                sheet.write(row, column, text.as_str()).unwrap();
            }
        }
        assert_eq!(refusal(&book.save_to_buffer().unwrap()), "too_much_text");
    }

    #[test]
    fn corners_of_the_sheet() {
        let book = real_book();
        let far = tampered(&book, SHEET, |xml| {
            xml.replace(
                "</sheetData>",
                r#"<row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>"#,
            )
        });
        assert_eq!(refusal(&far), "too_many_columns");
        let low = tampered(&book, SHEET, |xml| {
            xml.replace("</sheetData>", r#"<row r="1048576"><c r="A1048576"><v>1</v></c></row></sheetData>"#)
        });
        assert_eq!(read("a", &low).unwrap().rows.last().unwrap().line, 1_048_576);
    }

    #[test]
    fn damage_is_told_and_never_panics() {
        let book = real_book();
        let damages: [(&str, &str, &str); 6] = [
            (SHEET, r#"<dimension ref=""#, r#"<dimension ref="B9:A1" x=""#),
            (SHEET, "<v>0.30000000000000004</v>", r#"<v t="n">+1</v>"#),
            (SHEET, r#"<row r="4""#, r#"<row r="99999999999""#),
            (SHEET, r#"r="A4""#, r#"r="4A""#),
            (SHEET, "</sheetData>", ""),
            ("xl/workbook.xml", "<sheets>", "<sheets><sheet/>"),
        ];
        for (entry, from, to) in damages {
            let bad = tampered(&book, entry, |xml| {
                assert!(xml.contains(from), "{from} in {xml}");
                xml.replace(from, to)
            });
            if let Err(error) = read("a", &bad) {
                assert_eq!(error.status(), 422, "{error}");
            }
        }
        assert_eq!(refusal(&book[..book.len() / 2]), "unreadable");
    }
}

mod written {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(year, month, day).unwrap()
    }

    #[test]
    fn csv_is_what_rfc_4180_says() {
        let row = vec![
            Cell::from("a \"b\", c"),
            Cell::from("two\nlines"),
            Cell::Number(Decimal::new(150_000, 2)),
            Cell::Date(day(2026, 5, 1)),
            Cell::DateTime(day(2026, 5, 1).and_hms_opt(8, 30, 0).unwrap()),
            Cell::Empty,
        ];
        let bytes = csv(&["A", "B", "C", "D", "E", "F"], [row], Bom::Without);
        assert_eq!(
            String::from_utf8(bytes).unwrap(),
            "A,B,C,D,E,F\r\n\"a \"\"b\"\", c\",\"two\nlines\",1500.00,2026-05-01,2026-05-01 08:30:00,\r\n"
        );
        assert!(csv(&["A"], [], Bom::With).starts_with(b"\xEF\xBB\xBFA"));
    }

    #[test]
    fn formulas_are_neutralised_and_plain_values_are_not() {
        for (text, cell) in [
            ("=1+1", "'=1+1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
            ("-", "'-"),
            ("-1+1", "'-1+1"),
            ("-A1", "'-A1"),
            ("+63-917-555", "'+63-917-555"),
            ("\tx", "'\tx"),
            ("\r=x", "'\r=x"),
            ("-1e5", "'-1e5"),
            ("'=x", "''=x"),
            ("''-5", "'''-5"),
            ("-12.5", "-12.5"),
            ("+3", "+3"),
            ("+639175550101", "+639175550101"),
            ("+63 917 555 0101", "+63 917 555 0101"),
            ("'Tis", "'Tis"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(guard::guard(text), cell, "{text:?}");
            assert_eq!(guard::unguard(cell.to_owned()), text, "{cell:?}");
            assert_eq!(guard::unguard(guard::guard_typed(text).into_owned()), text, "{text:?}");
        }
        assert_eq!(guard::guard_typed("=1+1"), "=1+1", "a string in a workbook is no formula");
    }

    #[test]
    fn xlsx_keeps_types_where_it_can() {
        let rows = vec![
            vec![
                Cell::from("=1+1"),
                Cell::Number(Decimal::new(150_000, 2)),
                Cell::Number(Decimal::from(12_345_678_901_234_567_i64)),
                Cell::Date(day(2024, 2, 29)),
                Cell::Date(day(1899, 12, 31)),
            ],
            vec![Cell::from("-"), Cell::from(7_i64), Cell::Empty, Cell::Date(day(1900, 2, 28))],
        ];
        let written = xlsx("Customers", &["A", "B", "C", "D", "E"], rows).unwrap();
        let mut book: calamine::Xlsx<_> = calamine::Reader::new(Cursor::new(&written[..])).unwrap();
        let range = calamine::Reader::worksheet_range(&mut book, "Customers").unwrap();
        let cell = |row, column| range.get_value((row, column)).unwrap();
        assert_eq!(*cell(1, 0), calamine::Data::String("=1+1".into()));
        assert_eq!(*cell(1, 1), calamine::Data::Float(1500.0));
        assert_eq!(*cell(1, 2), calamine::Data::String("12345678901234567".into()));
        assert!(matches!(cell(1, 3), calamine::Data::DateTime(_)));
        assert_eq!(*cell(1, 4), calamine::Data::String("1899-12-31".into()));
        assert_eq!(*cell(2, 1), calamine::Data::Float(7.0));
        assert_eq!(read("a", &written).unwrap().rows[1].cells[3], "1900-02-28");
    }

    #[test]
    fn xlsx_cuts_what_no_cell_can_hold() {
        for (letter, units) in [("x", 1), ("😀", 2)] {
            let rows = [vec![Cell::from(letter.repeat(40_000))]];
            let mut book: calamine::Xlsx<_> =
                calamine::Reader::new(Cursor::new(xlsx("Log", &["A"], rows).unwrap())).unwrap();
            let range = calamine::Reader::worksheet_range(&mut book, "Log").unwrap();
            let Some(calamine::Data::String(long)) = range.get_value((1, 0)) else { panic!("text") };
            assert_eq!((long.chars().count(), long.ends_with('…')), (32_766 / units + 1, true));
        }
    }

    #[test]
    fn a_stream_is_the_same_as_the_whole() {
        let row = |n: i64| vec![Cell::from(n), Cell::from("x")];
        let mut writer = CsvWriter::new(&["n", "x"], Bom::With);
        let mut bytes = writer.take();
        for n in 0..5 {
            writer.row(&row(n));
            bytes.extend(writer.take());
        }
        assert_eq!(bytes, csv(&["n", "x"], (0..5).map(row), Bom::With));
    }
}

mod any_input {
    use super::*;

    /// Text that people and attackers put into cells.
    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-zA-Zñé0-9 ]{0,12}",
            r#"[=+\-@'"\t\r\n,;|0-9 a_x]{0,10}"#,
            r"[+-]?[0-9]{1,12}(\.[0-9]{1,6})?",
            r"'{0,3}[=+@-][0-9A-Z ]{0,6}",
            "_x[0-9A-F]{4}_",
            "[^\\p{Cc}]{0,12}",
        ]
    }

    fn moment() -> impl Strategy<Value = NaiveDateTime> {
        (0i64..250_000_000_000).prop_map(|seconds| {
            chrono::DateTime::from_timestamp(seconds - 2_203_891_200, 0).unwrap().naive_utc()
        })
    }

    fn cell() -> impl Strategy<Value = Cell> {
        prop_oneof![
            4 => text().prop_map(Cell::Text),
            1 => (any::<i64>(), 0u32..12).prop_map(|(m, scale)| Cell::Number(Decimal::new(m, scale))),
            1 => (-99_999_999i64..99_999_999, 0u32..8).prop_map(|(m, scale)| Cell::Number(Decimal::new(m, scale))),
            1 => moment().prop_map(|moment| Cell::Date(moment.date())),
            1 => moment().prop_map(Cell::DateTime),
            1 => Just(Cell::Empty),
        ]
    }

    /// What a cell reads back as. A workbook keeps a number's value, not its trailing zeros, has no midnight, and
    /// ends lines its own way.
    fn expected(cell: &Cell, in_workbook: bool) -> String {
        let text = match cell {
            Cell::Text(text) => text.clone(),
            Cell::Number(number) => {
                let exact = number.mantissa().unsigned_abs() < 1_000_000_000_000_000 && number.scale() <= 10;
                if in_workbook && exact { number.normalize().to_string() } else { number.to_string() }
            }
            Cell::Date(day) => day.format("%Y-%m-%d").to_string(),
            Cell::DateTime(moment) => {
                let text = moment.format("%Y-%m-%d %H:%M:%S").to_string();
                if in_workbook { text.replace(" 00:00:00", "") } else { text }
            }
            Cell::Empty => String::new(),
        };
        if text.trim().is_empty() { String::new() } else { text }
    }

    fn check_round_trip(table: &[Vec<Cell>], in_workbook: bool) -> Result<(), TestCaseError> {
        let header = ["First name", "=Notes", "Phone"];
        let bytes = if in_workbook {
            xlsx("Sheet", &header, table.iter().cloned()).unwrap()
        } else {
            csv(&header, table.iter().cloned(), Bom::With)
        };
        let back = read("any", &bytes).unwrap();
        prop_assert_eq!(back.header, header);
        let expected: Vec<Vec<String>> = table
            .iter()
            .map(|row| row.iter().map(|cell| expected(cell, in_workbook)).collect::<Vec<_>>())
            .filter(|row| row.iter().any(|cell| !cell.is_empty()))
            .collect();
        let found: Vec<Vec<String>> = back.rows.into_iter().map(|row| row.cells).collect();
        prop_assert_eq!(found, expected);
        Ok(())
    }

    fn table() -> impl Strategy<Value = Vec<Vec<Cell>>> {
        prop::collection::vec(prop::collection::vec(cell(), 3), 0..8)
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

        #[test]
        fn what_csv_writes_read_reads(table in table()) {
            check_round_trip(&table, false)?;
        }

        #[test]
        fn what_xlsx_writes_read_reads(table in table()) {
            check_round_trip(&table, true)?;
        }

        #[test]
        fn a_single_column_survives(texts in prop::collection::vec(text(), 0..8)) {
            let bytes = csv(&["Note"], texts.iter().map(|text| vec![Cell::from(text.as_str())]), Bom::Without);
            let back = read("any", &bytes).unwrap();
            let texts: Vec<&String> = texts.iter().filter(|text| !text.trim().is_empty()).collect();
            prop_assert_eq!(back.rows.iter().map(|row| &row.cells[0]).collect::<Vec<_>>(), texts);
        }

        /// An independent reader agrees with what we write.
        #[test]
        fn the_csv_crate_reads_the_same(texts in prop::collection::vec((text(), text()), 0..8)) {
            let rows = texts.iter().map(|(a, b)| vec![Cell::from(a.as_str()), Cell::from(b.as_str())]);
            let bytes = csv(&["a", "b"], rows, Bom::Without);
            let found: Vec<(String, String)> =
                ::csv::Reader::from_reader(&bytes[..]).deserialize().collect::<Result<_, _>>().unwrap();
            let guarded = |text: &str| guard::guard(text).into_owned();
            prop_assert_eq!(found, texts.iter().map(|(a, b)| (guarded(a), guarded(b))).collect::<Vec<_>>());
        }

        /// Any few Spanish letters and office punctuation among ASCII.
        #[test]
        fn sparse_windows_1252_is_recognised(
            words in prop::collection::vec("[A-Z][a-z]{2,8}[ñÑáéíóúüÁÉÍÓÚÜº°’–“”€]?[a-z]{0,5}", 1..12)
        ) {
            let text = format!("Name,Email,Address\n{},a@example.com,12 Rizal St.\n", words.join(" "));
            let (bytes, _, unmappable) = encoding_rs::WINDOWS_1252.encode(&text);
            prop_assert!(!unmappable);
            prop_assert_eq!(&read("any", &bytes).unwrap().rows[0].cells[0], &words.join(" "));
        }

        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = read("any", &bytes);
            let mut zipped = b"PK\x03\x04".to_vec();
            zipped.extend(&bytes);
            let _ = read("any", &zipped);
        }

        #[test]
        fn random_text_never_panics(text in r#"(?s)[a-z"',;|\t\r\n =+ñ]{0,300}"#) {
            if let Ok(table) = read("any", text.as_bytes()) {
                prop_assert!(table.rows.iter().all(|row| row.cells.len() == table.header.len()));
                prop_assert!(table.rows.windows(2).all(|pair| pair[0].line < pair[1].line));
                prop_assert!(table.rows.iter().all(|row| row.cells.iter().any(|cell| !cell.is_empty())));
            }
        }

        #[test]
        fn mutated_files_never_panic(
            which in any::<prop::sample::Index>(),
            edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
            cut in any::<prop::sample::Index>(),
        ) {
            let book = real_book();
            let mut files: Vec<&[u8]> = FIXTURES.to_vec();
            files.push(&book);
            let mut bytes = files[which.index(files.len())].to_vec();
            for (at, byte) in edits {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            let _ = read("any", &bytes);
            bytes.truncate(cut.index(bytes.len()));
            let _ = read("any", &bytes);
        }

        /// Edits inside the packed XML, where a flipped bit in the archive would only fail its checksum.
        #[test]
        fn mutated_sheets_never_panic(
            entry in prop::sample::select(vec![SHEET, STRINGS, "xl/styles.xml", "xl/workbook.xml",
                "xl/_rels/workbook.xml.rels", "_rels/.rels"]),
            edits in prop::collection::vec(
                (any::<prop::sample::Index>(), prop::sample::select(b"<>/\"=0919-:;&#xAZ \n+.".to_vec())), 1..8),
        ) {
            let bytes = tampered(&real_book(), entry, |xml| {
                let mut bytes = xml.into_bytes();
                for (at, byte) in &edits {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
                String::from_utf8_lossy(&bytes).into_owned()
            });
            let _ = read("any", &bytes);
        }
    }
}
