//! Parsing, forms and order of versions.

use proptest::prelude::*;

use super::*;

fn version(text: &str) -> Version {
    Version::parse(text).unwrap_or_else(|| panic!("{text} is a version"))
}

#[test]
fn all_forms_of_one_version_are_the_same() {
    for text in [
        "2.12.7+rev1",
        "v2.12.7+rev1",
        "balenaOS 2.12.7+rev1",
        "Resin OS 2.12.7.rev1",
        "Balena OS 2.12.7 (rev1)",
        "balenaos 2.12.7_rev1",
        " 2.12.7+rev1 ",
        "2.012.7+rev1",
    ] {
        assert_eq!(version(text).to_string(), "2.12.7+rev1", "{text}");
    }
    for text in ["2.12.7.rev1 (prod)", "2.12.7+rev1.prod", "Resin OS 2.12.7.rev1.prod"] {
        assert_eq!(version(text), version("2.12.7+rev1.prod"), "{text}");
        assert_eq!(version(text).precedence(), version("2.12.7").precedence(), "{text}");
        assert_eq!((version(text).variant(), version(text).major()), (Some("prod"), 2), "{text}");
    }
    assert_eq!(version("2.12").to_string(), "2.12.0");
    assert_eq!(version("2.0.0-beta.1.rev2"), version("2.0.0-beta.1+rev2"));
    assert_eq!(version("2.0.1-dev").variant(), Some("dev"));
    assert!(Version::parse_full("2.12").is_none() && Version::parse_full("2.12.0.dev").is_some());
}

#[test]
fn a_form_of_a_published_version() {
    let cases = [
        ("v2.98.33", "2.98.33", true),
        ("2.98.33", "2.98.33+rev1", true),
        ("2.98.33.prod", "2.98.33+rev2.prod", true),
        ("2.98.33.prod", "2.98.33", true),
        ("2.98.33+rev1", "2.98.33+rev1.prod", true),
        ("balenaOS 2021.10.0", "2021.10.0+rev1", true),
        ("2.98.33.dev", "2.98.33+rev1.dev", true),
        ("2.98.33", "2.98.33+rev1.dev", false),
        ("2.98.33.dev", "2.98.33+rev1.prod", false),
        ("2.98.33+rev1", "2.98.33+rev2", false),
        ("2.98.33", "2.98.34", false),
        ("2.98.33", "2.98.33-1628000000000", false),
    ];
    for (text, published, is) in cases {
        assert_eq!(version(text).matches_published(&version(published)), is, "{text} {published}");
    }
}

#[test]
fn they_are_in_order() {
    let order = [
        "1.8.0-alpha.0",
        "1.8.0",
        "1.26.0",
        "2.0.0-beta.1",
        "2.0.0-beta.2",
        "2.0.0-beta.10",
        "2.0.0-rc5.rev1",
        "balenaOS 2.0.0",
        "2.0.0+rev1.dev",
        "2.0.0.rev1",
        "2.0.0+rev1.prod",
        "2.0.0+rev2.dev",
        "2.0.0+rev10",
        "2.9.0",
        "2.11.9",
        "2.12.0.dev",
        "2.12.0",
        "2.84.7-1628000000000",
        "2.84.7",
        "2022.7.0",
    ];
    for (place, left) in order.iter().enumerate() {
        for (other, right) in order.iter().enumerate() {
            assert_eq!(version(left).cmp(&version(right)), place.cmp(&other), "{left} {right}");
        }
    }
    let (dev, plain) = (version("2.0.0+rev1.dev"), version("2.0.0+rev1"));
    assert!(dev < plain && dev.cmp_with_dev_last(&plain).is_gt());
    assert_eq!(dev.precedence(), plain.precedence());
}

#[test]
fn what_is_no_version_is_told() {
    for text in [
        "",
        "weird",
        "v",
        "balenaOS",
        "2.x.1",
        "1.2.3.4.5",
        "2.98.33.1",
        "+1.2.3",
        "-1.0.0",
        "1..2",
        "2.0.0-",
        "2.0.0+",
        "2.0.0 prod",
        "2.0.0 (",
        "2.0.0+a..b",
        "1.2.3-é",
        "2.0.0 (a b)",
        "99999999999999999999.0.0",
    ] {
        assert_eq!(Version::parse(text), None, "{text}");
    }
}

fn any_version() -> impl Strategy<Value = Version> {
    // Few values per part, so that many versions differ in one part only.
    let part = prop_oneof!["[01]{1,2}", "[aAb]", Just("dev".to_owned()), "rev[0-9]", Just("prod".to_owned())];
    let parts = || proptest::collection::vec(part.clone(), 0..3);
    (0..3u64, 0..2u64, 0..2u64, parts(), parts()).prop_map(|(major, minor, patch, before, behind)| {
        let mut text = format!("{major}.{minor}.{patch}");
        for (mark, parts) in [('-', before), ('+', behind)] {
            if !parts.is_empty() {
                text.push(mark);
                text.push_str(&parts.join("."));
            }
        }
        version(&text)
    })
}

proptest! {
    #[test]
    fn the_order_is_total(a in any_version(), b in any_version(), c in any_version()) {
        for order in [Version::cmp, Version::cmp_with_dev_last] {
            prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
            prop_assert_eq!(order(&a, &b).is_eq(), a == b);
            if order(&a, &b).is_le() && order(&b, &c).is_le() {
                prop_assert!(order(&a, &c).is_le());
            }
            if a.precedence() != b.precedence() {
                prop_assert_eq!(order(&a, &b), a.precedence().cmp(b.precedence()));
            }
        }
    }

    #[test]
    fn its_own_text_is_the_same_version(version in any_version()) {
        prop_assert_eq!(Version::parse(&version.to_string()), Some(version));
    }

    #[test]
    fn nothing_makes_it_panic(text in ".{0,24}") {
        let _ = Version::parse(&text);
    }
}
