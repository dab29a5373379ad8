//! "Why can they not do this?", on a person's page.

use serde::Serialize;

use super::why::Decided;
use crate::access::{guard::PageUser, people::People};
use crate::words::say;

/// The question with every right to ask about, and its answer.
#[derive(Serialize)]
pub struct WhyView {
    groups: Vec<Group>,
    asked: String,
    answer: Option<AnswerView>,
}

#[derive(Serialize)]
struct Group {
    name: &'static str,
    rights: Vec<RightChoice>,
}

#[derive(Serialize)]
struct RightChoice {
    value: &'static str,
    label: &'static str,
}

#[derive(Serialize)]
struct AnswerView {
    is_allowed: bool,
    detail: String,
}

/// None for whoever may not see what roles hold.
pub fn why_view(user: &PageUser, people: &People, asked: &str, decided: Option<Decided>) -> Option<WhyView> {
    user.by.require::<crate::access::roles::ViewRoles>().ok()?;
    let mut groups: Vec<Group> = Vec::new();
    for right in people.catalogue().all() {
        let choice = RightChoice { value: right.code, label: say(right.label) };
        match groups.iter_mut().find(|group| group.name == say(right.category)) {
            Some(group) => group.rights.push(choice),
            None => groups.push(Group { name: say(right.category), rights: vec![choice] }),
        }
    }
    let answer = decided.map(|decided| AnswerView { is_allowed: decided.is_allowed, detail: decided.detail });
    Some(WhyView { groups, asked: asked.to_owned(), answer })
}
