//! A page waits for a payment, over server-sent events: HTTP/1.1 by hand, std alone.
//!
//! # One payment, from request to finish
//!
//! ```text
//!   browser                         orderpay                         payment platform
//!      │                                │                                    │
//!      │  GET /sse/orderpay/42          │                                    │
//!      ├───────────────────────────────▶│ a thread reads the request,        │
//!      │  200, event:waiting            │ parks the stream and greets it:    │
//!      │◀───────────────────────────────┤ one map entry, and no thread       │
//!      │                                │                                    │
//!      │  :                             │ the reaper's heartbeat, every 15 s │
//!      │◀───────────────────────────────┤                                    │
//!      │                                │           POST /sse/payback/42     │
//!      │                                │◀───────────────────────────────────┤
//!      │  data:支付成功                 │ another thread settles the order,  │
//!      │  event:finish                  │ takes out all who wait for it and  │
//!      │◀───────────────────────────────┤ writes to their streams            │
//!      │  end of stream                 │                                ok  │
//!      │◀───────────────────────────────┼───────────────────────────────────▶│
//! ```
//!
//! Who has the stream, has the order's state: it is with the thread that reads its request, then
//! parked, then with whoever takes it out to end it: a payback, or the reaper when its time is up.
//!
//! # The chapters, in reading order
//!
//! What stands above knows nothing of what stands below.
//!
//! - [`order`]: what an order is, and what its payback says
//! - [`orders`]: the state machine: waiting → settled → forgotten
//! - [`utc`]: the date
//! - [`request`]: bytes → a whole request, more needed, or a refusal
//! - [`response`]: status, head, the one place that writes one
//! - [`sse`]: one event, one frame, one write
//! - [`config`]: options and environment
//! - [`page`]: `www/`, embedded
//! - [`routes`]: a request → what is wanted
//! - [`os`]: the few things that std lacks
//! - [`events`]: the log, and what is counted
//! - [`deadline`]: a stream with a deadline for each step
//! - [`closing`]: how a connection ends without losing its last bytes
//! - [`journal`]: results on disk before they are acknowledged
//! - [`waiters`]: the state machine behind its lock, with real streams
//! - [`reaper`]: does what is due, and sleeps till the next deadline
//! - [`slots`]: who serves and who accepts: so many connections at once, and no more
//! - [`metrics`]: what is counted, for Prometheus
//! - [`app`]: a request in, an answer out
//! - [`connection`]: read a request, answer it, again
//! - [`server`]: bind, accept, a thread per connection, shut down
//! - [`healthcheck`]: is it well? For images without a shell

use std::sync::{Mutex, MutexGuard, PoisonError};

pub mod app;
pub mod closing;
pub mod config;
pub mod connection;
pub mod deadline;
pub mod events;
pub mod healthcheck;
pub mod journal;
pub mod metrics;
pub mod order;
pub mod orders;
pub mod os;
pub mod page;
pub mod reaper;
pub mod request;
pub mod response;
pub mod routes;
pub mod server;
pub mod slots;
pub mod sse;
pub mod store;
pub mod utc;
pub mod waiters;

/// Locks, also after a thread has panicked with the lock: a panic must cost one connection, not the
/// server, and what is locked here is whole between any two statements that can panic.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
