//! An address where packets vanish: connections are neither accepted nor refused.
//!
//! Linux drops the first packet of a connection whose listener has a full queue, so a listener with
//! the shortest queue, filled and never accepted from, needs no firewall and no privileges.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::fake::Fake;

/// A filling connection on loopback takes microseconds; one that takes longer found the queue full.
const FULL: Duration = Duration::from_millis(100);

impl Fake {
    /// The address of a new black hole, which lasts as long as the fake.
    pub fn black_hole(&self) -> SocketAddr {
        self.try_black_hole().unwrap_or_else(|error| panic!("fake-aws cannot make a black hole: {error}"))
    }

    fn try_black_hole(&self) -> io::Result<SocketAddr> {
        let _context = self.runtime().enter();
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let listener = socket.listen(0)?;
        let address = listener.local_addr()?;
        let mut filling = Vec::new();
        while let Ok(stream) = TcpStream::connect_timeout(&address, FULL) {
            filling.push(stream);
        }
        self.runtime().spawn(async move {
            let _kept = (listener, filling);
            std::future::pending::<()>().await;
        });
        Ok(address)
    }
}
