//! Does the terminal tell the story? One line per event on stderr, whole, in `key=value` form with a UTC time stamp.

mod support;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Command;
use std::sync::mpsc;
use std::time::SystemTime;
use std::{iter, thread};

use support::server::BINARY;
use support::{PAID, PATIENCE, Server, Stream, TIMED_OUT, eventually, request};

/// The lines without their time stamps, which are checked instead.
fn story(server: &Server) -> Vec<String> {
    let without_stamp = |line: String| {
        let (stamp, event) = line.split_once(' ').expect("a time stamp and an event");
        assert_eq!(shape(stamp), "0000-00-00T00:00:00.000Z", "{line}");
        event.to_owned()
    };
    server.log().into_iter().map(without_stamp).collect()
}

fn shape(stamp: &str) -> String {
    stamp.chars().map(|it| if it.is_ascii_digit() { '0' } else { it }).collect()
}

#[test]
fn the_log_tells_what_happened_in_whole_lines() {
    let server = Server::start(&[]);
    let ask = |path: &str, fields: &[(&str, &str)]| {
        let mut client = server.connect();
        client.send(request("GET", path, fields, ""));
        client
    };
    let mut first = server.orderpay("7");
    server.wait_for_log("event=waiting order=7");
    let back = Stream::opened(ask("/sse/orderpay/7", &[("Last-Event-ID", "0")]));
    server.wait_for_log_lines(2, "event=waiting order=7");
    assert_eq!((server.payback("7"), first.rest().as_str()), (2, PAID));
    assert_eq!(server.payback("7"), 0);
    let mut fetched = Stream::opened(ask("/sse/orderpay/7", &[("Last-Event-ID", "0")]));
    assert_eq!(fetched.rest(), PAID);
    let mut seen = ask("/sse/orderpay/7", &[("Last-Event-ID", "6666")]);
    assert_eq!(seen.answer().status, 204);
    let mut refused = ask("/nowhere", &[]);
    assert_eq!(refused.answer().status, 404);

    let peer = |client: &support::Client| client.local_address();
    let expected = [
        format!("event=listening address={}", server.address),
        format!("event=waiting order=7 peer={}", peer(&first.client)),
        format!("event=waiting order=7 peer={} last_event_id=\"0\"", peer(&back.client)),
        "event=paid order=7 delivered=2".to_owned(),
        "event=repeated order=7".to_owned(),
        format!("event=fetched order=7 peer={}", peer(&fetched.client)),
        format!("event=seen order=7 peer={}", peer(&seen)),
        format!(
            "event=refused status=404 peer={} \
             reason=\"no such path: try /sse/test, /sse/orderpay or /sse/payback\"",
            peer(&refused)
        ),
    ];
    server.wait_for_log("event=refused status=404");
    assert_eq!(story(&server), expected);
}

#[test]
fn the_log_tells_of_those_who_went_without_a_result() {
    let server = Server::start(&["--timeout", "0.4", "--heartbeat", "0.15"]);
    let mut patient = server.orderpay("patient");
    let hasty = server.orderpay("hasty");
    server.wait_for_log("event=waiting order=hasty");
    drop(hasty);
    assert_eq!(patient.rest().trim_start_matches(support::HEARTBEAT), TIMED_OUT);
    server.wait_for_log("event=vanished order=hasty");
    server.wait_for_log(&format!(
        "event=timeout order=patient peer={}",
        patient.client.local_address()
    ));
}

#[test]
fn a_line_says_when_in_utc() {
    let before = SystemTime::now();
    let server = Server::start(&[]);
    let line = server.wait_for_log(&format!("event=listening address={}", server.address));
    let stamp = line.split(' ').next().unwrap();
    let mut date = std::process::Command::new("date");
    let (_, printed) = support::Program::run(date.args(["+%s%3N", "-d", stamp]));
    let millis: u128 = printed.stdout().trim().parse().expect("milliseconds");
    let since_epoch =
        |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis();
    assert!((since_epoch(before)..=since_epoch(SystemTime::now())).contains(&millis), "{stamp}");
}

