//! Does the scene play with whatever a person has at hand? One waits, another pays, the first is told and let go.

mod support;

use std::process::Command;

use support::{OPENING, PAID, Program, STREAM_HEAD, Server, eventually, mask_times, tool};

#[test]
fn curl_waits_and_curl_pays() {
    let Some(mut waiter) = command(&["curl", "-sN"]) else { return };
    let Some(mut payer) = command(&["curl", "-s"]) else { return };
    let server = Server::start(&[]);
    let mut waiter = Program::start(waiter.arg(server.url("/sse/orderpay")));
    let opening = waiter.wait_for_stdout("\n\n");
    let round = opening.strip_prefix("event:waiting\nid:").and_then(|it| it.split_once('\n'));
    let (round, rest) = round.unwrap_or_else(|| panic!("{opening:?}"));
    assert!(round.bytes().all(|digit| digit.is_ascii_digit()), "{opening:?}");
    assert_eq!(rest, "retry:1000\ndata\n\n");

    let (status, payer) = Program::run(payer.arg(server.url("/sse/payback")));
    assert_eq!((status.code(), payer.stdout()), (Some(0), "ok".to_owned()));
    assert_eq!(waiter.exit().code(), Some(0));
    assert_eq!(waiter.stdout(), [&opening, PAID].concat());
}

#[test]
fn curl_shows_every_byte_of_the_stream() {
    let Some(mut curl) = command(&["curl", "-siN"]) else { return };
    let server = Server::start(&[]);
    let mut waiter = Program::start(curl.arg(server.url("/sse/orderpay/7")));
    waiter.wait_for_stdout(OPENING);
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.exit().code(), Some(0));
    assert_eq!(mask_times(waiter.stdout().as_bytes()), [STREAM_HEAD, OPENING, PAID].concat());
}

#[test]
fn curl_pays_with_a_text_of_its_own() {
    let Some(mut curl) = command(&["curl", "-s", "-d", "已付 42 元"]) else { return };
    let server = Server::start(&[]);
    let mut waiter = server.orderpay("7");
    let (status, payer) = Program::run(curl.arg(server.url("/sse/payback/7")));
    assert_eq!((status.code(), payer.stdout()), (Some(0), "ok".to_owned()));
    assert_eq!(waiter.rest(), "data:已付 42 元\n\nevent:finish\nid:6666\ndata:哈哈\n\n");
}

#[test]
fn curl_is_told_at_once_that_its_body_is_too_large() {
    // A body of this size makes curl ask first, by `Expect: 100-continue`, and wait a second for the answer.
    let Some(mut curl) = command(&["curl", "-s", "-w", "%{http_code}", "-d"]) else { return };
    let server = Server::start(&[]);
    let (status, curl) =
        Program::run(curl.arg("x".repeat(100_000)).arg(server.url("/sse/payback")));
    assert_eq!(status.code(), Some(0));
    assert_eq!(curl.stdout(), "a body has at most 4096 bytes\n413");
}

#[test]
fn wget_waits_too() {
    let Some(mut wget) = command(&["wget", "-qO-"]) else { return };
    let server = Server::start(&[]);
    let mut waiter = Program::start(wget.arg(server.url("/sse/orderpay/7")));
    server.wait_for_log("event=waiting order=7");
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.exit().code(), Some(0));
    assert_eq!(waiter.stdout(), [OPENING, PAID].concat());
}

#[test]
fn netcat_openbsd_plays_both_parts() {
    nc_plays_both_parts(&["nc.openbsd"]);
}

#[test]
fn netcat_openbsd_that_half_closes_plays_both_parts() {
    nc_plays_both_parts(&["nc.openbsd", "-N"]);
}

#[test]
fn netcat_traditional_plays_both_parts() {
    nc_plays_both_parts(&["nc.traditional"]);
}

#[test]
fn busybox_nc_plays_both_parts() {
    nc_plays_both_parts(&["busybox", "nc"]);
}

#[test]
fn ncat_plays_both_parts() {
    nc_plays_both_parts(&["ncat"]);
}

/// Both as a line in a shell, `printf … | nc`, and typed by hand; with the bare LF that a terminal sends.
fn nc_plays_both_parts(nc: &[&str]) {
    if command(nc).is_none() {
        return;
    }
    let server = Server::start(&[]);
    let mut piped = start_nc(nc, &server, "GET /sse/orderpay/7 HTTP/1.0\n\n");
    piped.close_stdin();
    let typed = start_nc(nc, &server, "GET /sse/orderpay/7 HTTP/1.0\n\n");
    for waiter in [&piped, &typed] {
        waiter.wait_for_stdout(OPENING);
    }

    let mut payer = start_nc(nc, &server, "GET /sse/payback/7 HTTP/1.0\n\n");
    payer.close_stdin();
    assert!(payer.exit().success(), "{nc:?}");
    assert_eq!(mask_times(payer.stdout().as_bytes()), PAYBACK_OK.replace("{N}", "2"));

    let whole_stream = [STREAM_HEAD, OPENING, PAID].concat();
    for mut waiter in [piped, typed] {
        eventually("all the frames", || waiter.stdout().ends_with(PAID).then_some(()));
        waiter.close_stdin();
        assert!(waiter.exit().success(), "{nc:?}");
        assert_eq!(mask_times(waiter.stdout().as_bytes()), whole_stream);
    }
}

const PAYBACK_OK: &str = "HTTP/1.1 200 OK\r\nDate: …\r\nCache-Control: no-store\r\n\
    Content-Type: text/plain;charset=UTF-8\r\nOrderpay-Delivered: {N}\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";

fn start_nc(nc: &[&str], server: &Server, request: &str) -> Program {
    let (host, port) = (server.address.ip().to_string(), server.address.port().to_string());
    let mut nc = Program::start(Command::new(nc[0]).args(&nc[1..]).args([host, port]));
    nc.send(request);
    nc
}

/// A tool with its first arguments, or `None` where this machine has none.
fn command(words: &[&str]) -> Option<Command> {
    let mut command = Command::new(tool(words[0])?);
    command.args(&words[1..]);
    Some(command)
}
