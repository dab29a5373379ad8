//! Contacts: one spelling of every address, nobody twice, conflicts for a person to settle, groups, and files brought in by a job.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Api, Tenant, between, mailbox::until, sql, tenant, text};

pub const CONTACTS: &str = "/api/v1/contacts";
pub const IMPORTS: &str = "/api/v1/contact-imports";

/// A tenant in Ghana, whose numbers have a zero in front.
async fn ghana() -> (Tenant, Api) {
    let tenant = tenant().await;
    let api = tenant.api().await;
    api.patch("/api/v1/company", json!({"country": "GH"})).await.expect(200);
    (tenant, api)
}

fn with(name: &str, addresses: &[(&str, &str)]) -> Value {
    let addresses: Vec<Value> =
        addresses.iter().map(|(channel, address)| json!({"channel": channel, "address": address})).collect();
    json!({"name": name, "addresses": addresses})
}

async fn add(api: &Api, name: &str, addresses: &[(&str, &str)]) -> String {
    text(&api.post(CONTACTS, with(name, addresses)).await.expect(201), "/id")
}

/// `channel:address` of a contact.
fn addresses(contact: &Value) -> Vec<String> {
    let addresses = contact["addresses"].as_array().unwrap();
    addresses.iter().map(|one| format!("{}:{}", text(one, "/channel"), text(one, "/address"))).collect()
}

async fn names(api: &Api, query: &str) -> Vec<String> {
    let list = api.get(&format!("{CONTACTS}?{query}")).await.expect(200);
    list["items"].as_array().unwrap().iter().map(|one| text(one, "/name")).collect()
}

async fn open_conflicts(api: &Api) -> Vec<Value> {
    api.get("/api/v1/contact-conflicts").await.expect(200)["items"].as_array().unwrap().clone()
}

async fn send_file(api: &Api, name: &str, content: &[u8]) -> Answer {
    let mut body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
    .into_bytes();
    body.extend_from_slice(content);
    body.extend_from_slice(b"\r\n--b--\r\n");
    api.send(Method::POST, IMPORTS, Some("multipart/form-data; boundary=b"), body).await
}

async fn end_of(api: &Api, id: &str) -> Value {
    until("the end of an import of contacts", async || {
        let import = api.get(&format!("{IMPORTS}/{id}")).await.expect(200);
        (import["state"] == "done").then_some(import)
    })
    .await
}

async fn run(api: &Api, import: &Value, choices: Value) -> Value {
    let id = text(import, "/id");
    api.post(&format!("{IMPORTS}/{id}/start"), choices).await.expect(200);
    end_of(api, &id).await
}

async fn bring(api: &Api, csv: &str) -> Value {
    let import = send_file(api, "people.csv", csv.as_bytes()).await.expect(201);
    run(api, &import, json!({})).await
}

/// (created, updated, unchanged, conflicts, failed)
fn counts(import: &Value) -> [i64; 5] {
    assert_eq!(import["rows_done"], import["rows_total"], "{import}");
    ["created", "updated", "unchanged", "conflicts", "failed"].map(|name| import[name].as_i64().unwrap())
}

#[tokio::test]
async fn an_address_has_one_spelling_and_one_owner_in_any_case() {
    let (_tenant, api) = ghana().await;
    let ama = api
        .post(
            CONTACTS,
            with("Ama", &[("sms", "024 123 4567"), ("email", "Ama@Example.COM"), ("telegram", "@AmaNews")]),
        )
        .await
        .expect(201);
    assert_eq!(addresses(&ama), ["email:ama@example.com", "sms:+233241234567", "telegram:@amanews"]);
    for (channel, taken) in [
        ("email", "AMA@example.com"),
        ("sms", "+233241234567"),
        ("sms", "00233 24 123 4567"),
        ("telegram", "@AMANEWS"),
    ] {
        let refused = api.post(CONTACTS, with("Other", &[(channel, taken)])).await;
        let said = refused.refused(409, "address_taken");
        assert!(text(&said, "/detail").contains("belongs to Ama"), "{said}");
    }
    // The same number on another channel is another address.
    add(&api, "Her WhatsApp", &[("whatsapp", "0241234567")]).await;
    assert_eq!(names(&api, "").await, ["Ama", "Her WhatsApp"]);
}

