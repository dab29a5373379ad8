//! Amounts of money: as they are typed, and the arithmetic that is exact.
//!
//! Everything is counted in cents (hundredths) and whole minutes; what does not come out even is rounded once, half-up, where
//! it is stated.

use rust_decimal::{Decimal, prelude::ToPrimitive};

use super::Wrong;

/// The most that one amount may be.
pub const MOST: Decimal = Decimal::from_parts(1_410_065_407, 2, 0, false, 2);

/// An amount that may be nothing: at most two decimals, not negative, at most 99,999,999.99. Always with two decimals.
pub fn amount(amount: Decimal) -> Result<Decimal, Wrong> {
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(Wrong::new("not_positive", "This must not be negative."));
    }
    if amount > MOST {
        return Err(Wrong::new("too_large", "At most 99,999,999.99."));
    }
    if amount.normalize().scale() > 2 {
        return Err(Wrong::new("too_many_decimals", "At most two decimals."));
    }
    let mut amount = amount.abs();
    amount.rescale(2);
    Ok(amount)
}

/// An amount that must be something.
pub fn positive(typed: Decimal) -> Result<Decimal, Wrong> {
    let amount = amount(typed)?;
    if amount.is_zero() {
        return Err(Wrong::new("not_positive", "This must be more than nothing."));
    }
    Ok(amount)
}

/// An amount as people type it: grouped or not. None when nothing was typed.
pub fn typed(text: &str) -> Result<Option<Decimal>, Wrong> {
    let plain: String = text.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    if plain.is_empty() {
        return Ok(None);
    }
    let is_plain = plain.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let parsed = plain.parse().ok().filter(|_| is_plain);
    parsed.map(Some).ok_or_else(|| Wrong::new("not_a_number", "This must be an amount, such as 1000.00."))
}

/// Hundredths. The amount has been checked: it has two decimals and fits.
pub fn cents(amount: Decimal) -> i128 {
    let mut amount = amount;
    amount.rescale(2);
    amount.mantissa()
}

/// The amount of so many hundredths.
pub fn of_cents(cents: i128) -> Decimal {
    Decimal::from_i128_with_scale(cents, 2)
}

/// `n / d`, rounded half-up (away from nothing). `d` must be positive; by nothing it is nothing.
pub fn half_up(n: i128, d: i128) -> i128 {
    if d <= 0 {
        return 0;
    }
    let (quotient, rest) = (n / d, (n % d).abs());
    if 2 * rest >= d { quotient + n.signum() } else { quotient }
}

/// The tax inside a price that contains it, at `rate` percent.
pub fn tax_inside(gross: Decimal, rate: Decimal) -> Decimal {
    let rate = cents(rate);
    of_cents(half_up(cents(gross) * rate, 10_000 + rate))
}

/// 1234567 as `1,234,567`.
pub fn grouped_whole(n: i64) -> String {
    let digits = n.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if n < 0 {
        text.push('-');
    }
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1234567.5` as `1,234,567.50`.
pub fn grouped(amount: Decimal) -> String {
    let cents = cents(amount);
    let whole = grouped_whole((cents.abs() / 100).to_i64().unwrap_or(i64::MAX));
    let sign = if cents < 0 { "-" } else { "" };
    format!("{sign}{whole}.{:02}", cents.abs() % 100)
}

/// The sign that people know a currency by; its code where there is none.
pub fn sign(currency: &str) -> &str {
    match currency {
        "PHP" => "₱",
        "USD" => "$",
        "EUR" => "€",
        "GBP" => "£",
        "GHS" => "GH₵",
        "NGN" => "₦",
        "INR" => "₹",
        "JPY" | "CNY" => "¥",
        "KRW" => "₩",
        "VND" => "₫",
        "BRL" => "R$",
        "ZAR" => "R",
        "IDR" => "Rp",
        "MYR" => "RM",
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn d(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn an_amount_has_two_decimals_and_a_limit() {
        assert_eq!(MOST, d("99999999.99"));
        assert_eq!(amount(d("1000.000")).unwrap().to_string(), "1000.00");
        assert_eq!(amount(d("0")).unwrap().to_string(), "0.00");
        assert_eq!(amount(d("99999999.99")).unwrap(), MOST);
        for (text, code) in [
            ("10.001", "too_many_decimals"),
            ("-0.01", "not_positive"),
            ("1000000000000", "too_large"),
            ("100000000.00", "too_large"),
        ] {
            assert_eq!(amount(d(text)).unwrap_err().code, code, "{text}");
        }
        assert_eq!(positive(d("0.00")).unwrap_err().code, "not_positive");
        assert_eq!(typed(" 1,234.50 ").unwrap(), Some(d("1234.50")));
        assert_eq!(typed(" ").unwrap(), None);
        assert_eq!(typed("1e3").unwrap_err().code, "not_a_number");
    }

    #[test]
    fn halves_go_up() {
        assert_eq!(
            [half_up(5, 10), half_up(4, 10), half_up(-5, 10), half_up(7, 2), half_up(1, 0)],
            [1, 0, -1, 4, 0]
        );
        // The tax of 112 at 12 percent.
        assert_eq!(tax_inside(d("112.00"), d("12.00")), d("12.00"));
        assert_eq!(tax_inside(d("1000.00"), d("12.00")), d("107.14"));
        assert_eq!(tax_inside(d("1000.00"), d("0.00")), d("0.00"));
    }

    #[test]
    fn amounts_are_grouped() {
        assert_eq!(grouped(d("1234567.5")), "1,234,567.50");
        assert_eq!(grouped(d("-0.05")), "-0.05");
        assert_eq!(grouped(d("0")), "0.00");
    }

    proptest! {
        #[test]
        fn cents_and_back(n in -9_999_999_999i64..9_999_999_999) {
            prop_assert_eq!(cents(of_cents(i128::from(n))), i128::from(n));
        }

        #[test]
        fn half_up_is_within_a_half(n in -1_000_000_000i64..1_000_000_000, d in 1i64..100_000) {
            let (n, d) = (i128::from(n), i128::from(d));
            let q = half_up(n, d);
            prop_assert!((2 * (q * d - n)).abs() <= d);
        }
    }
}
