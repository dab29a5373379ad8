//! Customers out of files: from the upload to the audit trail, with files as they come, and with a worker that dies.

use std::{
    io::{Cursor, Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    harness::{Answer, Api, Server, Settings, Tenant, mailbox::until, sql, tenant, tenant_on, text},
    retention::night,
};

pub const IMPORTS: &str = "/api/v1/customers/imports";
const BOUNDARY: &str = "a-boundary-of-the-tests";

pub async fn send_file(api: &Api, name: &str, content: &[u8]) -> Answer {
    let mut body = format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    api.send(Method::POST, IMPORTS, Some(&format!("multipart/form-data; boundary={BOUNDARY}")), body).await
}

pub async fn upload(api: &Api, name: &str, content: &[u8]) -> Value {
    send_file(api, name, content).await.expect(201)
}

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/fixtures/sheets/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub async fn start(api: &Api, id: &str, choices: Value) -> Value {
    api.post(&format!("{IMPORTS}/{id}/start"), choices).await.expect(200)
}

/// Waits until the import has come to its end.
pub async fn end_of(api: &Api, id: &str) -> Value {
    until("the end of an import", async || {
        let import = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
        let state = import["state"].as_str().unwrap().to_owned();
        ["finished", "failed", "cancelled"].contains(&state.as_str()).then_some(import)
    })
    .await
}

/// Uploads a file and imports it.
pub async fn import(api: &Api, name: &str, content: &[u8], choices: Value) -> Value {
    let id = text(&upload(api, name, content).await, "/id");
    start(api, &id, choices).await;
    let ended = end_of(api, &id).await;
    assert_eq!(ended["state"], "finished", "{ended}");
    ended
}

/// (created, updated, unchanged, failed)
pub fn counts(import: &Value) -> (i64, i64, i64, i64) {
    let n = |name: &str| import[name].as_i64().unwrap();
    assert_eq!(n("rows_done"), n("rows_total"), "{import}");
    (n("rows_created"), n("rows_updated"), n("rows_unchanged"), n("rows_failed"))
}

/// (line, field, code) of every error.
pub async fn errors_of(api: &Api, id: &str) -> Vec<(i64, String, String)> {
    let page = api.get(&format!("{IMPORTS}/{id}/errors?limit=200")).await.expect(200);
    let mut found = Vec::new();
    for row in page["items"].as_array().unwrap() {
        for error in row["errors"].as_array().unwrap() {
            found.push((row["line"].as_i64().unwrap(), text(error, "/field"), text(error, "/code")));
        }
    }
    found
}

/// What is in a table of the tenant's schema: one number.
async fn number(tenant: &Tenant, query: &str) -> i64 {
    let client = sql(&tenant.server.database).await;
    client.batch_execute(&format!("SET search_path = {}, ext", tenant.schema().await)).await.unwrap();
    client.query_one(query, &[]).await.unwrap().get(0)
}

async fn customers(tenant: &Tenant) -> i64 {
    number(tenant, "SELECT count(*) FROM customer WHERE deleted_at IS NULL").await
}

async fn make_areas(api: &Api, names: &[&str]) {
    for name in names {
        api.post("/api/v1/areas", json!({"name": name, "code": name[..3].to_uppercase()})).await.expect(201);
    }
}

/// A file of so many different customers.
fn many(rows: usize) -> Vec<u8> {
    let mut csv = String::from("Account No,First name,Last name,E-mail,Phone,Address,Barangay\n");
    for n in 0..rows {
        csv.push_str(&format!(
            "A-{n:06},Ana{n},Cruz,ana{n}@example.com,+63917{:07},{n} Rizal St.,Carmen\n",
            1_000_000 + n
        ));
    }
    csv.into_bytes()
}

#[tokio::test]
async fn a_file_becomes_customers_and_again_nothing() {
    let acme = tenant().await;
    let api = acme.api().await;
    make_areas(&api, &["Carmen", "Bulua", "Gusa"]).await;
    let file = fixture("bom_semicolon.csv");
    let uploaded = upload(&api, "C:\\books\\customers.csv", &file).await;
    assert_eq!(uploaded["state"], "mapping");
    assert_eq!((uploaded["file_name"].as_str(), &uploaded["rows_total"]), (Some("customers.csv"), &json!(3)));
    assert_eq!((&uploaded["mapping"]["reference"], &uploaded["mapping"]["notes"]), (&json!(0), &json!(8)));
    assert_eq!(uploaded["preview"][1]["cells"][2], "Ibañez");
    assert_eq!(uploaded["preview"][1]["problems"], json!([]));
    assert_eq!(customers(&acme).await, 0);

    let id = text(&uploaded, "/id");
    assert_eq!(start(&api, &id, json!({})).await["state"], "queued");
    let ended = end_of(&api, &id).await;
    assert_eq!(counts(&ended), (3, 0, 0, 0), "{ended}");
    let found = api.get("/api/v1/customers?limit=10").await.expect(200);
    let jose = found["items"].as_array().unwrap().iter().find(|one| one["reference"] == "A-1002").unwrap();
    assert_eq!((&jose["last_name"], &jose["status"]), (&json!("Ibañez"), &json!("suspended")));
    assert_eq!(jose["street_address"], "Block 4 Lot 7, Villa Esperanza");
    assert_eq!(jose["notes"], "Pays late");

    let events = "SELECT count(*) FROM audit_event WHERE action = ";
    assert_eq!(
        number(&acme, &format!("{events}'customer.created' AND actor_label = 'Import by Olive Owner'")).await,
        3
    );
    assert_eq!(
        number(&acme, &format!("{events}'customer_import.finished' AND (after->>'created')::int = 3")).await,
        1
    );

    let again = import(&api, "customers.csv", &file, json!({})).await;
    assert_eq!(counts(&again), (0, 0, 3, 0), "{again}");
    assert_eq!(number(&acme, &format!("{events}'customer.updated'")).await, 0);
    api.post(&format!("{IMPORTS}/{id}/start"), json!({})).await.refused(409, "import_ended");
    api.post(&format!("{IMPORTS}/{id}/cancel"), json!({})).await.refused(409, "import_ended");
}

#[tokio::test]
async fn files_come_as_they_are() {
    let acme = tenant().await;
    let api = acme.api().await;
    make_areas(&api, &["Carmen", "Macasandig", "Lapasan"]).await;
    let latin = import(&api, "latin1.csv", &fixture("latin1_semicolon.csv"), json!({})).await;
    assert_eq!(counts(&latin), (3, 0, 0, 0), "{latin}");
    let quoted = import(&api, "quoted.csv", &fixture("quoted_newlines.csv"), json!({})).await;
    assert_eq!(counts(&quoted), (3, 0, 0, 0), "{quoted}");
    let list = api.get("/api/v1/customers?limit=50").await.expect(200);
    let of = |name: &str| {
        list["items"].as_array().unwrap().iter().find(|one| one["first_name"] == name).unwrap().clone()
    };
    assert_eq!(of("Begoña")["last_name"], "Núñez");
    assert_eq!(of("Pedro Jr.")["street_address"], "Block 2 Lot 5 Golden Hills Cugman");
    assert_eq!(of("Pedro Jr.")["notes"], "Said: \"call after six\"\nDog in the yard");

    let utf16 = import(&api, "tabs.txt", &fixture("utf16_tabs.txt"), json!({})).await;
    assert_eq!(counts(&utf16).3, 0, "{utf16}");
    // Two rows lack a surname, or an area that is here.
    let marked = upload(&api, "marked.csv", &fixture("bom_latin1_semicolon.csv")).await;
    assert_eq!(marked["preview"][0]["problems"][0]["code"], "unknown_area");
    let marked =
        import(&api, "marked.csv", &fixture("bom_latin1_semicolon.csv"), json!({"create_areas": true})).await;
    assert_eq!(counts(&marked).3, 0, "{marked}");
    assert_eq!(number(&acme, "SELECT count(*) FROM area WHERE name = 'Camaman-an'").await, 1);
    assert_eq!(number(&acme, "SELECT count(*) FROM audit_event WHERE action = 'area.created'").await, 5);
}

#[tokio::test]
async fn a_workbook_is_a_file_too() {
    let acme = tenant().await;
    let api = acme.api().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, name) in (0u16..).zip(["First name", "Last name", "Mobile", "Lat", "Long"]) {
        sheet.write_string(0, column, name).unwrap();
    }
    sheet.write_string(1, 0, "Niño").unwrap();
    sheet.write_string(1, 1, "Peña").unwrap();
    sheet.write_number(1, 2, 9_175_550_101.0).unwrap();
    sheet.write_number(1, 3, 8.4542).unwrap();
    sheet.write_number(1, 4, 124.6319).unwrap();
    let file = book.save_to_buffer().unwrap();
    let done = import(&api, "book.xlsx", &file, json!({})).await;
    assert_eq!(counts(&done), (1, 0, 0, 0), "{done}");
    let one = api.get("/api/v1/customers").await.expect(200)["items"][0].clone();
    assert_eq!(one["first_name"], "Niño");
    assert!(one["phone_primary"].as_str().unwrap().contains("9175550101"), "{one}");
}

