//! What does a server with a journal remember after it was killed, and when does it refuse to start?

mod support;

use std::fs;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use orderpay::journal::{HEADER, Record};
use orderpay::order::{OrderId, OrderResult};
use support::browser::{Browser, Engine};
use support::server::orderpay;
use support::{Folder, PAID, Program, Server, SmallDisk, Stream, eventually, tool};

fn start(journal: &Path) -> Server {
    start_on(SocketAddr::from(([127, 0, 0, 1], 0)), journal)
}

fn start_on(address: SocketAddr, journal: &Path) -> Server {
    let journal = journal.to_str().expect("a path in UTF-8");
    Server::start_on(&address.to_string(), &["--journal", journal])
}

fn start_remembering(most: &str, journal: &Path) -> Server {
    let journal = journal.to_str().expect("a path in UTF-8");
    Server::start(&["--remember", most, "--journal", journal])
}

/// Runs a server that must not start, and returns what it says.
fn refusal(journal: &Path) -> String {
    let mut command = orderpay();
    let (status, program) =
        Program::run(command.args(["--listen", "127.0.0.1:0", "--journal"]).arg(journal));
    assert_eq!((status.code(), program.stdout().as_str()), (Some(1), ""));
    program.stderr()
}

#[test]
fn a_result_that_nobody_has_fetched_waits_for_its_browser() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    server.post("/sse/payback/kept", "two\nlines \\n");
    server.kill();
    let server = start(&journal);
    server.wait_for_log("event=remembered orders=1 torn_bytes=0");
    let frames = "data:two\ndata:lines \\n\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
    assert_eq!(server.orderpay("kept").rest(), frames);
    assert_eq!(server.payback("kept"), 0, "a platform that asks again is told ok again");
}

/// Ends a server as a restart does, or as a power cut.
fn end(mut server: Server, signal: &str) {
    server.program().signal(signal);
    server.program().exit();
}

#[test]
fn a_paid_order_stays_paid_and_is_not_paid_again() {
    for signal in ["TERM", "KILL"] {
        let folder = Folder::new();
        let journal = folder.join("journal");
        let server = start(&journal);
        let mut browser = server.orderpay("done");
        assert_eq!(server.payback("done"), 1);
        assert_eq!(browser.rest(), PAID);
        end(server, signal);
        let server = start(&journal);
        assert_eq!(server.post("/sse/payback/done", "once more").text(), "ok");
        assert_eq!(server.orderpay("done").rest(), PAID, "after SIG{signal}");
    }
}

#[test]
fn an_open_round_of_order_1_stays_open_and_is_paid_once() {
    for signal in ["TERM", "KILL"] {
        let folder = Folder::new();
        let journal = folder.join("journal");
        let demo = |server: &Server| Stream::open(server.address, "/sse/orderpay", &[]);
        let mut server = start(&journal);
        let mut last_round = 0;
        for number in 0..5 {
            let opened = demo(&server);
            assert!(opened.round > last_round, "after SIG{signal}");
            last_round = opened.round;
            let round = opened.round.to_string();
            end(server, signal);
            server = start(&journal);
            let text = format!("round {number}");
            assert_eq!(server.post("/sse/payback", &text).text(), "ok");
            let fields = [("Last-Event-ID", round.as_str())];
            let mut back = Stream::open(server.address, "/sse/orderpay", &fields);
            let frames = format!("data:{text}\n\nevent:finish\nid:6666\ndata:哈哈\n\n");
            assert_eq!((back.round, back.rest()), (last_round, frames), "after SIG{signal}");
            let noted = || {
                let text = fs::read_to_string(&journal).ok()?;
                text.contains(&format!(" written 1 {round}\n")).then_some(())
            };
            eventually("the note that it was told", noted);
        }
    }
}

#[test]
fn time_is_counted_from_the_settlement_and_a_clock_that_jumps_loses_nothing() {
    let folder = Folder::new();
    for (name, seconds) in [("ahead", 1_000_000_000), ("first", 0), ("behind", 10_000_000_000)] {
        let journal = folder.join(name);
        let order = OrderId::parse(name.as_bytes()).unwrap();
        let at = 1000 * seconds;
        let result = OrderResult::default();
        let line = Record::Settled { order, round: 0, at, result }.line();
        fs::write(&journal, format!("{HEADER}{line}")).unwrap();
        for _ in 0..2 {
            let server = start(&journal);
            assert_eq!(server.orderpay(name).rest(), PAID, "{name}");
        }
        let journal = journal.to_str().unwrap();
        let server = Server::start(&["--keep", "0.5", "--journal", journal]);
        assert_eq!(server.orderpay(name).rest(), PAID, "{name}");
        eventually("it to be forgotten", || (server.payback(name) == 0).then_some(()));
    }
}

#[test]
fn a_page_that_was_cut_off_shows_what_was_paid_before_the_server_was_killed_once_more() {
    let Some(browser) = Browser::start(Engine::Chromium) else { return };
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    let address = server.address;
    browser.open(&server.url("/sse/test/7"));
    server.wait_for_log("event=waiting order=7");
    server.kill();
    // The page comes back in a second at the earliest; until then another server is paid and killed.
    let paid_and_killed = start_on(address, &journal);
    paid_and_killed.payback("7");
    paid_and_killed.kill();
    let _server = start_on(address, &journal);
    browser.wait_for_text("#message", "支付成功");
}

#[test]
fn a_line_that_was_torn_is_cut_off_with_a_word_in_the_log() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    server.payback("whole");
    server.kill();
    fs::File::options()
        .append(true)
        .open(&journal)
        .unwrap()
        .write_all(b"1234abcd settled")
        .unwrap();
    let server = start(&journal);
    server.wait_for_log("event=remembered orders=1 torn_bytes=16");
    assert_eq!(server.orderpay("whole").rest(), PAID);
}

