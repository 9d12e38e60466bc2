//! A network of the test's own, with addresses that no other machine answers for: IMDS at its real one.

use std::ffi::CString;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

/// The kernel's worker takes milliseconds.
const WORKER_PATIENCE: Duration = Duration::from_secs(20);

/// Runs a test in a new network namespace, in which the loopback interface has these addresses too. The threads and
/// processes that it starts are in there with it. Where that is not allowed the test is skipped, and says so.
pub fn with_addresses(name: &str, addresses: &[&str], test: impl FnOnce() + Send) {
    // A namespace belongs to a thread, which may be libtest's main one: so a thread of its own.
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| match enter(addresses) {
            Ok(()) => test(),
            Err(error) => crate::common::skip(name, &format!("no network namespace: {error}")),
        });
        if let Err(panic) = inside.join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn enter(addresses: &[&str]) -> io::Result<()> {
    // SAFETY: unshare(2) changes the network of this thread and of what it starts.
    checked(unsafe { libc::unshare(libc::CLONE_NEWNET) })?;
    interface(
        "lo",
        |request| request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16,
        libc::SIOCSIFFLAGS,
    )?;
    for (at, address) in addresses.iter().enumerate() {
        let address = match address.parse().map_err(io::Error::other)? {
            IpAddr::V4(address) => address,
            IpAddr::V6(address) => {
                add_ipv6_to_loopback(address)?;
                continue;
            }
        };
        interface(
            &format!("lo:{at}"),
            |request| request.ifr_ifru.ifru_addr = socket_address(address),
            libc::SIOCSIFADDR,
        )?;
    }
    Ok(())
}

/// One change of an interface (netdevice(7)).
fn interface(name: &str, fill: impl Fn(&mut libc::ifreq), change: libc::Ioctl) -> io::Result<()> {
    let name = CString::new(name)?;
    // SAFETY: all zeroes is an empty request. The name is shorter than the field, and ends with a NUL. The socket is
    // closed here.
    unsafe {
        let mut request: libc::ifreq = std::mem::zeroed();
        for (to, from) in request.ifr_name.iter_mut().zip(name.as_bytes()) {
            *to = *from as libc::c_char;
        }
        fill(&mut request);
        let socket = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        checked(socket)?;
        let changed = checked(libc::ioctl(socket, change, &raw const request));
        libc::close(socket);
        changed
    }
}

/// As netdevice(7) has it, for the interface with the number 1, which is the loopback of a new namespace.
fn add_ipv6_to_loopback(address: Ipv6Addr) -> io::Result<()> {
    // SAFETY: the request is a value of the type that the kernel reads for this socket's family. The socket is closed here.
    unsafe {
        let request = libc::in6_ifreq {
            ifr6_addr: libc::in6_addr { s6_addr: address.octets() },
            ifr6_prefixlen: 128,
            ifr6_ifindex: 1,
        };
        let socket = libc::socket(libc::AF_INET6, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        checked(socket)?;
        let changed = checked(libc::ioctl(socket, libc::SIOCSIFADDR, &raw const request));
        libc::close(socket);
        changed?;
    }
    usable(address)
}

/// The kernel looks for duplicates of a new IPv6 address in a worker of its own (RFC 4862, 5.4), which has nothing to do on
/// loopback. Until it has run, nobody can listen there.
fn usable(address: Ipv6Addr) -> io::Result<()> {
    let begun = Instant::now();
    loop {
        match UdpSocket::bind((address, 0)) {
            Err(error) if error.kind() == io::ErrorKind::AddrNotAvailable && begun.elapsed() < WORKER_PATIENCE => {
                std::thread::yield_now();
            }
            bound => return bound.map(|_| ()),
        }
    }
}

fn socket_address(address: Ipv4Addr) -> libc::sockaddr {
    let octets = address.octets();
    // SAFETY: all zeroes is a valid address; of AF_INET, bytes 2 to 5 of the data are the host (ip(7)).
    let mut socket_address: libc::sockaddr = unsafe { std::mem::zeroed() };
    socket_address.sa_family = libc::AF_INET as libc::sa_family_t;
    for (to, from) in socket_address.sa_data[2..6].iter_mut().zip(octets) {
        *to = from as libc::c_char;
    }
    socket_address
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
