//! Where PostgreSQL's own programs are on this machine.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use super::account::{self, Account};
use crate::error::{Error, Result};

const OLDEST_MAJOR: u32 = 15;
const PROGRAMS: [&str; 3] = ["postgres", "initdb", "pg_ctl"];

/// Folders in which packages put one folder per version: the parent, what the version's folder begins with, the rest.
const PACKAGED: [(&str, &str, &str); 4] = [
    ("/usr/lib/postgresql", "", "bin"),
    ("/usr", "pgsql-", "bin"),
    ("/opt/homebrew/opt", "postgresql", "bin"),
    ("/usr/local/opt", "postgresql", "bin"),
];

/// One installation of the server's programs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    dir: PathBuf,
    major: u32,
}

impl Binaries {
    /// The installation to use: `given` if there is one, else what is found. `made_by` is the major version that made the
    /// data; no other can open them.
    pub(super) async fn choose(given: Option<&Path>, made_by: Option<u32>) -> Result<Self> {
        let mut found = Vec::new();
        let candidates = given.map_or_else(candidates, |dir| vec![dir.to_path_buf()]);
        for dir in candidates {
            if let Some(binaries) = Self::inspect(dir).await {
                found.push(binaries);
            }
        }
        if let (Some(dir), true) = (given, found.is_empty()) {
            return Err(Error::unavailable(
                "postgres_missing",
                format!("{} does not hold the PostgreSQL programs {}.", dir.display(), PROGRAMS.join(", ")),
            ));
        }
        pick(found, made_by)
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Programs under a home folder may be closed to the user that root hands the server to.
    pub(super) async fn check_reachable_by(&self, account: Option<&Account>) -> Result<()> {
        let postgres = self.program("postgres");
        let Some(user) = account else { return Ok(()) };
        if account::can_reach(&postgres, account).await? {
            return Ok(());
        }
        Err(Error::unavailable(
            "postgres_unreachable",
            format!(
                "{} cannot be run by the user `{}`, as which root runs PostgreSQL.",
                postgres.display(),
                user.name
            ),
        ))
    }

    async fn inspect(dir: PathBuf) -> Option<Self> {
        if !PROGRAMS.iter().all(|program| dir.join(program).is_file()) {
            return None;
        }
        let answer = account::command(dir.join("postgres"), None).arg("--version").output().await.ok()?;
        let major = major_in(&String::from_utf8_lossy(&answer.stdout))?;
        Some(Self { dir, major })
    }
}

/// Every folder that may hold the programs; those in PATH first.
fn candidates() -> Vec<PathBuf> {
    #[expect(clippy::disallowed_methods, reason = "where the machine keeps programs, not a setting")]
    let path = std::env::var_os("PATH");
    let mut dirs: Vec<PathBuf> = path
        .map(|path| std::env::split_paths(&path).filter(|dir| dir.is_absolute()).collect())
        .unwrap_or_default();
    for (parent, prefix, rest) in PACKAGED {
        let versions = fs::read_dir(parent).into_iter().flatten().flatten();
        let versions = versions.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix));
        dirs.extend(versions.map(|entry| entry.path().join(rest)));
    }
    let mut seen = BTreeSet::new();
    dirs.retain(|dir| seen.insert(dir.clone()));
    dirs
}

/// `postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)` -> 15.
fn major_in(version: &str) -> Option<u32> {
    let (_, number) = version.split_once("(PostgreSQL) ")?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// For data that exist the one version that can open them; for new data the newest.
fn pick(found: Vec<Binaries>, made_by: Option<u32>) -> Result<Binaries> {
    let majors: BTreeSet<u32> = found.iter().map(|one| one.major).collect();
    let mut usable = found.into_iter().filter(|one| one.major >= OLDEST_MAJOR);
    // Of equals the first wins, so that PATH decides between two builds of one version.
    let chosen = match made_by {
        Some(major) => usable.find(|one| one.major == major),
        None => usable.reduce(|best, one| if one.major > best.major { one } else { best }),
    };
    chosen.ok_or_else(|| Error::unavailable("postgres_missing", missing(&majors, made_by)))
}

fn missing(majors: &BTreeSet<u32>, made_by: Option<u32>) -> String {
    let found = if majors.is_empty() {
        "none was found".to_owned()
    } else {
        let list: Vec<String> = majors.iter().map(u32::to_string).collect();
        format!("found: {}", list.join(", "))
    };
    match made_by {
        Some(major) => format!(
            "The data were made by PostgreSQL {major}, which is not installed ({found}). Install it \
             (Debian, Ubuntu: apt install postgresql-{major}; macOS: brew install postgresql@{major}), or remove the folder to begin anew."
        ),
        None => format!(
            "PostgreSQL {OLDEST_MAJOR} or newer is needed ({found}). Install it with infra/setup.sh run, or by hand \
             (Debian, Ubuntu: apt install postgresql; macOS: brew install postgresql@17), or name the folder of its programs in LASTMILE_PG_BIN."
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn installed(all: &[(&str, u32)]) -> Vec<Binaries> {
        all.iter().map(|(dir, major)| Binaries { dir: PathBuf::from(dir), major: *major }).collect()
    }

    #[test]
    fn the_version_is_read_from_what_the_program_says() {
        assert_eq!(major_in("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n"), Some(15));
        assert_eq!(major_in("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major_in("something else"), None);
    }

    #[test]
    fn new_data_get_the_newest_and_path_decides_between_equals() {
        let found = installed(&[("/path", 17), ("/a", 15), ("/b", 17)]);
        assert_eq!(pick(found, None).unwrap().dir, PathBuf::from("/path"));
        assert_eq!(pick(installed(&[("/path", 15), ("/b", 18)]), None).unwrap().dir, PathBuf::from("/b"));
    }

    #[test]
    fn existing_data_get_the_version_that_made_them() {
        let found = installed(&[("/path", 17), ("/a", 15), ("/b", 15)]);
        assert_eq!(pick(found, Some(15)).unwrap().dir, PathBuf::from("/a"));
        let refusal = pick(installed(&[("/path", 17)]), Some(16)).unwrap_err().to_string();
        assert!(refusal.contains("postgresql-16") && refusal.contains("found: 17"), "{refusal}");
    }

    #[test]
    fn an_old_server_does_not_count() {
        let refusal = pick(installed(&[("/path", 13)]), None).unwrap_err().to_string();
        assert!(refusal.contains("PostgreSQL 15 or newer") && refusal.contains("found: 13"), "{refusal}");
    }
}
