//! What the program carries inside is read by macros, of which cargo knows nothing: a change in these folders builds it again.

use std::{env, process::Command};

fn main() {
    for folder in ["migrations_public", "migrations_tenant", "templates", "translations", "static"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    if runs_where_it_is_built() && glibc().is_some_and(|version| version >= READS_PACKED) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}

/// The first glibc that reads packed relocations. As they come otherwise, the list of addresses that the loader mends at every start
/// is 5 MB, and reading it costs each process a fifth of its memory at rest.
const READS_PACKED: (u32, u32) = (2, 36);

#[expect(clippy::disallowed_methods, reason = "a build script is told so by cargo")]
fn runs_where_it_is_built() -> bool {
    env::var("TARGET") == env::var("HOST") && env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu")
}

/// The version of this machine's C library, when it is glibc.
fn glibc() -> Option<(u32, u32)> {
    let said = Command::new("getconf").arg("GNU_LIBC_VERSION").output().ok()?;
    let said = String::from_utf8(said.stdout).ok()?;
    let (major, minor) = said.trim().strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
