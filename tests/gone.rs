//! Does the server know who is gone, and who is only silent?

mod support;

use std::net::TcpStream;
use std::time::{Duration, Instant};

use support::os::set_socket_option;
use support::{HEARTBEAT, PAID, Server, Stream, eventually, request};

#[test]
fn who_has_half_closed_still_gets_the_result() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(request("GET", "/sse/orderpay/nc", &[], "")).half_close();
    let mut stream = Stream::opened(client);
    assert_eq!(server.payback("nc"), 1);
    assert_eq!(stream.rest(), PAID);
}

#[test]
fn a_result_for_somebody_who_has_closed_is_kept() {
    let server = Server::start(&[]);
    drop(server.orderpay("closed"));
    server.payback("closed");
    assert_eq!(server.orderpay("closed").rest(), PAID);
}

#[test]
fn a_result_for_somebody_who_has_reset_is_kept() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(request("GET", "/sse/orderpay/reset", &[], ""));
    server.wait_for_log("event=waiting order=reset");
    // Closing with bytes unread is a reset.
    drop(client);
    server.payback("reset");
    assert_eq!(server.orderpay("reset").rest(), PAID);
}

#[test]
fn a_result_for_somebody_whose_machine_is_gone_is_kept() {
    let server = Server::start(&[]);
    let lost = server.orderpay("lost");
    pull_the_plug(&lost.client.stream);
    server.payback("lost");
    assert_eq!(server.orderpay("lost").rest(), PAID);
}

/// The kernel resets a connection that is closed with unread bytes, and drops what is on its way.
#[test]
fn a_result_for_somebody_who_talks_on_a_bad_line_arrives_late_but_whole() {
    let server = Server::start(&[]);
    let mut late = server.orderpay("late");
    pull_the_plug(&late.client.stream);
    server.payback("late");
    late.client.send("hello?");
    assert_eq!(server.orderpay("late").rest(), PAID, "a paid order stays paid");
    put_the_plug_back(&late.client.stream);
    assert_eq!(late.rest(), PAID);
}

#[test]
fn of_two_tabs_the_one_that_is_open_gets_the_result() {
    let server = Server::start(&[]);
    let (closed, mut open) = (server.orderpay("tabs"), server.orderpay("tabs"));
    drop(closed);
    let written = server.payback("tabs");
    assert!(matches!(written, 1 | 2), "2 if the reset is still on its way: {written}");
    assert_eq!(open.rest(), PAID);
}

#[test]
fn who_is_gone_is_found_by_the_second_heartbeat_and_who_is_silent_is_not() {
    let server = Server::start(&["--heartbeat", "1"]);
    let mut silent = server.orderpay("silent");
    silent.client.half_close();
    let gone = server.orderpay("gone");
    let left = Instant::now();
    drop(gone);
    server.wait_for_log("event=vanished order=gone");
    assert!(left.elapsed() < Duration::from_millis(2500), "{:?}", left.elapsed());
    eventually("three heartbeats", || (silent.so_far() == HEARTBEAT.repeat(3)).then_some(()));
    assert!(server.logged("event=vanished order=silent").is_empty());
    assert_eq!(server.payback("silent"), 1);
}

/// From now on this socket takes nothing and acknowledges nothing, as if its machine had lost power.
fn pull_the_plug(stream: &TcpStream) {
    // From asm-generic/socket.h, and linux/filter.h: "return 0 bytes".
    const SO_ATTACH_FILTER: i32 = 26;
    const RETURN: u16 = 6;
    let drop_all = Instruction { code: RETURN, jump_if_true: 0, jump_if_false: 0, k: 0 };
    set_socket_option(stream, SO_ATTACH_FILTER, &Filter { length: 1, instructions: &drop_all });
}

/// What is sent to it once more, it takes.
fn put_the_plug_back(stream: &TcpStream) {
    const SO_DETACH_FILTER: i32 = 27;
    set_socket_option(stream, SO_DETACH_FILTER, &0);
}

#[repr(C)]
struct Instruction {
    code: u16,
    jump_if_true: u8,
    jump_if_false: u8,
    k: u32,
}

#[repr(C)]
struct Filter {
    length: u16,
    instructions: *const Instruction,
}
