//! Is `ok` sent only when the result is on disk, and what if the disk is full or fails?

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use support::server::{BINARY, delivered};
use support::{Client, Folder, PAID, Server, SmallDisk, TIMED_OUT, eventually, request};

/// A server whose system calls of these kinds go to a log; more options of strace may break them.
fn traced(log: &Path, strace: &[&str], journal: Option<&Path>) -> Option<Server> {
    traced_with(log, strace, journal, &[])
}

fn traced_with(
    log: &Path,
    strace: &[&str],
    journal: Option<&Path>,
    options: &[&str],
) -> Option<Server> {
    let mut command = Command::new(support::strace()?);
    // With -D the server is our child, not the tracer.
    command.args(["-D", "-f", "-s", "4096", "-o"]).arg(log).args(strace);
    command.args([BINARY, "--quiet", "--listen", "127.0.0.1:0"]).args(options);
    if let Some(journal) = journal {
        command.arg("--journal").arg(journal);
    }
    Some(Server::spawn(&mut command))
}

/// Ends the server, and returns the lines of its trace.
fn trace(mut server: Server, log: &Path) -> Vec<String> {
    server.stop();
    let whole = || Some(fs::read_to_string(log).ok()?).filter(|text| text.contains("+++ exited"));
    eventually("the end of the trace", whole).lines().map(str::to_owned).collect()
}

#[test]
fn ok_and_the_frames_are_sent_after_the_sync_and_the_sync_comes_after_the_record() {
    let (folder, order) = (Folder::new(), "sequence");
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    let calls = ["-e", "trace=write,sendto,fdatasync"];
    let Some(server) = traced(&log, &calls, Some(&journal)) else { return };
    let mut browser = server.orderpay(order);
    assert_eq!(server.payback(order), 1);
    assert_eq!(browser.rest(), PAID);
    let counted = syncs(&server);
    let trace = trace(server, &log);
    assert_eq!(trace.iter().filter(|line| line.contains("fdatasync(")).count(), counted);
    let at = |words: &[&str]| {
        let found = trace.iter().position(|line| words.iter().all(|word| line.contains(word)));
        found.unwrap_or_else(|| panic!("no {words:?} in {trace:#?}"))
    };
    let steps = [
        at(&[" settled ", order]),
        at(&["fdatasync(", "= 0"]),
        at(&["event:finish"]),
        at(&["Orderpay-Delivered: 1"]),
    ];
    assert!(steps.is_sorted(), "{steps:?} in {trace:#?}");
}

#[test]
fn without_a_journal_nothing_is_synced_or_locked() {
    let folder = Folder::new();
    let log = folder.join("trace");
    let calls = ["-e", "trace=fdatasync,fsync,flock"];
    let Some(server) = traced(&log, &calls, None) else { return };
    assert_eq!(server.payback("1"), 0);
    assert_eq!(server.orderpay("1").rest(), PAID);
    let trace = trace(server, &log);
    assert!(trace.iter().all(|line| line.contains("+++ exited")), "{trace:#?}");
}

