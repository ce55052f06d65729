//! Waits for a payment over server-sent events.

pub mod order;
pub mod orders;
pub mod sse;