#[tokio::test]
async fn a_trial_counts_and_changes_nothing() {
    let acme = tenant().await;
    let api = acme.api().await;
    let file = b"Name,Email,Area,Lat,Long\nAna Cruz,ana@example.com,Newtown,,\nBea Uy,not an address,,,\n\
        Carl Yu,carl@example.com,,200,1\nAna C Cruz,ANA@example.com,,,\n";
    let id = text(&upload(&api, "t.csv", file).await, "/id");
    start(&api, &id, json!({"dry_run": true, "create_areas": true})).await;
    let tried = end_of(&api, &id).await;
    assert_eq!(counts(&tried), (1, 0, 0, 3), "{tried}");
    assert_eq!(tried["dry_run"], true);
    let expected =
        [(3, "email", "not_an_email"), (4, "latitude", "out_of_range"), (5, "email", "duplicate_in_file")];
    let expected: Vec<_> =
        expected.map(|(line, field, code)| (line, field.to_owned(), code.to_owned())).into();
    assert_eq!(errors_of(&api, &id).await, expected);
    assert_eq!((customers(&acme).await, number(&acme, "SELECT count(*) FROM area").await), (0, 0));
    assert_eq!(
        number(
            &acme,
            "SELECT count(*) FROM audit_event WHERE action IN ('customer.created', 'area.created')"
        )
        .await,
        0
    );

    start(&api, &id, json!({"dry_run": false})).await;
    let real = end_of(&api, &id).await;
    assert_eq!(counts(&real), (1, 0, 0, 3), "{real}");
    assert_eq!((customers(&acme).await, number(&acme, "SELECT count(*) FROM area").await), (1, 1));
    assert_eq!(errors_of(&api, &id).await, expected);
}

