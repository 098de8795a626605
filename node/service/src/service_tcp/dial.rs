// SPDX-License-Identifier: MPL-2.0
//! Connecting to an agent's local service.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::net::sockopt::set_socket_reuseaddr;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::ports::{Ports, source_for};
use super::{Forbidden, ServiceTcp, Targets, tls};

/// How long a service may take to accept a connection, TLS included. Source: the reference.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a registered service may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Local ports that are tried for one connection.
const PORT_TRIES: usize = 64;

/// What the system says when it has no more sockets: `ENFILE`, `EMFILE`.
const NO_SOCKETS: [i32; 2] = [23, 24];

/// Why there is no connection to a service.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DialError {
    /// Its name leads nowhere else.
    #[error(transparent)]
    Forbidden(#[from] Forbidden),
    /// This process has no socket left.
    #[error("no socket left: {0}")]
    NoSockets(#[source] io::Error),
    /// The name, TCP or TLS failed.
    #[error(transparent)]
    Failed(io::Error),
}

impl From<io::Error> for DialError {
    fn from(error: io::Error) -> Self {
        let is_short = error
            .raw_os_error()
            .is_some_and(|code| NO_SOCKETS.contains(&code));
        if is_short {
            Self::NoSockets(error)
        } else {
            Self::Failed(error)
        }
    }
}

/// A connection to a service.
#[derive(Debug)]
pub(crate) enum ServiceStream {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS; the certificate was not checked.
    Tls(Box<TlsStream<TcpStream>>),
}

impl ServiceStream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => tls.get_ref().0,
        }
    }

    /// Has the service see, once this is dropped, that the connection broke, not that it ended.
    pub(crate) fn reset(&self) {
        // A service that has closed the socket needs no reset.
        let _ = self.tcp().set_zero_linger();
    }

    /// Lets the local port be used again as soon as the connection is closed; the system keeps it
    /// for a minute otherwise, and a busy service could use them all up. Not before: while the
    /// connection lives, nobody else may connect from its port, and pass for the same session.
    fn release_port(&self) {
        if let Err(error) = set_socket_reuseaddr(self.tcp(), true) {
            tracing::debug!(%error, "a local port stays in use for a minute");
        }
    }
}

impl Drop for ServiceStream {
    fn drop(&mut self) {
        self.release_port();
    }
}

