//! A network of a test's own: every port is free there, also 80 and 8888, and no other test sees it.

use std::ffi::c_int;
use std::process::Command;

use super::{skipped, tool};

/// `unshare(2)`.
const CLONE_NEWNET: c_int = 0x4000_0000;

unsafe extern "C" {
    fn unshare(flags: c_int) -> c_int;
}

/// Moves this thread, with all threads and processes that it starts from now on, into a network that has a loopback
/// and nothing else; false, said aloud, where that is not allowed.
pub fn own_network() -> bool {
    let Some(ip) = tool("ip") else { return false };
    // SAFETY: no memory is passed, and only the calling thread is moved.
    if unsafe { unshare(CLONE_NEWNET) } != 0 {
        skipped("only root gets a network of its own: run the tests as root");
        return false;
    }
    let status = Command::new(ip).args(["link", "set", "lo", "up"]).status();
    assert!(status.expect("ip").success(), "the loopback does not come up");
    true
}
