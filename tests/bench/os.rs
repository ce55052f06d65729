//! What std lacks for a load generator: a source address of one's own, many sockets in one wait,
//! and children that die with their parent. The only unsafe code of the benchmark.

use std::ffi::{c_int, c_ulong, c_void};
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
const PR_SET_PDEATHSIG: c_int = 1;
const SIGTERM: c_int = 15;
pub const POLLIN: i16 = 1;
pub const POLLOUT: i16 = 4;

/// `sockaddr_in`, see ip(7): port and address in network order.
#[repr(C)]
struct SocketAddress {
    family: u16,
    port: [u8; 2],
    address: [u8; 4],
    zero: [u8; 8],
}

/// `pollfd`, see poll(2): a negative `fd` is skipped.
#[repr(C)]
pub struct Interest {
    pub fd: c_int,
    pub wanted: i16,
    pub ready: i16,
}

unsafe extern "C" {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, length: u32)
    -> c_int;
    fn bind(fd: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn connect(fd: c_int, address: *const SocketAddress, length: u32) -> c_int;
    fn poll(interests: *mut Interest, count: c_ulong, milliseconds: c_int) -> c_int;
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

/// Waits until one of the sockets is ready, or for `longest`.
pub fn wait(interests: &mut [Interest], longest: Duration) -> io::Result<()> {
    let (count, milliseconds) = (interests.len() as c_ulong, longest.as_millis() as c_int);
    // SAFETY: the pointer and the count are those of one live slice.
    checked(unsafe { poll(interests.as_mut_ptr(), count, milliseconds) }).map(drop)
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