#[tokio::test]
async fn rows_find_the_customers_who_are_here() {
    let acme = tenant().await;
    let api = acme.api().await;
    let person =
        |first: &str, phone: &str| json!({"first_name": first, "last_name": "Uy", "phone_primary": phone});
    for body in
        [person("Twin", "+639175550001"), person("Twin", "+639175550001"), person("Solo", "+639175550002")]
    {
        api.post("/api/v1/customers", body).await.expect(201);
    }
    let mut known = person("Rita", "+639175550003");
    known["reference"] = json!("R-1");
    known["email"] = json!("rita@example.com");
    known["notes"] = json!("kept");
    api.post("/api/v1/customers", known).await.expect(201);

    let file = "Account No,First name,Last name,Email,Phone,Address\n\
        ,Twin,Uy,,+639175550001,\n\
        ,solo,UY,,0917 555 0002,1 New St.\n\
        r-1,Rita,Uy,rita@example.com,+639175550003,2 New St.\n\
        R-2,Other,Uy,RITA@example.com,,\n\
        ,Rita,Uy,rita@example.com,+639175550003,\n\
        R-9,Solo,Uy,,+639175550002,\n"
        .replace("0917 555 0002", "+63 917 555 0002");
    let done = import(&api, "m.csv", file.as_bytes(), json!({})).await;
    let errors = errors_of(&api, &text(&done, "/id")).await;
    let told: Vec<(i64, &str)> = errors.iter().map(|(line, _, code)| (*line, code.as_str())).collect();
    assert_eq!(
        told,
        [
            (2, "ambiguous_match"),
            (5, "duplicate_in_file"),
            (6, "duplicate_in_file"),
            (7, "duplicate_in_file")
        ]
    );
    assert_eq!(counts(&done), (0, 2, 0, 4), "{done}");
    let list = api.get("/api/v1/customers?limit=50").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    let rita = items.iter().find(|one| one["email"] == "rita@example.com").unwrap();
    // No column, no change; an account number is found in any case and takes the file's spelling.
    assert_eq!((&rita["notes"], &rita["street_address"]), (&json!("kept"), &json!("2 New St.")));

    // In a file of its own, the row with another's e-mail is refused, and one with another number is somebody else.
    let other = "Account No,First name,Last name,Email,Phone\nR-2,Other,Uy,rita@example.com,\nR-8,Rita,Uy,,+639175550003\n";
    let done = import(&api, "o.csv", other.as_bytes(), json!({})).await;
    assert_eq!(counts(&done), (1, 0, 0, 1), "{done}");
    assert_eq!(errors_of(&api, &text(&done, "/id")).await[0].2, "email_taken");

    let skipped =
        import(&api, "s.csv", b"Account No,Name\nr-1,Changed Name\n", json!({"on_match": "skip"})).await;
    assert_eq!(counts(&skipped), (0, 0, 1, 0), "{skipped}");
    let cleared = import(&api, "c.csv", b"Account No,Name,Notes\nr-1,Rita Uy,\n", json!({})).await;
    assert_eq!(counts(&cleared), (0, 1, 0, 0), "{cleared}");
    assert_eq!(number(&acme, "SELECT count(*) FROM customer WHERE notes IS NOT NULL").await, 0);
}

