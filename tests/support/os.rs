//! What std lacks and the tests need, of Linux.

use std::ffi::{c_int, c_void};
use std::io;
use std::net::TcpStream;
use std::os::fd::AsRawFd;

// asm-generic/socket.h
const SOL_SOCKET: c_int = 1;

unsafe extern "C" {
    fn kill(pid: c_int, signal: c_int) -> c_int;
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
