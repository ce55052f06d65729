//! What std lacks and the tests need, of Linux.

use std::ffi::{c_int, c_ulong, c_void};
use std::net::{SocketAddrV4, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::Duration;
use std::{io, iter};

// asm-generic/socket.h
const SOL_SOCKET: c_int = 1;

unsafe extern "C" {
    fn prctl(option: c_int, a: c_ulong, b: c_ulong, c: c_ulong, d: c_ulong) -> c_int;
    fn kill(pid: c_int, signal: c_int) -> c_int;
    fn socket(family: c_int, kind: c_int, protocol: c_int) -> c_int;
    fn connect(fd: c_int, address: *const InternetAddress, len: u32) -> c_int;
    fn setsockopt(fd: c_int, level: c_int, name: c_int, value: *const c_void, len: u32) -> c_int;
}

/// Sends a signal by name, such as `TERM`, to a process, or with a negative number to a group; false
/// if there is none.
pub fn signal(pid: i32, name: &str) -> bool {
    let numbers = [("KILL", 9), ("PIPE", 13), ("TERM", 15), ("INT", 2), ("HUP", 1)];
    let numbers = [&numbers[..], &[("CONT", 18), ("STOP", 19), ("TSTP", 20)]].concat();
    let number = numbers.iter().find(|(known, _)| *known == name);
    let (_, number) = number.unwrap_or_else(|| panic!("SIG{name}"));
    // SAFETY: no memory is passed.
    unsafe { kill(pid, *number) == 0 }
}

/// Sets an option of `SOL_SOCKET` to a value of the type that it has.
pub fn set_socket_option<T>(stream: &TcpStream, name: c_int, value: &T) {
    let (fd, len) = (stream.as_raw_fd(), size_of::<T>() as u32);
    // SAFETY: the kernel copies so many bytes of the value, which outlives the call.
    let failed = unsafe { setsockopt(fd, SOL_SOCKET, name, (&raw const *value).cast(), len) };
    assert_eq!(failed, 0, "{}", io::Error::last_os_error());
}

/// `struct sockaddr_in`.
#[repr(C)]
struct InternetAddress(u16, [u8; 2], [u8; 4], [u8; 8]);

/// Connects with room for so little (2,304 bytes in Linux) that the peer keeps most of what it sends till it is read.
pub fn connect_with_little_room(address: SocketAddrV4) -> io::Result<TcpStream> {
    const AF_INET: c_int = 2;
    const SOCK_STREAM: c_int = 1;
    const SO_RCVBUF: c_int = 8;
    // SAFETY: no memory is passed.
    let fd = unsafe { socket(AF_INET, SOCK_STREAM, 0) };
    assert!(fd >= 0, "{}", io::Error::last_os_error());
    // SAFETY: it is nobody else's.
    let stream = unsafe { TcpStream::from_raw_fd(fd) };
    set_socket_option(&stream, SO_RCVBUF, &1);
    // It holds for `connect` too (socket(7)).
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    let (port, ip) = (address.port().to_be_bytes(), address.ip().octets());
    let address = InternetAddress(AF_INET as u16, port, ip, [0; 8]);
    // SAFETY: it is the address of this length of its family, and outlives the call.
    let connected = unsafe { connect(fd, &raw const address, 16) } == 0;
    if connected { Ok(stream) } else { Err(io::Error::last_os_error()) }
}

/// `struct sock_filter` of linux/filter.h: code, jump if true, jump if false, operand.
#[repr(C)]
struct Instruction(u16, u8, u8, u32);

/// `struct sock_fprog`.
#[repr(C)]
struct Filter(u16, *const Instruction);

/// Has a command run with these system calls and no other: one more, and SIGSYS ends it (seccomp(2)), as it does under
/// systemd's `SystemCallFilter=`.
pub fn allow_system_calls(command: &mut Command, allowed: &[u32]) {
    const PR_SET_SECCOMP: c_int = 22;
    const PR_SET_NO_NEW_PRIVS: c_int = 38;
    const SECCOMP_MODE_FILTER: c_ulong = 2;
    const KILL_PROCESS: Instruction = Instruction(0x06, 0, 0, 0x8000_0000);
    const LOAD_NUMBER: Instruction = Instruction(0x20, 0, 0, 0);
    let allow =
        |number: &u32| [Instruction(0x15, 0, 1, *number), Instruction(0x06, 0, 0, 0x7fff_0000)];
    let middle = allowed.iter().flat_map(allow);
    let program: Vec<_> = iter::once(LOAD_NUMBER).chain(middle).chain([KILL_PROCESS]).collect();
    let filter = move || {
        let filter = Filter(program.len() as u16, program.as_ptr());
        // SAFETY: the kernel copies the program, which outlives the call.
        let failed = unsafe {
            prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (&raw const filter) as c_ulong, 0, 0)
                    != 0
        };
        if failed { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: it makes two system calls, and allocates nothing.
    unsafe { command.pre_exec(filter) };
}
