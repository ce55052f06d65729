//! What does a panic cost? Its own connection, and nothing else.
#![cfg(debug_assertions)] // A release has nothing that panics when it is asked to.

mod support;

use support::server::orderpay;
use support::{PAID, Server, eventually};

/// More than the threads that a busy server may start besides.
const PANICS: usize = 20;

#[test]
fn a_panic_with_the_lock_held_costs_its_connection_only() {
    let mut command = orderpay();
    let server =
        Server::spawn(command.args(["--listen", "127.0.0.1:0"]).env("ORDERPAY_PANIC", "boom"));
    let (mut waiter, mut doomed) = (server.orderpay("7"), server.orderpay("boom"));
    let threads = server.threads();
    for _ in 0..PANICS {
        let mut client = server.connect();
        assert_eq!(client.send("GET /sse/payback/boom HTTP/1.0\r\n\r\n").rest(), b"", "no answer");
    }
    eventually("all panics to be told", || {
        let lines = server.log();
        let panics = lines.iter().filter(|line| line.contains("ORDERPAY_PANIC has asked for it"));
        (panics.count() == PANICS).then_some(())
    });
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID);
    assert_eq!(doomed.so_far(), "", "it waits on");
    assert_eq!(server.get("/healthz").status, 200);
    assert!(server.threads() < threads + PANICS, "each has left a thread behind");
}
