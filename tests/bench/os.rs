//! What std lacks for a load generator: a source address of one's own, many sockets in one wait,
//! and children that die with their parent. The only unsafe code of the benchmark.

use std::ffi::{c_int, c_long, c_ulong, c_void};
use std::io;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::time::Duration;

const AF_INET: c_int = 2;
const SOCK_STREAM: c_int = 1;
const SOCK_NONBLOCK: c_int = 0o4000;
const SOCK_CLOEXEC: c_int = 0o2000000;
const IPPROTO_IP: c_int = 0;
/// ip(7): a bind to port 0 leaves the choice of a port to `connect`, which knows the whole pair of
/// addresses.
const IP_BIND_ADDRESS_NO_PORT: c_int = 24;
const EINPROGRESS: i32 = 115;
const RLIMIT_NOFILE: c_int = 7;
const PR_SET_PDEATHSIG: c_int = 1;
const SIGTERM: c_int = 15;
const EPOLL_CLOEXEC: c_int = SOCK_CLOEXEC;
const EPOLL_CTL_ADD: c_int = 1;
const EPOLL_CTL_MOD: c_int = 3;
/// EPOLLIN and EPOLLOUT.
pub const READABLE: u32 = 1;
pub const WRITABLE: u32 = 4;

/// `sockaddr_in`, see ip(7): port and address in network order.
#[repr(C)]
struct SocketAddress {
    family: u16,
    port: [u8; 2],
    address: [u8; 4],
    zero: [u8; 8],
}

/// `epoll_event`, see epoll_ctl(2): packed where a 32-bit and a 64-bit kernel shall agree.
#[derive(Clone, Copy, Default)]
#[cfg_attr(target_arch = "x86_64", repr(C, packed))]
#[cfg_attr(not(target_arch = "x86_64"), repr(C))]
pub struct Event {
    ready: u32,
    pub token: u64,
}

/// `timespec` of a 64-bit Linux.
#[repr(C)]
#[derive(Default)]
struct Time {
    seconds: c_long,
    nanoseconds: c_long,
}

/// `rlimit` of a 64-bit Linux.
#[repr(C)]
#[derive(Default)]
struct Limit {
    soft: c_ulong,
    hard: c_ulong,
}

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32)
    -> c_int;
    fn bind(fd: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn connect(fd: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn epoll_create1(flags: c_int) -> c_int;
    fn epoll_ctl(epoll: c_int, operation: c_int, fd: c_int, event: *const Event) -> c_int;
    fn epoll_wait(epoll: c_int, events: *mut Event, most: c_int, milliseconds: c_int) -> c_int;
    fn clock_getcpuclockid(process: c_int, clock: *mut c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut Time) -> c_int;
    fn getrlimit(resource: c_int, limit: *mut Limit) -> c_int;
    fn setrlimit(resource: c_int, limit: *const Limit) -> c_int;
    fn kill(process: c_int, signal: c_int) -> c_int;
    fn prctl(option: c_int, argument: c_ulong) -> c_int;
}

/// A connection from an address of the client's choice: a pair of addresses has only some 28,000
/// ports (`ip_local_port_range`), and finding a free one is slow long before the last is taken.
pub fn connect_from(source: Ipv4Addr, to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = bound_socket(source, 0)?;
    connect_socket(&socket, to)?;
    Ok(TcpStream::from(socket))
}

/// The same without waiting for the handshake; the stream does not block.
pub fn start_connecting_from(source: Ipv4Addr, to: SocketAddrV4) -> io::Result<TcpStream> {
    let socket = bound_socket(source, SOCK_NONBLOCK)?;
    match connect_socket(&socket, to) {
        Err(error) if error.raw_os_error() != Some(EINPROGRESS) => Err(error),
        _ => Ok(TcpStream::from(socket)),
    }
}

fn bound_socket(source: Ipv4Addr, flags: c_int) -> io::Result<OwnedFd> {
    // SAFETY: no pointer is passed; the result is checked before it is owned, and owned once.
    let socket = unsafe {
        let fd = checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0))?;
        OwnedFd::from_raw_fd(fd)
    };
    let (yes, address) = (1 as c_int, SocketAddress::from(SocketAddrV4::new(source, 0)));
    // SAFETY: both pointers are to live values of the length that is passed.
    unsafe {
        let length = size_of_val(&yes) as u32;
        checked(setsockopt(
            socket.as_raw_fd(),
            IPPROTO_IP,
            IP_BIND_ADDRESS_NO_PORT,
            (&raw const yes).cast(),
            length,
        ))?;
        checked(bind(socket.as_raw_fd(), &address, size_of_val(&address) as u32))?;
    }
    Ok(socket)
}

