//! The server under test: the real binary, as a user would start it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};
use std::{env, fs};

use super::{Answer, Client, Program, Stream, eventually, request};

pub const BINARY: &str = env!("CARGO_BIN_EXE_orderpay");

/// Linux counts CPU time in ticks of 1/100 s (`getconf CLK_TCK`).
const TICK: Duration = Duration::from_millis(10);

pub struct Server {
    program: Program,
    pub address: SocketAddr,
}

/// Starting and stopping.
impl Server {
    /// Starts it on a free port.
    pub fn start(options: &[&str]) -> Server {
        Server::start_on("127.0.0.1:0", options)
    }

    /// Starts it on a given address: the same once more, for a restart.
    pub fn start_on(address: &str, options: &[&str]) -> Server {
        Server::spawn(orderpay().args(["--listen", address]).args(options))
    }

    /// Starts it from a shell that has done something before, such as `ulimit -n 256`.
    pub fn start_after(preparation: &str, options: &[&str]) -> Server {
        let mut shell = without_settings(Command::new("sh"));
        shell.args([
            "-c",
            &format!("{preparation}; exec \"$0\" \"$@\""),
            BINARY,
            "--listen",
            "127.0.0.1:0",
        ]);
        Server::spawn(shell.args(options))
    }

    /// Starts a prepared command; it must end up as a server that prints its address.
    pub fn spawn(command: &mut Command) -> Server {
        let mut program = Program::start(command);
        let first_line = eventually("the server's address on its standard output", || {
            let stdout = program.stdout();
            let line = stdout.split_once('\n').map(|(line, _)| line.to_owned());
            assert!(
                line.is_some() || !program.has_ended(),
                "it ended instead: {}",
                program.stderr()
            );
            line
        });
        let address = listening_on(&first_line);
        Server { program, address }
    }

    /// Asks it to stop, and returns how it ended and how long that took.
    pub fn stop(&mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        self.program.signal("TERM");
        (self.program.exit(), asked.elapsed())
    }

    /// Kills it as a power cut would.
    pub fn kill(self) {}

    pub fn program(&mut self) -> &mut Program {
        &mut self.program
    }
}

/// Talking to it.
impl Server {
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.address)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.connect().send(request("GET", path, &[], "")).answer()
    }

    pub fn post(&self, path: &str, body: impl AsRef<[u8]>) -> Answer {
        self.connect().send(request("POST", path, &[], body)).answer()
    }

    /// Places an order and waits for the greeting.
    pub fn orderpay(&self, order: &str) -> Stream {
        Stream::open(self.address, &format!("/sse/orderpay/{order}"), &[])
    }

    /// Pays an order, and returns how many waiters were told.
    pub fn payback(&self, order: &str) -> usize {
        delivered(&self.get(&format!("/sse/payback/{order}")))
    }
}

/// Reading its log: what it says on stderr.
impl Server {
    pub fn log(&self) -> Vec<String> {
        self.program.stderr().lines().map(str::to_owned).collect()
    }

    /// The lines so far that have each of these words, such as `event=waiting order=7`.
    pub fn logged(&self, words: &str) -> Vec<String> {
        let has_all =
            |line: &String| words.split(' ').all(|word| line.split(' ').any(|it| it == word));
        self.log().into_iter().filter(has_all).collect()
    }

    /// Stops it and counts such lines: how often that has ever happened.
    pub fn ever_logged(&mut self, words: &str) -> usize {
        if !self.program.has_ended() {
            self.stop();
        }
        self.logged(words).len()
    }

    pub fn wait_for_log(&self, words: &str) -> String {
        self.wait_for_log_lines(1, words).swap_remove(0)
    }

    pub fn wait_for_log_lines(&self, count: usize, words: &str) -> Vec<String> {
        let what = format!("{count} times {words:?} in the log");
        eventually(&what, || Some(self.logged(words)).filter(|lines| lines.len() >= count))
    }
}

/// What it costs, from /proc.
impl Server {
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    pub fn resident_kib(&self) -> usize {
        self.status("VmRSS")
    }

    /// The most that it has ever had.
    pub fn peak_kib(&self) -> usize {
        self.status("VmHWM")
    }

    pub fn threads(&self) -> usize {
        self.status("Threads")
    }

    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).expect("fd").count()
    }

    /// CPU time of all its threads, in user and kernel mode.
    pub fn cpu_time(&self) -> Duration {
        let stat = self.program.proc("stat");
        let (_, after_name) = stat.rsplit_once(") ").expect("pid (name) state …");
        let ticks = |at: usize| {
            after_name.split(' ').nth(at).and_then(|it| it.parse::<u32>().ok()).expect("ticks")
        };
        // Fields 14 and 15 of proc_pid_stat(5), of which the first two are cut off.
        TICK * (ticks(11) + ticks(12))
    }

    /// How often its living threads went to sleep by themselves: what an idle server hardly does.
    pub fn voluntary_switches(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.pid())).expect("task");
        let statuses =
            tasks.flatten().flat_map(|task| fs::read_to_string(task.path().join("status")));
        statuses.map(|status| number_after("voluntary_ctxt_switches", &status)).sum()
    }

    fn status(&self, name: &str) -> usize {
        number_after(name, &self.program.proc("status"))
    }
}

/// The command as a user types it, without the settings of whoever runs the tests.
pub fn orderpay() -> Command {
    without_settings(Command::new(BINARY))
}

/// Where a shell finds programs once this one is installed.
pub fn path_to_orderpay() -> OsString {
    let own = Path::new(BINARY).parent().expect("its folder").to_owned();
    let others = env::var_os("PATH").unwrap_or_default();
    env::join_paths([own].into_iter().chain(env::split_paths(&others))).expect("a path")
}

/// The number of waiters that an answer to a payback says it told.
pub fn delivered(answer: &Answer) -> usize {
    assert_eq!((answer.status, answer.text()), (200, "ok".to_owned()));
    answer
        .field("Orderpay-Delivered")
        .and_then(|it| it.parse().ok())
        .expect("Orderpay-Delivered: N")
}

/// Reads `orderpay listening on http://127.0.0.1:8888/sse/test`.
pub fn listening_on(line: &str) -> SocketAddr {
    let address = line
        .strip_prefix("orderpay listening on http://")
        .and_then(|it| it.strip_suffix("/sse/test"));
    address.and_then(|it| it.parse().ok()).unwrap_or_else(|| panic!("no address in {line:?}"))
}

fn without_settings(mut command: Command) -> Command {
    for (name, _) in
        env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ORDERPAY_"))
    {
        command.env_remove(name);
    }
    command
}

/// The number in a line such as `Threads: 3` or `VmRSS: 2048 kB`.
fn number_after(name: &str, text: &str) -> usize {
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    value
        .and_then(|it| it.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no {name}"))
}