#[tokio::test]
async fn failed_rows_come_back_to_be_mended() {
    let acme = tenant().await;
    let api = acme.api().await;
    let file =
        "First name,Last name,Email,Own column\nAna,,ana@example.com,\"x, y\"\nBea,Uy,bad,+63\nCarl,Yu,,\n";
    let done = import(&api, "list.csv", file.as_bytes(), json!({})).await;
    assert_eq!(counts(&done), (1, 0, 0, 2), "{done}");
    let id = text(&done, "/id");
    let first = api.get(&format!("{IMPORTS}/{id}/errors?limit=1")).await.expect(200);
    assert_eq!(first["items"][0]["cells"], json!(["Ana", "", "ana@example.com", "x, y"]));
    let cursor = text(&first, "/next_cursor");
    let second = api.get(&format!("{IMPORTS}/{id}/errors?limit=1&cursor={cursor}")).await.expect(200);
    assert_eq!((&second["items"][0]["line"], &second["next_cursor"]), (&json!(3), &Value::Null));
    api.get(&format!("{IMPORTS}/{id}/errors?cursor=made-up")).await.refused(400, "bad_cursor");

    let csv = api.get(&format!("{IMPORTS}/{id}/errors.csv")).await;
    csv.expect_status(200);
    assert!(csv.header("content-disposition").contains("list-errors.csv"), "{:?}", csv.headers);
    let text_of = csv.text();
    assert!(text_of.contains("Ana,,ana@example.com,\"x, y\",Last name is missing."), "{text_of}");
    let mended = text_of.replace("Ana,,", "Ana,Cruz,").replace(",bad,", ",bea@example.com,");
    let done = import(&api, "mended.csv", mended.as_bytes(), json!({})).await;
    assert_eq!(counts(&done), (2, 0, 0, 0), "{done}");
    // Broken once more, the file does not grow a second column of errors.
    let broken = import(&api, "again.csv", text_of.as_bytes(), json!({})).await;
    let again = api.get(&format!("{IMPORTS}/{}/errors.csv", text(&broken, "/id"))).await.text();
    assert_eq!(again.lines().next().unwrap().matches("Import error").count(), 1, "{again}");
}

