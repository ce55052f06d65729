//! A child process whose output is collected while it runs, and which is killed and reaped when it is dropped.

use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::{fs, thread};

use super::{eventually, os};

pub struct Program {
    child: Child,
    stdout: Arc<Mutex<Output>>,
    stderr: Arc<Mutex<Output>>,
}

#[derive(Default)]
struct Output {
    bytes: Vec<u8>,
    ended: bool,
}

impl Program {
    /// Starts it with all three of its standard streams in our hands.
    pub fn start(command: &mut Command) -> Program {
        // A group of its own, so that what it starts ends with it.
        command.process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let stdout = collect(child.stdout.take().expect("piped"));
        let stderr = collect(child.stderr.take().expect("piped"));
        Program { child, stdout, stderr }
    }

    /// Runs it to its end.
    pub fn run(command: &mut Command) -> (ExitStatus, Program) {
        let mut program = Program::start(command);
        program.close_stdin();
        (program.exit(), program)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Types into it; it may be gone already.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let stdin = self.child.stdin.as_mut().expect("its standard input is open");
        let _ = stdin.write_all(bytes.as_ref()).and_then(|()| stdin.flush());
    }

    pub fn close_stdin(&mut self) {
        drop(self.child.stdin.take());
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// Waits until it has printed `mark`, and returns everything up to then.
    pub fn wait_for_stdout(&self, mark: &str) -> String {
        let what = format!("{mark:?} on the standard output of process {}", self.pid());
        eventually(&what, || Some(self.stdout()).filter(|text| text.contains(mark)))
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        assert!(os::signal(self.pid() as i32, name), "SIG{name}");
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("wait").is_some()
    }

    /// Waits for its end, and for all it printed.
    pub fn exit(&mut self) -> ExitStatus {
        let what = format!("the end of process {}", self.pid());
        let status = eventually(&what, || self.child.try_wait().expect("wait"));
        let ended = |output: &Mutex<Output>| output.lock().unwrap().ended;
        eventually("the end of its output", || {
            (ended(&self.stdout) && ended(&self.stderr)).then_some(())
        });
        status
    }

    /// Waits until it listens on a TCP port of 127.0.0.1; `None` if it ends instead.
    pub fn wait_for_port(&mut self) -> Option<u16> {
        eventually(&format!("a port of process {}", self.pid()), || match self.listening_port() {
            None if self.has_ended() => Some(None),
            port => port.map(Some),
        })
    }

    fn listening_port(&self) -> Option<u16> {
        let links = fs::read_dir(format!("/proc/{}/fd", self.pid())).ok()?.flatten();
        let files: Vec<_> = links.flat_map(|link| fs::read_link(link.path())).collect();
        let is_own = |inode: &str| files.contains(&format!("socket:[{inode}]").into());
        // proc_net(5): sl local_address rem_address st tx_queue:rx_queue tr:tm->when retrnsmt uid timeout inode
        let sockets = fs::read_to_string(format!("/proc/{}/net/tcp", self.pid())).ok()?;
        sockets.lines().find_map(|line| {
            let fields: Vec<_> = line.split_whitespace().collect();
            let (port, state, inode) = (fields[1].strip_prefix("0100007F:")?, fields[3], fields[9]);
            let is_listening = state == "0A" && is_own(inode);
            u16::from_str_radix(port, 16).ok().filter(|_| is_listening)
        })
    }

    /// A file of its folder in /proc.
    pub fn proc(&self, file: &str) -> String {
        let path = format!("/proc/{}/{file}", self.pid());
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // There may be nobody left.
        os::signal(-(self.pid() as i32), "KILL");
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn text(output: &Mutex<Output>) -> String {
    String::from_utf8_lossy(&output.lock().unwrap().bytes).into_owned()
}

/// Reads in a thread of its own, so that a full pipe never stops the child.
fn collect(mut pipe: impl Read + Send + 'static) -> Arc<Mutex<Output>> {
    let output = Arc::new(Mutex::new(Output::default()));
    let shared = Arc::clone(&output);
    thread::spawn(move || {
        let mut piece = [0; 4096];
        while let Ok(length @ 1..) = pipe.read(&mut piece) {
            shared.lock().unwrap().bytes.extend_from_slice(&piece[..length]);
        }
        shared.lock().unwrap().ended = true;
    });
    output
}
