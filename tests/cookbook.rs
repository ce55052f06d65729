//! Does every line that README.md tells its readers to type do what it says? Each is run as it stands there, on the
//! default port, in a network of its own.

mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use support::readme::{Block, blocks, headings_below};
use support::server::{delivered, path_to_orderpay};
use support::{Folder, OPENING, PAID, Program, Server, own_network, tool};

#[test]
fn every_recipe_is_tested() {
    for heading in headings_below("## In a shell") {
        assert!(include_str!("cookbook.rs").contains(&format!("recipe({heading:?})")), "{heading}");
    }
}

#[test]
fn the_scene_plays_as_it_is_told() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait, pay, shown, nc_wait, nc_pay] = recipe("## The scene");
    let _server = kitchen.serve(&[]);
    let stream = [OPENING, PAID].concat();
    assert_eq!(mask_round(&format!("{}\n", shown.text)), stream);
    for (wait, pay) in [(wait, pay), (nc_wait, nc_pay)] {
        let mut waiter = kitchen.start(wait);
        waiter.wait_for_stdout("retry:1000\ndata\n\n");
        assert!(kitchen.run(pay).ends_with("ok"));
        waiter.exit();
        assert!(mask_round(&waiter.stdout()).ends_with(&stream), "{}", waiter.stdout());
    }
}

/// Puts 0 in the place of a round of order 1, which is different each time.
fn mask_round(stream: &str) -> String {
    let (before, after) = stream.split_once("\nid:").expect("an opening");
    let (round, rest) = after.split_once('\n').expect("a line's end");
    assert!(round.parse::<u64>().is_ok_and(|round| round != 6666), "{round}");
    format!("{before}\nid:0\n{rest}")
}

#[test]
fn a_script_goes_on_only_if_it_was_paid() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait] = recipe("### Wait, and go on only if it was paid");
    let server = kitchen.serve(&["--timeout", "0.5"]);
    assert_eq!(kitchen.run(wait), "", "nobody paid");
    assert_eq!(kitchen.run_and_pay(wait, &server, "event:finish\n"), "order 42 is paid\n");
}

#[test]
fn a_script_waits_no_longer_than_it_says() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait] = recipe("### Wait no longer than that");
    assert_eq!(kitchen.run(wait), "no server\n");
    let server = kitchen.serve(&[]);
    assert_eq!(kitchen.run(wait), "nobody paid within 3 s\n");
    assert_eq!(kitchen.run_and_pay(wait, &server, ""), "paid\n");
    drop(server);
    let _server = kitchen.serve(&["--timeout", "0.5"]);
    assert_eq!(kitchen.run(wait), "timeout!!\n");
}

#[test]
fn a_script_gets_the_text_of_a_payment() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [text] = recipe("### What the payment says");
    let server = kitchen.serve(&[]);
    assert_eq!(kitchen.run_and_pay(text, &server, ""), "it says: 支付成功\n");
    drop(server);
    let server = kitchen.serve(&[]);
    let lines = "first\n  then event:finish\n\nlast";
    assert_eq!(kitchen.run_and_pay(text, &server, lines), format!("it says: {lines}\n"));
}

#[test]
fn a_payment_can_have_a_text() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [one_line, two_lines] = recipe("### Pay with a text");
    let server = kitchen.serve(&[]);
    for (order, pay, frame) in [
        ("42", one_line, "data:table 7 has paid\n\n"),
        ("43", two_lines, "data:table 7\ndata:has paid\ndata:\n\n"),
    ] {
        let mut waiter = server.orderpay(order);
        assert_eq!(kitchen.run(pay), "ok");
        assert_eq!(waiter.frame(), frame);
    }
}

#[test]
fn a_token_comes_from_a_file() {
    let (Some(kitchen), Some(ps)) = (Kitchen::open(), tool("ps")) else { return };
    let [serve, pay] = recipe("### A token from a file");
    fs::write(kitchen.folder.join("token"), "secret-7\n").unwrap();
    let server = kitchen.start(serve);
    server.wait_for_stdout("orderpay listening on http://127.0.0.1:8888/sse/test\n");
    let list = Program::run(Command::new(ps).args(["-eo", "args"])).1.stdout();
    assert!(list.contains("orderpay") && !list.contains("secret-7"), "{list}");
    assert_eq!(kitchen.run(pay), "ok");
    fs::write(kitchen.folder.join("token"), "secret-8\n").unwrap();
    assert!(kitchen.run(pay).contains("Bearer"), "another token was accepted");
}

