//! What the address of a list asks for. What cannot be read says nothing: the page shows what counts.

use crate::{
    error::Result,
    isp::tickets::{
        choices::{Category, Priority, Status},
        query::{self, Filter, Sort},
    },
    types::{AreaId, CustomerId, OutageId, StaffId},
    web::parts::address,
};

const Q_MAX: usize = 100;

#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub q: String,
    /// A status, or `open`.
    pub status: String,
    pub priority: Option<Priority>,
    pub category: Option<Category>,
    /// A person's id, or `none`.
    pub assignee: String,
    pub overdue: bool,
    pub area: Option<AreaId>,
    pub customer: Option<CustomerId>,
    pub outage: Option<OutageId>,
    pub sort: Option<Sort>,
    pub cursor: Option<String>,
    /// The number of the first row.
    pub from: i64,
}

impl Asked {
    pub fn parse(query: &str) -> Self {
        let mut asked = Self { from: 1, ..Self::default() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            match name.as_ref() {
                "q" => asked.q = value.chars().filter(|c| !c.is_control()).take(Q_MAX).collect(),
                "status" if value == "open" || Status::parse(value).is_ok() => {
                    value.clone_into(&mut asked.status)
                }
                "priority" => asked.priority = Priority::parse(value).ok(),
                "category" => asked.category = Category::parse(value).ok(),
                "assignee" if value == "none" || value.parse::<StaffId>().is_ok() => {
                    value.clone_into(&mut asked.assignee);
                }
                "overdue" => asked.overdue = value == "yes",
                "area" => asked.area = value.parse().ok(),
                "customer" => asked.customer = value.parse().ok(),
                "outage" => asked.outage = value.parse().ok(),
                "sort" => asked.sort = Sort::parse(value).ok().filter(|_| !value.is_empty()),
                "cursor" => asked.cursor = Some(value.to_owned()).filter(|text| !text.is_empty()),
                "from" => asked.from = value.parse().unwrap_or(1).clamp(1, 100_000_000),
                _ => {}
            }
        }
        asked
    }

    pub fn sort(&self) -> Sort {
        self.sort.unwrap_or(if self.overdue { Sort::Due } else { Sort::CreatedDown })
    }

    pub fn filter(&self) -> Result<Filter> {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Filter::parse(&query::Asked {
            q: self.q.clone(),
            statuses: text(&self.status).into_iter().collect(),
            priorities: self.priority.map(|one| one.as_str().to_owned()).into_iter().collect(),
            categories: self.category.map(|one| one.as_str().to_owned()).into_iter().collect(),
            assigned_to: self.assignee.clone(),
            overdue: self.overdue.then_some(true),
            customer: self.customer,
            area: self.area,
            outage: self.outage,
        })
    }

    /// Filters and order, for links and hidden fields.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        [
            ("q", Some(self.q.clone())),
            ("status", Some(self.status.clone())),
            ("priority", self.priority.map(|one| one.as_str().to_owned())),
            ("category", self.category.map(|one| one.as_str().to_owned())),
            ("assignee", Some(self.assignee.clone())),
            ("overdue", self.overdue.then(|| "yes".to_owned())),
            ("area", self.area.map(|id| id.to_string())),
            ("customer", self.customer.map(|id| id.to_string())),
            ("outage", self.outage.map(|id| id.to_string())),
            ("sort", self.sort.map(|sort| sort.as_str().to_owned())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value.filter(|value| !value.is_empty())?)))
        .collect()
    }

    pub fn is_filtered(&self) -> bool {
        self.pairs().iter().any(|(name, _)| *name != "sort")
    }

    /// A path with these filters, without one of them, with something more.
    pub fn href(&self, path: &str, without: &str, more: &[(&str, &str)]) -> String {
        let pairs = self.pairs();
        let kept =
            pairs.iter().filter(|(name, _)| *name != without).map(|(name, value)| (*name, value.as_str()));
        address(path, kept.chain(more.iter().copied()))
    }

    /// The filters and the order as one text, for a hidden field.
    pub fn query(&self) -> String {
        self.href("", "", &[]).trim_start_matches('?').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_round_trip() {
        let query = "q=ana&status=open&priority=high&assignee=none&overdue=yes&sort=-created";
        assert_eq!(Asked::parse(query).query(), query);
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let asked = Asked::parse("status=lost&priority=x&assignee=me&overdue=maybe&area=1&sort=shoe&from=-5");
        assert!(!asked.is_filtered());
        assert_eq!((asked.sort(), asked.from), (Sort::CreatedDown, 1));
    }
}