#[tokio::test]
async fn what_is_no_table_is_refused() {
    let acme = tenant().await;
    let api = acme.api().await;
    let code = async |name: &str, content: &[u8]| {
        let answer = send_file(&api, name, content).await;
        text(&answer.expect(422), "/errors/0/code")
    };
    assert_eq!(code("empty.csv", b"").await, "empty");
    assert_eq!(code("header.csv", b"Name,Email\n").await, "empty");
    assert_eq!(code("logo.csv", b"\x89PNG\r\n\x1a\n0000").await, "unsupported_format");
    assert_eq!(code("noise.csv", &[0, 1, 2, 3, 255, 0, 7]).await, "not_text");
    assert_eq!(code("cut.csv", b"Name,Email\n\"Ana,x\n").await, "unclosed_quote");
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let packed = zip::write::SimpleFileOptions::default();
    zip.start_file("xl/workbook.xml", packed).unwrap();
    zip.write_all(b"<workbook/>").unwrap();
    zip.start_file("xl/worksheets/sheet1.xml", packed).unwrap();
    for _ in 0..300 {
        zip.write_all(&vec![b' '; 1 << 20]).unwrap();
    }
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 1 << 20);
    assert_eq!(code("bomb.xlsx", &bomb).await, "unpacks_too_large");

    let form = format!("multipart/form-data; boundary={BOUNDARY}");
    api.post(IMPORTS, json!({})).await.refused(415, "unsupported_media_type");
    let without =
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\n1\r\n--{BOUNDARY}--\r\n");
    let answer = api.send(Method::POST, IMPORTS, Some(&form), without.into_bytes()).await;
    assert_eq!(answer.wrong_fields(), ["file"]);
    api.send(Method::POST, IMPORTS, Some(&form), b"cut".to_vec()).await.refused(400, "bad_form");
    assert_eq!(number(&acme, "SELECT count(*) FROM customer_import").await, 0);
    assert_eq!(number(&acme, "SELECT count(*) FROM file").await, 0);
}

#[tokio::test]
async fn a_mapping_is_held_to_the_file() {
    let acme = tenant().await;
    let api = acme.api().await;
    let id = text(&upload(&api, "x.csv", b"A,B,C\nAna,Cruz,ana@example.com\n").await, "/id");
    let path = format!("{IMPORTS}/{id}/start");
    assert_eq!(api.post(&path, json!({})).await.wrong_fields(), ["mapping"]);
    let twice = json!({"mapping": {"first_name": 0, "last_name": 0, "email": 7}});
    assert_eq!(api.post(&path, twice).await.wrong_fields(), ["mapping[0]", "mapping[7]"]);
    assert_eq!(api.post(&path, json!({"mapping": {"surname": 1}})).await.wrong_fields(), ["mapping.surname"]);
    assert_eq!(api.post(&path, json!({"on_match": "merge"})).await.wrong_fields(), ["on_match"]);
    start(&api, &id, json!({"mapping": {"first_name": 0, "last_name": 1, "email": 2}})).await;
    assert_eq!(counts(&end_of(&api, &id).await), (1, 0, 0, 0));
    for format in ["csv", "xlsx"] {
        let template = api.get(&format!("{IMPORTS}/template?format={format}")).await;
        template.expect_status(200);
        let uploaded = upload(&api, "template", &template.body).await;
        assert_eq!(uploaded["preview"][0]["problems"], json!([]), "{uploaded}");
    }
}