#[test]
fn no_client_can_forge_a_line() {
    let server = Server::start(&[]);
    let forged = "0\" event=paid order=7 \u{1f4b0}\t";
    Stream::open(server.address, "/sse/orderpay/7", &[("Last-Event-ID", forged)]);
    let line = server.wait_for_log("event=waiting order=7");
    assert!(
        line.ends_with(r#" last_event_id="0\" event=paid order=7 \xf0\x9f\x92\xb0""#),
        "{line}"
    );
}

#[test]
fn of_what_a_client_has_chosen_a_line_bears_64_bytes() {
    let server = Server::start(&[]);
    Stream::open(server.address, "/sse/orderpay/7", &[("Last-Event-ID", &"x".repeat(5000))]);
    let line = server.wait_for_log("event=waiting order=7");
    let last_event_id = format!(" last_event_id=\"{}\"", "x".repeat(64));
    assert!(line.ends_with(&last_event_id), "{line}");
}

/// A terminal that is stopped with Ctrl-S, or a pipe that nobody reads.
#[test]
fn a_stalled_stderr_stops_no_payment_and_no_end() {
    let folder = support::folder::Folder::new();
    let pipe = folder.join("stalled").display().to_string();
    let mut server = Server::start_after(&format!("mkfifo {pipe}; exec 2<>{pipe}"), &[]);
    refuse(&server, 3000);
    let mut waiter = server.orderpay("7");
    assert_eq!(server.payback("7"), 1);
    assert_eq!(waiter.rest(), PAID);
    let (status, took) = server.stop();
    assert!(status.success() && took.as_secs() < 2, "{status}, {took:?}");
}

#[test]
fn when_a_stalled_stderr_goes_on_it_is_told_how_many_lines_are_missing() {
    let folder = support::folder::Folder::new();
    let pipe = folder.join("stalled").display().to_string();
    let server = Server::start_after(&format!("mkfifo {pipe}; exec 2<>{pipe}"), &[]);
    refuse(&server, 3000);
    let (sender, receiver) = mpsc::channel();
    let lines = BufReader::new(File::open(&pipe).unwrap()).lines();
    thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut lines = iter::from_fn(|| receiver.recv_timeout(PATIENCE).ok()).enumerate();
    let mut bytes = 0;
    let dropped = |(read, line): (usize, String)| {
        bytes += line.len() + 1;
        let (_, dropped) = line.split_once(" event=dropped lines=")?;
        Some((read, dropped.parse::<usize>().expect("a number")))
    };
    let (read, dropped) = lines.find_map(dropped).expect("a line that tells");
    assert_eq!(read + dropped, 3000 + 1, "with the one of its address");
    // A pipe holds about as much as the backlog, and so does what is being written.
    assert!((112 << 10..=193 << 10).contains(&bytes), "{bytes}");
    refuse(&server, 1);
    assert!(lines.next().is_some_and(|(_, line)| line.contains(" event=refused ")));
}

#[test]
fn a_slow_stderr_gets_many_lines_at_once_and_misses_none() {
    let Some(strace) = support::strace() else { return };
    let mut command = Command::new(strace);
    command.args(["-D", "-f", "-o", "/dev/null", "-e", "trace=write"]);
    command.args(["-e", "inject=write:delay_enter=2000", BINARY, "--listen", "127.0.0.1:0"]);
    let server = Server::spawn(&mut command);
    refuse(&server, 3000);
    let lines = || Some(server.logged("event=refused").len()).filter(|count| *count == 3000);
    eventually("a line for each", lines);
}

fn refuse(server: &Server, times: usize) {
    let mut client = server.connect();
    for _ in 0..times {
        client.send(request("GET", "/nowhere", &[], ""));
        assert_eq!(client.answer().status, 404);
    }
}
