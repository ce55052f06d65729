//! Does the server know who is gone, and who is only silent?

mod support;

use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use support::{HEARTBEAT, PAID, Server, Stream, eventually, request};

#[test]
fn who_has_half_closed_still_gets_the_result() {
    let server = Server::start(&[]);
    let mut client = server.connect();
    client.send(request("GET", "/sse/orderpay/nc", &[], "")).half_close();
    let mut stream = Stream::greeted(client);
    assert_eq!(server.payback("nc"), 1);
    assert_eq!(stream.rest(), PAID);
    assert_eq!(server.orderpay("nc").so_far(), "", "it was delivered");
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

#[test]
fn of_two_tabs_the_one_that_is_open_gets_the_result() {
    let server = Server::start(&[]);
    let (closed, mut open) = (server.orderpay("tabs"), server.orderpay("tabs"));
    drop(closed);
    assert_eq!(server.payback("tabs"), 1);
    assert_eq!(open.rest(), PAID);
    assert_eq!(server.orderpay("tabs").so_far(), "", "it was delivered");
}

#[test]
fn who_is_gone_is_cleared_within_a_heartbeat_and_a_second_and_who_is_silent_is_not() {
    let server = Server::start(&["--heartbeat", "2"]);
    let mut silent = server.orderpay("silent");
    silent.client.half_close();
    let gone = server.orderpay("gone");
    let left = Instant::now();
    drop(gone);
    server.wait_for_log("event=vanished order=gone");
    assert!(left.elapsed() < Duration::from_secs(3), "{:?}", left.elapsed());
    eventually("two heartbeats", || (silent.so_far() == HEARTBEAT.repeat(2)).then_some(()));
    assert!(server.logged("event=vanished order=silent").is_empty());
    assert_eq!(server.payback("silent"), 1);
}

/// From now on this socket takes nothing and acknowledges nothing, as if its machine had lost power.
fn pull_the_plug(stream: &TcpStream) {
    // From asm-generic/socket.h and linux/filter.h: a filter of one instruction, "return 0 bytes".
    const SOL_SOCKET: i32 = 1;
    const SO_ATTACH_FILTER: i32 = 26;
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
    unsafe extern "C" {
        fn setsockopt(fd: i32, level: i32, name: i32, value: *const Filter, length: u32) -> i32;
    }
    const RETURN: u16 = 6;
    let drop_all = Instruction { code: RETURN, jump_if_true: 0, jump_if_false: 0, k: 0 };
    let filter = Filter { length: 1, instructions: &drop_all };
    // SAFETY: the kernel copies the filter, which lives until the call returns.
    let failed = unsafe {
        setsockopt(
            stream.as_raw_fd(),
            SOL_SOCKET,
            SO_ATTACH_FILTER,
            &filter,
            size_of::<Filter>() as u32,
        )
    };
    assert_eq!(failed, 0, "{}", std::io::Error::last_os_error());
}