#[test]
fn a_damaged_line_stops_the_start_and_is_named() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    server.payback("a");
    server.payback("b");
    server.kill();
    let intact = fs::read_to_string(&journal).unwrap();
    let line = intact.lines().position(|line| line.contains(" a ")).expect("its line") + 1;
    let damaged = intact.replace(" a ", " c ");
    fs::write(&journal, &damaged).unwrap();
    let said = refusal(&journal);
    assert!(said.contains(&format!("{}:{line}: ", journal.display())), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(fs::read_to_string(&journal).unwrap(), damaged, "it is left as it is");
}

#[test]
fn a_journal_that_is_a_mount_itself_is_told_to_mount_its_folder() {
    let (Some(disk), Some(mount)) = (SmallDisk::mount(64), tool("mount")) else { return };
    let (file, journal) = (disk.join("file"), disk.join("journal"));
    for path in [&file, &journal] {
        fs::write(path, "").unwrap();
    }
    let mounted = Program::run(Command::new(mount).arg("--bind").arg(file).arg(&journal));
    assert!(mounted.0.success(), "{}", mounted.1.stderr());
    let server = orderpay().args(["--listen=127.0.0.1:0", "--journal"]).arg(&journal).output();
    let said = String::from_utf8(server.unwrap().stderr).unwrap();
    assert!(Program::run(Command::new("umount").arg(&journal)).0.success());
    let line = format!(
        "orderpay: --journal {}: rename: Resource busy (os error 16); it is a mount: mount its folder instead, \
         for it is replaced",
        journal.display()
    );
    assert_eq!(
        said.lines().last().map(|it| it.replace("Device or resource", "Resource")),
        Some(line)
    );
}

#[test]
fn a_second_server_on_the_same_journal_is_refused() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    let said = refusal(&journal);
    assert!(said.contains(journal.to_str().unwrap()) && said.lines().count() == 1, "{said}");
    assert_eq!(server.payback("1"), 0, "the first is not disturbed");
}

#[test]
fn what_can_not_be_a_journal_is_refused_and_left_alone() {
    let folder = Folder::new();
    let letter = folder.join("letter");
    fs::write(&letter, "My dear").unwrap();
    for path in
        [letter.as_path(), folder.path(), Path::new("/dev/null"), &folder.join("no/such/folder")]
    {
        let said = refusal(path);
        assert!(said.contains(path.to_str().unwrap()) && said.lines().count() == 1, "{said}");
    }
    assert_eq!(fs::read_to_string(letter).unwrap(), "My dear");
}

#[test]
fn a_start_with_100_000_orders_takes_less_than_a_second() {
    let folder = Folder::new();
    let path = folder.join("journal");
    let settle = |number: usize| {
        let order = OrderId::parse(number.to_string().as_bytes()).unwrap();
        Record::Settled { order, round: 0, at: 0, result: OrderResult::default() }.line()
    };
    fs::write(&path, HEADER.to_owned() + &(0..100_000).map(settle).collect::<String>()).unwrap();
    let begin = Instant::now();
    let server = start_remembering("100000", &path);
    let took = begin.elapsed();
    let work = server.cpu_time();
    println!("a start with 100,000 orders took {took:?}, {work:?} of it work");
    // The work is what counts, whatever else this machine does meanwhile; and what is built for
    // tests is not built for speed.
    let limit = if cfg!(debug_assertions) { 4 } else { 1 };
    assert!(work < Duration::from_secs(limit), "{work:?}");
    assert_eq!(server.orderpay("99999").rest(), PAID);
}

#[test]
fn a_start_takes_no_more_memory_than_what_it_remembers() {
    const DEAD: usize = 100_000;
    let folder = Folder::new();
    let path = folder.join("journal");
    let text = "x".repeat(500);
    let result = OrderResult::parse(text.as_bytes()).unwrap();
    let mut lines = HEADER.to_owned();
    for number in 0..DEAD {
        let order = OrderId::parse(number.to_string().as_bytes()).unwrap();
        let result = result.clone();
        lines += &Record::Settled { order: order.clone(), round: 0, at: 0, result }.line();
        if number > 100 {
            lines += &Record::Forgotten { order, round: 0 }.line();
        }
    }
    fs::write(&path, lines).unwrap();
    let megabytes = fs::metadata(&path).unwrap().len() >> 20;
    let server = start(&path);
    let peak = server.peak_kib();
    println!("a start with {megabytes} MiB of journal took {peak} KiB at most");
    assert!(megabytes > 50 && peak < 8 * 1024, "{peak} KiB");
    assert!(server.orderpay("100").rest().contains(&text));
}

#[test]
fn a_journal_that_is_deleted_or_moved_while_its_server_runs_is_there_again_before_the_next_ok() {
    let folder = Folder::new();
    let journal = folder.join("journal");
    let server = start(&journal);
    server.payback("a");
    fs::remove_file(&journal).unwrap();
    server.payback("b");
    fs::rename(&journal, folder.join("moved")).unwrap();
    server.payback("c");
    fs::rename(&journal, folder.join("moved again")).unwrap();
    fs::write(&journal, "another's").unwrap();
    assert_eq!(server.get("/sse/payback/d").status, 503, "that name is another's now");
    assert_eq!(server.get("/healthz").status, 503);
    fs::rename(folder.join("moved again"), &journal).unwrap();
    assert_eq!(server.get("/healthz").status, 200);
    server.kill();
    let server = start(&journal);
    for order in ["a", "b", "c"] {
        assert_eq!(server.orderpay(order).rest(), PAID, "{order}");
    }
    assert_eq!(server.orderpay("d").so_far(), "");
}
