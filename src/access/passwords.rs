//! Passwords: how they are kept, and which are too weak to be kept.

use std::{num::NonZero, sync::LazyLock, thread};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, SemaphorePermit};
use zxcvbn::matching::patterns::MatchPattern;

use crate::{
    error::{Error, OrInternal, Result},
    types::Wrong,
    words::say,
};

pub const PASSWORD_MIN_CHARS: usize = 10;
pub const PASSWORD_MAX_CHARS: usize = 200;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// So many wait at most for their password to be hashed, some seconds with one core to do it; whoever comes then is asked to come back.
const WAITING_MAX: usize = 256;
static QUEUE: LazyLock<Queue> = LazyLock::new(|| {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    Queue::new(cores.saturating_sub(1).max(1), WAITING_MAX)
});
/// Fewer guesses than this is a password that everybody tries: log10 of a million.
const GUESSES_LOG10_MIN: f64 = 6.0;
/// Words of the deployment itself that are no secret.
const OWN_WORDS: &[&str] = &["lastmile"];

/// Whether a password is the one that was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    pub matches: bool,
    /// It was hashed with other parameters than today's: hash it again while it is at hand.
    pub is_outdated: bool,
}

/// Each hash takes 19 MiB and a core for a while: few at once, so that a core is left for everybody else's requests, and an
/// end to the line.
struct Queue {
    places: Semaphore,
    running: Semaphore,
}

impl Queue {
    fn new(at_once: usize, waiting_max: usize) -> Self {
        Self { places: Semaphore::new(at_once + waiting_max), running: Semaphore::new(at_once) }
    }

    /// 503 `sign_ins_queue` when the line is full.
    fn place(&self) -> Result<SemaphorePermit<'_>> {
        self.places.try_acquire().map_err(|_full| {
            Error::unavailable(
                "sign_ins_queue",
                "Too many people are signing in at this moment. Try again in a moment.",
            )
        })
    }

    /// A turn, which lasts until it is dropped: for who has a place.
    async fn turn(&self) -> Result<SemaphorePermit<'_>> {
        self.running.acquire().await.internal()
    }
}

/// A place in the line of those whose passwords are hashed.
pub struct Place(SemaphorePermit<'static>);

/// Lines up: 503 `sign_ins_queue` when the line is full. Before an attempt is counted, since who is sent away has not tried.
pub fn line_up() -> Result<Place> {
    QUEUE.place().map(Place)
}

fn hasher() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).internal()?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn hash(password: &str) -> Result<String> {
    Ok(hasher()?.hash_password(password.as_bytes()).internal()?.to_string())
}

/// What the password of an unknown account is held against, so that it costs the same time.
static NOBODYS: LazyLock<Option<String>> = LazyLock::new(|| {
    let random: [u8; 16] = rand::random();
    hash(&data_encoding::HEXLOWER.encode(&random)).ok()
});

fn is_outdated(hash: &PasswordHash) -> bool {
    let today = format!("m={MEMORY_KIB},t={PASSES},p={LANES}");
    hash.algorithm.as_str() != "argon2id" || hash.version != Some(19) || hash.params.to_string() != today
}

fn verify(password: &str, stored: Option<&str>) -> Result<Verdict> {
    let known = stored.or(NOBODYS.as_deref()).ok_or_else(|| Error::internal("no hash to compare with"))?;
    let known = PasswordHash::new(known).internal()?;
    let matches = hasher()?.verify_password(password.as_bytes(), &known).is_ok() && stored.is_some();
    Ok(Verdict { matches, is_outdated: is_outdated(&known) })
}

async fn apart<T: Send + 'static>(place: Place, f: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    // Held by the work itself: a caller that goes away does not let another one in early.
    let turn = QUEUE.turn().await?;
    tokio::task::spawn_blocking(move || {
        let done = f();
        drop((turn, place.0));
        done
    })
    .await
    .internal()?
}

/// The hash of a password whose rules were checked. Waits its turn, and never holds up a thread that serves requests.
pub async fn hash_password(password: &str) -> Result<String> {
    let password = SecretString::from(password);
    apart(line_up()?, move || hash(password.expose_secret())).await
}

/// Whether `password` is the one behind `stored`, for who has a place in the line. Without a hash it takes as long and is a no.
pub async fn verify_password(place: Place, password: &str, stored: Option<&str>) -> Result<Verdict> {
    let (password, stored) = (SecretString::from(password), stored.map(str::to_owned));
    apart(place, move || verify(password.expose_secret(), stored.as_deref())).await
}