#[test]
fn a_loop_waits_for_ten_orders_at_once() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait] = recipe("### Wait for ten orders at once");
    for shell in ["sh", "bash", "zsh"] {
        if tool(shell).is_some() {
            wait_for_ten(&kitchen, Block { language: shell, ..wait });
        }
    }
}

fn wait_for_ten(kitchen: &Kitchen, wait: Block) {
    let server = kitchen.serve(&[]);
    let mut waiter = kitchen.start(wait);
    server.wait_for_log_lines(10, "event=waiting");
    let paid: Vec<_> = (1..=10).rev().map(|order| server.payback(&order.to_string())).collect();
    assert_eq!(paid, [1; 10]);
    assert!(waiter.exit().success());
    let mut lines: Vec<_> = waiter.stdout().lines().map(String::from).collect();
    lines.sort();
    let mut expected: Vec<_> = (1..=10).map(|order| format!("order {order} is paid")).collect();
    expected.sort();
    assert_eq!(lines, expected);
}

#[test]
fn every_nc_does() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait, pay] = recipe("### With nc, whichever there is");
    for flavour in ["nc.openbsd", "nc.traditional", "ncat", "busybox"] {
        let Some(program) = tool(flavour) else { continue };
        kitchen.call_it("nc", &program);
        let server = kitchen.serve(&[]);
        let mut waiter = kitchen.start(wait);
        server.wait_for_log("event=waiting order=42");
        assert!(kitchen.run(pay).ends_with("\r\n\r\nok"), "{flavour}");
        waiter.exit();
        assert_eq!(waiter.stdout(), "paid\n", "{flavour}");
    }
}

#[test]
fn bash_needs_no_other_program() {
    let Some(kitchen) = Kitchen::open() else { return };
    let [wait, pay] = recipe("### With bash alone");
    let server = kitchen.serve(&[]);
    let mut waiter = kitchen.start(wait);
    server.wait_for_log("event=waiting order=42");
    assert_eq!(kitchen.run(pay), "ok\n");
    assert!(waiter.exit().success());
    assert_eq!(waiter.stdout(), "paid\n");
}

/// As many blocks as the caller takes apart.
fn recipe<const N: usize>(heading: &str) -> [Block; N] {
    let blocks = blocks(heading);
    blocks.try_into().unwrap_or_else(|blocks| panic!("{heading}: {blocks:?}"))
}

/// Where recipes are tried: a network with a free port 8888, and a folder to work in.
struct Kitchen {
    folder: Folder,
}

impl Kitchen {
    fn open() -> Option<Kitchen> {
        tool("curl")?;
        own_network().then(|| Kitchen { folder: Folder::new() })
    }

    fn serve(&self, options: &[&str]) -> Server {
        Server::start_on("localhost:8888", options)
    }

    fn start(&self, block: Block) -> Program {
        let path = [self.folder.path().as_os_str(), &path_to_orderpay()].join(OsStr::new(":"));
        let mut command = Command::new(block.language);
        let command = command.args(["-c", block.text]).env("PATH", path);
        let mut program = Program::start(command.current_dir(self.folder.path()));
        program.close_stdin();
        program
    }

    /// What it prints.
    fn run(&self, block: Block) -> String {
        let mut program = self.start(block);
        program.exit();
        program.stdout()
    }

    /// What it prints when order 42 is paid with this text while it waits.
    fn run_and_pay(&self, block: Block, server: &Server, text: &str) -> String {
        let before = server.logged("event=waiting order=42").len();
        let mut program = self.start(block);
        server.wait_for_log_lines(before + 1, "event=waiting order=42");
        assert_eq!(delivered(&server.post("/sse/payback/42", text)), 1);
        program.exit();
        program.stdout()
    }

    /// Puts a program before all others of that name.
    fn call_it(&self, name: &str, program: &Path) {
        let link = self.folder.join(name);
        let _ = fs::remove_file(&link);
        symlink(program, &link).expect("a link");
    }
}
