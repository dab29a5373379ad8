use std::collections::HashMap;

use phonenumber::country;

use super::*;

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 11, 21).unwrap()
}

/// Great-circle distance in metres.
fn metres(from: (f64, f64), to: (f64, f64)) -> f64 {
    let (lat_a, lat_b) = (from.0.to_radians(), to.0.to_radians());
    let (d_lat, d_lng) = (lat_b - lat_a, (to.1 - from.1).to_radians());
    let a = (d_lat / 2.0).sin().powi(2) + lat_a.cos() * lat_b.cos() * (d_lng / 2.0).sin().powi(2);
    2.0 * 6_371_000.0 * a.sqrt().asin()
}

#[test]
fn a_seed_always_gives_the_same_people() {
    assert_eq!(customers(7, 400, today()), customers(7, 400, today()));
    assert_ne!(customers(7, 400, today()), customers(8, 400, today()));
    let (few, many) = (customers(7, 50, today()), customers(7, 400, today()));
    assert_eq!(few[..], many[..50], "asking for more does not change the first");
}

#[test]
fn emails_and_phones_are_unique_and_valid() {
    let people = customers(1, 5_000, today());
    let emails: HashSet<&str> = people.iter().map(|p| p.email.as_str()).collect();
    let phones: HashSet<&str> = people.iter().map(|p| p.phone.as_str()).collect();
    assert_eq!(emails.len(), people.len());
    assert_eq!(phones.len(), people.len());
    for person in &people {
        assert!(email_address::EmailAddress::is_valid(&person.email), "{}", person.email);
        let domain = person.email.split('@').nth(1).unwrap();
        assert!(["example.com", "example.org", "example.net"].contains(&domain), "{domain}");
    }
    for person in people.iter().step_by(10) {
        let number = phonenumber::parse(Some(country::PH), &person.phone).unwrap();
        assert!(phonenumber::is_valid(&number), "{}", person.phone);
        assert_eq!(number.country().code(), 63);
        assert!(person.phone.starts_with("+639") && person.phone.len() == 13, "{}", person.phone);
    }
}

#[test]
fn phones_stay_distinct_for_as_long_as_promised() {
    let phones: HashSet<String> = (0..110_000).map(|index| phone(index, 4321)).collect();
    assert_eq!(phones.len(), 110_000);
}

#[test]
fn everybody_lives_in_their_barangay_and_in_the_city() {
    for person in customers(2, 3_000, today()) {
        let area = AREAS[person.area];
        let away = metres((area.latitude, area.longitude), (person.latitude, person.longitude));
        assert!(away <= area.spread_m + 5.0 && area.spread_m <= 1_000.0, "{} m from {}", away, area.name);
        assert!((8.30..8.53).contains(&person.latitude), "{}", person.latitude);
        assert!((124.54..124.80).contains(&person.longitude), "{}", person.longitude);
    }
}

#[test]
fn the_mix_is_that_of_a_living_provider() {
    let people = customers(3, 2_000, today());
    let mut by_status: HashMap<DemoStatus, usize> = HashMap::new();
    let mut by_area: HashMap<usize, usize> = HashMap::new();
    for person in &people {
        *by_status.entry(person.status).or_default() += 1;
        *by_area.entry(person.area).or_default() += 1;
    }
    let count = |status| by_status.get(&status).copied().unwrap_or(0);
    assert!((1_500..1_800).contains(&count(DemoStatus::Active)));
    for status in [DemoStatus::Suspended, DemoStatus::Inactive, DemoStatus::Terminated] {
        assert!((40..250).contains(&count(status)), "{status:?}: {}", count(status));
    }
    assert_eq!(by_area.len(), AREAS.len(), "nobody's barangay is empty");
    let noted = people.iter().filter(|p| p.notes.is_some()).count();
    assert!((200..550).contains(&noted), "{noted}");
}

#[test]
fn people_joined_in_the_last_three_years() {
    let people = customers(4, 1_000, today());
    let earliest = today() - Days::new(JOINED_WITHIN_DAYS);
    assert!(people.iter().all(|p| (earliest..=today()).contains(&p.joined_on)));
    let last_year = people.iter().filter(|p| p.joined_on > today() - Days::new(365)).count();
    assert!(last_year > people.len() / 3, "growing: {last_year}");
}

#[test]
fn texts_fit_their_columns() {
    for person in customers(5, 2_000, today()) {
        for (text, limit) in
            [(&person.first_name, 100), (&person.last_name, 100), (&person.street_address, 255)]
        {
            assert!((1..=limit).contains(&text.chars().count()) && text.trim() == text, "{text:?}");
        }
    }
    let codes: HashSet<&str> = AREAS.iter().map(|area| area.code).collect();
    let names: HashSet<&str> = AREAS.iter().map(|area| area.name).collect();
    assert_eq!((codes.len(), names.len()), (12, 12));
}

#[test]
fn neighbours_share_a_nap_and_nobody_a_port() {
    let people = customers(3, 400, today());
    let plant = plant(&people);
    assert_eq!(plant.naps.len(), 28);
    let mut held = HashSet::new();
    let mut near = 0;
    for (person, drop) in people.iter().zip(&plant.drops) {
        assert_eq!(drop.is_none(), person.status == DemoStatus::Terminated, "{person:?}");
        let Some(drop) = drop else { continue };
        let nap = &plant.naps[drop.nap];
        assert!((1..=nap.ports).contains(&drop.port), "{drop:?}");
        assert!(held.insert((drop.nap, drop.port)), "a port twice: {drop:?}");
        near +=
            usize::from(metres((nap.latitude, nap.longitude), (person.latitude, person.longitude)) < 900.0);
    }
    assert!(near * 10 > held.len() * 7, "{near} of {} live near their NAP", held.len());
    let outputs: HashSet<(usize, i16)> = plant.naps.iter().map(|nap| (nap.splitter, nap.output)).collect();
    assert_eq!(outputs.len(), plant.naps.len());
    for nap in &plant.naps {
        assert!(nap.output <= SPLITTERS[nap.splitter].outputs);
    }
}

#[test]
fn a_year_adds_up() {
    let zone = chrono_tz::Asia::Manila;
    let now = chrono::DateTime::parse_from_rfc3339("2026-11-21T04:00:00Z").unwrap().to_utc();
    let people = customers(3, 400, today());
    let sales = year(5, &people, zone, now);
    assert!(sales.len() > 2_500, "{}", sales.len());
    assert!(sales.is_sorted_by_key(|sale| sale.sold_at));
    let mut ends: HashMap<usize, chrono::DateTime<chrono::Utc>> = HashMap::new();
    let mut references = HashSet::new();
    for sale in &sales {
        let plan = PLANS[sale.plan];
        assert!(plan.is_active && sale.amount > 0 && sale.minutes > 0);
        assert_eq!(sale.minutes, sale.amount * i64::from(plan.days) * 1_440 / plan.price, "{sale:?}");
        assert!(sale.sold_at <= now && sale.starts_at >= sale.sold_at, "{sale:?}");
        let before = ends.insert(sale.customer, sale.ends_at());
        assert!(before.is_none_or(|end| sale.starts_at >= end), "two periods at once: {sale:?}");
        if let Some(reference) = sale.paid_by.and_then(|paid| paid.reference) {
            assert!(references.insert(reference) && reference < 10_000_000_000_000, "{reference}");
        }
    }
    let running = ends.values().filter(|end| **end > now).count();
    assert!((250..=340).contains(&running), "{running} have a period that runs");
    let owing = sales.iter().filter(|sale| sale.paid_by.is_none()).count();
    assert!((5..=30).contains(&owing), "{owing} are owed");
}