#[tokio::test]
async fn odd_and_foreign_numbers_are_refused_or_kept_as_what_they_are() {
    let (_tenant, api) = ghana().await;
    for odd in ["0", "00233", "12345", "0241234", "02412345678901", "phone", "٠٢٤١٢٣٤٥٦٧", "+999123456789"]
    {
        let refused = api.post(CONTACTS, with("Odd", &[("sms", odd)])).await;
        assert_eq!(refused.wrong_fields(), ["addresses"], "{odd}");
    }
    // A ten-digit number of another country is not taken for one of ours.
    let refused = api.post(CONTACTS, with("From the States", &[("sms", "2025550143")])).await;
    assert_eq!(refused.wrong_fields(), ["addresses"]);
    let abroad = api.post(CONTACTS, with("From the States", &[("sms", "+1 202-555-0143")])).await.expect(201);
    assert_eq!(addresses(&abroad), ["sms:+12025550143"]);
    let ours = api.post(CONTACTS, with("Double zero", &[("sms", "00233241234567")])).await.expect(201);
    assert_eq!(addresses(&ours), ["sms:+233241234567"]);
}

#[tokio::test]
async fn every_wrong_field_is_named() {
    let (_tenant, api) = ghana().await;
    let wrong = json!({
        "name": " ", "language": "english please", "attributes": {"No Name": "x"}, "tags": ["a,b"],
        "addresses": [{"channel": "email", "address": "nobody"}],
    });
    let fields = api.post(CONTACTS, wrong).await.wrong_fields();
    assert_eq!(fields, ["addresses", "attributes", "language", "name", "tags"]);
    assert_eq!(api.post(CONTACTS, json!({"colour": 1})).await.wrong_fields(), ["colour", "name"]);
    let pigeon = json!({"name": "A", "addresses": [{"channel": "pigeon", "address": "x"}]});
    assert_eq!(api.post(CONTACTS, pigeon).await.status, 422);
}

