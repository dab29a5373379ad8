use proptest::prelude::*;

use super::*;

fn header(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

/// The guess as (header, field) in column order.
fn guessed<'a>(names: &[&'a str]) -> Vec<(&'a str, &'static str)> {
    let mapping = guess(&header(names));
    (0..names.len()).filter_map(|i| Some((names[i], mapping.field(i)?.as_str()))).collect()
}

fn codes(result: Result<impl std::fmt::Debug>) -> Vec<(String, &'static str)> {
    match result {
        Err(Error::Invalid(wrong)) => wrong.into_iter().map(|w| (w.field.into_owned(), w.code)).collect(),
        other => panic!("expected a refusal, got {other:?}"),
    }
}

#[test]
fn guesses_an_english_export() {
    let names = [
        "No.",
        "Account #",
        "First Name",
        "Middle Name",
        "Surname",
        "E-mail Address",
        "Contact No. (mobile)",
        "Complete Address",
        "Brgy.",
        "Status",
        "Remarks",
        "Lat",
        "Long",
    ];
    assert_eq!(
        guessed(&names),
        [
            ("Account #", "reference"),
            ("First Name", "first_name"),
            ("Surname", "last_name"),
            ("E-mail Address", "email"),
            ("Contact No. (mobile)", "phone_primary"),
            ("Complete Address", "street_address"),
            ("Brgy.", "area"),
            ("Status", "status"),
            ("Remarks", "notes"),
            ("Lat", "latitude"),
            ("Long", "longitude"),
        ]
    );
}

#[test]
fn guesses_filipino_and_spanish_headers() {
    assert_eq!(
        guessed(&["Unang Pangalan", "Apelyido", "Tirahan", "Barangay", "Telepono", "Katayuan", "Tala"]),
        [
            ("Unang Pangalan", "first_name"),
            ("Apelyido", "last_name"),
            ("Tirahan", "street_address"),
            ("Barangay", "area"),
            ("Telepono", "phone_primary"),
            ("Katayuan", "status"),
            ("Tala", "notes"),
        ]
    );
    assert_eq!(
        guessed(&[
            "Nombre",
            "Apellidos",
            "Correo electrónico",
            "Teléfono móvil",
            "DIRECCIÓN",
            "Observaciones"
        ]),
        [
            ("Nombre", "first_name"),
            ("Apellidos", "last_name"),
            ("Correo electrónico", "email"),
            ("Teléfono móvil", "phone_primary"),
            ("DIRECCIÓN", "street_address"),
            ("Observaciones", "notes"),
        ]
    );
}

#[test]
fn a_bare_name_depends_on_its_neighbours() {
    assert_eq!(guessed(&["Name", "Email"]), [("Name", "full_name"), ("Email", "email")]);
    assert_eq!(guessed(&["Customer Name", "Email"]), [("Customer Name", "full_name"), ("Email", "email")]);
    assert_eq!(guessed(&["Name", "Surname"]), [("Name", "first_name"), ("Surname", "last_name")]);
    assert_eq!(
        guessed(&["Name", "First Name", "Last Name"]),
        [("First Name", "first_name"), ("Last Name", "last_name")]
    );
    assert_eq!(guessed(&["Full Name", "Last Name"]), [("Full Name", "full_name")]);
    assert_eq!(guessed(&["Pangalan", "Brgy"]), [("Pangalan", "full_name"), ("Brgy", "area")]);
}

#[test]
fn the_more_usual_of_two_columns_wins() {
    assert_eq!(guessed(&["Mail", "Email"]), [("Email", "email")]);
    assert_eq!(guessed(&["Mobile", "Phone"]), [("Phone", "phone_primary")]);
    assert_eq!(guessed(&["ID", "Account Number"]), [("Account Number", "reference")]);
    assert_eq!(guessed(&["Email", "EMAIL"]), [("Email", "email")], "and of two equal ones the first");
}

#[test]
fn foreign_columns_are_left_out() {
    assert_eq!(
        guessed(&["", "Plan", "PPPoE username", "Monthly fee", "Middle name", "Company name", "🙂"]),
        []
    );
}

/// A header of one name, and beside it the column that it is worth nothing without.
fn with_partner(name: &str, field: Field) -> Vec<String> {
    let partner = field.partner().map(Field::label);
    std::iter::once(name).chain(partner).map(str::to_owned).collect()
}