impl ServiceTcp {
    /// Connects, after telling `register` the local address, so before the service can see the
    /// connection. Where it has no use for that port, another one is taken. Takes at most 5 s.
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) async fn connect<R>(
        &self,
        targets: &Targets,
        register: impl Fn(SocketAddr) -> Option<R>,
    ) -> Result<(ServiceStream, R), DialError> {
        timeout(CONNECT_TIMEOUT, async {
            let (tcp, registered) = self.connect_tcp(targets, register).await?;
            tcp.set_nodelay(true)?;
            if !self.is_tls() {
                return Ok((ServiceStream::Plain(tcp), registered));
            }
            let name = ServerName::try_from(self.host().to_owned()).map_err(io::Error::other)?;
            let tls = tls::connector().connect(name, tcp).await?;
            Ok((ServiceStream::Tls(Box::new(tls)), registered))
        })
        .await
        .map_err(io::Error::from)?
    }

    /// Whether the service accepts a TCP connection now; it is closed again at once.
    pub(crate) async fn is_open(&self, targets: &Targets) -> bool {
        let connecting = self.connect_tcp(targets, |_| Some(()));
        matches!(timeout(PROBE_TIMEOUT, connecting).await, Ok(Ok(_)))
    }

    /// Resolves the name once and dials only what was checked, so that a name that changes cannot
    /// get around the check.
    async fn connect_tcp<R>(
        &self,
        targets: &Targets,
        register: impl Fn(SocketAddr) -> Option<R>,
    ) -> Result<(TcpStream, R), DialError> {
        let mut refusal = DialError::Failed(io::ErrorKind::NotFound.into());
        for addr in tokio::net::lookup_host(self.authority()).await? {
            let dialled = match targets.check(addr) {
                Ok(()) => dial(addr, &targets.ports, &register).await,
                Err(forbidden) => Err(forbidden.into()),
            };
            match dialled {
                Ok(connected) => return Ok(connected),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

async fn dial<R>(
    addr: SocketAddr,
    ports: &Ports,
    register: impl Fn(SocketAddr) -> Option<R>,
) -> Result<(TcpStream, R), DialError> {
    let mut refusal = io::Error::from(io::ErrorKind::AddrInUse);
    let mut source = source_for(addr)?;
    for attempt in 0..PORT_TRIES {
        if attempt > 0 {
            ports.jump();
        }
        let socket = match ports.socket_for(addr) {
            Ok(socket) => socket,
            Err(error) if is_about_port(&error) => {
                refusal = error;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        let local = SocketAddr::new(source.to_canonical(), socket.local_addr()?.port());
        let Some(registered) = register(local) else {
            continue;
        };
        match socket.connect(addr).await {
            Ok(tcp) => {
                let actual = tcp.local_addr()?.ip();
                if actual == source {
                    return Ok((tcp, registered));
                }
                // The system chooses otherwise for TCP, or now.
                source = actual;
                refusal = io::ErrorKind::AddrNotAvailable.into();
            }
            Err(error) if is_about_port(&error) => refusal = error,
            Err(error) => return Err(error.into()),
        }
    }
    Err(DialError::NoSockets(refusal))
}

/// Whether another local port may do better.
fn is_about_port(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::AddrInUse | io::ErrorKind::AddrNotAvailable
    )
}

impl AsyncRead for ServiceStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for ServiceStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection may be closed by the service from here on.
        self.release_port();
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::{Arc, Mutex};

    use a2al_protocol::network::State;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;
    use tokio::sync::watch;

    use super::*;

    fn targets() -> Targets {
        let (_, network) = watch::channel(Arc::new(State::default()));
        Targets::new(None, false, network)
    }

    /// A service that ends after its caller has.
    async fn service() -> ServiceTcp {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move { stream.read_to_end(&mut Vec::new()).await });
            }
        });
        address.parse().unwrap()
    }

    #[tokio::test]
    async fn the_address_is_told_before_the_connection_and_can_be_declined() {
        let (service, targets) = (service().await, targets());
        let declined = Mutex::new(None);
        let register = |local| {
            let mut declined = declined.lock().unwrap();
            if declined.is_some() {
                return Some(local);
            }
            *declined = Some(local);
            None
        };
        let (stream, local) = service.connect(&targets, register).await.unwrap();
        let ServiceStream::Plain(tcp) = &stream else {
            panic!("no TLS was asked for")
        };
        assert_eq!(tcp.local_addr().unwrap(), local);
        assert_ne!(*declined.lock().unwrap(), Some(local));
        let never = service.connect(&targets, |_| None::<()>).await;
        assert!(matches!(never, Err(DialError::NoSockets(_))));
    }

    #[tokio::test]
    async fn the_address_that_is_told_is_the_one_that_the_service_sees() {
        let targets = targets();
        for (at, host) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("127.0.0.5:0", "127.0.0.5"),
            ("127.0.0.1:0", "[::ffff:127.0.0.1]"),
            ("[::1]:0", "[::1]"),
        ] {
            let Ok(listener) = TcpListener::bind(at).await else {
                assert_ne!(at, "127.0.0.1:0", "every machine has it");
                continue;
            };
            let port = listener.local_addr().unwrap().port();
            let service: ServiceTcp = format!("{host}:{port}").parse().unwrap();
            let connected = service.connect(&targets, Some).await;
            let (_stream, told) = connected.unwrap_or_else(|error| panic!("{host}: {error}"));
            assert_eq!(listener.accept().await.unwrap().1, told, "{host}");
        }
    }

    #[tokio::test]
    async fn ports_are_used_again_after_connections_that_this_side_ended() {
        let (service, targets) = (service().await, targets());
        let mut ports = HashSet::new();
        let mut live = Vec::new();
        for number in 0..600 {
            let connected = service.connect(&targets, Some).await;
            let (mut stream, port) =
                connected.unwrap_or_else(|error| panic!("connection {number}: {error}"));
            ports.insert(port);
            if number < 5 {
                live.push(stream);
                continue;
            }
            stream.shutdown().await.unwrap();
            assert_eq!(stream.read(&mut [0]).await.unwrap(), 0);
        }
        assert!(ports.len() >= live.len());
    }
}