#[tokio::test]
async fn a_contact_changes_field_by_field() {
    let (tenant, api) = ghana().await;
    let group =
        api.post("/api/v1/contact-groups", json!({"name": "Market", "colour": "amber"})).await.expect(201);
    let mut new = with("Ama Mensah", &[("sms", "0241234567")]);
    new["attributes"] = json!({"city": "Accra"});
    new["tags"] = json!(["VIP", "vip", "new"]);
    new["group_ids"] = json!([group["id"]]);
    let ama = api.post(CONTACTS, new).await.expect(201);
    let path = format!("{CONTACTS}/{}", text(&ama, "/id"));
    assert_eq!((&ama["tags"], &ama["attributes"]), (&json!(["VIP", "new"]), &json!({"city": "Accra"})));
    assert_eq!(text(&ama, "/groups/0/name"), "Market");
    let changed = api.patch(&path, json!({"language": "en", "note": "Pays cash"})).await.expect(200);
    assert_eq!(addresses(&changed), ["sms:+233241234567"]);
    assert_eq!((&changed["language"], &changed["tags"]), (&json!("en"), &json!(["VIP", "new"])));
    let moved = json!({"addresses": [{"channel": "email", "address": "ama@x.example"}], "group_ids": [], "language": null});
    let moved = api.patch(&path, moved).await.expect(200);
    assert_eq!(addresses(&moved), ["email:ama@x.example"]);
    assert_eq!((&moved["groups"], &moved["language"]), (&json!([]), &Value::Null));
    // Its own address is no conflict.
    let same = json!({"addresses": [{"channel": "email", "address": "AMA@x.example"}]});
    api.patch(&path, same).await.expect(200);
    api.delete(&path).await.expect(204);
    api.get(&path).await.refused(404, "not_found");
    add(&api, "Another", &[("email", "ama@x.example")]).await;
    let db = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let told = format!("SELECT action FROM {schema}.audit_event WHERE object_type = 'contact' ORDER BY id");
    let told: Vec<String> = db.query(&told, &[]).await.unwrap().iter().map(|row| row.get(0)).collect();
    let expected =
        ["contact.created", "contact.updated", "contact.updated", "contact.deleted", "contact.created"];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_list_pages_filters_and_counts() {
    let (_tenant, api) = ghana().await;
    let group = api.post("/api/v1/contact-groups", json!({"name": "Church"})).await.expect(201);
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(add(&api, &format!("Person {n}"), &[("sms", &format!("0241234{n}50"))]).await);
    }
    let bulk = |action: &str, more: Value| {
        let mut body = json!({"action": action, "contact_ids": ids[..3]});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let path = format!("{CONTACTS}/bulk");
    let put = bulk("add_to_group", json!({"group_id": group["id"]}));
    assert_eq!(api.post(&path, put.clone()).await.expect(200), json!({"changed": 3}));
    assert_eq!(api.post(&path, put).await.expect(200), json!({"changed": 0}));
    assert_eq!(
        api.post(&path, bulk("add_tag", json!({"tag": "choir"}))).await.expect(200),
        json!({"changed": 3})
    );
    assert_eq!(api.post(&path, bulk("add_to_group", json!({}))).await.wrong_fields(), ["group_id"]);
    assert_eq!(api.post(&path, bulk("remove_tag", json!({"tag": "a,b"}))).await.wrong_fields(), ["tag"]);
    for sort in ["name", "-created"] {
        let mut path = format!("{CONTACTS}?limit=3&sort={sort}&total=true");
        let mut found = Vec::new();
        loop {
            let page = api.get(&path).await.expect(200);
            assert_eq!(page["total"], 7);
            found.extend(page["items"].as_array().unwrap().iter().map(|one| text(one, "/name")));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("{CONTACTS}?limit=3&sort={sort}&total=true&cursor={cursor}");
        }
        let mut expected: Vec<String> = (0..7).map(|n| format!("Person {n}")).collect();
        if sort == "-created" {
            expected.reverse();
        }
        assert_eq!(found, expected, "{sort}");
    }
    let id = text(&group, "/id");
    assert_eq!(names(&api, &format!("group_id={id}")).await.len(), 3);
    assert_eq!(names(&api, "tag=CHOIR&q=person%201").await, ["Person 1"]);
    assert_eq!(names(&api, "q=0241234550").await, ["Person 5"]);
    assert_eq!(names(&api, "q=per%205").await, ["Person 5"]);
    assert_eq!(names(&api, "channel=email").await, Vec::<String>::new());
    api.get(&format!("{CONTACTS}?cursor=made-up")).await.refused(400, "bad_cursor");
    assert_eq!(api.get(&format!("{CONTACTS}?sort=colour")).await.wrong_fields(), ["sort"]);
    let members = api.get(&format!("/api/v1/contact-groups/{id}")).await.expect(200);
    assert_eq!(members["members"], 3);
    assert_eq!(api.post(&path, bulk("delete", json!({}))).await.expect(200), json!({"changed": 3}));
    assert_eq!(names(&api, "").await.len(), 4);
}

#[tokio::test]
async fn groups_have_one_name_and_leave_their_members() {
    let (_tenant, api) = ghana().await;
    let groups = "/api/v1/contact-groups";
    let market = api.post(groups, json!({"name": "Market"})).await.expect(201);
    assert_eq!((&market["colour"], &market["members"]), (&json!("slate"), &json!(0)));
    api.post(groups, json!({"name": "MARKET"})).await.refused(409, "name_taken");
    assert_eq!(
        api.post(groups, json!({"name": "", "colour": "plaid"})).await.wrong_fields(),
        ["colour", "name"]
    );
    let path = format!("{groups}/{}", text(&market, "/id"));
    let changed = api.patch(&path, json!({"colour": "pink"})).await.expect(200);
    assert_eq!((&changed["name"], &changed["colour"]), (&json!("Market"), &json!("pink")));
    let mut new = with("Ama", &[]);
    new["group_ids"] = json!([market["id"]]);
    let ama = api.post(CONTACTS, new).await.expect(201);
    api.delete(&path).await.expect(204);
    let left = api.get(&format!("{CONTACTS}/{}", text(&ama, "/id"))).await.expect(200);
    assert_eq!(left["groups"], json!([]));
}

#[tokio::test]
async fn a_conflict_waits_for_a_person() {
    let (_tenant, api) = ghana().await;
    let claim = |name: &str, number: &str, email: &str| {
        let mut body = with(name, &[("sms", number), ("email", email)]);
        body["if_address_taken"] = json!("record");
        body
    };
    let mut outcomes = Vec::new();
    for (n, decision) in ["keep", "move", "merge"].into_iter().enumerate() {
        let (number, email) = (format!("0241234{n}50"), format!("kofi{n}@x.example"));
        let ama = add(&api, &format!("Ama {n}"), &[("sms", &number)]).await;
        let kofi = api.post(CONTACTS, claim(&format!("Kofi {n}"), &number, &email)).await.expect(201);
        assert_eq!(addresses(&kofi), [format!("email:{email}")], "the taken one is not his");
        let waiting = open_conflicts(&api).await;
        assert_eq!(waiting.len(), 1);
        assert_eq!(
            (text(&waiting[0], "/owner_id"), text(&waiting[0], "/claimed_name")),
            (ama.clone(), format!("Kofi {n}"))
        );
        let path = format!("/api/v1/contact-conflicts/{}/settle", text(&waiting[0], "/id"));
        let settled = api.post(&path, json!({"decision": decision})).await.expect(200);
        outcomes.push(text(&settled, "/outcome"));
        api.post(&path, json!({"decision": "keep"})).await.refused(409, "already_settled");
        let of = async |id: &str| {
            let found = api.get(&format!("{CONTACTS}/{id}")).await;
            (found.status == 200).then(|| addresses(&found.json()))
        };
        let (hers, his) = (of(&ama).await, of(&text(&kofi, "/id")).await);
        let (number, email) = (format!("sms:+233{}", &number[1..]), format!("email:{email}"));
        let expected = match decision {
            "keep" => (Some(vec![number]), Some(vec![email])),
            "move" => (Some(Vec::new()), Some(vec![email, number])),
            _ => (Some(vec![email, number]), None),
        };
        assert_eq!((hers, his), expected, "{decision}");
    }
    assert_eq!(outcomes, ["kept", "moved", "merged"]);
    assert!(open_conflicts(&api).await.is_empty());
    let settled = api.get("/api/v1/contact-conflicts?settled=true").await.expect(200);
    assert_eq!(settled["items"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn an_import_brings_nobody_twice_and_loses_no_name() {
    let (tenant, api) = ghana().await;
    let csv = "Full name,Phone,E-mail,Tags,City\nAma Mensah,0241234567,ama@x.example,\"vip,new\",Accra\n\
               ama  mensah,+233241234567,,later,\nKofi,0201234567,KOFI@x.example,,\n,0209999999,,,\nNobody,0,,,\nAlone,,,,\n";
    let import = send_file(&api, "people.csv", csv.as_bytes()).await.expect(201);
    assert_eq!(import["mapping"], json!(["name", "sms", "email", "tags", ""]));
    let path = format!("{IMPORTS}/{}", text(&import, "/id"));
    let preview = api.get(&format!("{path}/preview")).await.expect(200);
    let fates: Vec<String> =
        preview["rows"].as_array().unwrap().iter().map(|row| text(row, "/fate")).collect();
    assert_eq!(fates, ["new", "changed", "new", "new", "wrong", "wrong"]);
    assert!(names(&api, "").await.is_empty(), "a preview writes nothing");
    let mapping = json!(["name", "sms", "email", "tags", "attribute:city"]);
    let twice = json!({"mapping": ["name", "sms", "email", "tags", "name"]});
    assert_eq!(api.post(&format!("{path}/start"), twice).await.wrong_fields(), ["mapping"]);
    let short = json!({"mapping": ["name"]});
    assert_eq!(api.post(&format!("{path}/start"), short).await.wrong_fields(), ["mapping"]);
    let nobody = json!({"mapping": ["name", "", "", "", ""]});
    assert_eq!(api.post(&format!("{path}/start"), nobody).await.wrong_fields(), ["mapping"]);
    let group = api.post("/api/v1/contact-groups", json!({"name": "Uploaded"})).await.expect(201);
    let done = run(&api, &import, json!({"mapping": mapping, "group_id": group["id"]})).await;
    assert_eq!(counts(&done), [3, 0, 0, 0, 2]);
    let wrong: Vec<(i64, String)> = done["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["row"].as_i64().unwrap(), text(one, "/field")))
        .collect();
    assert_eq!(wrong, [(6, "sms".to_owned()), (7, "addresses".to_owned())]);
    api.post(&format!("{path}/start"), json!({})).await.refused(409, "import_started");
    assert_eq!(names(&api, "").await, ["+233209999999", "Ama Mensah", "Kofi"]);
    let ama = &api.get(&format!("{CONTACTS}?q=ama")).await.expect(200)["items"][0];
    assert_eq!(
        (&ama["tags"], &ama["attributes"]),
        (&json!(["vip", "new", "later"]), &json!({"city": "Accra"}))
    );
    assert_eq!(text(ama, "/groups/0/name"), "Uploaded");
    // The same file once more: nothing is new.
    let again = bring(&api, csv).await;
    assert_eq!(counts(&again), [0, 0, 4, 0, 2]);
    let db = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let rows = format!("SELECT count(*) FROM {schema}.contact_address");
    assert_eq!(db.query_one(&rows, &[]).await.unwrap().get::<_, i64>(0), 5);
}

/// What an export holds comes back as it was; groups are those that are there.
#[tokio::test]
async fn an_export_comes_back_whole() {
    let (_tenant, api) = ghana().await;
    let mut groups = Vec::new();
    for name in ["Market", "North side", "Market, north"] {
        let made = api.post("/api/v1/contact-groups", json!({ "name": name })).await.expect(201);
        groups.push(text(&made, "/id"));
    }
    let ama = json!({
        "name": "Ama", "language": "en", "note": "Pays late", "tags": ["vip", "new"], "group_ids": groups,
        "attributes": {"city": "Accra, north", "meter": "7"},
        "addresses": [{"channel": "sms", "address": "0241234567"}, {"channel": "email", "address": "ama@x.example"}],
    });
    let id = text(&api.post(CONTACTS, ama).await.expect(201), "/id");
    let facts = async || {
        let found = &api.get(&format!("{CONTACTS}?q=ama")).await.expect(200)["items"][0];
        let names: Vec<String> =
            found["groups"].as_array().unwrap().iter().map(|one| text(one, "/name")).collect();
        let of = |field: &str| found[field].clone();
        (names, of("attributes"), of("tags"), of("note"), of("language"))
    };
    let before = facts().await;
    assert_eq!(before.0, ["Market", "Market, north", "North side"]);
    let file = api.get(&format!("{CONTACTS}/export?format=csv")).await;
    file.expect_status(200);
    // Somebody new to whom all of it is given, and the one who is here and is in no group now.
    api.delete(&format!("{CONTACTS}/{id}")).await.expect_status(204);
    let import = send_file(&api, "again.csv", &file.body).await.expect(201);
    let mapping = [
        "name",
        "sms",
        "whatsapp",
        "email",
        "telegram",
        "instagram",
        "language",
        "tags",
        "groups",
        "note",
        "attributes",
        "",
    ];
    assert_eq!(import["mapping"], json!(mapping));
    assert_eq!(counts(&run(&api, &import, json!({})).await), [1, 0, 0, 0, 0]);
    assert_eq!(facts().await, before);
    let found = api.get(&format!("{CONTACTS}?q=ama")).await.expect(200);
    let here = format!("{CONTACTS}/{}", text(&found, "/items/0/id"));
    api.patch(&here, json!({"group_ids": []})).await.expect(200);
    let again = send_file(&api, "again.csv", &file.body).await.expect(201);
    assert_eq!(counts(&run(&api, &again, json!({})).await), [0, 1, 0, 0, 0]);
    assert_eq!(facts().await, before);
    let last = send_file(&api, "again.csv", &file.body).await.expect(201);
    assert_eq!(counts(&run(&api, &last, json!({})).await), [0, 0, 1, 0, 0]);
    let odd = "name,phone,groups,attributes\nA,0241234561,Nowhere,\nB,0241234562,market,\nC,0241234563,,city=Accra\n";
    let done = bring(&api, odd).await;
    assert_eq!(counts(&done), [1, 0, 0, 0, 2]);
    let wrong: Vec<String> =
        done["errors"].as_array().unwrap().iter().map(|one| text(one, "/field")).collect();
    assert_eq!(wrong, ["groups", "attributes"]);
    assert!(done["errors"].to_string().contains("Nowhere"));
}

#[tokio::test]
async fn an_import_claims_but_never_merges() {
    let (_tenant, api) = ghana().await;
    add(&api, "Ama", &[("sms", "0241234567")]).await;
    add(&api, "Esi", &[("email", "esi@x.example")]).await;
    let csv = "name,phone,email\nKofi,0241234567,kofi@x.example\nYaw,0241234567,\nesi,0241234567,esi@x.example\n,0241234567,esi@x.example\n";
    let done = bring(&api, csv).await;
    assert_eq!(counts(&done), [1, 0, 0, 3, 1], "{done}");
    let waiting = open_conflicts(&api).await;
    let mut claims: Vec<(String, String, bool)> = waiting
        .iter()
        .map(|one| (text(one, "/claimed_name"), text(one, "/owner_name"), one["claimant_id"].is_null()))
        .collect();
    claims.sort();
    // Kofi is here by his e-mail address, Esi was before; of Yaw nothing but a name came in.
    let claim = |name: &str, is_name: bool| (name.to_owned(), "Ama".to_owned(), is_name);
    assert_eq!(claims, [claim("Esi", false), claim("Kofi", false), claim("Yaw", true)]);
    bring(&api, csv).await;
    assert_eq!(open_conflicts(&api).await.len(), 3, "a claim waits once");
    // A name that came in becomes a contact when it is given the address; whoever else claims it claims it of him.
    let yaw = waiting.iter().find(|one| one["claimed_name"] == "Yaw").unwrap();
    let path = format!("/api/v1/contact-conflicts/{}/settle", text(yaw, "/id"));
    api.post(&path, json!({"decision": "move"})).await.expect(200);
    let yaw = &api.get(&format!("{CONTACTS}?q=yaw")).await.expect(200)["items"][0];
    assert_eq!(addresses(yaw), ["sms:+233241234567"]);
    assert!(open_conflicts(&api).await.iter().all(|one| one["owner_name"] == "Yaw"));
}

#[tokio::test]
async fn an_excel_file_is_read_as_one() {
    let (_tenant, api) = ghana().await;
    let mut book = rust_xlsxwriter::Workbook::new();
    let sheet = book.add_worksheet();
    for (column, title) in ["Name", "Mobile", "Email"].into_iter().enumerate() {
        sheet.write(0, u16::try_from(column).unwrap(), title).unwrap();
    }
    sheet.write(1, 0, "O'Brien <b>").unwrap();
    // Excel drops the zero in front of what it takes for a number.
    sheet.write(1, 1, 241_234_567.0).unwrap();
    sheet.write(1, 2, "ob@x.example").unwrap();
    let content = book.save_to_buffer().unwrap();
    let import = send_file(&api, "people.xlsx", &content).await.expect(201);
    let done = run(&api, &import, json!({})).await;
    assert_eq!(counts(&done), [1, 0, 0, 0, 0], "{done}");
    let only = &api.get(CONTACTS).await.expect(200)["items"][0];
    assert_eq!(text(only, "/name"), "O'Brien <b>");
    assert_eq!(addresses(only), ["email:ob@x.example", "sms:+233241234567"]);
    let refused = send_file(&api, "people.xls", b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1 old").await;
    assert_eq!(refused.wrong_fields(), ["file"]);
    assert_eq!(send_file(&api, "none.csv", b"name,phone\n").await.wrong_fields(), ["file"]);
    // What goes out comes in again.
    let file = api.get(&format!("{CONTACTS}/export?format=xlsx")).await;
    file.expect_status(200);
    let back = send_file(&api, "back.xlsx", &file.body).await.expect(201);
    assert_eq!(counts(&run(&api, &back, json!({})).await), [0, 0, 1, 0, 0]);
}

#[tokio::test]
async fn a_pasted_list_keeps_its_names() {
    let (_tenant, api) = ghana().await;
    let pasted = "Ama Mensah, 0241234567\n0201234567 Kofi Boateng\nEsi <ESI@x.example>\n\n0209999999\n";
    let import = api.post(&format!("{IMPORTS}/paste"), json!({"text": pasted})).await.expect(201);
    assert_eq!(counts(&run(&api, &import, json!({})).await), [4, 0, 0, 0, 0]);
    assert_eq!(names(&api, "").await, ["+233209999999", "Ama Mensah", "Esi", "Kofi Boateng"]);
    api.post(&format!("{IMPORTS}/paste"), json!({"text": " \n\n"})).await.wrong_fields();
}

#[tokio::test]
async fn a_large_import_goes_in_batches_and_can_be_stopped_before() {
    let (_tenant, api) = ghana().await;
    let mut csv = String::from("name,phone\n");
    for n in 0..1_203 {
        csv.push_str(&format!("Person {n},0241{n:06}\n"));
    }
    let import = send_file(&api, "many.csv", csv.as_bytes()).await.expect(201);
    let stopped = send_file(&api, "stopped.csv", csv.as_bytes()).await.expect(201);
    let path = format!("{IMPORTS}/{}/cancel", text(&stopped, "/id"));
    assert_eq!(api.post(&path, json!({})).await.expect(200)["state"], "cancelled");
    api.post(&path, json!({})).await.refused(409, "import_ended");
    let done = run(&api, &import, json!({})).await;
    assert_eq!(counts(&done), [1_203, 0, 0, 0, 0], "{done}");
    let list = api.get(&format!("{CONTACTS}?total=true&limit=1")).await.expect(200);
    assert_eq!(list["total"], 1_203);
    let imports = api.get(IMPORTS).await.expect(200);
    assert_eq!(imports["items"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn another_tenants_rows_are_not_there() {
    let ((_a, ours), (_b, theirs)) = (ghana().await, ghana().await);
    let ama = add(&theirs, "Theirs", &[("sms", "0241234567")]).await;
    let group = theirs.post("/api/v1/contact-groups", json!({"name": "Theirs"})).await.expect(201);
    let import = send_file(&theirs, "t.csv", b"name,phone\nA,0201234567\n").await.expect(201);
    let mut claim = with("Kofi", &[("sms", "0241234567")]);
    claim["if_address_taken"] = json!("record");
    theirs.post(CONTACTS, claim).await.expect(201);
    let conflict = text(&open_conflicts(&theirs).await[0], "/id");
    let (contact, group, import) = (format!("{CONTACTS}/{ama}"), text(&group, "/id"), text(&import, "/id"));
    ours.get(&contact).await.refused(404, "not_found");
    ours.patch(&contact, json!({"name": "Ours"})).await.refused(404, "not_found");
    ours.delete(&contact).await.refused(404, "not_found");
    let of_group = format!("/api/v1/contact-groups/{group}");
    ours.get(&of_group).await.refused(404, "not_found");
    ours.patch(&of_group, json!({"name": "Ours"})).await.refused(404, "not_found");
    ours.delete(&of_group).await.refused(404, "not_found");
    ours.get(&format!("{CONTACTS}?group_id={group}")).await.refused(404, "not_found");
    let settle = format!("/api/v1/contact-conflicts/{conflict}/settle");
    ours.post(&settle, json!({"decision": "merge"})).await.refused(404, "not_found");
    for what in ["start", "cancel"] {
        ours.post(&format!("{IMPORTS}/{import}/{what}"), json!({})).await.refused(404, "not_found");
    }
    let own = add(&ours, "Ours", &[("sms", "0241234567")]).await;
    let bulk = format!("{CONTACTS}/bulk");
    let mixed = json!({"action": "delete", "contact_ids": [own, ama]});
    assert_eq!(ours.post(&bulk, mixed).await.wrong_fields(), ["contact_ids"]);
    let foreign = json!({"action": "add_to_group", "contact_ids": [own], "group_id": group});
    assert_eq!(ours.post(&bulk, foreign).await.wrong_fields(), ["group_id"]);
    let foreign = json!({"group_ids": [group]});
    assert_eq!(ours.patch(&format!("{CONTACTS}/{own}"), foreign).await.wrong_fields(), ["group_ids"]);
    assert_eq!(names(&ours, "").await, ["Ours"], "a refused action changed something");
    assert_eq!(theirs.get(&contact).await.expect(200)["name"], "Theirs");
}

#[tokio::test]
async fn the_portal_adds_mends_decides_and_imports() {
    let (tenant, api) = ghana().await;
    let mut browser = tenant.browser().await;
    browser.get("/groups/new").await.expect_status(200);
    browser.post("/groups", &[("name", "Market"), ("colour", "green")]).await.expect_status(303);
    let group = text(&api.get("/api/v1/contact-groups").await.expect(200), "/items/0/id");
    let new = browser.get("/contacts/new").await;
    assert!(new.text().contains(&group), "the group can be ticked");
    let fields = [
        ("name", "Ama"),
        ("sms", "0241234567"),
        ("tags", "a, b"),
        ("attributes", "city: Accra"),
        ("group_ids", &group),
    ];
    browser.post("/contacts", &fields).await.expect_status(303);
    let odd = browser.post("/contacts", &[("name", "Odd"), ("sms", "0"), ("email", "no")]).await;
    odd.expect_status(422);
    assert!(odd.text().contains("sms-error") && odd.text().contains("email-error"), "both fields say so");
    let taken = browser.post("/contacts", &[("name", "Kofi"), ("sms", "+233 24 123 4567")]).await;
    taken.expect_status(422);
    assert!(taken.text().contains("belongs to Ama") && taken.text().contains("Save without it"));
    let record = [("name", "Kofi"), ("sms", "0241234567"), ("if_address_taken", "record")];
    browser.post("/contacts", &record).await.expect_status(303);
    let list = browser.get("/contacts").await;
    assert!(list.text().contains("claimed by two contacts"));
    let conflicts = browser.get("/contacts/conflicts").await;
    let action = between(&conflicts.text(), "method=\"post\" action=\"/contacts/conflicts/", "\"").unwrap();
    browser.post(&format!("/contacts/conflicts/{action}"), &[("decision", "merge")]).await.expect_status(303);
    assert_eq!(names(&api, "").await, ["Ama"]);
    // A form does not know of devices, and leaves them.
    let ama = api.get(CONTACTS).await.expect(200)["items"][0].clone();
    let path = format!("/contacts/{}", text(&ama, "/id"));
    let push = json!({"addresses": [{"channel": "push", "address": "token-1"}, {"channel": "sms", "address": "0241234567"}]});
    api.patch(&format!("/api/v1{path}"), push).await.expect(200);
    browser.get(&path).await.expect_status(200);
    browser.post(&path, &[("name", "Ama M."), ("email", "ama@x.example")]).await.expect_status(303);
    let changed = api.get(&format!("/api/v1{path}")).await.expect(200);
    assert_eq!(addresses(&changed), ["email:ama@x.example", "push:token-1"]);
    assert_eq!(changed["groups"], json!([]));
    browser.get("/contacts/import").await.expect_status(200);
    let file = ("file", "p.csv", &b"Naam,Phone\nEsi,0201111111\nBad,0\n"[..]);
    let kept = browser.upload("/contacts/import", &[], file).await;
    kept.expect_status(303);
    let import = kept.header("location").to_owned();
    let shown = browser.get(&import).await;
    assert!(
        shown.text().contains("+233201111111") && shown.text().contains("Import 2 rows"),
        "{}",
        shown.text()
    );
    let columns = [("column_0", "name"), ("column_1", "sms"), ("group_id", group.as_str()), ("step", "run")];
    browser.post(&import, &columns).await.expect_status(303);
    end_of(&api, import.rsplit('/').next().unwrap()).await;
    let done = browser.get(&import).await;
    assert!(done.text().contains("Row 3"), "{}", done.text());
    browser.get(&format!("{import}/status")).await.expect_status(200);
    let esi = text(&api.get(&format!("{CONTACTS}?q=esi")).await.expect(200), "/items/0/id");
    let bulk = [
        ("action", "remove_from_group"),
        ("group_id", group.as_str()),
        ("scope", "all"),
        ("filter", "q=esi"),
    ];
    browser.post("/contacts/bulk", &bulk).await.expect_status(303);
    assert_eq!(api.get(&format!("{CONTACTS}/{esi}")).await.expect(200)["groups"], json!([]));
    browser.post(&format!("/contacts/{esi}/delete"), &[]).await.expect_status(303);
    browser.post(&format!("/groups/{group}/delete"), &[]).await.expect_status(303);
    assert_eq!(names(&api, "").await, ["Ama M."]);
}
