//! How the bytes of an answer reach the peer, or fail to.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use crate::action::Action;
use crate::http::Response;

/// A connection, with or without TLS, whose TCP stream can be reached to break it.
pub(crate) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {
    fn tcp(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    KeepAlive,
    Close,
}

/// Sends an answer under an action. `response` is `None` where the action leaves none.
pub(crate) async fn send<W: Wire>(
    wire: &mut W,
    response: Option<&Response>,
    action: Option<&Action>,
) -> io::Result<Then> {
    match (action, response) {
        (Some(Action::Hang), _) => hang(wire).await?,
        (Some(Action::Raw(bytes)), _) => write_and_close(wire, bytes).await?,
        (Some(Action::HugeBody(total)), _) => huge_body(wire, *total).await?,
        (Some(Action::EndlessHeaders), _) => endless_headers(wire).await?,
        (_, None) => {}
        (Some(Action::ResetAfter(length)), Some(response)) => {
            write_up_to(wire, response, *length).await?;
            wire.tcp().set_zero_linger()?;
        }
        // Dropping the stream sends a FIN, and no close_notify.
        (Some(Action::FinAfter(length)), Some(response)) => write_up_to(wire, response, *length).await?,
        (Some(Action::CloseAfter(length)), Some(response)) => {
            write_up_to(wire, response, *length).await?;
            wire.shutdown().await?;
        }
        (Some(Action::Slow { bytes, tick }), Some(response)) => {
            wire.write_all(&response.head(response.body.len())).await?;
            for piece in response.body.chunks((*bytes).max(1)) {
                wire.flush().await?;
                tokio::time::sleep(*tick).await;
                wire.write_all(piece).await?;
            }
            wire.flush().await?;
            return Ok(Then::KeepAlive);
        }
        (_, Some(response)) => {
            wire.write_all(&response.to_bytes()).await?;
            wire.flush().await?;
            return Ok(Then::KeepAlive);
        }
    }
    Ok(Then::Close)
}

/// Reads and forgets until the peer gives up.
pub(crate) async fn hang<R: AsyncRead + Unpin>(stream: &mut R) -> io::Result<()> {
    let mut scratch = [0; 1024];
    while stream.read(&mut scratch).await? > 0 {}
    Ok(())
}

pub(crate) async fn write_and_close<W: Wire>(wire: &mut W, bytes: &[u8]) -> io::Result<()> {
    wire.write_all(bytes).await?;
    wire.shutdown().await
}

async fn write_up_to<W: Wire>(wire: &mut W, response: &Response, length: usize) -> io::Result<()> {
    let bytes = response.to_bytes();
    wire.write_all(&bytes[..length.min(bytes.len())]).await?;
    wire.flush().await
}

async fn huge_body<W: Wire>(wire: &mut W, total: usize) -> io::Result<()> {
    let start = br#"{"InvalidParameters":[],"Parameters":[{"Name":"x","Type":"String","Value":""#;
    let empty = Response::new(200, "application/x-amz-json-1.1", "");
    wire.write_all(&empty.head(total)).await?;
    wire.write_all(&start[..start.len().min(total)]).await?;
    let (filler, mut left) = ([b'a'; 16 * 1024], total.saturating_sub(start.len()));
    while left > 0 {
        let piece = left.min(filler.len());
        wire.write_all(&filler[..piece]).await?;
        left -= piece;
    }
    wire.shutdown().await
}

async fn endless_headers<W: Wire>(wire: &mut W) -> io::Result<()> {
    wire.write_all(b"HTTP/1.1 200 OK\r\n").await?;
    for number in 0_u64.. {
        wire.write_all(format!("X-Filler-{number}: {}\r\n", "a".repeat(100)).as_bytes()).await?;
    }
    Ok(())
}
