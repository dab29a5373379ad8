//! The permission matrix: every default role against every route of the registry, pages too.
//!
//! What is expected stands in `tests/permissions.txt`, written and reviewed by people. Nothing here reads which permission a route
//! asks for, or which permissions a role has.

use std::{collections::BTreeSet, sync::Arc};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    harness::{Api, Browser, PASSWORD, Tenant, tenant},
    refusals::{Registered, ask, is_sent_to_sign_in, registry},
};

pub const ROLES: [&str; 7] = ["Owner", "Admin", "Manager", "Cashier", "Technician", "Support", "Viewer"];
const MATRIX: &str = include_str!("../permissions.txt");
/// Requests on their way at once.
const AT_ONCE: usize = 12;
/// What ends sessions, the asking one's last: asked when all else was.
const ENDINGS: [&str; 2] = ["/account/sessions/end-others", "/sign-out"];
/// Ends what those are asked with, as the first of them ends what this is asked with: asked by people who have just signed in.
const ENDS_THE_OTHERS: &str = "DELETE /api/v1/me/sessions";

/// What the file says of one route: who gets past its guard.
struct Line {
    method: String,
    path: String,
    allowed: [bool; 7],
}

impl Line {
    fn name(&self) -> String {
        format!("{} {}", self.method, self.path)
    }

    /// Whether the line speaks of this route, or of one value of its parameter.
    fn is_of(&self, route: &Registered) -> bool {
        let (asked, known): (Vec<&str>, Vec<&str>) =
            (self.path.split('/').collect(), route.path.split('/').collect());
        self.method == route.method.as_str()
            && asked.len() == known.len()
            && asked.iter().zip(known).all(|(one, part)| *one == part || part.starts_with([':', '{']))
    }
}

fn matrix() -> Vec<Line> {
    let lines = MATRIX.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let [method, path, allowed @ ..] = words.as_slice() else { panic!("not a line: {line}") };
            let allowed: Vec<bool> = allowed
                .iter()
                .map(|word| match *word {
                    "yes" => true,
                    "-" => false,
                    _ => panic!("neither yes nor -: {line}"),
                })
                .collect();
            let allowed = allowed.try_into().unwrap_or_else(|_| panic!("not a word for each role: {line}"));
            Line { method: (*method).to_owned(), path: (*path).to_owned(), allowed }
        })
        .collect()
}

async fn guarded() -> Vec<Registered> {
    let mut routes = registry().await;
    routes.retain(|route| !route.is_open() && !route.is_console() && route.authority != "subscriber");
    routes
}

#[tokio::test]
async fn the_file_speaks_of_every_guarded_route_and_of_no_other() {
    let lines = matrix();
    let said: BTreeSet<String> = lines.iter().map(Line::name).collect();
    assert_eq!(said.len(), lines.len(), "a route stands in the file twice");
    let routes = guarded().await;
    let known: BTreeSet<String> =
        routes.iter().map(|route| format!("{} {}", route.method, route.path)).collect();
    let undecided: Vec<&String> = known.difference(&said).collect();
    assert!(undecided.is_empty(), "nobody said who may: {undecided:#?}");
    let gone: Vec<String> =
        lines.iter().filter(|line| !routes.iter().any(|route| line.is_of(route))).map(Line::name).collect();
    assert!(gone.is_empty(), "there are no such routes: {gone:#?}");
}

/// Somebody with one role, signed in at the API and in a browser.
struct Actor {
    role: usize,
    api: Api,
    pages: Api,
}

impl Actor {
    async fn new(tenant: &Tenant, role: usize) -> Self {
        let email = if ROLES[role] == "Owner" {
            tenant.owner_email.clone()
        } else {
            tenant.person_with(&tenant.role(ROLES[role]).await).await.email
        };
        let api = tenant.api_as(&email, PASSWORD).await;
        Self { role, api, pages: pages_of(&signed_in(tenant, &email).await) }
    }
}

async fn signed_in(tenant: &Tenant, email: &str) -> Browser {
    let mut browser = tenant.browser_as(email, PASSWORD).await;
    browser.get("/account").await.expect_status(200);
    browser
}

fn pages_of(browser: &Browser) -> Api {
    browser.with_cookies().header("origin", &browser.origin).header("x-csrf-token", &browser.csrf)
}