#[test]
fn every_field_knows_its_own_names() {
    for field in Field::ALL {
        assert_eq!(Field::parse(field.as_str()), Some(field));
        if field == Field::FirstName || field == Field::LastName {
            continue;
        }
        for name in [field.as_str(), field.label()] {
            assert_eq!(guess(&with_partner(name, field)).column(field), Some(0), "{name}");
        }
    }
    assert_eq!(
        guessed(&["first_name", "last_name"]),
        [("first_name", "first_name"), ("last_name", "last_name")]
    );
    assert_eq!(guessed(&["FirstName", "LastName"]), [("FirstName", "first_name"), ("LastName", "last_name")]);
    assert_eq!(Field::parse("First_name"), None);
}

/// The demo provider's file, from bytes to values, without a person's help.
#[test]
fn the_demo_file_maps_itself() {
    let today = chrono::NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
    let people = crate::demo::customers(11, 300, today);
    let table = crate::sheets::read("demo.csv", &crate::demo::customers_csv(&people)).unwrap();
    let mapping = guess(&table.header);
    mapping.check(table.header.len()).unwrap();
    assert_eq!(mapping.pairs().count(), table.header.len(), "every column is recognised");
    assert_eq!(table.rows.len(), people.len());
    for (row, person) in table.rows.iter().zip(&people) {
        let values = row_values(&mapping, row);
        assert_eq!(values.get(Field::FirstName), Some(person.first_name.as_str()));
        assert_eq!(values.get(Field::LastName), Some(person.last_name.as_str()));
        assert_eq!(values.get(Field::PhonePrimary), Some(person.phone.as_str()));
        assert_eq!(values.get(Field::Area), Some(crate::demo::AREAS[person.area].name));
        let latitude: f64 = values.get(Field::Latitude).unwrap().parse().unwrap();
        assert!((latitude - person.latitude).abs() < 1e-9);
    }
}

/// Excel turns `+639175550101` into a number and drops the plus; with the provider's country it is found again.
#[test]
fn a_phone_that_lost_its_plus_is_still_a_phone() {
    let whole = phonenumber::parse(None, "+639175550101").unwrap();
    for text in ["639175550101", "9175550101", "09175550101"] {
        let number = phonenumber::parse(Some(phonenumber::country::PH), text).unwrap();
        assert!(phonenumber::is_valid(&number), "{text}");
        assert_eq!(number.format().to_string(), whole.format().to_string(), "{text}");
    }
}

/// A synonym that is not in normal form could never match; one that two fields share would match by luck.
#[test]
fn synonyms_are_normal_and_belong_to_one_field() {
    let mut seen = BTreeMap::new();
    for field in Field::ALL {
        for synonym in field.synonyms() {
            assert_eq!(normalise(synonym).first().map(String::as_str), Some(synonym));
            assert_eq!(seen.insert(synonym, field), None, "{synonym} is listed twice");
        }
        assert!(field.synonyms().count() < 100, "ranks of the three variants of a header would overlap");
    }
}

#[test]
fn choices_name_everything_that_is_wrong() {
    let good = Mapping::from_choices(&["first_name", "", "last_name", " email "]).unwrap();
    assert_eq!(
        good.pairs().collect::<Vec<_>>(),
        [(Field::FirstName, 0), (Field::LastName, 2), (Field::Email, 3)]
    );
    let wrong = codes(Mapping::from_choices(&["email", "email", "shoe_size", "last_name"]));
    assert_eq!(
        wrong,
        [
            ("columns[1]".into(), "field_twice"),
            ("columns[2]".into(), "unknown_field"),
            ("columns".into(), "name_missing"),
        ]
    );
    assert_eq!(codes(Mapping::from_choices(&["full_name", "last_name"])), [("columns".into(), "name_twice")]);
    assert_eq!(codes(Mapping::from_choices::<&str>(&[])), [("columns".into(), "name_missing")]);
}

