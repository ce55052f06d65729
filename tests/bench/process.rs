//! What the kernel knows about a server: see proc(5).

use std::fs;
use std::num::NonZero;
use std::thread;

use crate::os;

/// A server's process and those that it started, as nginx its workers.
pub struct Processes(Vec<u32>);

impl Processes {
    pub fn of(parent: u32) -> Self {
        let mut found = vec![parent];
        for next in 0.. {
            let Some(pid) = found.get(next) else { break };
            let children = read(&format!("/proc/{pid}/task/{pid}/children"));
            found.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        Processes(found)
    }

    /// Seconds of CPU time, also of threads that have ended.
    pub fn cpu_seconds(&self) -> f64 {
        self.sum(|pid| os::cpu_time(pid).as_secs_f64())
    }

    /// Bytes in memory. Pages that several of a server's processes share are counted once.
    pub fn resident_bytes(&self) -> f64 {
        let line = if self.0.len() == 1 { "Rss:" } else { "Pss:" };
        1024.0 * self.sum(|pid| value(&read(&format!("/proc/{pid}/smaps_rollup")), line))
    }

    pub fn threads(&self) -> f64 {
        self.sum(|pid| value(&read(&format!("/proc/{pid}/status")), "Threads:"))
    }

    /// How often a thread of the server was given a CPU or lost it. Threads that have ended are not
    /// in it.
    pub fn context_switches(&self) -> f64 {
        self.sum(|pid| {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            tasks.map(|task| switches(&read(&format!("{}/status", task.path().display())))).sum()
        })
    }

    fn sum(&self, of_one: impl Fn(u32) -> f64) -> f64 {
        self.0.iter().map(|&pid| of_one(pid)).sum()
    }
}

/// Of all processes since boot: the clients' too, which are the same for every server.
pub fn machine_context_switches() -> f64 {
    value(&read("/proc/stat"), "ctxt")
}

/// What the figures are for: a machine, and how busy it was before.
pub fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, NonZero::get);
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name\t: "));
    let kernel = read("/proc/sys/kernel/osrelease");
    let load = value(&read("/proc/loadavg"), "");
    format!("{cores} × {}, Linux {}, load {load} before", model.unwrap_or("?"), kernel.trim_end())
}

fn switches(status: &str) -> f64 {
    value(status, "voluntary_ctxt_switches:") + value(status, "nonvoluntary_ctxt_switches:")
}

/// The number after `name` at the start of a line.
fn value(text: &str, name: &str) -> f64 {
    let found = text.lines().find_map(|line| line.strip_prefix(name));
    found.and_then(|rest| rest.split_whitespace().next()).map_or(0.0, number)
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or(0.0)
}

/// A thread or a process that has just ended has no file: it counts nothing.
fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}
