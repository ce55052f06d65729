//! Waits for a payment over server-sent events.

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod app;
pub mod config;
pub mod connection;
pub mod events;
pub mod healthcheck;
pub mod metrics;
pub mod order;
pub mod orders;
pub mod os;
pub mod page;
pub mod reaper;
pub mod request;
pub mod response;
pub mod routes;
pub mod seats;
pub mod server;
pub mod sse;
pub mod utc;
pub mod waiters;

/// Locks, also after a thread has panicked with the lock: what it guards is whole between any two
/// statements that can panic, and a panic must cost one connection, not the server.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
