//! Does it do what its command line says? Options, environment, exit codes, what it prints, how it stops.

mod support;

use std::ffi::OsStr;
use std::io::{Error, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use support::server::{BINARY, listening_on, orderpay};
use support::{
    Client, Folder, HEARTBEAT, PAID, Program, Server, Stream, TIMED_OUT, eventually, own_network,
    request, skipped, stays_true,
};

const OPTIONS: [&str; 11] = [
    "--listen",
    "--timeout",
    "--heartbeat",
    "--keep",
    "--remember",
    "--memory",
    "--max-connections",
    "--token",
    "--token-file",
    "--journal",
    "--quiet",
];

/// Its exit code, and all it printed.
fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let (status, program) = Program::run(command);
    (status.code(), program.stdout(), program.stderr())
}

fn one_line(code: i32, line: &str) -> (Option<i32>, String, String) {
    (Some(code), String::new(), format!("{line}\n"))
}

// Words.

#[test]
fn help_names_every_option_and_fits_a_terminal() {
    let (code, help, errors) = run(orderpay().env("ORDERPAY_TIMEOUT", "bad").arg("--help"));
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    for option in OPTIONS {
        assert!(help.contains(&format!("  {option}")), "{option}");
    }
    assert!(help.lines().count() <= 24, "{} lines", help.lines().count());
    let widest = help.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{widest:?} columns");
}

