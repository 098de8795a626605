// SPDX-License-Identifier: MPL-2.0
//! Connecting to an agent's local service.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use super::{ServiceTcp, tls};

/// How long a service may take to accept a connection, TLS included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a registered service may take to answer a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// A connection to a service.
#[derive(Debug)]
pub(crate) enum ServiceStream {
    /// Bare TCP.
    Plain(TcpStream),
    /// TLS; the certificate was not checked.
    Tls(Box<TlsStream<TcpStream>>),
}

impl ServiceTcp {
    /// Connects. `api` is the daemon's own interface, which no service name may lead to.
    ///
    /// # Errors
    /// Whatever refused: the name, the address, TCP or TLS. `TimedOut` after 5 s.
    pub(crate) async fn connect(&self, api: Option<SocketAddr>) -> io::Result<ServiceStream> {
        timeout(CONNECT_TIMEOUT, async {
            let tcp = self.connect_tcp(api).await?;
            tcp.set_nodelay(true)?;
            if !self.is_tls() {
                return Ok(ServiceStream::Plain(tcp));
            }
            let name = ServerName::try_from(self.host().to_owned()).map_err(io::Error::other)?;
            let tls = tls::connector().connect(name, tcp).await?;
            Ok(ServiceStream::Tls(Box::new(tls)))
        })
        .await?
    }

    /// Whether the service accepts a TCP connection now; it is closed again at once.
    pub(crate) async fn is_open(&self, api: Option<SocketAddr>) -> bool {
        matches!(
            timeout(PROBE_TIMEOUT, self.connect_tcp(api)).await,
            Ok(Ok(_))
        )
    }

    /// Resolves the name once and dials only what was checked, so that a name that changes cannot
    /// get around the check.
    async fn connect_tcp(&self, api: Option<SocketAddr>) -> io::Result<TcpStream> {
        let mut refusal = io::Error::from(io::ErrorKind::NotFound);
        for addr in tokio::net::lookup_host(self.authority()).await? {
            if is_forbidden(addr, api) {
                refusal = io::ErrorKind::PermissionDenied.into();
                continue;
            }
            match TcpStream::connect(addr).await {
                Ok(tcp) => return Ok(tcp),
                Err(error) => refusal = error,
            }
        }
        Err(refusal)
    }
}

/// Addresses that are no service of the user's: this daemon itself, link-local ones (cloud machines
/// answer secrets there), multicast and the unspecified address.
fn is_forbidden(addr: SocketAddr, api: Option<SocketAddr>) -> bool {
    let ip = addr.ip().to_canonical();
    let is_link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    let is_api = api.is_some_and(|api| {
        api.port() == addr.port() && (ip.is_loopback() || ip == api.ip().to_canonical())
    });
    is_api || is_link_local || ip.is_unspecified() || ip.is_multicast()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn never_dials_itself_or_the_link() {
        let api = Some("127.0.0.1:2121".parse().unwrap());
        for addr in [
            "127.0.0.1:2121",
            "[::1]:2121",
            "[::ffff:127.0.0.1]:2121",
            "0.0.0.0:80",
            "169.254.169.254:80",
            "[fe80::1]:80",
            "224.0.0.1:80",
        ] {
            assert!(is_forbidden(addr.parse().unwrap(), api), "{addr}");
        }
        for addr in [
            "127.0.0.1:2122",
            "192.168.1.2:2121",
            "[::1]:80",
            "203.0.113.1:443",
        ] {
            assert!(!is_forbidden(addr.parse().unwrap(), api), "{addr}");
        }
    }
}
