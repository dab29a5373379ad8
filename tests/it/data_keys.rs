//! Tenants' data keys: wrapped anew while everything goes on, broken off and taken up again.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Server, Settings, Tenant, mailbox::letter_to, program, sql, tenant_on};

/// Runs `lastmile keys rotate` beside the server; its answer, or what it complained of.
fn rotate(server: &Server, more: &[&str]) -> Result<Value, String> {
    let output = program(&server.database, server.folder.path())
        .args(["keys", "rotate", "--json"])
        .args(more)
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(serde_json::from_slice(&output.stdout).unwrap()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

/// A letter's body is sealed when it is queued and opened when it is sent.
async fn seal_and_open(acme: &Tenant, name: &str) {
    let email = format!("{name}@{}.example", acme.slug);
    let new = json!({"name": name, "email": email, "role_ids": [acme.role("Viewer").await]});
    acme.api().await.post("/api/v1/staff", new).await.expect(201);
    letter_to(acme.server, &email, 1).await;
}

#[tokio::test]
async fn data_keys_are_wrapped_anew_without_a_pause() {
    let server = Server::own("data_keys", Settings::default()).await;
    let (acme, globex) = (tenant_on(server).await, tenant_on(server).await);
    let sql = sql(&server.database).await;
    let standing = async || -> Vec<(Uuid, i32, Vec<u8>)> {
        let rows =
            sql.query("SELECT tenant_id, master_version, wrapped FROM public.tenant_key", &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    };
    let restore = async |(tenant, version, wrapped): &(Uuid, i32, Vec<u8>)| {
        let statement = "UPDATE public.tenant_key SET master_version = $2, wrapped = $3 WHERE tenant_id = $1";
        sql.execute(statement, &[tenant, version, wrapped]).await.unwrap();
    };
    let first = standing().await;
    seal_and_open(&acme, "before").await;
    let rotated = rotate(server, &[]).unwrap();
    assert_eq!((&rotated["master_version"], &rotated["wrapped"]), (&json!(2), &json!(2)));
    assert_eq!(
        rotated["token_key"]["accepted"], 2,
        "the old token key is good until its tokens expire: {rotated}"
    );
    assert!(standing().await.iter().all(|(_, version, wrapped)| {
        *version == 2 && !first.iter().any(|(_, _, before)| before == wrapped)
    }));
    // A process that has not heard of the new master key reads it when it meets it.
    seal_and_open(&acme, "after").await;
    seal_and_open(&globex, "first").await;

    // As after a rotation that was broken off half-way: the next run does what is left, and only that.
    restore(&first[0]).await;
    assert_eq!(
        rotate(server, &["--resume"]).unwrap(),
        json!({"master_version": 2, "wrapped": 1, "token_key": null})
    );
    assert_eq!(
        rotate(server, &["--resume"]).unwrap(),
        json!({"master_version": 2, "wrapped": 0, "token_key": null})
    );

    // A key that cannot be read stays as it is, is complained of, and stops nothing.
    let mut second = standing().await;
    let broken = &mut second[0];
    broken.2[20] ^= 1;
    restore(broken).await;
    let said = rotate(server, &[]).unwrap_err();
    assert!(said.contains("1 data keys were re-wrapped, 1 cannot be read"), "{said}");
    let third = standing().await;
    let version_of = |tenant: Uuid| third.iter().find(|(id, _, _)| *id == tenant).unwrap().1;
    assert_eq!((version_of(second[0].0), version_of(second[1].0)), (2, 3));
    assert!(server.terminate());
}
