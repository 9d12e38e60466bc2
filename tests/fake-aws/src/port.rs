//! A listening address that can be closed and opened again, and the connections that it accepted.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

/// More than the 1000 connections that a test opens at once.
const BACKLOG: u32 = 4096;

pub(crate) type Serve = Arc<dyn Fn(TcpStream, SocketAddr) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

pub(crate) struct Port {
    address: SocketAddr,
    runtime: Handle,
    serve: Serve,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Port {
    /// Listens; with port 0 the system's choice is kept for every later opening.
    pub fn open(runtime: &Handle, address: SocketAddr, serve: Serve) -> io::Result<Self> {
        let listener = bind(runtime, address)?;
        let address = listener.local_addr()?;
        let task = runtime.spawn(accept(listener, Arc::clone(&serve)));
        Ok(Self { address, runtime: runtime.clone(), serve, task: Mutex::new(Some(task)) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and every connection. Not to be called on the runtime's own threads.
    pub fn down(&self) {
        let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() else {
            return;
        };
        task.abort();
        let (sender, ended) = mpsc::channel();
        self.runtime.spawn(async move {
            let _ = task.await;
            let _ = sender.send(());
        });
        // An error would mean that the runtime is gone, and the port with it.
        let _ = ended.recv();
    }

    /// Listens again on the same address.
    pub fn up(&self) -> io::Result<()> {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            let listener = bind(&self.runtime, self.address)?;
            *task = Some(self.runtime.spawn(accept(listener, Arc::clone(&self.serve))));
        }
        Ok(())
    }
}

fn bind(runtime: &Handle, address: SocketAddr) -> io::Result<TcpListener> {
    let _context = runtime.enter();
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts until it is aborted; the set ends the connections with it.
async fn accept(listener: TcpListener, serve: Serve) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(serve(stream, peer));
                }
                // Out of descriptors, most likely: some will be closed soon.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
        }
    }
}
