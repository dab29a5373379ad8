//! What the program carries inside is read by macros, of which cargo knows nothing: a change in these folders builds it again.

fn main() {
    for folder in ["migrations_public", "migrations_tenant", "templates", "translations", "static"] {
        println!("cargo::rerun-if-changed={folder}");
    }
}
