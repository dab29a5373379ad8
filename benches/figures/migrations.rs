//! One small migration of 500 schemas, and looking whether there is anything to migrate.
//!
//! A program carries its migrations inside, and one that can be told another at run time would be a hole. So the migration that
//! is measured comes with a build of its own: the same sources with one file more, made of links, in the target folder.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use super::{
    table::{Line, Table, median},
    world::{TENANTS, World},
};

const VERSION: i32 = 9999;
const MIGRATION: &str = "ALTER TABLE area ADD COLUMN measured_at timestamptz;\n\
    CREATE INDEX area_measured_at_idx ON area (measured_at) WHERE measured_at IS NOT NULL;\n";
const PARALLEL: &str = "2";
const MOST_S: f64 = 15.0;
const CHECK_S: f64 = 1.0;
const CHECKS: usize = 5;
const BINARY: &str = "lastmile-one-more";

pub async fn measure(world: &World, table: &mut Table) {
    eprintln!("migrations");
    let checks: Vec<f64> =
        (0..CHECKS).map(|_| seconds(&mut world.command(&["migrate", "--check"]))).collect();
    let check = median(&checks);
    let line = Line::new(format!("migrate --check of {TENANTS} current schemas"), format!("{check:.2} s"));
    table.push(line.at_most(check, CHECK_S, format!("under {CHECK_S} s")));

    let program = build_with_one_more();
    let known = world.command(&[]);
    let mut migrate = Command::new(program);
    migrate.args(["migrate", "--parallel", PARALLEL]).current_dir(&world.folder);
    for (name, value) in known.get_envs() {
        match value {
            Some(value) => migrate.env(name, value),
            None => migrate.env_remove(name),
        };
    }
    let took = seconds(&mut migrate);
    let migrated = undo(&world.sql).await;
    assert!(migrated >= TENANTS, "{migrated} schemas were migrated");
    let line = Line::new(
        format!("migrate --parallel {PARALLEL}, one small migration of {migrated} schemas"),
        format!("{took:.1} s"),
    );
    table.push(line.at_most(took, MOST_S, format!("under {MOST_S} s")));
}

fn seconds(command: &mut Command) -> f64 {
    let began = Instant::now();
    let output = command.output().expect("the program can be started");
    let took = began.elapsed().as_secs_f64();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    took
}

/// Takes the migration back, so that the program itself finds its own schemas again. Returns how many had it.
pub async fn undo(sql: &tokio_postgres::Client) -> usize {
    let rows = sql
        .query(
            "SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE c.relname = 'area_measured_at_idx' ORDER BY 1",
            &[],
        )
        .await
        .expect("the catalogue can be read");
    for row in &rows {
        let schema: String = row.get(0);
        let text = format!(
            "BEGIN; ALTER TABLE {schema}.area DROP COLUMN measured_at;
             DELETE FROM {schema}.refinery_schema_history WHERE version = {VERSION};
             UPDATE public.tenant_schema_state SET version = (SELECT max(version) FROM {schema}.refinery_schema_history)
             WHERE schema_name = '{schema}'; COMMIT"
        );
        sql.batch_execute(&text).await.expect("the migration can be taken back");
    }
    rows.len()
}

/// The program with one migration more. What it depends on is built already.
fn build_with_one_more() -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("it lies in the target folder");
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("figures-one-more");
    let _ = fs::remove_dir_all(&copy);
    let migrations = copy.join("migrations_tenant");
    fs::create_dir_all(&migrations).expect("the target folder can be written to");
    link_all(sources, &copy, &["Cargo.toml", "migrations_tenant", "target"]);
    link_all(&sources.join("migrations_tenant"), &migrations, &[]);
    fs::write(migrations.join(format!("V{VERSION}__one_more.sql")), MIGRATION).expect("a file");
    let manifest = fs::read_to_string(sources.join("Cargo.toml")).expect("the manifest");
    let renamed = manifest
        .replace("default-run = \"lastmile\"\n", "")
        .replace("[[bin]]\nname = \"lastmile\"", &format!("[[bin]]\nname = \"{BINARY}\""));
    assert!(renamed.contains(BINARY), "the manifest names its binary otherwise than this expects");
    fs::write(copy.join("Cargo.toml"), renamed).expect("a file");
    eprintln!("building the program with one migration more");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--release", "--locked", "--offline", "--quiet", "--bin", BINARY])
        .current_dir(&copy)
        .env("CARGO_TARGET_DIR", target)
        .status()
        .expect("cargo can be started");
    assert!(status.success(), "the program with one migration more does not build");
    target.join("release").join(BINARY)
}

fn link_all(from: &Path, to: &Path, but: &[&str]) {
    for entry in fs::read_dir(from).expect("a folder of the sources").flatten() {
        let name = entry.file_name();
        if !but.contains(&name.to_string_lossy().as_ref()) && !name.to_string_lossy().starts_with('.') {
            symlink(entry.path(), to.join(&name)).expect("a link in the target folder");
        }
    }
}
