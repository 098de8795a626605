// SPDX-License-Identifier: MPL-2.0
//! A TCP service behind an agent that does whatever a test says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A running service. Dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct TcpService {
    /// Where it listens, as `host:port`.
    pub(crate) address: String,
    accepted: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl TcpService {
    /// Starts a service that runs `serve` for every connection.
    pub(crate) async fn start<F, S>(serve: F) -> Self
    where
        F: Fn(TcpStream) -> S + Send + 'static,
        S: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket").to_string();
        let accepted = Arc::<AtomicUsize>::default();
        let counted = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                counted.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).expect("a TCP socket");
                connections.spawn(serve(stream));
            }
        });
        Self {
            address,
            accepted,
            task,
        }
    }

    /// A service that sends back what it gets, and ends when the client does.
    pub(crate) async fn echo() -> Self {
        Self::start(async |mut stream: TcpStream| {
            let (mut reader, mut writer) = stream.split();
            // A client that breaks off ends its echo.
            if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
                let _ended = writer.shutdown().await;
            }
        })
        .await
    }

    /// Connections accepted so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for TcpService {
    fn drop(&mut self) {
        self.task.abort();
    }
}
