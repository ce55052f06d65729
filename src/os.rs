//! The few things that std lacks, of Linux (its numbers are those of x86-64 and ARM): the only
//! unsafe code.
//!
//! Each function is one call of the C library that std links anyway.

use std::ffi::{c_int, c_ulong, c_void};
use std::fs::File;
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;

/// `sigset_t` of glibc and musl: 1024 bits.
#[derive(Default)]
#[repr(C)]
struct SigSet([c_ulong; 1024 / c_ulong::BITS as usize]);

/// `struct rlimit` with 64-bit fields, as `getrlimit` and `setrlimit` take it on 64-bit Linux.
#[repr(C)]
struct Limit {
    soft: c_ulong,
    hard: c_ulong,
}

const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;
const SIG_BLOCK: c_int = 0;
const RLIMIT_NOFILE: c_int = 7;
const LOCK_EX: c_int = 2;
const LOCK_NB: c_int = 4;
const MSG_DONTWAIT: c_int = 0x40;
const MSG_NOSIGNAL: c_int = 0x4000;
const MSG_MORE: c_int = 0x8000;

unsafe extern "C" {
    fn sigemptyset(set: *mut SigSet) -> c_int;
    fn sigaddset(set: *mut SigSet, signal: c_int) -> c_int;
    fn pthread_sigmask(how: c_int, set: *const SigSet, old: *mut SigSet) -> c_int;
    fn sigwait(set: *const SigSet, signal: *mut c_int) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
    fn flock(file: c_int, operation: c_int) -> c_int;
    fn listen(socket: c_int, backlog: c_int) -> c_int;
    fn recv(socket: c_int, buffer: *mut c_void, length: usize, flags: c_int) -> isize;
    fn send(socket: c_int, bytes: *const c_void, length: usize, flags: c_int) -> isize;
}

/// The signals that stop the server, held back from every thread so that one can wait for them.
///
/// A held-back signal reaches PID 1 too, which otherwise is deaf to what it has no handler for.
pub struct StopSignals(SigSet);

impl StopSignals {
    /// Holds them back in this thread and in all that it starts later: call it first.
    pub fn hold_back() -> StopSignals {
        let mut set = SigSet::default();
        // SAFETY: `set` is as large as a sigset_t and outlives the calls; the signals exist.
        unsafe {
            sigemptyset(&mut set);
            sigaddset(&mut set, SIGINT);
            sigaddset(&mut set, SIGTERM);
            pthread_sigmask(SIG_BLOCK, &set, std::ptr::null_mut());
        }
        StopSignals(set)
    }

    /// Blocks until one of them comes.
    pub fn wait(&self) {
        let mut signal = 0;
        // SAFETY: both pointers are to live values of the right types.
        while unsafe { sigwait(&self.0, &mut signal) } != 0 {}
    }
}

/// Raises the soft limit of descriptors to the hard one; the limit in force then.
pub fn raise_descriptor_limit() -> usize {
    let mut limit = Limit { soft: 1024, hard: 1024 };
    // SAFETY: `limit` is a struct rlimit that outlives the calls.
    unsafe {
        getrlimit(RLIMIT_NOFILE, &mut limit);
        setrlimit(RLIMIT_NOFILE, &Limit { soft: limit.hard, ..limit });
        getrlimit(RLIMIT_NOFILE, &mut limit);
    }
    usize::try_from(limit.soft).unwrap_or(usize::MAX)
}

/// Lets as many connections wait to be accepted as the kernel allows. std asks for 128; of a crowd
/// that comes back after a restart, the others would try again a second later.
pub fn deepen_backlog(listener: &TcpListener) -> io::Result<()> {
    // SAFETY: no memory is passed; the descriptor is open as long as `listener` is borrowed.
    done(unsafe { listen(listener.as_raw_fd(), c_int::MAX) })
}

/// Locks a file for as long as it is open, without waiting for who has the lock:
/// [`io::ErrorKind::WouldBlock`]. std has this since Rust 1.89.
pub fn try_lock(file: &File) -> io::Result<()> {
    // SAFETY: no memory is passed; the descriptor is open as long as `file` is borrowed.
    done(unsafe { flock(file.as_raw_fd(), LOCK_EX | LOCK_NB) })
}

fn done(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Reads what has come, without waiting for more; how much it was.
pub fn receive_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let (socket, length) = (stream.as_raw_fd(), buffer.len());
    // SAFETY: the buffer has that length and outlives the call; the descriptor is open.
    let received = unsafe { recv(socket, buffer.as_mut_ptr().cast(), length, MSG_DONTWAIT) };
    usize::try_from(received).map_err(|_| io::Error::last_os_error())
}

/// Sends as much as there is room for, without waiting for more; how much it was. If more is to
/// follow at once, be it the end of stream, the kernel keeps it for the same packet (tcp(7)).
pub fn send_now(stream: &TcpStream, bytes: &[u8], more: bool) -> io::Result<usize> {
    let flags = MSG_DONTWAIT | MSG_NOSIGNAL | if more { MSG_MORE } else { 0 };
    // SAFETY: the bytes have that length and outlive the call; the descriptor is open.
    let sent = unsafe { send(stream.as_raw_fd(), bytes.as_ptr().cast(), bytes.len(), flags) };
    usize::try_from(sent).map_err(|_| io::Error::last_os_error())
}

/// Whether a call failed because descriptors or memory have run out, here or in the whole system.
pub fn is_shortage(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}
