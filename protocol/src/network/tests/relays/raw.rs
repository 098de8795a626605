// SPDX-License-Identifier: MPL-2.0
//! A peer that speaks libp2p's protocols by hand, so that it can do what no honest one does.

use std::sync::Mutex;

use futures::StreamExt;
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{DialError, NetworkBehaviour};
use libp2p::{StreamProtocol, Swarm, relay};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::*;
use crate::behaviour::streams::{self, Incoming, Links, OpenError, Stream};
use crate::network::transport;

/// Status codes of the relay protocol.
pub(super) const OK: i32 = 100;
pub(super) const RESOURCE_LIMIT_EXCEEDED: i32 = 201;
pub(super) const NO_RESERVATION: i32 = 204;

/// Two protocols, spoken by hand in both directions.
pub(super) struct Raw {
    pub(super) peer: PeerId,
    pub(super) address: Multiaddr,
    pub(super) first: Lane,
    pub(super) second: Lane,
    dials: mpsc::Sender<DialOpts>,
    impostors: Arc<Mutex<Vec<PeerId>>>,
    task: JoinHandle<()>,
}

/// One of the two.
pub(super) struct Lane {
    pub(super) links: Links,
    pub(super) incoming: mpsc::Receiver<Incoming>,
}

#[derive(NetworkBehaviour)]
#[behaviour(prelude = "libp2p::swarm::derive_prelude")]
struct Protocols {
    first: streams::Behaviour,
    second: streams::Behaviour,
    circuits: relay::client::Behaviour,
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Raw {
    /// Speaks both halves of the relay protocol: `first` is HOP, `second` STOP.
    pub(super) async fn relay_user() -> Self {
        Self::speaking(relay::HOP_PROTOCOL_NAME, relay::STOP_PROTOCOL_NAME).await
    }

    pub(super) async fn speaking(first: StreamProtocol, second: StreamProtocol) -> Self {
        let keypair = Keypair::generate_ed25519();
        let (transport, circuits) = transport::build(&keypair, &RelayMeter::new(roomy())).unwrap();
        let (first, first_lane) = lane(first);
        let (second, second_lane) = lane(second);
        let protocols = Protocols {
            first,
            second,
            circuits,
        };
        let peer = keypair.public().to_peer_id();
        let mut swarm = Swarm::new(transport, protocols, peer, swarm::swarm_config());
        let address = listening(&mut swarm, "/ip4/127.0.0.1/tcp/0").await;
        let (dials, mut ordered) = mpsc::channel::<DialOpts>(16);
        let impostors = Arc::<Mutex<Vec<PeerId>>>::default();
        let met = Arc::clone(&impostors);
        let task = tokio::spawn(async move {
            loop {
                tokio::select! {
                    event = swarm.select_next_some() => {
                        if let SwarmEvent::OutgoingConnectionError {
                            error: DialError::WrongPeerId { obtained, .. },
                            ..
                        } = event
                        {
                            met.lock().unwrap().push(obtained);
                        }
                    }
                    Some(dial) = ordered.recv() => swarm.dial(dial).unwrap(),
                }
            }
        });
        Self {
            peer,
            address,
            first: first_lane,
            second: second_lane,
            dials,
            impostors,
            task,
        }
    }

    /// Dials a peer and waits for the connection.
    pub(super) async fn connect(&self, peer: PeerId, address: &Multiaddr) {
        self.dial(peer, address).await;
        eventually(|| async { self.first.links.is_connected(&peer, Paths::Any) }).await;
    }

    /// Those who answered dials that were meant for others.
    pub(super) fn impostors(&self) -> Vec<PeerId> {
        self.impostors.lock().unwrap().clone()
    }

    pub(super) async fn dial(&self, peer: PeerId, address: &Multiaddr) {
        let dial = DialOpts::peer_id(peer)
            .condition(PeerCondition::Always)
            .addresses(vec![address.clone()])
            .build();
        self.dials.send(dial).await.unwrap();
    }

    /// Asks a relay for a reservation; returns its status.
    pub(super) async fn reserve(&self, relay: PeerId) -> i32 {
        let mut stream = self.first.open(relay).await.unwrap();
        ask_reservation(&mut stream).await.unwrap()
    }

    /// Asks a relay for a circuit; returns its status if that is not good.
    pub(super) async fn open_circuit(&self, relay: PeerId, target: PeerId) -> Result<Stream, i32> {
        let mut stream = self.first.open(relay).await.unwrap();
        let peer = Peer {
            id: target.to_bytes(),
        };
        let request = Hop {
            peer: Some(peer),
            ..Hop::of_kind(Hop::CONNECT)
        };
        write(&mut stream, &request).await;
        let answer: Hop = read(&mut stream).await.unwrap();
        match answer.status.unwrap() {
            OK => Ok(stream),
            status => Err(status),
        }
    }

    /// Takes the next circuit that a relay brings.
    pub(super) async fn accept_circuit(&mut self) -> Stream {
        let incoming = within(self.second.incoming.recv()).await.unwrap();
        let mut stream = incoming.stream;
        let request: Stop = read(&mut stream).await.unwrap();
        assert_eq!(request.kind, Stop::CONNECT);
        write(&mut stream, &Stop::accepted()).await;
        stream
    }

    /// A circuit to `target`, seen from both ends.
    pub(super) async fn circuit(&self, relay: PeerId, target: &mut Self) -> (Stream, Stream) {
        let to = target.peer;
        let (opened, accepted) =
            tokio::join!(self.open_circuit(relay, to), target.accept_circuit());
        (opened.unwrap(), accepted)
    }
}

impl Lane {
    pub(super) async fn open(&self, peer: PeerId) -> Result<Stream, OpenError> {
        let opened = within(self.links.open(&peer, Paths::Any)).await;
        opened.map(|(_, stream)| stream)
    }
}

/// Asks for a reservation on a stream that was opened for it.
pub(super) async fn ask_reservation(stream: &mut Stream) -> std::io::Result<i32> {
    write(stream, &Hop::of_kind(Hop::RESERVE)).await;
    let answer: Hop = read(stream).await?;
    Ok(answer.status.unwrap())
}

fn lane(protocol: StreamProtocol) -> (streams::Behaviour, Lane) {
    let (behaviour, links, incoming) = streams::Behaviour::new(protocol, 64);
    (behaviour, Lane { links, incoming })
}

/// A message of HOP.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Hop {
    #[prost(int32, required, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) peer: Option<Peer>,
    #[prost(message, optional, tag = "3")]
    pub(super) reservation: Option<Reservation>,
    #[prost(int32, optional, tag = "5")]
    pub(super) status: Option<i32>,
}

