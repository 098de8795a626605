// SPDX-License-Identifier: MPL-2.0
//! Connecting to an agent's local service.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::{Forbidden, ServiceTcp, Targets, tls};

/// How long a service may take to accept a connection, TLS included. Source: the reference.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a registered service may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Local ports that are tried for one connection.
const PORT_TRIES: usize = 8;

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
        if is_short || error.kind() == io::ErrorKind::AddrInUse {
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

impl ServiceTcp {
    /// Connects. Takes at most 5 s.
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) async fn connect(&self, targets: &Targets) -> Result<ServiceStream, DialError> {
        let (stream, ()) = self.connect_as(targets, |_| Some(())).await?;
        Ok(stream)
    }

    /// Like [`connect`](Self::connect), but tells `register` the local port before the service can
    /// see the connection. Where it has no use for that port, another one is taken.
    ///
    /// # Errors
    /// [`DialError`].
    pub(crate) async fn connect_as<R>(
        &self,
        targets: &Targets,
        register: impl Fn(u16) -> Option<R>,
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
        register: impl Fn(u16) -> Option<R>,
    ) -> Result<(TcpStream, R), DialError> {
        let mut refusal = DialError::Failed(io::ErrorKind::NotFound.into());
        for addr in tokio::net::lookup_host(self.authority()).await? {
            let dialled = match targets.check(addr) {
                Ok(()) => dial(addr, &register).await,
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
    register: impl Fn(u16) -> Option<R>,
) -> Result<(TcpStream, R), DialError> {
    for _ in 0..PORT_TRIES {
        let socket = bound_for(addr)?;
        let port = socket.local_addr()?.port();
        if let Some(registered) = register(port) {
            return Ok((socket.connect(addr).await?, registered));
        }
    }
    Err(io::Error::from(io::ErrorKind::AddrInUse).into())
}

/// A socket for a connection to `addr`, with a local port of its own: nobody else on this machine
/// can connect from that port to whatever service.
fn bound_for(addr: SocketAddr) -> io::Result<TcpSocket> {
    let (socket, any) = if addr.is_ipv4() {
        (TcpSocket::new_v4()?, Ipv4Addr::UNSPECIFIED.into())
    } else {
        (TcpSocket::new_v6()?, Ipv6Addr::UNSPECIFIED.into())
    };
    let any = SocketAddr::new(any, 0);
    match socket.bind(any) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // All ports are in use or were lately: then one of the latter.
            socket.set_reuseaddr(true)?;
            socket.bind(any)?;
        }
        bound => bound?,
    }
    Ok(socket)
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
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