/// Whether a person may choose this password: long enough, and none that others guess first. `about` holds what is known of the
/// person: e-mail address, name, company. There are no rules of composition.
pub fn check_password(password: &str, about: &[&str]) -> std::result::Result<(), Wrong> {
    let chars = password.chars().count();
    if chars < PASSWORD_MIN_CHARS {
        return Err(Wrong::new("too_short", say!("At least {} characters.", PASSWORD_MIN_CHARS)));
    }
    if chars > PASSWORD_MAX_CHARS {
        return Err(Wrong::new("too_long", say!("At most {} characters.", PASSWORD_MAX_CHARS)));
    }
    if is_about(password, about) {
        return Err(Wrong::new("is_about_you", "Choose something else than your own address or name."));
    }
    let known: Vec<&str> = about.iter().copied().chain(OWN_WORDS.iter().copied()).collect();
    let guessed = zxcvbn::zxcvbn(password, &known);
    let is_listed = matches!(guessed.sequence(), [only]
        if matches!(only.pattern, MatchPattern::Dictionary(_)) && only.token.chars().count() == chars);
    if is_listed || guessed.guesses_log10() < GUESSES_LOG10_MIN {
        return Err(Wrong::new(
            "too_common",
            "This password is among the first that others would try. A few unrelated words in a row are better.",
        ));
    }
    Ok(())
}

/// Letters and digits alone, in lower case: `Ana.Reyes` and `anareyes` are one.
fn bare(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn is_about(password: &str, about: &[&str]) -> bool {
    let password = bare(password);
    about.iter().any(|known| {
        let local = known.split_once('@').map_or(*known, |(local, _)| local);
        [bare(known), bare(local)].iter().any(|known| {
            known.chars().count() >= 4
                && (*known == password || {
                    // The name with a few digits behind it is the name.
                    password.strip_prefix(known.as_str()).is_some_and(|rest| rest.chars().count() <= 4)
                })
        })
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ABOUT: &[&str] = &["ana.reyes@cagayan.example", "Ana Reyes"];

    fn code(password: &str) -> Option<&'static str> {
        check_password(password, ABOUT).err().map(|wrong| wrong.code)
    }

    #[test]
    fn length_is_counted_in_characters_at_both_ends() {
        assert_eq!(code("kite-wall9"), None);
        assert_eq!(code("kite-wall"), Some("too_short"));
        assert_eq!(code("ñandú-ñaq"), Some("too_short"), "eleven bytes and nine characters");
        let long: String = "correct horse battery ".chars().cycle().take(200).collect();
        assert_eq!(code(&long), None);
        assert_eq!(code(&format!("{long}x")), Some("too_long"));
    }

    #[test]
    fn what_others_guess_first_is_refused() {
        for common in [
            "password123",
            "Password1234",
            "1234567890",
            "qwertyuiop",
            "aaaaaaaaaaaa",
            "iloveyou12",
            "P@ssw0rd123",
        ] {
            assert_eq!(code(common), Some("too_common"), "{common}");
        }
    }

    #[test]
    fn the_person_s_own_name_and_address_are_refused() {
        for own in ["ana.reyes@cagayan.example", "AnaReyes2024", "ana.reyes1", "Ana Reyes!!"] {
            assert_eq!(code(own), Some("is_about_you"), "{own}");
        }
        assert_eq!(code("ana likes violet trains"), None);
    }

    #[tokio::test]
    async fn whoever_finds_the_line_full_is_asked_to_come_back() {
        let queue = Queue::new(1, 2);
        let first = (queue.place().unwrap(), queue.turn().await.unwrap());
        let (second, third) = (queue.place().unwrap(), queue.place().unwrap());
        assert_eq!(queue.place().unwrap_err().code(), "sign_ins_queue");
        let mut turn = Box::pin(queue.turn());
        assert!(futures_util::poll!(&mut turn).is_pending(), "one at a time");
        drop(first);
        let second = (second, turn.await.unwrap());
        // One that went away while it waited leaves its place.
        drop(third);
        assert_eq!(queue.places.available_permits(), 2);
        drop(second);
        assert_eq!((queue.places.available_permits(), queue.running.available_permits()), (3, 1));
    }

    #[tokio::test]
    async fn a_hash_is_salted_and_checked_and_nobody_has_a_password() {
        let (one, two) =
            (hash_password("kite-wall9").await.unwrap(), hash_password("kite-wall9").await.unwrap());
        assert_ne!(one, two);
        assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
        let good = verify_password(line_up().unwrap(), "kite-wall9", Some(&one)).await.unwrap();
        assert_eq!(good, Verdict { matches: true, is_outdated: false });
        assert!(!verify_password(line_up().unwrap(), "kite-wall8", Some(&one)).await.unwrap().matches);
        assert!(!verify_password(line_up().unwrap(), "kite-wall9", None).await.unwrap().matches);
    }

    #[tokio::test]
    async fn a_hash_of_older_parameters_still_opens_and_says_so() {
        let params = Params::new(8_192, 1, 1, None).unwrap();
        let old = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(b"kite-wall9")
            .unwrap()
            .to_string();
        let verdict = verify_password(line_up().unwrap(), "kite-wall9", Some(&old)).await.unwrap();
        assert_eq!(verdict, Verdict { matches: true, is_outdated: true });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// No class of characters is asked for: twelve random letters of one case are good.
        #[test]
        fn no_composition_is_asked_for(password in "[a-z]{16}") {
            prop_assume!(zxcvbn::zxcvbn(&password, &[]).guesses_log10() > 8.0);
            prop_assert_eq!(code(&password), None);
        }

        #[test]
        fn any_text_is_judged(password in "\\PC{0,240}") {
            let judged = check_password(&password, ABOUT);
            prop_assert!(judged.is_ok() || !judged.unwrap_err().detail.is_empty());
        }
    }
}