#[test]
fn it_tells_its_version() {
    let version = concat!("orderpay ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(run(orderpay().arg("--version")), (Some(0), version.to_owned(), String::new()));
}

#[test]
fn a_bad_option_is_named_with_its_value_and_what_is_accepted() {
    let (seconds, number) = ("0.001 to 100000000 seconds", "a whole number from 1 to 100000000");
    let address = "ADDR:PORT, such as 127.0.0.1:8888, [::1]:8888 or localhost:0";
    for (option, value, accepted) in [
        ("--timeout", "0", seconds),
        ("--timeout", "-1", seconds),
        ("--timeout", "1e3", seconds),
        ("--timeout", "inf", seconds),
        ("--timeout", "", seconds),
        ("--keep", "1s", seconds),
        ("--heartbeat", "NaN", &format!("0 for none, or {seconds}")),
        ("--remember", "0", number),
        ("--remember", "1.5", number),
        (
            "--memory",
            "1M",
            "4M or more, with K, M or G; or cgroup, for what the control group allows",
        ),
        ("--max-connections", "+1", number),
        ("--listen", "8888", address),
        ("--listen", "localhost", address),
        ("--listen", "127.0.0.1:65536", address),
    ] {
        let line = format!("orderpay: {option} {value:?} is not accepted: it takes {accepted}");
        assert_eq!(run(orderpay().args([option, value])), one_line(2, &line));
        let joined = format!("{option}={value}");
        assert_eq!(run(orderpay().args(["--quiet", &joined])), one_line(2, &line));
    }
}

#[test]
fn what_is_no_option_is_named_with_those_there_are() {
    for word in ["--loud", "-x", "serve"] {
        let options = OPTIONS.join(", ");
        let line = format!(
            "orderpay: {word:?} is no option of orderpay, which has {options}, --help, --version"
        );
        assert_eq!(run(orderpay().args(["--quiet", word])), one_line(2, &line));
    }
}

#[test]
fn an_option_without_its_value_is_told_what_it_takes() {
    let line = "orderpay: --keep \"\" is not accepted: it takes 0.001 to 100000000 seconds";
    assert_eq!(run(orderpay().arg("--keep")), one_line(2, line));
}

#[test]
fn what_is_not_utf_8_is_refused_and_not_guessed() {
    let odd = OsStr::from_bytes(b"\xff");
    let (status, program) = Program::run(orderpay().arg("--journal").arg(odd));
    let said = "orderpay: \"\\xFF\" is not UTF-8, as all options are\n";
    assert_eq!((status.code(), program.stderr().as_str()), (Some(2), said));
    let (status, program) = Program::run(orderpay().env("ORDERPAY_TOKEN", odd));
    let said = "orderpay: \"ORDERPAY_TOKEN\" is not UTF-8, as all options are\n";
    assert_eq!((status.code(), program.stderr().as_str()), (Some(2), said));
}

#[test]
fn a_bad_variable_is_named_as_well() {
    let (seconds, number) = ("0.001 to 100000000 seconds", "a whole number from 1 to 100000000");
    for (variable, accepted) in [
        ("ORDERPAY_LISTEN", "ADDR:PORT, such as 127.0.0.1:8888, [::1]:8888 or localhost:0"),
        ("ORDERPAY_TIMEOUT", seconds),
        ("ORDERPAY_HEARTBEAT", &format!("0 for none, or {seconds}")),
        ("ORDERPAY_KEEP", seconds),
        ("ORDERPAY_REMEMBER", number),
        ("ORDERPAY_MAX_CONNECTIONS", number),
        ("ORDERPAY_QUIET", "0 or 1"),
    ] {
        let line = format!("orderpay: {variable} \"x\" is not accepted: it takes {accepted}");
        assert_eq!(run(orderpay().env(variable, "x")), one_line(2, &line));
    }
}

// Settings.

#[test]
fn the_environment_sets_what_no_option_does() {
    let mut command = orderpay();
    command.env("ORDERPAY_LISTEN", "127.0.0.1:0").env("ORDERPAY_TIMEOUT", "0.5");
    command.env("ORDERPAY_HEARTBEAT", "0.3").env("ORDERPAY_QUIET", "1");
    let mut server = Server::spawn(&mut command);
    assert_eq!(server.orderpay("7").rest(), [HEARTBEAT, TIMED_OUT].concat());
    server.stop();
    assert_eq!(server.log(), [""; 0]);
}

#[test]
fn an_option_beats_the_environment() {
    let mut command = orderpay();
    command.env("ORDERPAY_LISTEN", "127.0.0.1:1").env("ORDERPAY_TIMEOUT", "60");
    let options = ["--listen", "127.0.0.1:0", "--timeout=0.2"];
    let server = Server::spawn(command.env("ORDERPAY_QUIET", "0").args(options));
    assert_eq!(server.orderpay("7").rest(), TIMED_OUT);
    server.wait_for_log("event=timeout order=7");
}

#[test]
fn quiet_silences_the_log() {
    let mut server = Server::start(&["--quiet"]);
    server.orderpay("7");
    server.payback("7");
    server.get("/nowhere");
    assert_eq!(server.stop().0.code(), Some(0));
    assert_eq!(server.log(), [""; 0]);
}

// Addresses.

#[test]
fn it_prints_one_line_for_each_address() {
    let two = ["--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0"];
    let mut server = Server::spawn(orderpay().args(two));
    let lines = printed_lines(&mut server, 2);
    for (line, host) in lines.iter().zip(["127.0.0.1", "127.0.0.2"]) {
        let address = listening_on(line);
        assert_eq!(address.ip().to_string(), host);
        assert_eq!(
            Client::connect(address).send(request("GET", "/healthz", &[], "")).answer().text(),
            "ok"
        );
    }
    server.wait_for_log(&format!("event=listening address={}", listening_on(&lines[1])));
}

#[test]
fn both_wildcards_can_stand_side_by_side_and_each_is_of_its_own_family() {
    if !own_network() {
        return;
    }
    let both = ["--listen", "0.0.0.0:8888", "--listen", "[::]:8888"];
    let server = Server::spawn(orderpay().args(both));
    for host in ["127.0.0.1", "[::1]"] {
        let address = format!("{host}:8888").parse().unwrap();
        let asked = Client::connect(address).send(request("GET", "/healthz", &[], "")).answer();
        assert_eq!(asked.text(), "ok", "{host}");
    }
    drop(server);
    let _server = Server::spawn(orderpay().args(["--listen", "[::]:8888"]));
    assert!(TcpStream::connect("127.0.0.1:8888").is_err(), "[::] is IPv6 alone");
}

#[test]
fn without_options_it_listens_on_port_8888_of_localhost() {
    if TcpListener::bind("127.0.0.1:8888").is_err() {
        return skipped("port 8888 is in use: stop what uses it");
    }
    let mut hosts = vec!["127.0.0.1"];
    if TcpListener::bind("[::1]:0").is_ok() {
        hosts.push("[::1]");
    }
    let mut server = Server::spawn(&mut orderpay());
    for (line, host) in printed_lines(&mut server, hosts.len()).iter().zip(hosts) {
        assert_eq!(*line, format!("orderpay listening on http://{host}:8888/sse/test"));
        let mut waiter = Stream::open(listening_on(line), "/sse/orderpay", &[]);
        assert_eq!(server.payback("1"), 1, "the orders of all addresses are the same");
        assert_eq!(waiter.rest(), PAID);
    }
}

fn printed_lines(server: &mut Server, count: usize) -> Vec<String> {
    let lines = eventually("the addresses", || {
        let stdout = server.program().stdout();
        let lines: Vec<String> = stdout.split_inclusive('\n').map(str::to_owned).collect();
        (lines.len() == count && stdout.ends_with('\n')).then_some(lines)
    });
    lines.into_iter().map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn an_address_that_cannot_be_had_is_one_line_and_exit_1() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    // In the words of the C library.
    let (in_use, unavailable) = (Error::from_raw_os_error(98), Error::from_raw_os_error(99));
    let hint = "choose another with --listen; its port 0 picks a free one";
    let line = format!("orderpay: can't listen on {address}: {in_use}: {hint}");
    assert_eq!(
        run(orderpay().args(["--listen", "127.0.0.1:0", "--listen", &address])),
        one_line(1, &line)
    );

    // An address that is kept for documentation (RFC 5737), so no machine has it.
    let line = format!("orderpay: can't listen on 192.0.2.1:80: {unavailable}: {hint}");
    assert_eq!(run(orderpay().args(["--listen", "192.0.2.1:80"])), one_line(1, &line));
}

#[test]
fn it_can_be_started_again_at_once_on_the_same_address() {
    let server = Server::start(&[]);
    let address = server.address.to_string();
    let waiter = server.orderpay("7");
    server.kill();
    let server = Server::start_on(&address, &[]);
    assert_eq!(server.payback("7"), 0);
    drop(waiter);
}

// Standard streams.

#[test]
fn a_closed_stdout_and_stderr_stop_nothing() {
    let address = free_address();
    let script = format!("exec {BINARY} --listen {address} >&- 2>&-");
    let mut server = Program::start(Command::new("sh").args(["-c", &script]));
    assert_serves(&address);
    server.signal("TERM");
    assert_eq!(server.exit().code(), Some(0));
}

#[test]
fn a_stdout_and_stderr_that_nobody_reads_any_more_stop_nothing() {
    let address = free_address();
    let (nobody, end) = UnixStream::pair().map(|(a, b)| (a, OwnedFd::from(b))).unwrap();
    drop(nobody);
    let mut command = orderpay();
    command.args(["--listen", &address]).stdin(Stdio::null());
    command.stdout(end.try_clone().unwrap()).stderr(end);
    let mut server = command.spawn().unwrap();
    assert_serves(&address);
    assert!(server.try_wait().unwrap().is_none(), "it is still there");
    server.kill().and_then(|()| server.wait()).unwrap();
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Plays the scene on an address that nobody printed.
fn assert_serves(address: &str) {
    let address = address.parse().unwrap();
    eventually("the server to listen", || TcpStream::connect(address).ok());
    let mut waiter = Stream::open(address, "/sse/orderpay", &[]);
    let paid = Client::connect(address).send(request("GET", "/sse/payback", &[], "")).answer();
    assert_eq!((paid.text().as_str(), paid.field("Orderpay-Delivered")), ("ok", Some("1")));
    assert_eq!(waiter.rest(), PAID);
}

// Its signals.

/// Linux interrupts a read that has a timeout when its process goes on after a stop.
#[test]
fn what_has_begun_outlives_ctrl_z() {
    let mut server = Server::start(&[]);
    let mut half_a_body = server.connect();
    half_a_body.send("POST /sse/payback/7 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nhe");
    let mut idle = server.connect();
    idle.send(request("GET", "/healthz", &[], "")).answer();
    assert_eq!(half_a_body.so_far(), b"");
    let has = |server: &mut Server, state: &str| {
        let status = server.program().proc("status");
        status.contains(&format!("State:\t{state}")).then_some(())
    };
    server.program().signal("STOP");
    eventually("its stop", || has(&mut server, "T"));
    server.program().signal("CONT");
    eventually("its sleep", || has(&mut server, "S"));
    assert_eq!(half_a_body.send("lp").answer().text(), "ok");
    assert_eq!(idle.send(request("GET", "/healthz", &[], "")).answer().text(), "ok");
}

// The end.

#[test]
fn sigterm_and_sigint_stop_it_within_two_seconds_whatever_it_is_doing() {
    for signal in ["TERM", "INT"] {
        let mut server = Server::start(&[]);
        let mut waiters = [server.orderpay("7"), server.orderpay("8")];
        let mut idle = server.connect();
        idle.send(request("GET", "/healthz", &[], "")).answer();
        let mut unused = server.connect();
        let mut half_a_head = server.connect();
        half_a_head.send("GET /sse/payback HTT");
        let mut half_a_body = server.connect();
        half_a_body.send("POST /sse/payback HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1234");
        // Connections are accepted in the order of their coming: those before this one have been.
        assert_eq!(server.get("/healthz").text(), "ok");

        let asked = Instant::now();
        server.program().signal(signal);
        for waiter in &mut waiters {
            assert_eq!(waiter.rest(), "", "it ends after a whole event, without a reset");
        }
        assert_eq!((idle.rest(), unused.rest()), (vec![], vec![]));
        assert_eq!(server.program().exit().code(), Some(0), "{signal}");
        assert!(asked.elapsed() < Duration::from_secs(2), "{signal}: {:?}", asked.elapsed());
        assert!(TcpStream::connect(server.address).is_err());
        assert_eq!(server.logged("event=stopping waiting=2").len(), 1);
        assert!(server.log().last().is_some_and(|line| line.ends_with(" event=stopped")));
    }
}

#[test]
fn without_anybody_there_it_stops_at_once() {
    let mut server = Server::start(&[]);
    let (status, time) = server.stop();
    assert_eq!(status.code(), Some(0));
    assert!(time < Duration::from_millis(500), "{time:?}");
}

#[test]
fn what_is_being_answered_at_a_stop_is_answered_whole() {
    let mut server = Server::start(&[]);
    let mut slow = server.connect();
    slow.send(request("GET", "/sse/page.js", &[], "").repeat(2500));
    let begun = slow.answer();
    // More than fits its buffers: meanwhile the server waits for this client to read on.
    stays_true(Duration::from_millis(600), "it runs", || !server.program().has_ended());
    server.program().signal("TERM");
    server.wait_for_log("event=stopping");
    let mut last = begun;
    while last.field("Connection") != Some("close") {
        last = slow.answer();
    }
    assert_eq!(slow.rest(), b"");
    assert_eq!(server.program().exit().code(), Some(0));
}

#[test]
fn a_signal_ends_a_start_that_takes_long() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let options = ["--journal", journal.to_str().expect("UTF-8")];
    let server = Server::start(&options);
    assert_eq!(server.payback("7"), 0);
    server.kill();
    let once = fs::read(&journal).unwrap();
    fs::write(&journal, once.repeat((48 << 20) / once.len())).unwrap();
    for signal in ["TERM", "INT"] {
        let mut program = Program::start(orderpay().args(["--listen=127.0.0.1:0"]).args(options));
        // The first thread holds back the signals, and then starts another that starts the server.
        let has_two_threads = |status: String| !status.contains("Threads:\t1\n");
        eventually("its start", || has_two_threads(program.proc("status")).then_some(()));
        let asked = Instant::now();
        program.signal(signal);
        assert_eq!((program.exit().code(), program.stdout().as_str()), (Some(0), ""), "{signal}");
        assert!(asked.elapsed() < Duration::from_millis(500), "{signal}: {:?}", asked.elapsed());
    }
}

// Is it well?

#[test]
fn a_health_check_waits_for_two_seconds_and_not_for_each_byte() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut check = Program::start(orderpay().args(["healthcheck", &url]));
    let (mut client, _) = listener.accept().unwrap();
    let asked = Instant::now();
    while !check.has_ended() && asked.elapsed() < Duration::from_secs(4) {
        let _ = client.write_all(b"x");
        thread::sleep(Duration::from_millis(300));
    }
    assert_eq!(check.exit().code(), Some(1));
    assert_eq!(check.stderr(), format!("orderpay: healthcheck {url}: no answer within 2 s\n"));
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
}

/// It is not the client's fault, so a 400 would be a lie that a payment platform takes for final.
#[test]
fn a_request_that_is_cut_off_by_a_stop_is_not_blamed_on_its_client() {
    let mut server = Server::start(&[]);
    let mut client = server.connect();
    client.send("POST /sse/payback/7 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    assert_eq!(client.so_far(), b"");
    server.stop();
    assert_eq!(client.rest(), b"");
}