#[tokio::test]
async fn imports_are_the_tenants_own_and_need_the_right() {
    let acme = tenant().await;
    let other = tenant().await;
    let api = acme.api().await;
    let id = text(&upload(&api, "x.csv", b"Name\nAna Cruz\n").await, "/id");
    let foreign = other.api().await;
    for path in ["", "/errors", "/errors.csv"] {
        foreign.get(&format!("{IMPORTS}/{id}{path}")).await.refused(404, "not_found");
    }
    for path in ["/start", "/cancel"] {
        foreign.post(&format!("{IMPORTS}/{id}{path}"), json!({})).await.refused(404, "not_found");
    }
    api.get(&format!("{IMPORTS}/not-an-id")).await.expect_status(404);
    api.header("authorization", "Bearer nonsense");
    acme.anonymous().get(IMPORTS).await.expect_status(401);
    assert_eq!(foreign.get(IMPORTS).await.expect(200)["items"], json!([]));

    let viewer = acme.person(&["customers.view", "customers.create", "areas.view"]).await;
    let viewer = acme.api_of(&viewer).await;
    viewer.get(IMPORTS).await.refused(403, "forbidden");
    send_file(&viewer, "x.csv", b"Name\nAna Cruz\n").await.refused(403, "forbidden");
    viewer.post(&format!("{IMPORTS}/{id}/start"), json!({})).await.refused(403, "forbidden");
    let importer = acme.person(&["customers.import"]).await;
    let importer = acme.api_of(&importer).await;
    // Making areas is a right of its own.
    importer
        .post(&format!("{IMPORTS}/{id}/start"), json!({"create_areas": true}))
        .await
        .refused(403, "forbidden");
    importer.post(&format!("{IMPORTS}/{id}/cancel"), json!({})).await.expect_status(200);
    let cancelled = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
    assert_eq!(cancelled["state"], "cancelled");
    let page = api.get(&format!("{IMPORTS}?limit=1&total=true")).await.expect(200);
    assert_eq!((&page["total"], &page["next_cursor"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn ten_thousand_rows_take_seconds_and_can_be_stopped() {
    let acme = tenant().await;
    let api = acme.api().await;
    make_areas(&api, &["Carmen"]).await;
    let file = many(10_000);
    let id = text(&upload(&api, "many.csv", &file).await, "/id");
    let begun = Instant::now();
    start(&api, &id, json!({})).await;
    let done = end_of(&api, &id).await;
    let first = begun.elapsed();
    assert_eq!(counts(&done), (10_000, 0, 0, 0), "{done}");
    let begun = Instant::now();
    let again = import(&api, "many.csv", &file, json!({})).await;
    let second = begun.elapsed();
    assert_eq!(counts(&again), (0, 0, 10_000, 0), "{again}");
    println!("10,000 rows: {first:?}, again with the upload: {second:?}");
    assert!(first < Duration::from_secs(60), "{first:?}");
    assert_eq!(
        number(&acme, "SELECT count(DISTINCT object_id) FROM audit_event WHERE action = 'customer.created'")
            .await,
        10_000
    );

    let changed = String::from_utf8(file).unwrap().replace(" Rizal St.", " Mabini St.");
    let id = text(&upload(&api, "changed.csv", changed.as_bytes()).await, "/id");
    start(&api, &id, json!({})).await;
    until("the first rows", async || {
        let import = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
        (import["rows_done"].as_i64().unwrap() > 0).then_some(())
    })
    .await;
    let stopped = api.post(&format!("{IMPORTS}/{id}/cancel"), json!({})).await.expect(200);
    let done = stopped["rows_done"].as_i64().unwrap();
    assert!((1..10_000).contains(&done), "{stopped}");
    // Whoever works on it has nothing more to do; what was done is done, and no more than that.
    until("the end of the job", async || {
        let client = sql(&acme.server.database).await;
        let row = client
            .query_one(
                "SELECT count(*) FROM public.job WHERE tenant_id::text = $1 AND kind = 'import_customers'",
                &[&acme.id],
            )
            .await
            .unwrap();
        (row.get::<_, i64>(0) == 0).then_some(())
    })
    .await;
    let moved = "SELECT count(*) FROM customer WHERE street_address LIKE '%Mabini%'";
    assert_eq!(number(&acme, moved).await, done);
    assert_eq!(end_of(&api, &id).await["rows_done"], json!(done));
}

#[tokio::test]
async fn an_import_survives_its_worker() {
    const ROWS: usize = 8_000;
    let server = Server::own("imports_killed", Settings::default()).await;
    let acme = tenant_on(server).await;
    let api = acme.api().await;
    make_areas(&api, &["Carmen"]).await;
    let id = text(&upload(&api, "many.csv", &many(ROWS)).await, "/id");
    start(&api, &id, json!({})).await;
    until("the first rows", async || {
        let import = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
        (import["rows_done"].as_i64().unwrap() >= 1_000).then_some(())
    })
    .await;
    server.kill();
    let done = number(&acme, "SELECT rows_done::bigint FROM customer_import").await;
    assert!(done >= 1_000 && done < i64::try_from(ROWS).unwrap(), "killed at {done}: not in the middle");
    assert_eq!(customers(&acme).await, done, "rows and progress are one");

    // The dead worker's lease runs out.
    let client = sql(&server.database).await;
    client.execute("UPDATE public.job SET leased_until = now() WHERE lease IS NOT NULL", &[]).await.unwrap();
    let heir = server.sibling(Settings::default());
    let acme = Tenant { server: heir, ..acme };
    let api = acme.api().await;
    let ended = end_of(&api, &id).await;
    assert_eq!(counts(&ended), (ROWS.try_into().unwrap(), 0, 0, 0), "{ended}");
    let rows = i64::try_from(ROWS).unwrap();
    assert_eq!(customers(&acme).await, rows);
    assert_eq!(number(&acme, "SELECT count(DISTINCT reference) FROM customer").await, rows);
    assert_eq!(
        number(&acme, "SELECT count(*) FROM audit_event WHERE action = 'customer.created'").await,
        rows
    );
    assert_eq!(
        number(&acme, "SELECT count(*) FROM audit_event WHERE action = 'customer_import.finished'").await,
        1
    );
    assert!(heir.terminate());
}

#[tokio::test]
async fn a_file_is_forgotten_in_time() {
    let acme = tenant().await;
    let api = acme.api().await;
    let done = import(&api, "x.csv", b"Name,Email\nAna Cruz,bad\n", json!({})).await;
    let id = text(&done, "/id");
    let client = sql(&acme.server.database).await;
    let age = async |days: i32| {
        let schema = acme.schema().await;
        client
            .execute(
                &format!(
                    "UPDATE {schema}.customer_import SET finished_at = now() - make_interval(days => $1)"
                ),
                &[&days],
            )
            .await
            .unwrap();
        night(&acme).await;
    };
    age(29).await;
    assert_eq!(number(&acme, "SELECT count(*) FROM file").await, 1);
    age(31).await;
    assert_eq!(number(&acme, "SELECT count(*) FROM file").await, 0);
    assert_eq!(number(&acme, "SELECT count(*) FROM customer_import_error").await, 0);
    let kept = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
    assert_eq!((&kept["rows_failed"], &kept["preview"]), (&json!(1), &json!([])));
}

/// Kilobytes of memory that a process has had at most.
fn peak_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_gigabyte_is_refused_early() {
    const MEBI: usize = 1 << 20;
    let server = Server::own("imports_gigabyte", Settings::default()).await;
    let acme = tenant_on(server).await;
    let api = acme.api().await;
    api.get(IMPORTS).await.expect_status(200);
    let signed_in = acme
        .anonymous()
        .post("/api/v1/auth/token", json!({"email": acme.owner_email, "password": crate::harness::PASSWORD}))
        .await
        .expect(200);
    let token = text(&signed_in, "/access_token");
    let before = peak_memory(server.pid());
    let (address, host) = (server.address, acme.host.clone());
    let (answer, sent) = tokio::task::spawn_blocking(move || {
        let mut out = TcpStream::connect(address).unwrap();
        let mut back = out.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut head = vec![0; 4_096];
            let read = back.read(&mut head).unwrap_or(0);
            String::from_utf8_lossy(&head[..read]).into_owned()
        });
        let head = format!(
            "POST {IMPORTS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
        );
        out.write_all(head.as_bytes()).unwrap();
        let start = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"big.csv\"\r\n\r\nName,Phone\n"
        );
        out.write_all(format!("{:x}\r\n{start}\r\n", start.len()).as_bytes()).unwrap();
        let mut chunk = format!("{MEBI:x}\r\n").into_bytes();
        chunk.extend(std::iter::repeat_n(b'a', MEBI));
        chunk.extend(b"\r\n");
        let mut sent = 0;
        while sent < 1_024 && !reader.is_finished() && out.write_all(&chunk).is_ok() {
            sent += 1;
        }
        (reader.join().unwrap(), sent)
    })
    .await
    .unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(sent < 100, "{sent} MiB were taken in");
    let grown = peak_memory(server.pid()) - before;
    assert!(grown < 100 * 1_024, "{grown} KiB more memory");
    assert_eq!(number(&acme, "SELECT count(*) FROM file").await, 0);
    api.get(IMPORTS).await.expect_status(200);
    assert!(server.terminate());
}

#[tokio::test]
async fn staff_import_by_the_pages() {
    let acme = tenant().await;
    let mut browser = acme.browser().await;
    browser.get("/customers/import").await.expect_status(200);
    let refused = browser.upload("/customers/import", &[], ("file", "x.csv", b"Name,Email\n")).await;
    refused.expect_status(422);
    assert!(refused.text().contains("The file has no rows under its heading."), "{}", refused.text());

    let file = "Vorname;Nachname;Handy\nAna;Cruz;+639175550101\nBea;;+639175550102\n";
    let taken = browser.upload("/customers/import", &[], ("file", "leute.csv", file.as_bytes())).await;
    taken.expect_status(303);
    let path = taken.header("location").to_owned();
    let page = browser.get(&path).await;
    let shown = page.expect_status(200).text();
    assert!(shown.contains("Vorname") && shown.contains("semicolons") && shown.contains("UTF-8"), "{shown}");
    let unsaid = [("match_by", "any"), ("on_match", "update"), ("default_status", "active")];
    let send = |columns: &'static [(&'static str, &'static str)], step: &'static str| {
        let mut fields = unsaid.to_vec();
        fields.extend_from_slice(columns);
        fields.push(("step", step));
        fields
    };
    let mapping = format!("{path}/mapping");
    let twice: &[(&str, &str)] = &[("column_0", "first_name"), ("column_1", "first_name"), ("column_2", "")];
    let wrong = browser.post(&mapping, &send(twice, "run")).await;
    wrong.expect_status(422);
    assert!(wrong.text().contains("First name is already column 1."), "{}", wrong.text());
    let good: &[(&str, &str)] =
        &[("column_0", "first_name"), ("column_1", "last_name"), ("column_2", "phone_primary")];
    let preview = browser.post(&mapping, &send(good, "preview")).await;
    assert!(preview.expect_status(200).text().contains("Last name is missing."), "{}", preview.text());
    browser.post(&mapping, &send(good, "dry_run")).await.expect_status(303);

    let ended = async |browser: &mut crate::harness::Browser, mark: &str| {
        let api = browser.with_cookies().header("hx-request", "true");
        let status = format!("{path}/status");
        until("the end on the page", async || {
            let part = api.get(&status).await;
            let html = part.expect_status(200).text();
            assert!(!html.contains("<html"), "a part, not a page");
            html.contains(mark).then_some(html)
        })
        .await
    };
    let tried = ended(&mut browser, "Import for real").await;
    assert!(tried.contains("Would be added") && tried.contains("Row 3"), "{tried}");
    assert_eq!(customers(&acme).await, 0);
    browser.get(&format!("{path}/status")).await.expect_status(303);
    browser.get(&path).await.expect_status(200);
    browser.get(&format!("{path}/mapping")).await.expect_status(200);
    browser.post(&format!("{path}/run"), &[]).await.expect_status(303);
    let done = ended(&mut browser, "See the customers").await;
    assert!(done.contains("All failed rows as CSV"), "{done}");
    assert_eq!(customers(&acme).await, 1);
    browser.get(&format!("{path}/errors.csv")).await.expect_status(200);
    browser.get("/customers/import/template.xlsx").await.expect_status(200);
    let list = browser.get("/customers/imports").await;
    let list = list.expect_status(200).text();
    assert!(list.contains("leute.csv") && list.contains("1–1 of 1 imports"), "{list}");
    browser.get("/customers/imports/nothing").await.expect_status(404);
    // It has ended: another start and a stop are refused with a word, not with a failure.
    browser.post(&format!("{path}/run"), &[]).await.expect_status(303);
    browser.post(&format!("{path}/cancel"), &[]).await.expect_status(303);
    assert!(browser.get(&path).await.text().contains("This import has ended"));
}