#[test]
fn platforms_that_pay_at_the_same_time_share_syncs() {
    const PLATFORMS: usize = 64;
    const EACH: usize = 20;
    let folder = Folder::new();
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    // A sync takes 5 ms more, so that even the fastest disk is one.
    let calls =
        ["--seccomp-bpf", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=5000"];
    let Some(server) = traced(&log, &calls, Some(&journal)) else { return };
    let start = Barrier::new(PLATFORMS);
    thread::scope(|scope| {
        for platform in 0..PLATFORMS {
            let (server, start) = (&server, &start);
            scope.spawn(move || {
                let mut client = server.connect();
                start.wait();
                for number in 0..EACH {
                    let path = format!("/sse/payback/{platform}-{number}");
                    delivered(&client.send(request("POST", &path, &[], "")).answer());
                }
            });
        }
    });
    let (paybacks, syncs) = (PLATFORMS * EACH, syncs(&server));
    let ratio = syncs as f64 / paybacks as f64;
    println!("{paybacks} paybacks of {PLATFORMS} platforms: {syncs} syncs, {ratio:.3} per payback");
    assert!(ratio < 0.25, "{ratio}");
}

fn syncs(server: &Server) -> usize {
    let page = server.get("/metrics").text();
    let line = page.lines().find_map(|line| line.strip_prefix("orderpay_journal_syncs_total "));
    line.and_then(|number| number.parse().ok()).expect("a number of syncs")
}

/// How a payback and a look at the health are answered, in this order.
fn state(client: &mut Client, order: &str) -> (u16, u16) {
    let path = format!("/sse/payback/{order}");
    let payback = client.send(request("GET", &path, &[], "")).answer();
    assert_eq!(payback.status == 200, payback.text() == "ok", "{}", payback.masked());
    (payback.status, client.send(request("GET", "/healthz", &[], "")).answer().status)
}

#[test]
fn while_the_disk_is_full_nothing_is_acknowledged_and_the_server_goes_on() {
    let Some(disk) = SmallDisk::mount(256) else { return };
    let journal = disk.join("journal");
    let options = ["--journal", journal.to_str().unwrap()];
    let server = Server::start(&options);
    let mut browser = server.orderpay("waiting");
    disk.fill();
    // There is room left in the last page of the file. It ends in the middle of a line.
    let room = (0..1000).take_while(|n| server.get(&format!("/sse/payback/{n}")).status == 200);
    let acknowledged = room.count();
    assert!((1..1000).contains(&acknowledged), "{acknowledged}");
    assert_eq!(state(&mut server.connect(), "waiting"), (503, 503));
    assert_eq!(browser.so_far(), "", "what is not acknowledged is not told");
    server.wait_for_log("event=unavailable order=waiting");

    server.kill();
    let server = Server::start(&options);
    server.wait_for_log(&format!("event=remembered orders={acknowledged} torn_bytes=0"));
    let mut browser = server.orderpay("waiting");
    assert_eq!(state(&mut server.connect(), "waiting"), (503, 503));
    assert_eq!(server.orderpay("0").rest(), PAID, "what was acknowledged is there");

    disk.clear();
    assert_eq!(server.get("/healthz").status, 200);
    assert_eq!(server.payback("waiting"), 1);
    assert_eq!(browser.rest(), PAID);
}

#[test]
fn when_a_sync_fails_its_paybacks_are_not_acknowledged_and_the_next_ones_are() {
    let folder = Folder::new();
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    // Of each thread, and so of each connection, the second sync fails and the third: that of a
    // payback, and that of the health's own attempt.
    let calls = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:error=EIO:when=2..3"];
    let Some(server) = traced(&log, &calls, Some(&journal)) else { return };
    let mut platform = server.connect();
    assert_eq!(state(&mut platform, "before"), (200, 200));
    assert_eq!(state(&mut platform, "failed"), (503, 503));
    assert_eq!(state(&mut platform, "after"), (200, 200));
    server.kill();
    let server = Server::start(&["--journal", journal.to_str().unwrap()]);
    server.wait_for_log("event=remembered orders=2 torn_bytes=0");
    assert_eq!(server.orderpay("before").rest(), PAID);
    assert_eq!(server.orderpay("after").rest(), PAID);
    assert_eq!(server.orderpay("failed").so_far(), "", "a platform that got 503 asks again");
}

#[test]
fn a_disk_that_hangs_stops_no_timeout_no_health_check_and_no_end() {
    let folder = Folder::new();
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    // A sync takes nine seconds.
    let calls = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=9000000"];
    let options = ["--timeout", "1"];
    let Some(mut server) = traced_with(&log, &calls, Some(&journal), &options) else { return };
    let status = |path: &str| {
        let asked = Instant::now();
        (server.get(path).status, asked.elapsed())
    };
    let asked = Instant::now();
    let mut waiter = server.orderpay("waits");
    thread::scope(|scope| {
        let payer = scope.spawn(|| status("/sse/payback/paid"));
        assert_eq!(waiter.rest(), TIMED_OUT);
        let waited = asked.elapsed();
        assert!(waited < Duration::from_millis(1500), "the reaper waits for the disk: {waited:?}");
        assert_eq!(status("/healthz").0, 200, "nobody can know yet");
        let (answer, waited) = payer.join().unwrap();
        assert_eq!(answer, 503);
        assert!((5..7).contains(&waited.as_secs()), "{waited:?}");
    });
    // From now on nobody starts to wait: threads are for what needs no disk.
    for path in ["/sse/payback/paid", "/sse/payback/another", "/healthz"] {
        let (answer, waited) = status(path);
        assert_eq!(answer, 503, "{path}");
        assert!(waited < Duration::from_secs(1), "{path}: {waited:?}");
    }
    assert_eq!(status("/sse/test").0, 200);
    // That the process itself stays till then is the tracer's doing.
    let mut waiter = server.orderpay("waits-on");
    let asked = Instant::now();
    server.program().signal("TERM");
    assert_eq!(waiter.rest(), "");
    assert!(asked.elapsed() < Duration::from_secs(1), "{:?}", asked.elapsed());
}

/// `ulimit -f`, in blocks of 512 bytes: the kernel sends SIGXFSZ, which ends who does not expect it.
#[test]
fn a_file_that_may_not_grow_is_as_a_full_disk() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let options = ["--journal", journal.to_str().unwrap()];
    let mut server = Server::start_after("ulimit -f 4", &options);
    let pay = |n: &usize| server.get(&format!("/sse/payback/{n}")).status == 200;
    let acknowledged = (0..1000).take_while(pay).count();
    assert!((1..1000).contains(&acknowledged), "{acknowledged}");
    assert_eq!(state(&mut server.connect(), "waiting"), (503, 503));
    assert_eq!(server.orderpay("0").rest(), PAID);
    assert!(!server.program().has_ended());
    server.kill();
    let server = Server::start(&options);
    server.wait_for_log(&format!("event=remembered orders={acknowledged} torn_bytes=0"));
}