/// A message of STOP.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Stop {
    #[prost(int32, required, tag = "1")]
    pub(super) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(super) peer: Option<Peer>,
    #[prost(int32, optional, tag = "4")]
    pub(super) status: Option<i32>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Peer {
    #[prost(bytes = "vec", required, tag = "1")]
    pub(super) id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Reservation {
    #[prost(uint64, required, tag = "1")]
    pub(super) expires: u64,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) addresses: Vec<Vec<u8>>,
}

impl Hop {
    pub(super) const RESERVE: i32 = 0;
    pub(super) const CONNECT: i32 = 1;
    const STATUS: i32 = 2;

    pub(super) fn of_kind(kind: i32) -> Self {
        Self {
            kind,
            ..Self::default()
        }
    }

    pub(super) fn accepted() -> Self {
        Self {
            status: Some(OK),
            ..Self::of_kind(Self::STATUS)
        }
    }
}

impl Stop {
    pub(super) const CONNECT: i32 = 0;
    const STATUS: i32 = 1;

    pub(super) fn connect(peer: Peer) -> Self {
        Self {
            kind: Self::CONNECT,
            peer: Some(peer),
            status: None,
        }
    }

    fn accepted() -> Self {
        Self {
            kind: Self::STATUS,
            peer: None,
            status: Some(OK),
        }
    }
}

/// Writes a message with its length in front.
pub(super) async fn write(stream: &mut Stream, message: &impl Message) {
    let bytes = message.encode_length_delimited_to_vec();
    within(stream.write_all(&bytes)).await.unwrap();
    within(stream.flush()).await.unwrap();
}

/// Reads one, and no byte more.
pub(super) async fn read<M: Message + Default>(stream: &mut Stream) -> std::io::Result<M> {
    let mut length = Vec::new();
    while length.last().is_none_or(|byte| byte & 0x80 != 0) {
        length.push(within(stream.read_u8()).await?);
    }
    let length = prost::decode_length_delimiter(length.as_slice()).unwrap();
    let mut bytes = vec![0; length];
    within(stream.read_exact(&mut bytes)).await?;
    Ok(M::decode(bytes.as_slice()).unwrap())
}