/// What an answer says against the file, if anything.
async fn held_against(line: &Line, actor: &Actor) -> Option<String> {
    let route = Registered {
        surface: String::new(),
        method: line.method.parse().unwrap(),
        path: line.path.clone(),
        authority: serde_json::Value::Null,
    };
    let answer = if route.is_api() {
        ask(&actor.api, &route).await
    } else if line.path == "/customers/bulk" {
        // The one page whose right is a matter of what is to be done.
        let form = Some("application/x-www-form-urlencoded");
        actor.pages.send(route.method, &line.path, form, b"action=set_status&status=active".to_vec()).await
    } else {
        ask(&actor.pages, &route).await
    };
    let signs_out = ENDINGS.contains(&line.path.as_str());
    let got_in = answer.status != 403 && (signs_out || !is_sent_to_sign_in(&answer)) && answer.status < 500;
    let refused = answer.status == 403;
    let role = ROLES[actor.role];
    match line.allowed[actor.role] {
        true if !got_in => Some(format!("{role} may {}, and was answered {}", line.name(), answer.status)),
        false if !refused => {
            Some(format!("{role} may not {}, and was answered {}", line.name(), answer.status))
        }
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_default_role_may_what_the_file_says() {
    let tenant = tenant().await;
    let lines: Arc<Vec<Line>> = Arc::new(matrix());
    let at_once = Arc::new(Semaphore::new(AT_ONCE));
    let mut asked = JoinSet::new();
    let mut actors = Vec::new();
    for role in 0..ROLES.len() {
        let actor = Arc::new(Actor::new(&tenant, role).await);
        actors.push(actor.clone());
        let is_ending = |line: &Line| ENDINGS.contains(&line.path.as_str()) || line.name() == ENDS_THE_OTHERS;
        for at in (0..lines.len()).filter(|at| !is_ending(&lines[*at])) {
            let (lines, actor, at_once) = (lines.clone(), actor.clone(), at_once.clone());
            asked.spawn(async move {
                let _turn = at_once.acquire().await.unwrap();
                held_against(&lines[at], &actor).await
            });
        }
    }
    let mut wrong: Vec<String> = asked.join_all().await.into_iter().flatten().collect();
    for ending in ENDINGS {
        let line = lines.iter().find(|line| line.path == ending).unwrap();
        for actor in &actors {
            wrong.extend(held_against(line, actor).await);
        }
    }
    let line = lines.iter().find(|line| line.name() == ENDS_THE_OTHERS).unwrap();
    for role in 0..ROLES.len() {
        wrong.extend(held_against(line, &Actor::new(&tenant, role).await).await);
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What holds of any matrix: the words of the roles themselves.
#[test]
fn the_file_keeps_to_what_the_roles_are() {
    let may = |line: &Line, role: &str| line.allowed[ROLES.iter().position(|name| *name == role).unwrap()];
    let reads_by_post = ["/api/v1/plant/budget", "/api/v1/templates/preview", "/templates/preview"];
    let ones_own = ["/api/v1/notices/read", "/notices/read", "/sign-out", "/support/leave"];
    for line in matrix() {
        let name = line.name();
        let is_own = line.path.starts_with("/account")
            || line.path.starts_with("/api/v1/me/")
            || ones_own.contains(&line.path.as_str());
        assert!(may(&line, "Owner"), "the owner may everything: {name}");
        let is_owners = line.path.ends_with("/erase")
            || line.path == "/roles/:id/mfa"
            || line.path.ends_with("/settings/sso")
            || line.path.ends_with("/settings/machine-clients")
            || line.path.ends_with("/ownership")
            || line.path.ends_with("/settings/address")
            || line.method != "GET" && line.path.ends_with("/settings/plan")
            || line.path.starts_with("/settings/support")
            || line.path.contains("/takeouts")
            || line.path.contains("/sandbox")
            || line.path.ends_with("/retention");
        assert!(may(&line, "Admin") || is_owners, "all but the owner's alone: {name}");
        assert!(
            line.method == "GET"
                || is_own
                || reads_by_post.contains(&line.path.as_str())
                || !may(&line, "Viewer"),
            "a viewer writes nothing: {name}"
        );
        let takes_back = line.path.contains("/void") || line.path.contains("/refund");
        assert!(!(takes_back && may(&line, "Cashier")), "a cashier takes nothing back: {name}");
        let is_money = ["payments", "receipts", "shifts", "collect", "ledger", "subscriptions"]
            .iter()
            .any(|word| line.path.split('/').any(|part| part == *word));
        assert!(!(is_money && may(&line, "Technician")), "a technician sees no money: {name}");
        let rules = ["staff", "roles", "api-keys", "settings", "company", "domains"];
        let administers = line.method != "GET" && line.path.split('/').any(|part| rules.contains(&part));
        let is_admins = !(may(&line, "Manager") || may(&line, "Support")) || line.path == "/settings/plant";
        assert!(!administers || is_admins, "administration is Admin's: {name}");
    }
}