#[test]
fn a_log_that_may_not_grow_stops_nothing() {
    let folder = Folder::new();
    let log = folder.join("log");
    let mut server = Server::start_after(&format!("ulimit -f 1; exec 2>{}", log.display()), &[]);
    for order in 0..100 {
        assert_eq!(server.payback(&order.to_string()), 0);
    }
    eventually("the log to be full", || (fs::metadata(&log).unwrap().len() == 512).then_some(()));
    let (status, _) = server.stop();
    assert!(status.success(), "{status}");
}

#[test]
fn what_a_file_system_does_not_do_is_done_without_or_named() {
    let folder = Folder::new();
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    let its_folder = folder.path().to_str().unwrap();
    for (call, fault, of) in [
        ("fchmod", "EINVAL", &[][..]),
        ("fchmod", "EOPNOTSUPP", &[]),
        ("fsync", "EINVAL", &["-P", its_folder]),
    ] {
        let [trace_it, inject] = [format!("trace={call}"), format!("inject={call}:error={fault}")];
        let strace = [&["-e", &trace_it, "-e", &inject], of].concat();
        let Some(server) = traced(&log, &strace, Some(&journal)) else { return };
        assert_eq!(server.payback("7"), 0, "{inject}");
        let injected = trace(server, &log).iter().filter(|it| it.contains("(INJECTED)")).count();
        assert!(injected > 0, "{inject}");
        fs::remove_file(&journal).unwrap();
    }
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-o"]).arg(&log).args(["-e", "inject=flock:error=EINVAL", BINARY]);
    let (status, program) = support::Program::run(strace.arg("--journal").arg(&journal));
    assert_eq!(status.code(), Some(1));
    let said = format!(
        "orderpay: --journal {}: lock: Invalid argument (os error 22)\n",
        journal.display()
    );
    assert_eq!(program.stderr(), said);
}

#[test]
fn while_paybacks_wait_for_the_disk_there_are_connections_for_the_rest() {
    let folder = Folder::new();
    let (log, journal) = (folder.join("trace"), folder.join("journal"));
    let calls = ["-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=2000000"];
    let options = ["--max-connections", "4"];
    let Some(server) = traced_with(&log, &calls, Some(&journal), &options) else { return };
    let pay = |order: usize| server.get(&format!("/sse/payback/{order}")).status;
    thread::scope(|scope| {
        let paid: Vec<_> = (0..8).map(|order| scope.spawn(move || pay(order))).collect();
        let waiting = "orderpay_connections 3\n";
        eventually("two to wait", || server.get("/metrics").text().contains(waiting).then_some(()));
        let asked = Instant::now();
        assert_eq!(server.get("/healthz").status, 200);
        assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
        let statuses: Vec<u16> = paid.into_iter().map(|it| it.join().unwrap()).collect();
        let waited = statuses.iter().filter(|status| **status == 200).count();
        assert!((1..=4).contains(&waited), "{statuses:?}");
    });
}
