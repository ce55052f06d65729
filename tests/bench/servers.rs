//! The servers side by side: each is started as a child and ended when it goes out of scope.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::client::{self, ALIKE, NCHAN, ORDERPAY, Place, Wire, address_of};
use crate::os;
use crate::process::Processes;

const NGINX: &str = "/usr/sbin/nginx";
const NCHAN_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";
/// `name=command` of one more server, with `{port}` where its port belongs; several between `;`.
const BESIDE: &str = "BENCH_BESIDE";

/// One that has a name of its own among these: the targets were set beside it.
pub const AXUM: &str = "axum";
const BASELINES: [&str; 2] = ["spawn", "constant"];

#[derive(Clone)]
pub enum Program {
    /// The binary under test, with options.
    Orderpay(&'static [&'static str]),
    /// A mode of this very binary, see baselines.rs.
    Baseline(&'static str),
    Nchan,
    Beside {
        name: String,
        command: String,
    },
}

/// The server under test, and what there is on this machine to be compared with.
pub fn all() -> Vec<Program> {
    let nchan = has_nchan().then_some(Program::Nchan);
    [Program::Orderpay(&[])].into_iter().chain(nchan).chain(beside()).collect()
}

pub fn is_baseline(name: &str) -> bool {
    BASELINES.contains(&name)
}

pub fn has_nchan() -> bool {
    [NGINX, NCHAN_MODULE].iter().all(|file| Path::new(file).exists())
}

fn beside() -> Vec<Program> {
    let setting = env::var(BESIDE).unwrap_or_default();
    let program = |one: &str| {
        let (name, command) = one.split_once('=').expect("BENCH_BESIDE is name=command");
        Program::Beside { name: name.to_owned(), command: command.to_owned() }
    };
    setting.split(';').filter(|one| !one.is_empty()).map(program).collect()
}

pub struct Server {
    pub name: String,
    pub place: Place,
    child: Child,
    /// The configuration, if there is one, goes when the server goes.
    files: Option<PathBuf>,
}

impl Program {
    pub fn name(&self) -> &str {
        match self {
            Program::Orderpay(_) => "orderpay",
            Program::Baseline(name) => name,
            Program::Nchan => "nchan",
            Program::Beside { name, .. } => name,
        }
    }

    pub fn start(&self) -> Server {
        match self {
            Program::Orderpay(options) => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_orderpay"));
                command.args(["--quiet", "--listen", "127.0.0.1:0"]).args(*options);
                announced("orderpay", command)
            }
            Program::Baseline(name) => announced(name, ourselves(&[name])),
            Program::Nchan => nchan(),
            Program::Beside { name, command } => {
                let port = free_port();
                let words = command.replace("{port}", &port.to_string());
                let mut words = words.split_whitespace();
                let mut command = Command::new(words.next().expect("BENCH_BESIDE has a command"));
                command.args(words).stdout(Stdio::null());
                Server::on_port(name, port, command)
            }
        }
    }
}

/// This binary in another role.
pub fn ourselves(arguments: &[&str]) -> Command {
    let mut command = Command::new(env::current_exe().expect("we run from a file"));
    command.arg("--child").args(arguments);
    command
}

/// A server that says `… listening on http://ADDRESS:PORT/…` once it listens.
fn announced(name: &str, mut command: Command) -> Server {
    let mut child =
        os::dies_with_us(command.stdout(Stdio::piped())).spawn().expect("the server starts");
    let stdout = child.stdout.take().expect("its stdout is a pipe");
    let mut server = Server::new(name, child, SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0));
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).expect("the server says where it listens");
    let address = line.split_once("http://").and_then(|(_, url)| url.split('/').next());
    server.place.address =
        address.and_then(|address| address.parse().ok()).expect("an address and a port");
    server
}

/// nginx with a channel for each order, configured for this test and no other.
fn nchan() -> Server {
    let port = free_port();
    let directory = env::temp_dir().join(format!("orderpay-bench-{}-{port}", process::id()));
    let configuration = directory.join("nginx.conf");
    fs::create_dir_all(&directory).expect("a directory for nginx");
    fs::write(&configuration, include_str!("nginx.conf").replace("{port}", &port.to_string()))
        .expect("a file");
    let mut command = Command::new(NGINX);
    command.arg("-p").arg(&directory).arg("-c").arg(&configuration).args(["-e", "error.log"]);
    let mut server = Server::on_port("nchan", port, command);
    server.files = Some(directory);
    server
}

/// A port that was free a moment ago, for servers that can't say which one they picked.
fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("it is bound").port()
}

/// What a server of that name speaks.
pub fn wire_of(name: &str) -> &'static Wire {
    match name {
        "orderpay" => &ORDERPAY,
        "nchan" => &NCHAN,
        _ if is_baseline(name) => &ORDERPAY,
        _ => &ALIKE,
    }
}

impl Server {
    fn new(name: &str, child: Child, address: SocketAddrV4) -> Self {
        Server {
            name: name.to_owned(),
            place: Place { address, wire: wire_of(name) },
            child,
            files: None,
        }
    }

    fn on_port(name: &str, port: u16, mut command: Command) -> Self {
        const PATIENCE: Duration = Duration::from_secs(10);
        let child = os::dies_with_us(&mut command).spawn().expect("the server starts");
        let server = Server::new(name, child, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
        let start = Instant::now();
        // An answer, and not only a connection: nginx listens before it has started its workers.
        while client::ask_health(server.place, address_of(0)).is_err() {
            assert!(start.elapsed() < PATIENCE, "{name} does not answer");
            thread::sleep(Duration::from_micros(200));
        }
        server
    }

    pub fn processes(&self) -> Processes {
        Processes::of(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        end(&mut self.child);
        if let Some(directory) = &self.files {
            // A directory left in /tmp is no reason to fail.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Asks the child to end, and ends it if it does not.
pub fn end(child: &mut Child) {
    const PATIENCE: Duration = Duration::from_secs(3);
    os::terminate(child);
    let start = Instant::now();
    while start.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(5));
    }
    // It may have ended by itself meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}
