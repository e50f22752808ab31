//! Ports for servers.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

/// Below the range that the kernel takes the ports of outgoing connections from: nobody takes one while the server
/// that it was picked for restarts.
const FIRST: u32 = 10_000;
const COUNT: u32 = 22_000;
/// Servers of this family also listen at the port after theirs.
const STEP: u32 = 3;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// An address on the loopback interface where nobody listens. Not given out twice by one process.
///
/// # Panics
/// If there is none.
pub fn free() -> SocketAddr {
    // Processes that run at once start far from each other.
    let start = std::process::id().wrapping_mul(7919);
    for _ in 0..COUNT / STEP {
        let port = FIRST + start.wrapping_add(NEXT.fetch_add(STEP, Ordering::Relaxed)) % COUNT;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port as u16));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
    panic!("no free port");
}
