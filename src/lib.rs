//! Waits for a payment over server-sent events.
