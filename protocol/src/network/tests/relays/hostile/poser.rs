// SPDX-License-Identifier: MPL-2.0
//! A relay's own end for circuits that should lead to somebody else.

use futures::future::poll_fn;
use libp2p::core::muxing::StreamMuxerExt;
use libp2p::core::upgrade::InboundConnectionUpgrade;
use libp2p::{noise, yamux};
use tokio_util::compat::TokioAsyncReadCompatExt;

use super::*;

/// Takes circuits with a key of its own.
pub(super) struct Poser {
    pub(super) peer: PeerId,
    keypair: Keypair,
    circuits: Arc<AtomicUsize>,
    streams: Arc<AtomicUsize>,
}

impl Poser {
    pub(super) fn new() -> Self {
        let keypair = Keypair::generate_ed25519();
        Self {
            peer: keypair.public().to_peer_id(),
            keypair,
            circuits: Arc::default(),
            streams: Arc::default(),
        }
    }

    /// Circuits that it has taken.
    pub(super) fn circuits(&self) -> usize {
        self.circuits.load(Ordering::Relaxed)
    }

    /// Streams that sources have opened on them.
    pub(super) fn streams(&self) -> usize {
        self.streams.load(Ordering::Relaxed)
    }

    /// Does everything that a node does when a circuit comes in.
    pub(super) async fn answer(&self, circuit: Stream) {
        self.circuits.fetch_add(1, Ordering::Relaxed);
        let mut circuit = circuit.compat();
        agree(&mut circuit, "/noise").await.unwrap();
        let noise = noise::Config::new(&self.keypair).unwrap();
        // Whoever finds the wrong name in the handshake leaves at some point from here on.
        let Ok((_, mut encrypted)) = noise.upgrade_inbound(circuit, "/noise").await else {
            return;
        };
        let Ok(()) = agree(&mut encrypted, "/yamux/1.0.0").await else {
            return;
        };
        let yamux = yamux::Config::default();
        let mut muxer = yamux
            .upgrade_inbound(encrypted, "/yamux/1.0.0")
            .await
            .unwrap();
        let mut open = Vec::new();
        while let Ok(stream) = poll_fn(|cx| {
            let _event = muxer.poll_unpin(cx);
            muxer.poll_inbound_unpin(cx)
        })
        .await
        {
            self.streams.fetch_add(1, Ordering::Relaxed);
            open.push(stream);
        }
    }
}

/// Agrees to the protocol that the other end proposes (multistream-select).
async fn agree(
    stream: &mut (impl futures::AsyncRead + futures::AsyncWrite + Unpin),
    protocol: &str,
) -> io::Result<()> {
    use futures::{AsyncReadExt, AsyncWriteExt};
    let lines = ["/multistream/1.0.0", protocol].map(|line| {
        let len = u8::try_from(line.len() + 1).unwrap();
        [&[len], line.as_bytes(), b"\n"].concat()
    });
    let said = lines.concat();
    let mut heard = vec![0; said.len()];
    stream.read_exact(&mut heard).await?;
    assert_eq!(heard, said);
    stream.write_all(&said).await?;
    stream.flush().await
}
