//! What does it make of bytes that somebody has tampered with? Every one of them has to go through the same few gates.

mod support;

use std::collections::BTreeMap;

use support::properties::{Verdict, check_request, check_text};
use support::tampering::{self, Random};

#[test]
fn no_request_gets_past_the_limits_or_changes_its_meaning_with_what_follows() {
    let mut random = Random(3);
    let mut verdicts = BTreeMap::new();
    for _ in 0..200_000 {
        let name = match check_request(&tampering::request(&mut random)) {
            Verdict::Whole(_) => "whole".to_owned(),
            Verdict::Unfinished => "unfinished".to_owned(),
            Verdict::Refused(refusal) => format!("{refusal:?}"),
        };
        *verdicts.entry(name).or_insert(0) += 1;
    }
    println!("{verdicts:?}");
    assert_eq!(verdicts.len(), 12, "the generator reaches every verdict that needs no clock");
    assert!(verdicts.values().all(|count| *count > 100), "and each often");
}

#[test]
fn no_text_of_a_payback_is_read_as_anything_but_a_text() {
    let mut random = Random(6666);
    let texts = (0..100_000).filter(|_| check_text(&tampering::text(&mut random))).count();
    println!("{texts} texts");
    assert!(texts > 50_000);
}
