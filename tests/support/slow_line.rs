//! A line that takes its time: whatever goes to [`FAR`] comes back from there after a delay, as if
//! this machine were at the other end as well. It is a TUN device in a network of the test's own.

use std::ffi::{c_int, c_ulong};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::process::Command;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use super::{own_network, skipped};

/// This machine's address on that line: where the server listens.
pub const NEAR: &str = "10.99.0.1";
/// The same server, seen through the line.
pub const FAR: &str = "10.99.0.2";

/// Moves this thread into a network with such a line, one way of which takes so long; false, said
/// aloud, where that is not allowed.
pub fn slow_line(delay: Duration) -> bool {
    if !own_network() {
        return false;
    }
    let Some(device) = open_tun() else {
        skipped("there is no TUN device: run the tests where /dev/net/tun is");
        return false;
    };
    let address = format!("{NEAR}/24");
    for arguments in
        [["addr", "add", &address, "dev", "slow"], ["link", "set", "dev", "slow", "up"]]
    {
        assert!(Command::new("ip").args(arguments).status().expect("ip").success());
    }
    let (sender, receiver) = mpsc::channel();
    let mut incoming = device.try_clone().expect("the device");
    thread::spawn(move || pass_on(device, &receiver));
    thread::spawn(move || {
        let mut packet = [0; 65536];
        while let Ok(length @ 20..) = incoming.read(&mut packet) {
            let mut packet = packet[..length].to_vec();
            turn_round(&mut packet);
            if sender.send((Instant::now() + delay, packet)).is_err() {
                return;
            }
        }
    });
    true
}

fn pass_on(mut device: File, packets: &Receiver<(Instant, Vec<u8>)>) {
    for (due, packet) in packets {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let _ = device.write(&packet);
    }
}

/// Exchanges source and destination of an IPv4 packet, which leaves its checksums as they are.
fn turn_round(packet: &mut [u8]) {
    let (source, destination) = packet[12..20].split_at_mut(4);
    if destination == [10, 99, 0, 2] {
        source.swap_with_slice(destination);
    }
}

/// A device of IP packets, without a header of its own before them.
fn open_tun() -> Option<File> {
    // linux/if_tun.h, and `struct ifreq` of linux/if.h
    const TUNSETIFF: c_ulong = 0x4004_54ca;
    const IFF_TUN: u16 = 1;
    const IFF_NO_PI: u16 = 0x1000;
    #[repr(C)]
    struct Request {
        name: [u8; 16],
        flags: u16,
        rest: [u8; 22],
    }
    unsafe extern "C" {
        fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
    }
    let device = File::options().read(true).write(true).open("/dev/net/tun").ok()?;
    let mut request = Request { name: [0; 16], flags: IFF_TUN | IFF_NO_PI, rest: [0; 22] };
    request.name[..4].copy_from_slice(b"slow");
    // SAFETY: the request is a struct ifreq, which outlives the call.
    let failed = unsafe { ioctl(device.as_raw_fd(), TUNSETIFF, &raw mut request) };
    (failed == 0).then_some(device)
}
