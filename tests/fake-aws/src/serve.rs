//! One connection: faults at its beginning, TLS, then request after request.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::action::Action;
use crate::answer;
use crate::call::{Call, Endpoint};
use crate::fault::Chosen;
use crate::http::{self, Request};
use crate::log::{Origin, Ticket};
use crate::shared::Shared;
use crate::wire::{self, Then, Wire};

/// A connection as long as it is counted as open.
struct Connection {
    shared: Arc<Shared>,
    endpoint: Endpoint,
    number: u64,
    peer: SocketAddr,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.log.closed(self.endpoint);
    }
}

pub(crate) async fn connection(shared: Arc<Shared>, endpoint: Endpoint, tcp: TcpStream, peer: SocketAddr) {
    let number = shared.log.opened(endpoint);
    let connection = Connection { shared, endpoint, number, peer };
    // What goes wrong on a wire is the peer's to notice; the log has the requests.
    let _ = connection.run(tcp).await;
}

impl Connection {
    async fn run(&self, mut tcp: TcpStream) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        if self.accept_fault(&mut tcp).await? == Then::Close {
            return Ok(());
        }
        match self.shared.tls.as_ref().filter(|_| self.endpoint == Endpoint::Aws) {
            None => self.requests(tcp).await,
            Some(acceptor) => match acceptor.accept(tcp).await {
                Ok(stream) => self.requests(stream).await,
                Err(error) => {
                    self.shared.log.handshake_failed(self.endpoint);
                    Err(error)
                }
            },
        }
    }

    /// Delays and faults that come before any byte is exchanged.
    async fn accept_fault(&self, tcp: &mut TcpStream) -> io::Result<Then> {
        let (chosen, delay) = {
            let mut state = self.shared.state();
            let chosen = state.faults.for_connection(self.endpoint.services(), self.number);
            (chosen, state.knobs.connect_delay)
        };
        sleep_if(delay).await;
        let Some(Chosen { action, after }) = chosen else {
            return Ok(Then::KeepAlive);
        };
        sleep_if(after).await;
        match action {
            Action::DelayConnect(delay) => {
                tokio::time::sleep(delay).await;
                return Ok(Then::KeepAlive);
            }
            Action::HangAccept => wire::hang(tcp).await?,
            Action::GarbageAccept(bytes) => wire::write_and_close(tcp, &bytes).await?,
            Action::ResetAccept => tcp.set_zero_linger()?,
            // Closing with unread data would be a reset; nothing has been read, and the peer's first
            // bytes may be under way, so the FIN is sent on its own and the rest is drained.
            _ => {
                wire::write_and_close(tcp, b"").await?;
                wire::hang(tcp).await?;
            }
        }
        Ok(Then::Close)
    }

    async fn requests<W: Wire>(&self, mut wire: W) -> io::Result<()> {
        let mut buffer = Vec::new();
        while let Some(request) = http::read(&mut wire, &mut buffer).await? {
            let then = self.exchange(&mut wire, &request, &mut buffer).await?;
            if then == Then::Close {
                return Ok(());
            }
            if request.wants_close() {
                break;
            }
        }
        // An orderly end, over TLS with a close_notify; faults have ended theirs in their own way.
        wire.shutdown().await
    }

    async fn exchange<W: Wire>(&self, wire: &mut W, request: &Request, buffer: &mut Vec<u8>) -> io::Result<Then> {
        let call = Call::of(self.endpoint, request);
        let (chosen, delay) = self.choose(&call);
        let action = chosen.as_ref().map(|chosen| &chosen.action);
        let ticket = self.log(&call, request, action);
        let answer = answer::under(action, &self.shared, request, &call);
        if let Some(answer) = &answer {
            self.shared.log.update(ticket, |entry| entry.principal.clone_from(&answer.principal));
        }
        let wait = async {
            sleep_if(delay + chosen.as_ref().map_or(Duration::ZERO, |chosen| chosen.after)).await;
            match action {
                Some(Action::Delay(delay)) => tokio::time::sleep(*delay).await,
                Some(Action::Hold(gate)) => gate.wait().await,
                _ => {}
            }
        };
        if !still_there(wire, buffer, wait).await? {
            return Ok(Then::Close);
        }
        let response =
            answer.as_ref().map(|answer| answer::complete(&self.shared, self.endpoint, answer.response.clone()));
        // The entry is complete before the peer has the answer, so a test that has seen the answer
        // finds it in the log.
        self.shared.log.update(ticket, |entry| {
            entry.status = response.as_ref().map(|response| response.status);
            entry.code = answer.as_ref().and_then(|answer| answer.code.clone());
        });
        wire::send(wire, response.as_ref(), action).await
    }

    fn choose(&self, call: &Call) -> (Option<Chosen>, Duration) {
        let mut state = self.shared.state();
        let chosen = state.faults.for_call(call, self.number);
        if state.imds.hop_limit_exceeded && call.operation == "PutToken" {
            return (Some(Chosen { action: Action::Hang, after: Duration::ZERO }), Duration::ZERO);
        }
        (chosen, state.knobs.delay)
    }

    fn log(&self, call: &Call, request: &Request, action: Option<&Action>) -> Ticket {
        let origin = Origin {
            connection: self.number,
            peer: self.peer,
            user_agent: request.header("user-agent").unwrap_or_default(),
            host: request.header("host").unwrap_or_default(),
        };
        self.shared.log.arrived(call, origin, action.map(Action::label))
    }
}

async fn sleep_if(delay: Duration) {
    // tokio's timer rounds up to its next millisecond, which over the four answers of a start is what a benchmark looks
    // for. A thread sleeps exactly; longer ones would hold up the end of the runtime.
    const SHORT: Duration = Duration::from_millis(200);
    if delay.is_zero() {
        return;
    }
    if delay <= SHORT {
        // It fails when the runtime ends, and with it the answer.
        drop(tokio::task::spawn_blocking(move || std::thread::sleep(delay)).await);
    } else {
        tokio::time::sleep(delay).await;
    }
}

/// Waits for `wait`, and notices when the peer is gone before. What the peer sends meanwhile is kept.
async fn still_there<W: Wire>(wire: &mut W, buffer: &mut Vec<u8>, wait: impl Future<Output = ()>) -> io::Result<bool> {
    tokio::pin!(wait);
    loop {
        tokio::select! {
            biased;
            () = &mut wait => return Ok(true),
            read = wire.read_buf(buffer) => if read? == 0 { return Ok(false) },
        }
    }
}
