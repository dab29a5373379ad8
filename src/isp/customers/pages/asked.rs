//! What the address of a list asks for. What cannot be read says nothing: the page shows what counts.

use crate::{
    error::Result,
    isp::customers::{
        model::Status,
        query::{Filter, Sort},
    },
    types::AreaId,
    web::parts::address,
};

const Q_MAX: usize = 100;
/// The columns that may be shown or hidden, and whether they are shown when nobody chose.
pub const COLUMNS: [(&str, bool); 6] = [
    ("phone", true),
    ("email", true),
    ("area", true),
    ("address", false),
    ("created", true),
    ("updated", false),
];

#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub q: String,
    pub area: Option<AreaId>,
    pub located: Option<bool>,
    pub status: Option<Status>,
    pub sort: Option<Sort>,
    pub after: Option<String>,
    pub before: Option<String>,
    /// The number of the first row.
    pub from: i64,
    /// None when the address chooses no columns.
    pub columns: Option<Vec<String>>,
}

impl Asked {
    pub fn parse(query: &str) -> Self {
        let mut asked = Self { from: 1, ..Self::default() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            match name.as_ref() {
                "q" => asked.q = value.chars().filter(|c| !c.is_control()).take(Q_MAX).collect(),
                "area" => asked.area = value.parse().ok(),
                "located" => {
                    asked.located = match value {
                        "yes" => Some(true),
                        "no" => Some(false),
                        _ => None,
                    }
                }
                "status" => asked.status = Status::parse(value).ok(),
                "sort" => asked.sort = Sort::parse(value).ok().filter(|_| !value.is_empty()),
                "after" => asked.after = Some(value.to_owned()),
                "before" => asked.before = Some(value.to_owned()),
                "from" => asked.from = value.parse().unwrap_or(1).clamp(1, 100_000_000),
                "col" => asked.columns.get_or_insert_default().push(value.to_owned()),
                _ => {}
            }
        }
        asked
    }

    pub fn sort(&self) -> Sort {
        self.sort.unwrap_or(Sort::CreatedDown)
    }

    pub fn filter(&self) -> Result<Filter> {
        Filter::parse(&self.q, self.status.map(Status::as_str), self.area, self.located)
    }

    pub fn is_filtered(&self) -> bool {
        !self.q.is_empty() || self.area.is_some() || self.located.is_some() || self.status.is_some()
    }

    /// Filters and order, for links and hidden fields.
    pub fn pairs(&self) -> Vec<(&'static str, String)> {
        let located = self.located.map(|yes| if yes { "yes" } else { "no" }.to_owned());
        [
            ("q", Some(self.q.clone()).filter(|q| !q.is_empty())),
            ("area", self.area.map(|id| id.to_string())),
            ("located", located),
            ("status", self.status.map(|status| status.as_str().to_owned())),
            ("sort", self.sort.map(|sort| sort.as_str().to_owned())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// A path with these filters, without one of them, with something more.
    pub fn href(&self, path: &str, without: &str, more: &[(&str, &str)]) -> String {
        let pairs = self.pairs();
        let kept =
            pairs.iter().filter(|(name, _)| *name != without).map(|(name, value)| (*name, value.as_str()));
        address(path, kept.chain(more.iter().copied()))
    }

    /// The filters as one text, for forms that act on the whole list.
    pub fn query(&self) -> String {
        self.href("", "", &[]).trim_start_matches('?').to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_survives_the_round_trip() {
        let query = "q=ana+cruz&located=no&status=active&sort=-name";
        assert_eq!(Asked::parse(query).query(), query);
        assert_eq!(
            Asked::parse(query).href("/customers", "q", &[("from", "26")]),
            "/customers?located=no&status=active&sort=-name&from=26"
        );
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let asked = Asked::parse("area=x&located=maybe&status=dead&sort=shoe&from=-5&q=%00");
        assert!(!asked.is_filtered());
        assert_eq!((asked.sort(), asked.from), (Sort::CreatedDown, 1));
    }
}
