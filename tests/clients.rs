//! Do the libraries understand it that people use? Each prints what it makes of a stream: type, data, last event ID.

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;

use support::server::delivered;
use support::{Folder, Program, Server, own_network, skipped, tool};

/// Where `.ci/run` installs them; git ignores it.
const TOOLS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/.tools");

/// npm's `eventsource`, which is to Node.js what a browser has by itself.
const EVENTSOURCE: &str = "
    import { EventSource } from 'eventsource';
    const source = new EventSource(process.argv[1]);
    const print = (event) => console.log(event.type, event.data, event.lastEventId);
    source.addEventListener('waiting', print);
    source.addEventListener('message', print);
    source.addEventListener('finish', (event) => { print(event); source.close(); });
";

const SSECLIENT_PY: &str = "
import sys, httpx, sseclient
with httpx.stream('GET', sys.argv[1]) as response:
    for event in sseclient.SSEClient(response.iter_bytes()).events():
        print(event.event, event.data, event.id, flush=True)
";

const HTTPX_SSE: &str = "
import sys, httpx, httpx_sse
with httpx.Client() as client, httpx_sse.connect_sse(client, 'GET', sys.argv[1]) as source:
    for event in source.iter_sse():
        print(event.event, event.data, event.id, flush=True)
";

/// Unlike a browser it gives an event no id but its own.
#[test]
fn eventsource_of_npm() {
    let Some(library) = node(EVENTSOURCE) else { return };
    let expected = "waiting  0\nmessage 已付\n42 元 \nfinish 哈哈 6666\n";
    assert_eq!(what_it_makes_of_a_payment(library), expected);
}

/// So does this one.
#[test]
fn sseclient_py() {
    let Some(library) = python("sseclient", SSECLIENT_PY) else { return };
    let expected = "waiting  0\nmessage 已付\n42 元 None\nfinish 哈哈 6666\n";
    assert_eq!(what_it_makes_of_a_payment(library), expected);
}

#[test]
fn httpx_sse() {
    let Some(library) = python("httpx_sse", HTTPX_SSE) else { return };
    let expected = "waiting  0\nmessage 已付\n42 元 0\nfinish 哈哈 6666\n";
    assert_eq!(what_it_makes_of_a_payment(library), expected);
}

/// httpx gives a silence 5 s, unless it is told another time: so README.md says `--heartbeat 4`. A comment is an empty
/// message to it.
#[test]
fn httpx_sse_outwaits_its_own_patience_with_a_heartbeat_in_time_and_not_without() {
    for (heartbeat, waits) in [("4", true), ("0", false)] {
        let Some(mut library) = python("httpx_sse", HTTPX_SSE) else { return };
        let server = Server::start(&["--heartbeat", heartbeat, "--timeout", "6"]);
        let (status, library) = Program::run(library.arg(server.url("/sse/orderpay/7")));
        assert_eq!(status.success(), waits, "{}", library.stderr());
        let (opening, rest) = ("waiting  0\n", "message  0\nmessage timeout!! 0\n");
        let expected = if waits { [opening, rest].concat() } else { opening.to_owned() };
        assert_eq!(library.stdout(), expected);
    }
}

fn what_it_makes_of_a_payment(mut library: Command) -> String {
    let server = Server::start(&[]);
    let mut library = Program::start(library.arg(server.url("/sse/orderpay/7")));
    server.wait_for_log("event=waiting order=7");
    assert_eq!(delivered(&server.post("/sse/payback/7", "已付\n42 元")), 1);
    assert!(library.exit().success(), "{}", library.stderr());
    library.stdout()
}

#[test]
fn eventsource_of_npm_comes_back_after_a_restart() {
    let Some(mut library) = node(EVENTSOURCE) else { return };
    if !own_network() {
        return;
    }
    let folder = Folder::new();
    let journal = folder.join("journal");
    let start = || Server::start_on("localhost:8888", &["--journal", journal.to_str().unwrap()]);
    let server = start();
    let mut library = Program::start(library.arg("http://localhost:8888/sse/orderpay/7"));
    server.wait_for_log("event=waiting order=7");
    server.kill();
    let server = start();
    server.wait_for_log("event=waiting order=7");
    assert_eq!(server.payback("7"), 1);
    assert!(library.exit().success(), "{}", library.stderr());
    let expected = "waiting  0\nwaiting  0\nmessage 支付成功 \nfinish 哈哈 6666\n";
    assert_eq!(library.stdout(), expected);
}

/// Node.js finds a library from the folder that it runs in.
fn node(script: &str) -> Option<Command> {
    let mut node = Command::new(tool("node")?);
    node.current_dir(installed("node_modules/eventsource")?);
    node.args(["--input-type=module", "--eval", script]);
    Some(node)
}

fn python(library: &str, script: &str) -> Option<Command> {
    let mut python = Command::new(tool("python3")?);
    installed(&format!("python/{library}"))?;
    python.env("PYTHONPATH", format!("{TOOLS}/python")).args(["-c", script]);
    Some(python)
}

fn installed(folder: &str) -> Option<PathBuf> {
    let folder = Path::new(TOOLS).join(folder);
    if !folder.exists() {
        skipped(&format!("{} is missing: .ci/run installs it", folder.display()));
    }
    folder.exists().then_some(folder)
}