#[test]
fn a_stored_mapping_is_checked_against_the_file() {
    let stored: Mapping = serde_json::from_str(r#"{"full_name":0,"email":7,"notes":0}"#).unwrap();
    assert_eq!(
        codes(stored.check(3)),
        [("columns[7]".into(), "no_such_column"), ("columns[0]".into(), "column_twice"),]
    );
    let good = Mapping::from_choices(&["full_name", "email"]).unwrap();
    let text = serde_json::to_string(&good).unwrap();
    assert_eq!(text, r#"{"full_name":0,"email":1}"#);
    assert_eq!(serde_json::from_str::<Mapping>(&text).unwrap(), good);
    assert!(serde_json::from_str::<Mapping>(r#"{"shoe_size":0}"#).is_err());
}

#[test]
fn rows_give_trimmed_values_and_tell_missing_from_empty() {
    let mapping = Mapping::from_choices(&["full_name", "email", "", "notes"]).unwrap();
    let cells = [" Juan  dela Cruz ", "\tjuan@example.com ", "x"].map(String::from).to_vec();
    let values = row_values(&mapping, &Row { line: 7, cells });
    assert_eq!(values.line, 7);
    assert_eq!(values.get(Field::FirstName), Some("Juan"));
    assert_eq!(values.get(Field::LastName), Some("dela Cruz"));
    assert_eq!(values.get(Field::FullName), None);
    assert_eq!(values.get(Field::Email), Some("juan@example.com"));
    assert_eq!(values.get(Field::Notes), Some(""), "a short row has an empty cell");
    assert_eq!(values.filled(Field::Notes), None);
    assert_eq!(values.get(Field::Status), None, "no column, no value");
}

#[test]
fn full_names_split_where_filipinos_split_them() {
    for (text, first, last) in [
        ("Juan Cruz", "Juan", "Cruz"),
        ("Maria Clara S. Reyes", "Maria Clara S.", "Reyes"),
        ("Juan dela Cruz", "Juan", "dela Cruz"),
        ("Ana Marie De Los Santos", "Ana Marie", "De Los Santos"),
        ("Rosa Sta. Maria", "Rosa", "Sta. Maria"),
        ("Pedro Reyes Jr.", "Pedro", "Reyes Jr."),
        ("Pedro Reyes, Jr.", "Pedro", "Reyes Jr."),
        ("Pedro San Jose III", "Pedro", "San Jose III"),
        ("Dela Cruz, Juan Miguel", "Juan Miguel", "Dela Cruz"),
        ("  Dela Cruz ,Juan ", "Juan", "Dela Cruz"),
        ("De Guzman", "De", "Guzman"),
        ("Madonna", "Madonna", ""),
        ("Madonna,", "Madonna", ""),
        ("Jr.", "Jr.", ""),
        ("", "", ""),
        (" , ", "", ""),
    ] {
        assert_eq!(split_name(text), (first.into(), last.into()), "{text:?}");
    }
}

proptest! {
    #[test]
    fn a_guess_never_uses_a_column_twice(
        names in prop::collection::vec(prop_oneof![
            ".{0,12}",
            prop::sample::select(vec!["Name", "First Name", "last name", "E-Mail", "Phone", "contact", "Full name",
                "Pangalan", "Brgy", "Area", "address", "lat", "LNG", "ID", "Acct #"]).prop_map(String::from),
        ], 0..20)
    ) {
        let mapping = guess(&names);
        let mut columns: Vec<usize> = mapping.pairs().map(|(_, column)| column).collect();
        columns.sort_unstable();
        let count = columns.len();
        columns.dedup();
        prop_assert_eq!(columns.len(), count);
        prop_assert!(columns.iter().all(|column| *column < names.len()));
        // Whatever was guessed, the only thing that may be missing is the name.
        if let Err(Error::Invalid(wrong)) = mapping.check(names.len()) {
            prop_assert!(wrong.iter().all(|w| w.code == "name_missing"), "{:?}", wrong);
        }
    }

    #[test]
    fn case_and_punctuation_do_not_matter(
        field in prop::sample::select(Field::ALL.to_vec()),
        pick in any::<prop::sample::Index>(),
        upper in any::<bool>(),
        glue in prop::sample::select(vec![" ", "_", "-", ".", "  ", " / "]),
    ) {
        let synonyms: Vec<&str> = field.synonyms().collect();
        let synonym = synonyms[pick.index(synonyms.len())];
        let mut name = synonym.replace(' ', glue);
        if upper {
            name = name.to_uppercase();
        }
        prop_assert_eq!(guess(&with_partner(&format!(" {name}: "), field)).column(field), Some(0));
    }

    #[test]
    fn splitting_a_name_loses_no_letter(text in "[A-Za-zñ.,' ]{0,40}") {
        let (first, last) = split_name(&text);
        let letters = |text: &str| {
            let mut letters: Vec<char> = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
            letters.sort_unstable();
            letters
        };
        prop_assert_eq!(letters(&format!("{first}{last}")), letters(&text));
    }
}
