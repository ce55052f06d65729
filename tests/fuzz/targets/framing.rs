//! The text of a payback, as a browser reads it.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../support/properties.rs"]
#[allow(dead_code)]
mod properties;
#[path = "../../support/sse.rs"]
#[allow(dead_code)]
mod sse;

fuzz_target!(|body: &[u8]| {
    properties::check_text(body);
});
