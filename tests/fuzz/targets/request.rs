//! The request parser, and its two implementations against each other.
#![no_main]

use libfuzzer_sys::fuzz_target;
use orderpay::request::{empty_lines, head, head_httparse, whole_lines};

#[path = "../../support/properties.rs"]
#[allow(dead_code)]
mod properties;
#[path = "../../support/sse.rs"]
#[allow(dead_code)]
mod sse;

fuzz_target!(|bytes: &[u8]| {
    properties::check_request(bytes);
    let bytes = &bytes[empty_lines(bytes)..];
    let ours = whole_lines(bytes).and_then(head::parse);
    let theirs = whole_lines(bytes).and_then(head_httparse::parse);
    assert_eq!(ours, theirs);
});
