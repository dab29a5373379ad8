//! The file store, the envelope and the master keys. `contract` is what every store must keep; the stores behind a server
//! are put to it in `tests_servers.rs`.

use std::{collections::HashSet, fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};

use proptest::prelude::*;
use secrecy::ExposeSecret;
use uuid::Uuid;

use super::{
    Aad, DataKey, Keyring, SecretBytes, SecretKey, SecretName, SecretStore, WrappedKey, deployment_key,
    envelope::derive,
    keys::{MasterKeys, rewrap, unwrap, wrap},
    open, open_store, role_password, seal, sealed_version,
};
use crate::config::SecretStoreSettings;

pub(super) fn name(text: &str) -> SecretName {
    SecretName::parse(text).unwrap()
}

pub(super) fn bytes(text: &str) -> SecretBytes {
    SecretBytes::new(text.as_bytes().to_vec())
}

/// What all stores promise, deletion's aftermath aside.
pub(super) async fn contract(store: &dyn SecretStore) {
    let key = name("contract/one");
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(!store.replace(&key, &bytes("a"), &bytes("b")).await.unwrap(), "replaced what is not there");
    assert_eq!(store.get(&key).await.unwrap(), None);
    store.delete(&key).await.unwrap();

    assert_eq!(store.put_if_absent(&key, &bytes("first")).await.unwrap(), bytes("first"));
    assert_eq!(store.put_if_absent(&key, &bytes("second")).await.unwrap(), bytes("first"));
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("first")));

    assert!(!store.replace(&key, &bytes("other"), &bytes("x")).await.unwrap());
    assert!(store.replace(&key, &bytes("first"), &bytes("third")).await.unwrap());
    assert!(!store.replace(&key, &bytes("first"), &bytes("x")).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("third")));

    store.put(&key, &bytes("fourth")).await.unwrap();
    store.put(&key, &bytes("fourth")).await.unwrap();
    assert!(store.replace(&key, &bytes("fourth"), &bytes("fifth")).await.unwrap());
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("fifth")));

    let fresh = name("contract/fresh");
    let all: Vec<u8> = (0..=255).collect();
    store.put(&fresh, &SecretBytes::new(all.clone())).await.unwrap();
    assert_eq!(store.get(&fresh).await.unwrap().unwrap().expose(), all, "bytes, not text");
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("fifth")), "names do not meet");

    store.delete(&key).await.unwrap();
    store.delete(&key).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), None);
    assert!(!store.replace(&key, &bytes("fifth"), &bytes("sixth")).await.unwrap());
    store.put(&key, &bytes("seventh")).await.unwrap();
    assert_eq!(store.get(&key).await.unwrap(), Some(bytes("seventh")), "put brings a deleted secret back");

    assert!(!store.describe().is_empty());
}

/// Five at once: one value wins and all hear of it; of five rotations none is lost.
pub(super) async fn races(stores: Vec<Arc<dyn SecretStore>>) {
    let count = i32::try_from(stores.len()).unwrap();
    let mut tasks = Vec::new();
    for (i, store) in stores.iter().cloned().enumerate() {
        tasks.push(tokio::spawn(async move {
            store.put_if_absent(&name("race"), &bytes(&format!("from {i}"))).await.unwrap().expose().to_vec()
        }));
    }
    let mut seen = HashSet::new();
    for task in tasks {
        seen.insert(task.await.unwrap());
    }
    assert_eq!(seen.len(), 1, "more than one winner");
    let kept = stores[0].get(&name("race")).await.unwrap().unwrap();
    assert!(seen.contains(kept.expose()), "the winner is not what is kept");

    MasterKeys::load_or_create(stores[0].as_ref()).await.unwrap();
    let mut tasks = Vec::new();
    for store in &stores {
        let store = store.clone();
        tasks.push(tokio::spawn(async move { MasterKeys::rotate(store.as_ref()).await }));
    }
    let mut versions = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(masters) => versions.push(masters.current()),
            Err(e) => assert_eq!(e.code(), "rotation_in_progress"),
        }
    }
    versions.sort_unstable();
    let rotated = i32::try_from(versions.len()).unwrap();
    assert!(rotated >= 1 && rotated <= count);
    assert_eq!(versions, (2..=rotated + 1).collect::<Vec<_>>(), "two rotations made the same version");
    let kept = MasterKeys::load_or_create(stores[0].as_ref()).await.unwrap();
    assert_eq!(kept.current(), rotated + 1);
    assert!((1..=rotated + 1).all(|version| kept.knows(version)), "a rotation lost a version");
}

