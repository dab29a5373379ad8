//! Lists of choices: what a column, a form and the API's document call each, and what people read.

/// Declares an enum of choices. The first is what a column's unreadable text counts as; the table's own check keeps those out.
macro_rules! choices {
    ($(#[$doc:meta])* $name:ident is $wire:tt: $($(#[$said:meta])* $variant:ident = $text:tt, $label:tt;)+) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, poem_openapi::Enum,
        )]
        #[oai(rename = $wire, rename_all = "snake_case")]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$said])* $variant,)+
        }

        impl $name {
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            pub fn label(self) -> &'static str {
                match self {
                    $(Self::$variant => $crate::words::say($label),)+
                }
            }

            /// What was typed or sent.
            pub fn parse(text: &str) -> Result<Self, $crate::types::Wrong> {
                let text = text.trim();
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).ok_or_else(|| {
                    let known: Vec<&str> = Self::ALL.iter().map(|choice| choice.as_str()).collect();
                    $crate::types::Wrong::new(
                        "not_a_choice",
                        $crate::words::say!("This must be one of {}.", known.join(", ")),
                    )
                })
            }

            /// A column's text.
            pub fn from_column(text: &str) -> Self {
                let [first, ..] = [$(Self::$variant),+];
                Self::ALL.iter().copied().find(|choice| choice.as_str() == text).unwrap_or(first)
            }

            /// As the options of a select box.
            pub fn options() -> Vec<$crate::web::parts::Choice> {
                Self::ALL
                    .iter()
                    .map(|choice| $crate::web::parts::Choice::new(choice.as_str(), choice.label()))
                    .collect()
            }
        }

        // Some choices are only read, others only offered: every one has all of it.
        const _: fn(&str) = |text| {
            let read = $name::from_column(text);
            drop(($name::ALL, read.as_str(), read.label(), $name::parse(text), $name::options()));
        };
    };
}
pub(crate) use choices;
