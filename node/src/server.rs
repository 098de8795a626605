// SPDX-License-Identifier: MPL-2.0
//! The HTTP/1.1 server under the API: bounded connections, deadlines, a graceful end.
//!
//! It serves nothing but a [`Guarded`] router, so what listens is always behind the guard.

mod watched;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use a2al_service::Outgoing;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::guard::Guarded;
use watched::Watched;

/// How long a client may take to send the head of a request, and how long a connection may idle
/// between two of them.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Most connections at a time; a further client waits in the kernel's queue.
///
/// Above the 500 slow clients the API must bear, with room in the usual 1,024 file descriptors.
const MAX_CONNECTIONS: usize = 640;

/// Pause after the system refused to accept, usually for want of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `guarded` on `listener` until `stop`, then lets running requests end.
///
/// Returns when the last connection is closed; the caller sets the deadline for that.
pub async fn serve(listener: TcpListener, guarded: Guarded, stop: CancellationToken) {
    let guarded = Arc::new(guarded);
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    while let Some((permit, accepted)) = next(&listener, &slots, &stop).await {
        match accepted {
            Ok((stream, peer)) => {
                let answered = connection(stream, peer, Arc::clone(&guarded), stop.clone());
                connections.spawn(async move {
                    answered.await;
                    drop(permit);
                });
            }
            Err(error) => {
                warn!(%error, "API connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    connections.close();
    connections.wait().await;
}

/// A free slot and the next client in it; `None` once `stop` is set.
async fn next(
    listener: &TcpListener,
    slots: &Arc<Semaphore>,
    stop: &CancellationToken,
) -> Option<(OwnedSemaphorePermit, io::Result<(TcpStream, SocketAddr)>)> {
    let accepted = async {
        let permit = Arc::clone(slots).acquire_owned().await.ok()?;
        Some((permit, listener.accept().await))
    };
    stop.run_until_cancelled(accepted).await?
}

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    guarded: Arc<Guarded>,
    stop: CancellationToken,
) {
    let outgoing = Outgoing::default();
    let serving = served(stream, peer, guarded, stop, outgoing.clone());
    outgoing.scope(serving).await;
}

async fn served(
    stream: TcpStream,
    peer: SocketAddr,
    guarded: Arc<Guarded>,
    stop: CancellationToken,
    outgoing: Outgoing,
) {
    // Answers are small and written at once, so waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let stream = Watched::new(stream, outgoing);
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let guarded = Arc::clone(&guarded);
        async move { Ok::<_, Infallible>(guarded.answer(request.map(Body::new), peer).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = if let Some(ended) = stop.run_until_cancelled(connection.as_mut()).await {
        ended
    } else {
        connection.as_mut().graceful_shutdown();
        connection.await
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "API connection ended");
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::watch;
    use tokio::time::timeout;

    use super::*;
    use crate::guard::Access;

    const DEADLINE: Duration = Duration::from_secs(5);

    /// The answer to a request over a new connection, which stays open.
    async fn asked(addr: SocketAddr) -> (TcpStream, String) {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .await
            .unwrap();
        let mut answer = vec![0; 4096];
        let len = stream.read(&mut answer).await.unwrap();
        (stream, String::from_utf8_lossy(&answer[..len]).into_owned())
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let access = watch::Sender::new(Access::default());
        let router = Router::new().route("/", get(|| async { "here" }));
        let guarded = Guarded::new(router, access.subscribe(), addr.port());
        let stop = CancellationToken::new();
        let serving = tokio::spawn(serve(listener, guarded, stop.clone()));

        let (open, answer) = asked(addr).await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("here"),
            "{answer}"
        );
        stop.cancel();
        timeout(DEADLINE, serving)
            .await
            .expect("still serving")
            .unwrap();
        assert!(TcpStream::connect(addr).await.is_err());
        drop(open);
    }
}