async fn file_store(folder: &Path) -> Arc<dyn SecretStore> {
    open_store(&SecretStoreSettings::File { path: folder.to_owned() }).await.unwrap()
}

#[tokio::test]
async fn files_keep_the_contract() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/secrets");
    let store = file_store(&folder).await;
    contract(store.as_ref()).await;

    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
    let files: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap()).collect();
    assert!(files.len() >= 2);
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", file.path().display());
    }
    assert_eq!(store.describe(), format!("files in {}", folder.display()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn files_stand_races() {
    let home = tempfile::tempdir().unwrap();
    for round in 0..10 {
        let mut stores = Vec::new();
        for _ in 0..5 {
            stores.push(file_store(&home.path().join(round.to_string())).await);
        }
        races(stores).await;
    }
}

#[tokio::test]
async fn files_open_to_others_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("secrets");
    let store = file_store(&folder).await;
    store.put(&name("a"), &bytes("value")).await.unwrap();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(mode)).unwrap();
        let refusal = store.get(&name("a")).await.unwrap_err().to_string();
        assert!(refusal.contains("chmod 600") && refusal.contains(&format!("{mode:04o}")), "{refusal}");
        assert!(store.put_if_absent(&name("a"), &bytes("new")).await.is_err());
    }
    fs::set_permissions(folder.join("a"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));

    fs::set_permissions(&folder, fs::Permissions::from_mode(0o750)).unwrap();
    assert!(store.get(&name("a")).await.unwrap_err().to_string().contains("chmod 700"));
    assert!(store.put(&name("b"), &bytes("new")).await.is_err());
    let reopened = open_store(&SecretStoreSettings::File { path: folder.clone() }).await;
    assert!(reopened.err().unwrap().to_string().contains("chmod 700"));
    assert!(!folder.join("b").exists());
}

#[tokio::test]
async fn files_are_not_followed_elsewhere() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("secrets");
    let store = file_store(&folder).await;
    let outside = home.path().join("outside");
    fs::write(&outside, "not a secret").unwrap();
    fs::set_permissions(&outside, fs::Permissions::from_mode(0o600)).unwrap();
    std::os::unix::fs::symlink(&outside, folder.join("link")).unwrap();
    assert!(store.get(&name("link")).await.is_err());
    // What a killed process left of its write, even as a link, is no way out either.
    std::os::unix::fs::symlink(&outside, folder.join(".new")).unwrap();
    store.put(&name("a"), &bytes("value")).await.unwrap();
    assert_eq!(fs::read_to_string(&outside).unwrap(), "not a secret");
    assert_eq!(store.get(&name("a")).await.unwrap(), Some(bytes("value")));
    assert!(store.put(&name("big"), &SecretBytes::new(vec![7; (64 << 10) + 1])).await.is_err());
}

#[test]
fn names_that_lead_elsewhere_are_no_names() {
    let long = "a".repeat(121);
    for bad in [
        "", "/", "../a", "a/../b", "a/..", "..", ".", "./a", "a//b", "/a", "a/", "a b", "a\0b", "a\n", "A",
        "é", "a%2Fb", "a\\b", ".lock", ".new", "a/.b", "-a", &long,
    ] {
        assert_eq!(SecretName::parse(bad).unwrap_err().status(), 422, "{bad:?}");
    }
    for good in ["a", "master-keys", "deployment/csrf", "a/b/c", "0", "jwt/2026-11.es256_1"] {
        assert_eq!(SecretName::parse(good).unwrap().as_str(), good);
    }
}

