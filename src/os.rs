//! The few things that std lacks, of Linux (its numbers are those of x86-64 and 64-bit ARM): the only
//! unsafe code.
//!
//! Each function is one call of the C library that std links anyway.

#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
compile_error!(
    "orderpay takes Linux on x86-64 or 64-bit ARM: elsewhere the numbers in src/os.rs mean something else"
);

use std::ffi::{c_int, c_ulong, c_void};
use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

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

/// `struct sockaddr_in` and `sockaddr_in6`, of which the first is as long as its family needs: ports and
/// addresses stand in it as they go over the wire.
#[repr(C)]
struct SocketAddress {
    family: u16,
    port: [u8; 2],
    /// Or the whole address of the version 4, and then nothing.
    flow: [u8; 4],
    address: [u8; 16],
    scope: u32,
}

const SIGINT: c_int = 2;
const SIGTERM: c_int = 15;
const SIGXFSZ: c_int = 25;
const SIG_BLOCK: c_int = 0;
const SIG_IGN: usize = 1;
const RLIMIT_NPROC: c_int = 6;
const RLIMIT_NOFILE: c_int = 7;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const SOCK_STREAM: c_int = 1;
const SOCK_CLOEXEC: c_int = 0x80000;
const SOL_SOCKET: c_int = 1;
const SO_REUSEADDR: c_int = 2;
const SO_SNDBUF: c_int = 7;
const SO_RCVBUF: c_int = 8;
const SO_LINGER: c_int = 13;
const IPPROTO_TCP: c_int = 6;
const TCP_NODELAY: c_int = 1;
const TCP_DEFER_ACCEPT: c_int = 9;
const IPPROTO_IPV6: c_int = 41;
const IPV6_V6ONLY: c_int = 26;
const SIOCOUTQNSD: c_ulong = 0x894b;
const POSIX_FADV_RANDOM: c_int = 1;
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
    fn signal(signal: c_int, handler: usize) -> usize;
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: u32) -> c_int;
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    fn bind(socket: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn posix_fadvise(file: c_int, offset: i64, length: i64, advice: c_int) -> c_int;
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

/// From now on a file that would become larger than it may (`ulimit -f`) is an error of the one write,
/// as a disk that is full is, and not the end of the process.
pub fn survive_file_size_limit() {
    // SAFETY: no memory is passed, and no code of ours runs at the signal.
    unsafe { signal(SIGXFSZ, SIG_IGN) };
}

/// Raises the soft limit of descriptors to the hard one; the limit in force then.
pub fn raise_descriptor_limit() -> usize {
    let Limit { hard, .. } = limit(RLIMIT_NOFILE);
    // SAFETY: the struct rlimit outlives the call.
    unsafe { setrlimit(RLIMIT_NOFILE, &Limit { soft: hard, hard }) };
    limit(RLIMIT_NOFILE).soft as usize
}

/// How many processes, threads among them, this user may have.
pub fn process_limit() -> usize {
    limit(RLIMIT_NPROC).soft as usize
}

fn limit(resource: c_int) -> Limit {
    let mut limit = Limit { soft: 1024, hard: 1024 };
    // SAFETY: `limit` is a struct rlimit that outlives the call.
    unsafe { getrlimit(resource, &mut limit) };
    limit
}

/// One heap for all threads. By default glibc has one for every few of them, and what one thread has
/// freed is of no use to another: a server whose memory is bounded would need several times as much.
/// (musl has one.)
pub fn share_heap() {
    #[cfg(target_env = "gnu")]
    {
        const M_ARENA_MAX: c_int = -8;
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        // SAFETY: no memory is passed.
        unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}

/// Listens at an address. What std does not do: `[::]` is IPv6 alone, so that `0.0.0.0` can stand
/// beside it (RFC 3493, section 5.3); as many connections wait to be accepted as the kernel allows,
/// where std asks for 128 and of a crowd that comes back after a restart, the others would try again a
/// second later. And connections inherit the listener's options (tcp(7)): a frame right after its
/// opening does not wait for an acknowledgement, and a peer fills no more than these buffers.
pub fn listen_at(address: &SocketAddr, buffers: &Buffers) -> io::Result<TcpListener> {
    let (raw, length) = SocketAddress::new(address);
    // SAFETY: no memory is passed; a descriptor that is returned is nobody else's.
    let listener = unsafe {
        let socket = checked(socket(raw.family.into(), SOCK_STREAM | SOCK_CLOEXEC, 0))?;
        TcpListener::from(OwnedFd::from_raw_fd(socket))
    };
    set(&listener, SOL_SOCKET, SO_REUSEADDR, &1)?;
    set(&listener, SOL_SOCKET, SO_RCVBUF, &buffers.receive)?;
    set(&listener, SOL_SOCKET, SO_SNDBUF, &buffers.send)?;
    set(&listener, IPPROTO_TCP, TCP_NODELAY, &1)?;
    if address.is_ipv6() {
        set(&listener, IPPROTO_IPV6, IPV6_V6ONLY, &1)?;
    }
    // SAFETY: `raw` is the address of this length of its family, and outlives the call.
    checked(unsafe { bind(listener.as_raw_fd(), &raw, length) })?;
    // SAFETY: no memory is passed.
    checked(unsafe { listen(listener.as_raw_fd(), c_int::MAX) })?;
    Ok(listener)
}

/// How many bytes the kernel keeps for a connection at most, in either direction. It takes twice as
/// much for each, for what it costs to keep them.
pub struct Buffers {
    pub receive: c_int,
    pub send: c_int,
}

impl SocketAddress {
    /// With its length.
    fn new(address: &SocketAddr) -> (Self, u32) {
        let port = address.port().to_be_bytes();
        match address {
            SocketAddr::V4(it) => {
                let (family, flow) = (AF_INET, it.ip().octets());
                (SocketAddress { family, port, flow, address: [0; 16], scope: 0 }, 16)
            }
            SocketAddr::V6(it) => {
                let (address, scope) = (it.ip().octets(), it.scope_id());
                (SocketAddress { family: AF_INET6, port, flow: [0; 4], address, scope }, 28)
            }
        }
    }
}

/// From now on a connection waits to be accepted until something has come from its client, or a second
/// has passed (tcp(7)): for where nobody has the time to wait for that. Until then a stop tells it nothing.
pub fn defer_accept(listener: &TcpListener) {
    // Where the kernel does not, they wait all the same.
    let _ = set(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, &1);
}

/// From now on the peer can have the kernel keep no more than a page of what it sends: for one that has
/// nothing to say. What has come already stays.
pub fn shrink_receive_buffer(stream: &TcpStream) {
    // The kernel makes that its minimum. Where it does not, nothing is lost.
    let _ = set(stream, SOL_SOCKET, SO_RCVBUF, &1);
}

/// The kernel forgets what it still has for the peer when the stream is closed, which is a reset for the
/// peer. Else it would keep that for minutes, for a peer that does not read.
pub fn abort_at_close(stream: &TcpStream) {
    // A struct linger that is on, with no seconds.
    let _ = set(stream, SOL_SOCKET, SO_LINGER, &[1 as c_int, 0]);
}

/// Sets an option to a value of the type that it has.
fn set<T>(socket: &impl AsRawFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let (fd, length) = (socket.as_raw_fd(), size_of::<T>() as u32);
    // SAFETY: the kernel copies so many bytes of the value, which outlives the call.
    checked(unsafe { setsockopt(fd, level, name, (&raw const *value).cast(), length) }).map(drop)
}

/// What a call returns that says -1 where it has failed.
fn checked(result: c_int) -> io::Result<c_int> {
    if result >= 0 { Ok(result) } else { Err(io::Error::last_os_error()) }
}

/// Locks a file for as long as it is open, without waiting for who has the lock:
/// [`io::ErrorKind::WouldBlock`]. std has this since Rust 1.89.
pub fn try_lock(file: &File) -> io::Result<()> {
    // SAFETY: no memory is passed; the descriptor is open as long as `file` is borrowed.
    checked(unsafe { flock(file.as_raw_fd(), LOCK_EX | LOCK_NB) }).map(drop)
}

/// From now on the kernel reads no more of the file than what is asked for. What it reads ahead, which may
/// be mebibytes, takes the place of the program's own pages where memory is bounded.
pub fn read_nothing_ahead(file: &File) {
    // SAFETY: no memory is passed. Where the kernel does not listen, it is only slower.
    unsafe { posix_fadvise(file.as_raw_fd(), 0, 0, POSIX_FADV_RANDOM) };
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

/// How many bytes of what was sent have not left yet: the peer has no room for them, or its line is slow or
/// down. None, if the connection is broken. (It says nothing of who has read the others.)
pub fn unsent(stream: &TcpStream) -> usize {
    let mut bytes: c_int = 0;
    // SAFETY: the kernel writes a c_int, which outlives the call.
    unsafe { ioctl(stream.as_raw_fd(), SIOCOUTQNSD, &raw mut bytes) };
    // After a reset it still says what there was.
    if bytes > 0 && stream.peer_addr().is_ok() { bytes as usize } else { 0 }
}

/// Whether a call failed because descriptors or memory have run out, here or in the whole system.
pub fn is_shortage(error: &io::Error) -> bool {
    const ENOMEM: i32 = 12;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    const ENOBUFS: i32 = 105;
    matches!(error.raw_os_error(), Some(ENOMEM | ENFILE | EMFILE | ENOBUFS))
}
