//! What every test stands on: the server under test, the clients that talk to it, and patience.
//!
//! Each file in `tests/` is a program of its own that says `mod support;` and uses a part of this.
#![allow(dead_code, unused_imports)]

pub mod browser;
pub mod cgroup;
pub mod client;
pub mod disk;
pub mod event_source;
pub mod folder;
pub mod http;
pub mod json;
pub mod lesson;
pub mod network;
pub mod os;
pub mod program;
pub mod properties;
pub mod proxy;
pub mod readme;
pub mod relay;
pub mod server;
pub mod slow_line;
pub mod sse;
pub mod tampering;
pub mod tool;

pub use cgroup::Cgroup;
pub use client::{Client, Stream};
pub use disk::SmallDisk;
pub use folder::Folder;
pub use http::{Answer, mask_times, request, settled_ago};
pub use lesson::Lesson;
pub use network::own_network;
pub use program::Program;
pub use server::Server;
pub use tool::{skipped, strace, tool};

use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen soon: far longer than it takes, so that only a fault runs into it.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// How long to wait before looking again.
const PAUSE: Duration = Duration::from_millis(2);

/// The event stream, byte for byte as README.md promises it, its date masked.
pub const STREAM_HEAD: &str = "HTTP/1.1 200 OK\r\nDate: …\r\n\
    Content-Type: text/event-stream;charset=UTF-8\r\n\
    Cache-Control: no-store, no-transform\r\n\
    X-Accel-Buffering: no\r\n\
    Connection: close\r\n\r\n";
pub const OPENING: &str = "event:waiting\nid:0\nretry:1000\ndata\n\n";
pub const HEARTBEAT: &str = ":\n\n";
pub const PAID: &str = "data:支付成功\n\nevent:finish\nid:6666\ndata:哈哈\n\n";
/// Before `PAID`, where that was so before somebody asked; its age masked.
pub const SETTLED: &str = ":settled … s ago\n";
pub const TIMED_OUT: &str = "data:timeout!!\n\n";
pub const NO_ROOM: &str = "retry:5000\n\n";

/// Waits until `look` finds something and returns it; panics when [`PATIENCE`] is over.
pub fn eventually<T>(what: &str, look: impl FnMut() -> Option<T>) -> T {
    eventually_within(PATIENCE, what, look)
}

pub fn eventually_within<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} in vain for {what}");
        thread::sleep(PAUSE);
    }
}

/// Watches for `length` that something stays as it is: for what must not happen, the only proof is time.
pub fn stays_true(length: Duration, what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + length;
    while Instant::now() < end {
        assert!(holds(), "no longer true: {what}");
        thread::sleep(PAUSE);
    }
}
