//! A page waits for a payment, over server-sent events: HTTP/1.1 by hand, std alone.
//!
//! # The whole idea, in forty lines
//!
//! ```no_run
//! use std::collections::HashMap;
//! use std::io::{self, BufRead, BufReader, Write};
//! use std::net::{TcpListener, TcpStream};
//! use std::sync::Mutex;
//! use std::thread;
//!
//! type Waiters = Mutex<HashMap<String, Vec<TcpStream>>>;
//!
//! fn main() -> io::Result<()> {
//!     let (listener, waiters) = (TcpListener::bind("localhost:8888")?, Waiters::default());
//!     thread::scope(|scope| {
//!         for stream in listener.incoming().flatten() {
//!             scope.spawn(|| answer(stream, &waiters));
//!         }
//!     });
//!     Ok(())
//! }
//!
//! fn answer(mut stream: TcpStream, waiters: &Waiters) -> io::Result<()> {
//!     let mut lines = BufReader::new(&stream).lines();
//!     let request = lines.next().unwrap_or(Ok(String::new()))?;
//!     for line in lines.map_while(Result::ok) {
//!         if line.is_empty() {
//!             break; // The head has ended.
//!         }
//!     }
//!     let path = request.split(' ').nth(1).unwrap_or_default();
//!     if let Some(order) = path.strip_prefix("/sse/orderpay") {
//!         let mut waiters = waiters.lock().unwrap();
//!         stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")?;
//!         waiters.entry(order.into()).or_default().push(stream);
//!     } else if let Some(order) = path.strip_prefix("/sse/payback") {
//!         for mut waiter in waiters.lock().unwrap().remove(order).unwrap_or_default() {
//!             let result = "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
//!             let _ = waiter.write_all(result.as_bytes());
//!         }
//!         stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! It works: `curl -N localhost:8888/sse/orderpay` waits, `curl localhost:8888/sse/payback` pays.
//! Everything else here answers a question that these lines leave open.
//!
//! # From these lines to this program, question by question
//!
//! `make steps` goes with it, and runs the test of each answer.
//!
//! 1. And if the request comes byte by byte, or never whole? Those lines wait for the rest, for
//!    ever. [`connection`] has a deadline for it, and [`request`] says of bytes whether they are
//!    whole:
//!    `cargo test --test http a_request_may_come_byte_by_byte`
//! 2. And if nobody pays? There the browser waits for ever. [`reaper`] sleeps until the next one's
//!    time is up:
//!    `cargo test --test stream the_timeout_is_never_early_and_hardly_late`
//! 3. And if the payment is faster than the browser? There it finds nobody, and is lost. An order
//!    has a state of its own, waiting or settled, in [`orders`]:
//!    `cargo test --test stream a_payment_before_its_order_is_kept_for_it`
//! 4. And if the second tab comes when the first has been told? There it waits in vain. A paid
//!    order stays paid:
//!    `cargo test --test stream a_paid_order_stays_paid_for_all_who_ask_as_often_as_they_ask`
//! 5. And if the platform calls twice, or a hundred times at once? The first settles the order,
//!    under the one lock of [`waiters`]:
//!    `cargo test --test races a_hundred_paybacks_at_once_are_all_acknowledged_and_one_of_them_delivers`
//! 6. And if the cable breaks? No write tells, and no wait shows it. So nothing hangs on it: the
//!    browser comes back and asks, and [`sse`] has the frames that make it do so:
//!    `cargo test --test cuts a_connection_cut_at_any_byte_of_the_result_loses_nothing`
//! 7. And if the browser says something that nobody reads? Then the kernel ends its connection with
//!    a reset, which can destroy the last frames. [`closing`] reads it first:
//!    `cargo test --test stream what_a_waiter_sends_never_costs_it_its_last_frames`
//! 8. And if the server dies after `ok`? [`journal`] has the result on disk before that is said:
//!    `cargo test --test restart a_paid_order_stays_paid_and_is_not_paid_again`
//! 9. And if ten thousand come, and each says a byte a second? There each has a thread. [`slots`]
//!    are few, and whoever has waited longest gives theirs up:
//!    `cargo test --test crowds a_payment_gets_past_1500_clients_that_send_a_byte_a_second`
//! 10. And if somebody else pays? [`routes`] asks for a token:
//!     `cargo test --test token only_who_bears_the_token_settles_an_order`
//!
//! # One payment, from request to finish
//!
//! ```text
//!   browser                         orderpay                         payment platform
//!      │                                │                                    │
//!      │  GET /sse/orderpay/42          │                                    │
//!      ├───────────────────────────────▶│ a thread reads the request, sends  │
//!      │  200, event:waiting            │ the opening and parks the stream:  │
//!      │◀───────────────────────────────┤ one map entry, and no thread       │
//!      │                                │                                    │
//!      │  :                             │ the reaper's heartbeat, every 15 s │
//!      │◀───────────────────────────────┤                                    │
//!      │                                │           POST /sse/payback/42     │
//!      │                                │◀───────────────────────────────────┤
//!      │                                │ another thread has the result put  │
//!      │                                │ on disk, settles the order, takes  │
//!      │  data:支付成功                 │ out all who wait for it and writes │
//!      │  event:finish                  │ to their streams                   │
//!      │◀───────────────────────────────┤                                    │
//!      │  end of stream                 │                                ok  │
//!      │◀───────────────────────────────┼───────────────────────────────────▶│
//! ```
//!
//! Who has the stream, has the order's state: it is with the thread that reads its request, then
//! parked, then with whoever takes it out to end it: a payback, or the reaper when its time is up.
//!
//! # Four lessons, in reading order
//!
//! 1. A request. What if it comes byte by byte, or never whole? [`server`] accepts, [`connection`]
//!    reads, [`request`] understands, [`routes`] tells what is wanted, [`app`] does it, [`response`]
//!    answers; [`page`] is what a browser gets to see.
//! 2. A stream. What if nobody pays, or the browser has gone? [`sse`] has the frames, [`closing`] the
//!    end of a connection, [`waiters`] who waits, [`reaper`] their time.
//! 3. An order. What if it is paid twice, or before anybody waits? [`order`] says what one is,
//!    [`orders`] what becomes of it: a state machine that knows no socket, no thread and no clock.
//! 4. What goes wrong. What if the server is killed, the disk full, or the clients too many?
//!    [`store`] and [`journal`] keep what was acknowledged, [`slots`] limits what is served at once and
//!    [`deadline`] for how long, [`budget`] divides the memory, of which [`cgroup`] says how much there
//!    is, [`os`] asks the kernel for what std lacks, [`events`] and [`metrics`] tell what happened,
//!    [`config`] and [`healthcheck`] are for whoever runs it, [`utc`] is the date.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

pub mod app;
pub mod budget;
pub mod cgroup;
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

/// In bytes. A connection's thread needs about a tenth of it.
const STACK: usize = 128 * 1024;

/// Starts a thread as small as it may be. What it runs is boxed, so that the binary has but one copy of
/// what std does for a thread.
pub fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    let run: Box<dyn FnOnce() + Send> = Box::new(run);
    Builder::new().name(name.into()).stack_size(STACK).spawn(run)
}
