//! Waits for a payment over server-sent events.

pub mod order;
