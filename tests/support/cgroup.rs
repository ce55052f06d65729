//! A control group of a test's own, in which memory and processes are few.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{fs, process, thread};

use super::skipped;

/// What its files are called, in both versions.
pub struct Names {
    /// Where groups for memory are made, and where those for processes are.
    parents: [&'static str; 2],
    limit: &'static str,
    pub now: &'static str,
    pub most: &'static str,
    /// Has a line `oom_kill N`.
    events: &'static str,
}

const VERSIONS: [Names; 2] = [
    Names {
        parents: ["/sys/fs/cgroup/memory", "/sys/fs/cgroup/pids"],
        limit: "memory.limit_in_bytes",
        now: "memory.usage_in_bytes",
        most: "memory.max_usage_in_bytes",
        events: "memory.oom_control",
    },
    Names {
        parents: ["/sys/fs/cgroup", "/sys/fs/cgroup"],
        limit: "memory.max",
        now: "memory.current",
        most: "memory.peak",
        events: "memory.events",
    },
];

/// Who is in it gets so much memory, the kernel's for sockets included; who wants more is killed.
pub struct Cgroup {
    pub memory: PathBuf,
    pub processes: Option<PathBuf>,
    pub names: &'static Names,
}

impl Cgroup {
    /// Makes one; `None`, said aloud, where that can't be done.
    pub fn of(bytes: usize, processes: Option<usize>) -> Option<Cgroup> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("orderpay-test-{}-{}", process::id(), COUNT.fetch_add(1, Relaxed));
        let made = VERSIONS.iter().find_map(|names| {
            let [memory, pids] = names.parents.map(|parent| Path::new(parent).join(&name));
            fs::create_dir(&memory).ok()?;
            let mut cgroup = Cgroup { memory, processes: None, names };
            fs::write(cgroup.memory.join(names.limit), bytes.to_string()).ok()?;
            if let Some(most) = processes {
                let _ = fs::create_dir(&pids);
                let file = pids.join("pids.max");
                cgroup.processes = Some(pids);
                fs::write(file, most.to_string()).ok()?;
            }
            Some(cgroup)
        });
        if made.is_none() {
            skipped("no control group can be made");
        }
        made
    }

    /// Has a shell move into it.
    pub fn enter(&self) -> String {
        let folders = self.folders().map(|it| format!("echo $$ >{}/cgroup.procs", it.display()));
        folders.collect::<Vec<_>>().join("; ")
    }

    /// Has the kernel count sockets, with all that they hold, as version 2 does; false where it does so
    /// anyway.
    pub fn count_sockets(&self) -> bool {
        fs::write(self.memory.join("memory.kmem.tcp.limit_in_bytes"), "1G").is_ok()
    }

    /// Whether the kernel counts sockets in any case.
    pub fn is_of_version_2(&self) -> bool {
        self.names.limit == VERSIONS[1].limit
    }

    pub fn kib(&self, file: &str) -> usize {
        let text = fs::read_to_string(self.memory.join(file)).unwrap();
        text.trim().parse::<usize>().expect("bytes") / 1024
    }

    /// What it takes that no other use could be made of at once; of files it may have as much as it likes.
    pub fn kib_without_files(&self) -> usize {
        let files = self.stat("cache").or_else(|| self.stat("file")).unwrap() / 1024;
        let sockets = self.memory.join("memory.kmem.tcp.usage_in_bytes");
        let sockets = if sockets.exists() { self.kib("memory.kmem.tcp.usage_in_bytes") } else { 0 };
        self.kib(self.names.now).saturating_sub(files) + sockets
    }

    /// What the kernel keeps for sockets: now, and (in version 1) at most so far.
    pub fn sockets_kib(&self) -> [usize; 2] {
        if self.is_of_version_2() {
            return [self.stat("sock").expect("sock") / 1024; 2];
        }
        ["usage_in_bytes", "max_usage_in_bytes"]
            .map(|it| self.kib(&format!("memory.kmem.tcp.{it}")))
    }

    /// How many processes the kernel has killed in it because memory ran out.
    pub fn killed(&self) -> usize {
        let events = fs::read_to_string(self.memory.join(self.names.events)).unwrap();
        number_after("oom_kill", &events).expect("oom_kill")
    }

    /// How often somebody in it had to wait for a page to be read.
    pub fn major_faults(&self) -> usize {
        self.stat("pgmajfault").expect("pgmajfault")
    }

    fn stat(&self, name: &str) -> Option<usize> {
        number_after(name, &fs::read_to_string(self.memory.join("memory.stat")).unwrap())
    }

    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        let processes = self.processes.iter().filter(|it| **it != self.memory);
        [&self.memory].into_iter().chain(processes)
    }
}

/// Has the kernel forget what it has read of files: what is read anew counts where that is done.
pub fn forget_files() {
    let _ = Command::new("sync").status();
    let _ = fs::write("/proc/sys/vm/drop_caches", "1");
}

fn number_after(name: &str, text: &str) -> Option<usize> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

impl Drop for Cgroup {
    /// It can be removed when the last process in it has ended. In version 1 it would live on in secret as long as the
    /// kernel keeps a page of a file that was read in it, and as long all sockets would be counted: so
    /// that page goes as well.
    fn drop(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(2);
        for folder in self.folders() {
            let _ = fs::write(folder.join("memory.force_empty"), "0");
            while fs::remove_dir(folder).is_err() && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(10));
            }
        }
        if !self.is_of_version_2() {
            forget_files();
        }
    }
}
