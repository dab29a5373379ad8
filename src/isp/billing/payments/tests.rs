use chrono::Utc;
use proptest::prelude::*;
use rust_decimal::Decimal;

use super::model::{Method, Share, Typed, pair, spread};
use crate::{
    error::Error,
    types::{Check, SubscriptionId},
};

fn typed(amount: &str) -> Typed {
    Typed {
        amount: amount.parse().unwrap(),
        method: Method::Gcash,
        reference: "  123 ".into(),
        note: String::new(),
        received_at: None,
        shares: None,
        home: String::new(),
    }
}

fn wrong(typed: Typed) -> Vec<(String, &'static str)> {
    let Error::Invalid(wrongs) = typed.parse(Utc::now(), Check::new()).unwrap_err() else { panic!() };
    wrongs.iter().map(|wrong| (wrong.field.to_string(), wrong.code)).collect()
}

#[test]
fn every_wrong_field_of_a_payment_is_named() {
    assert_eq!(typed("10").parse(Utc::now(), Check::new()).unwrap().reference.as_deref(), Some("123"));
    let id = SubscriptionId::new();
    let share = |amount: &str| Share { subscription: id, amount: amount.parse().unwrap() };
    assert_eq!(wrong(typed("0")), [("amount".to_owned(), "not_positive")]);
    assert_eq!(wrong(typed("1.001")), [("amount".to_owned(), "too_many_decimals")]);
    let late = Typed { received_at: Some(Utc::now() + chrono::TimeDelta::days(1)), ..typed("-1") };
    assert_eq!(
        wrong(late),
        [("amount".to_owned(), "not_positive"), ("received_at".to_owned(), "in_the_future")]
    );
    for (shares, code) in [
        (vec![share("11")], "too_large"),
        (vec![share("5"), share("5")], "twice"),
        (vec![share("0")], "not_positive"),
    ] {
        let typed = Typed { shares: Some(shares), ..typed("10") };
        assert_eq!(wrong(typed), [("allocations".to_owned(), code)]);
    }
}

proptest! {
    /// Money given is money that was there, and nobody gets more than is owed.
    #[test]
    fn nothing_is_given_twice(
        available in proptest::collection::vec(0i64..10_000, 0..8),
        owed in proptest::collection::vec(0i64..10_000, 0..8),
    ) {
        let money = |list: &[i64]| -> Vec<(usize, Decimal)> {
            list.iter().enumerate().map(|(i, n)| (i, Decimal::new(*n, 2))).collect()
        };
        let (available, owed) = (money(&available), money(&owed));
        let pairs = pair(&available, &owed);
        for (giver, amount) in &available {
            let given: Decimal = pairs.iter().filter(|p| p.0 == *giver).map(|p| p.2).sum();
            prop_assert!(given <= *amount);
        }
        for (taker, due) in &owed {
            let got: Decimal = pairs.iter().filter(|p| p.1 == *taker).map(|p| p.2).sum();
            prop_assert!(got <= *due);
        }
        let sum = |list: &[(usize, Decimal)]| -> Decimal { list.iter().map(|(_, n)| *n).sum() };
        let moved: Decimal = pairs.iter().map(|p| p.2).sum();
        prop_assert_eq!(moved, sum(&available).min(sum(&owed)), "as much as there is of both");
        let whole = sum(&available);
        let spread: Decimal = spread(whole, &owed).iter().map(|(_, n)| *n).sum();
        prop_assert_eq!(spread, whole.min(sum(&owed)));
    }
}
