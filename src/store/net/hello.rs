//! Whether a server answers a hello at all. One with a post-quantum key share takes two packets where a classical one takes one,
//! and there are devices that only look at the first. Who sees such a hello fail must be told so, and not only that a
//! connection broke.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The type of a record that is part of a handshake (RFC 8446, 5.1). An alert is another one: it refuses the hello.
const HANDSHAKE: u8 = 22;

/// What became of the first flight of one connection.
#[derive(Clone, Default)]
pub struct Hello {
    sent: Arc<AtomicBool>,
    answered: Arc<AtomicBool>,
}

impl Hello {
    /// It was sent, and the server went on with the handshake.
    pub fn is_answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// It was sent, and nothing came, or an alert at once.
    pub fn is_refused(&self) -> bool {
        self.sent.load(Ordering::Relaxed) && !self.is_answered()
    }
}

/// A TCP stream that takes note of the first bytes in both directions.
pub struct Watched {
    stream: TcpStream,
    hello: Hello,
    heard: bool,
}

impl Watched {
    pub fn new(stream: TcpStream, hello: Hello) -> Self {
        Watched { stream, hello, heard: false }
    }
}

impl AsyncRead for Watched {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, buf))?;
        if let (false, Some(first)) = (self.heard, buf.filled().get(before)) {
            self.hello.answered.store(*first == HANDSHAKE, Ordering::Relaxed);
            self.heard = true;
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.hello.sent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write(context, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.hello.sent.store(true, Ordering::Relaxed);
        Pin::new(&mut self.stream).poll_write_vectored(context, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