#[test]
fn settings_are_read_and_unknown_ones_refused() {
    let parse = |text: &str| toml::from_str::<SecretStoreSettings>(text);
    assert!(matches!(parse("kind='file'\npath='/x'").unwrap(), SecretStoreSettings::File { .. }));
    let SecretStoreSettings::Aws { region: None, endpoint: None, prefix } = parse("kind='aws'").unwrap()
    else {
        panic!("not what was written")
    };
    assert_eq!(prefix, "lastmile");
    let vault = parse("kind='vault'\naddress='https://v'\ntoken='s.canary'\nnamespace='isp'").unwrap();
    assert!(!format!("{vault:?}").contains("canary"));
    assert!(matches!(&vault, SecretStoreSettings::Vault { mount, .. } if mount == "secret"));
    for bad in
        ["kind='file'", "kind='file'\npath='/x'\nmode=1", "kind='aws'\ntoken='x'", "kind='ftp'", "path='/x'"]
    {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn settings_that_cannot_be_right_are_refused() {
    let vault = |address: &str, mount: &str, token: &str| SecretStoreSettings::Vault {
        address: address.into(),
        mount: mount.into(),
        prefix: "lastmile".into(),
        token: token.into(),
        namespace: None,
        ca_file: None,
    };
    for bad in [
        vault("vault:8200", "secret", "t"),
        vault("ftp://vault", "secret", "t"),
        vault("https://u:p@vault", "secret", "t"),
        vault("https://vault", "", "t"),
        vault("https://vault", "../sys", "t"),
        vault("https://vault", "secret", ""),
        vault("https://vault", "secret", "two\nlines"),
    ] {
        assert_eq!(open_store(&bad).await.err().unwrap().status(), 422, "{bad:?}");
    }
    assert!(
        open_store(&vault("https://vault:8200", "kv/isp", "t\n")).await.is_ok(),
        "a line end of a token file"
    );
    let aws = SecretStoreSettings::Aws {
        region: Some("x".into()),
        endpoint: Some("no url".into()),
        prefix: String::new(),
    };
    assert_eq!(open_store(&aws).await.err().unwrap().status(), 422);
}

#[test]
fn secrets_do_not_show() {
    let key = SecretKey::from_slice(&[0x5a; 32]).unwrap();
    let shown = format!("{:?} {:?} {:?}", bytes("canary"), key, DataKey::generate(3).unwrap());
    assert_eq!(shown, "SecretBytes(hidden) SecretKey(hidden) DataKey { version: 3, key: SecretKey(hidden) }");
}

/// A store of one set, written by hand.
async fn masters_of(json: &str) -> crate::error::Result<MasterKeys> {
    let home = tempfile::tempdir().unwrap();
    let store = file_store(&home.path().join("s")).await;
    store.put(&name("master-keys"), &bytes(json)).await.unwrap();
    MasterKeys::load_or_create(store.as_ref()).await
}

#[tokio::test]
async fn master_keys_are_read_strictly() {
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=";
    let good = format!(r#"{{"current":2,"keys":{{"1":"{key}","2":"{key}"}}}}"#);
    let masters = masters_of(&good).await.unwrap();
    assert_eq!(masters.current(), 2);
    assert_eq!(format!("{masters:?}"), "MasterKeys { current: 2, versions: [1, 2] }");
    for bad in [
        String::new(),
        good.replace("\"current\":2", "\"current\":3"),
        good.replace(key, "QUFB"),
        good.replace(key, "canary!"),
        good.replace(&format!("\"{key}\""), "17"),
        good.replace("\"1\"", "\"0\""),
        good.replace("\"1\"", "\"x\""),
        good.replace('{', "{\"more\":1,"),
    ] {
        let refusal = masters_of(&bad).await.unwrap_err().to_string();
        assert!(
            !refusal.contains("QUF") && !refusal.contains("canary") && !refusal.contains("17"),
            "{refusal}"
        );
    }
}

#[tokio::test]
async fn a_rotation_keeps_old_data_readable_and_needs_no_restart() {
    let home = tempfile::tempdir().unwrap();
    let store = file_store(&home.path().join("s")).await;
    let here = Keyring::open(Arc::clone(&store)).await.unwrap();
    let there = Keyring::open(Arc::clone(&store)).await.unwrap();
    let (tenant, row) = (Uuid::now_v7(), Uuid::now_v7());
    let cell = Aad { tenant, table: "provider", column: "token", row };

    let key = DataKey::generate(1).unwrap();
    let old = here.wrap(tenant, &key).await.unwrap();
    assert_eq!((old.version, old.master_version), (1, 1));
    let sealed = seal(&key, &cell, b"api token").unwrap();

    let masters = here.rotate().await.unwrap();
    assert_eq!(masters.current(), 2);
    assert_eq!(here.unwrap(tenant, &old).await.unwrap(), key);
    let new = rewrap(&masters, &old, tenant).unwrap().unwrap();
    assert_eq!((new.version, new.master_version), (1, 2));
    assert_ne!(new.bytes, old.bytes);
    assert_eq!(rewrap(&masters, &new, tenant).unwrap(), None);

    // The other process still holds the old set only.
    assert_eq!(there.masters().await.current(), 1);
    let key = there.unwrap(tenant, &new).await.unwrap();
    assert_eq!(open(&key, &cell, &sealed).unwrap().as_slice(), b"api token");
    assert_eq!(there.masters().await.current(), 2);
    assert_eq!(there.wrap(tenant, &key).await.unwrap().master_version, 2);

    // A version that nobody ever made is an error, not a new set.
    assert!(there.unwrap(tenant, &WrappedKey { master_version: 9, ..new }).await.is_err());
    assert_eq!(there.masters().await.current(), 2);
}

#[tokio::test]
async fn a_rotation_needs_keys() {
    let home = tempfile::tempdir().unwrap();
    let store = file_store(&home.path().join("s")).await;
    assert_eq!(MasterKeys::rotate(store.as_ref()).await.unwrap_err().status(), 404);
    assert_eq!(store.get(&name("master-keys")).await.unwrap(), None);
}

#[tokio::test]
async fn wrapped_keys_are_bound() {
    let home = tempfile::tempdir().unwrap();
    let store = file_store(&home.path().join("s")).await;
    MasterKeys::load_or_create(store.as_ref()).await.unwrap();
    let masters = MasterKeys::rotate(store.as_ref()).await.unwrap();
    let (tenant, other) = (Uuid::now_v7(), Uuid::now_v7());
    let key = DataKey::generate(4).unwrap();
    let wrapped = wrap(&masters, tenant, &key).unwrap();
    assert_eq!(unwrap(&masters, tenant, &wrapped).unwrap(), key);
    assert!(!wrapped.bytes.windows(32).any(|window| window == key.key().expose()));
    assert_ne!(wrap(&masters, tenant, &key).unwrap(), wrapped, "the same nonce twice");

    assert!(unwrap(&masters, other, &wrapped).is_err(), "another tenant");
    assert!(
        unwrap(&masters, tenant, &WrappedKey { version: 5, ..wrapped.clone() }).is_err(),
        "another version"
    );
    assert!(
        unwrap(&masters, tenant, &WrappedKey { master_version: 1, ..wrapped.clone() }).is_err(),
        "another master"
    );
    assert!(
        unwrap(&masters, tenant, &WrappedKey { master_version: 7, ..wrapped.clone() }).is_err(),
        "no such master"
    );
    for bit in 0..wrapped.bytes.len() * 8 {
        let mut changed = wrapped.clone();
        changed.bytes[bit / 8] ^= 1 << (bit % 8);
        assert!(unwrap(&masters, tenant, &changed).is_err(), "bit {bit}");
    }
    for len in 0..wrapped.bytes.len() {
        let cut = WrappedKey { bytes: wrapped.bytes[..len].to_vec(), ..wrapped.clone() };
        assert!(unwrap(&masters, tenant, &cut).is_err(), "cut to {len}");
    }
    // Even with the same numbers, another deployment's keys do not open it.
    let elsewhere = file_store(&home.path().join("t")).await;
    MasterKeys::load_or_create(elsewhere.as_ref()).await.unwrap();
    let foreign = MasterKeys::rotate(elsewhere.as_ref()).await.unwrap();
    assert_eq!(foreign.current(), masters.current());
    assert!(unwrap(&foreign, tenant, &wrapped).is_err());
}

#[test]
fn every_bit_of_a_sealed_value_counts() {
    let key = DataKey::generate(1).unwrap();
    let cell =
        Aad { tenant: Uuid::from_u128(1), table: "provider", column: "token", row: Uuid::from_u128(2) };
    let sealed = seal(&key, &cell, b"short").unwrap();
    assert_eq!(sealed.len(), 1 + 4 + 12 + 5 + 16);
    assert_eq!(open(&key, &cell, &sealed).unwrap().as_slice(), b"short");
    assert_ne!(seal(&key, &cell, b"short").unwrap(), sealed, "the same nonce twice");
    for bit in 0..sealed.len() * 8 {
        let mut changed = sealed.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let refusal = open(&key, &cell, &changed).unwrap_err();
        assert_eq!(refusal.detail(), "Something went wrong on our side.");
    }
    for len in 0..sealed.len() {
        assert!(open(&key, &cell, &sealed[..len]).is_err(), "cut to {len}");
    }
    let mut longer = sealed.clone();
    longer.push(0);
    assert!(open(&key, &cell, &longer).is_err());
}

#[test]
fn a_sealed_value_opens_in_its_cell_only() {
    let key = DataKey::generate(1).unwrap();
    let cell =
        Aad { tenant: Uuid::from_u128(1), table: "provider", column: "token", row: Uuid::from_u128(2) };
    let sealed = seal(&key, &cell, b"value").unwrap();
    for moved in [
        Aad { tenant: Uuid::from_u128(2), ..cell },
        Aad { row: Uuid::from_u128(1), ..cell },
        Aad { tenant: cell.row, row: cell.tenant, ..cell },
        Aad { table: "providers", ..cell },
        Aad { column: "tokens", ..cell },
        Aad { table: "providert", column: "oken", ..cell },
        Aad { table: "token", column: "provider", ..cell },
        Aad { table: "", column: "providertoken", ..cell },
    ] {
        assert!(open(&key, &moved, &sealed).is_err(), "{moved:?}");
    }
    assert!(open(&DataKey::generate(1).unwrap(), &cell, &sealed).is_err());
    // A sealed value says which of the tenant's keys it needs, and cannot be made to say another.
    let second = DataKey::generate(2).unwrap();
    let newer = seal(&second, &cell, b"value").unwrap();
    assert_eq!((sealed_version(&sealed).unwrap(), sealed_version(&newer).unwrap()), (1, 2));
    assert!(open(&key, &cell, &newer).is_err());
    assert!(open(&DataKey::new(1, second.key().clone()), &cell, &newer).is_err());
    let mut relabelled = newer.clone();
    relabelled[4] = 1;
    assert_eq!(sealed_version(&relabelled).unwrap(), 1);
    assert!(open(&DataKey::new(1, second.key().clone()), &cell, &relabelled).is_err());
    assert!(sealed_version(b"\x01\0\0\0").is_err());
    assert!(sealed_version(b"\x02\0\0\0\x01 of another format").is_err());
}

proptest! {
    #[test]
    fn what_is_sealed_opens(
        plaintext in proptest::collection::vec(any::<u8>(), 0..2048),
        tenant: u128, row: u128, table in ".{0,40}", column in ".{0,40}", version: i32,
    ) {
        let key = DataKey::generate(version).unwrap();
        let cell = Aad { tenant: Uuid::from_u128(tenant), table: &table, column: &column, row: Uuid::from_u128(row) };
        let sealed = seal(&key, &cell, &plaintext).unwrap();
        prop_assert_eq!(sealed_version(&sealed).unwrap(), version);
        let opened = open(&key, &cell, &sealed).unwrap();
        prop_assert_eq!(opened.as_slice(), plaintext.as_slice());
    }

    #[test]
    fn what_nobody_sealed_does_not_open(junk in proptest::collection::vec(any::<u8>(), 0..200)) {
        let key = DataKey::generate(1).unwrap();
        let cell = Aad { tenant: Uuid::nil(), table: "t", column: "c", row: Uuid::nil() };
        prop_assert!(open(&key, &cell, &junk).is_err());
        let mut well_begun = vec![1, 0, 0, 0, 1];
        well_begun.extend(junk);
        prop_assert!(open(&key, &cell, &well_begun).is_err());
    }

    #[test]
    fn names_never_leave_their_folder(text in "[a-z./%_-]{0,12}") {
        if let Ok(name) = SecretName::parse(&text) {
            prop_assert!(name.as_str().split('/').all(|word| !word.is_empty() && !word.starts_with('.')));
        }
    }
}

#[test]
fn derived_keys_follow_rfc_5869() {
    // HKDF-SHA256 worked out by hand from two HMACs, so that a change of crate cannot change every password unseen.
    use hmac::{Hmac, KeyInit, Mac};
    let hmac = |key: &[u8], message: &[u8]| -> [u8; 32] {
        let mut mac = Hmac::<sha2::Sha256>::new_from_slice(key).unwrap();
        mac.update(message);
        mac.finalize().into_bytes().into()
    };
    let key = SecretKey::from_slice(&[7; 32]).unwrap();
    let extracted = hmac(b"lastmile:derive:v1", key.expose());
    assert_eq!(derive(&key, "csrf").unwrap().expose(), &hmac(&extracted, b"csrf\x01"));
    assert_ne!(derive(&key, "csrf").unwrap(), derive(&key, "cursor").unwrap());

    let password = role_password(&key, "app_01").unwrap();
    assert_eq!(password.expose_secret(), role_password(&key, "app_01").unwrap().expose_secret());
    assert_ne!(password.expose_secret(), role_password(&key, "app_02").unwrap().expose_secret());
    assert_eq!(password.expose_secret().len(), 43);
    assert!(password.expose_secret().chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
}

#[tokio::test]
async fn deployment_keys_are_made_once() {
    let home = tempfile::tempdir().unwrap();
    let store = file_store(&home.path().join("s")).await;
    let csrf = deployment_key(store.as_ref(), "csrf").await.unwrap();
    assert_eq!(deployment_key(store.as_ref(), "csrf").await.unwrap(), csrf);
    assert_ne!(deployment_key(store.as_ref(), "cursor").await.unwrap(), csrf);
    assert!(deployment_key(store.as_ref(), "../master-keys").await.is_err());
    store.put(&name("deployment/short"), &bytes("too short")).await.unwrap();
    assert!(deployment_key(store.as_ref(), "short").await.is_err());
}
