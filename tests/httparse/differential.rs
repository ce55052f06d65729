//! Do both implementations of the request parser, ours and `httparse`, read the same bytes as the same request?

#[path = "../support/mod.rs"]
mod support;

use orderpay::request::{empty_lines, head, head_httparse, whole_lines};
use support::tampering::{self, Random};

/// There is no list of differences: there are none.
#[test]
fn both_implementations_come_to_the_same_verdict_and_the_same_fields() {
    let mut random = Random(9112);
    let (mut cut, mut refused, mut unfinished) = (0, 0, 0);
    for _ in 0..250_000 {
        let bytes = tampering::request(&mut random);
        let bytes = &bytes[empty_lines(&bytes)..];
        let ours = whole_lines(bytes).and_then(head::parse);
        let theirs = whole_lines(bytes).and_then(head_httparse::parse);
        assert_eq!(ours, theirs, "{:?}", bytes.escape_ascii().to_string());
        match ours {
            Ok(Some(_)) => cut += 1,
            Ok(None) => unfinished += 1,
            Err(_) => refused += 1,
        }
    }
    println!("{cut} heads, {refused} refusals, {unfinished} unfinished");
    assert!([cut, refused, unfinished].iter().all(|count| *count > 10_000));
}