fn connect_socket(socket: &OwnedFd, to: SocketAddrV4) -> io::Result<()> {
    let address = SocketAddress::from(to);
    // SAFETY: the pointer is to a live value of the length that is passed.
    checked(unsafe { connect(socket.as_raw_fd(), &address, size_of_val(&address) as u32) })
        .map(drop)
}

/// Sockets of which one thread waits for all, at the same cost however many they are: see epoll(7).
/// A closed socket is not waited for any more.
pub struct Epoll(OwnedFd);

impl Epoll {
    pub fn new() -> io::Result<Self> {
        // SAFETY: no pointer is passed; the result is checked before it is owned, and owned once.
        unsafe { Ok(Epoll(OwnedFd::from_raw_fd(checked(epoll_create1(EPOLL_CLOEXEC))?))) }
    }

    /// Waits for `readiness` from now on, and reports it with this token.
    pub fn watch(&self, stream: &TcpStream, token: u64, readiness: u32) -> io::Result<()> {
        self.control(EPOLL_CTL_ADD, stream, Event { ready: readiness, token })
    }

    /// Waits for something else than before.
    pub fn watch_instead(&self, stream: &TcpStream, token: u64, readiness: u32) -> io::Result<()> {
        self.control(EPOLL_CTL_MOD, stream, Event { ready: readiness, token })
    }

    fn control(&self, operation: c_int, stream: &TcpStream, event: Event) -> io::Result<()> {
        // SAFETY: the pointer is to a live event, which the kernel copies.
        let result =
            unsafe { epoll_ctl(self.0.as_raw_fd(), operation, stream.as_raw_fd(), &event) };
        checked(result).map(drop)
    }

    /// Waits until one of the sockets is ready, or for `longest`; returns those that are.
    pub fn wait<'e>(
        &self,
        events: &'e mut [Event],
        longest: Duration,
    ) -> io::Result<&'e mut [Event]> {
        let (most, milliseconds) = (events.len() as c_int, longest.as_millis() as c_int);
        // SAFETY: the pointer and the count are those of one live slice.
        let count = checked(unsafe {
            epoll_wait(self.0.as_raw_fd(), events.as_mut_ptr(), most, milliseconds)
        })?;
        Ok(&mut events[..count as usize])
    }
}

/// The CPU time of a process, also of its threads that have ended: to the nanosecond, while
/// `/proc/PID/stat` counts in hundredths of a second.
pub fn cpu_time(process: u32) -> Duration {
    let (mut clock, mut time) = (0, Time::default());
    // SAFETY: both pointers are to live values. A process that has ended leaves them as they are.
    unsafe {
        if clock_getcpuclockid(process as c_int, &mut clock) == 0 {
            clock_gettime(clock, &mut time);
        }
    }
    Duration::new(time.seconds as u64, time.nanoseconds as u32)
}

/// As many descriptors as this process and its children may have: most shells give fewer.
pub fn raise_descriptor_limit() -> io::Result<()> {
    let mut limit = Limit::default();
    // SAFETY: the pointers are to a live value.
    unsafe {
        checked(getrlimit(RLIMIT_NOFILE, &mut limit))?;
        limit.soft = limit.hard;
        checked(setrlimit(RLIMIT_NOFILE, &limit)).map(drop)
    }
}

/// The child gets SIGTERM when the benchmark is gone, even if that was killed and could clean up
/// nothing.
pub fn dies_with_us(command: &mut Command) -> &mut Command {
    // SAFETY: prctl is a plain system call: it may run between fork and exec.
    unsafe { command.pre_exec(|| checked(prctl(PR_SET_PDEATHSIG, SIGTERM as c_ulong)).map(drop)) }
}

/// Asks a child to end. std can only kill one, and a killed nginx leaves its workers behind.
pub fn terminate(child: &Child) {
    // SAFETY: no pointer is passed; the child is not waited for yet, so the number is still its
    // own.
    unsafe { kill(child.id() as c_int, SIGTERM) };
}

fn checked(result: c_int) -> io::Result<c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

impl From<SocketAddrV4> for SocketAddress {
    fn from(address: SocketAddrV4) -> Self {
        let (port, ip) = (address.port().to_be_bytes(), address.ip().octets());
        SocketAddress { family: AF_INET as u16, port, address: ip, zero: [0; 8] }
    }
}
