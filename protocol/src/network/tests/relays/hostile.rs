// SPDX-License-Identifier: MPL-2.0
//! A relay that keeps what it carries, and one that answers in place of those it should lead to.

mod behind;
mod poser;

use std::io;
use std::sync::Mutex;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use self::behind::Behind;
use super::raw::{self, Hop, Peer, Raw, Reservation, Stop, read, write};
use super::*;
use crate::behaviour::streams::{Links, Stream};
use crate::clock;

/// How often everything is tried.
const ROUNDS: usize = 100;

/// A relay that is not what it should be.
struct Hostile {
    peer: PeerId,
    address: Multiaddr,
    /// Every byte of every circuit.
    record: Arc<Mutex<Vec<u8>>>,
    _raw: Raw,
}

/// Where circuits lead.
#[derive(Clone)]
enum Leads {
    /// Where they should.
    There,
    /// To another node of the relay's own.
    To(PeerId),
    /// Nowhere: the relay answers itself.
    Nowhere(Arc<poser::Poser>),
}

impl Hostile {
    async fn start(leads: Leads) -> Self {
        let mut raw = Raw::relay_user().await;
        let (_, none) = tokio::sync::mpsc::channel(1);
        let mut asked = std::mem::replace(&mut raw.first.incoming, none);
        let record = Arc::<Mutex<Vec<u8>>>::default();
        let relay = Relay {
            peer: raw.peer,
            address: raw.address.clone(),
            links: raw.second.links.clone(),
            record: Arc::clone(&record),
            leads,
        };
        tokio::spawn(async move {
            while let Some(incoming) = asked.recv().await {
                let (relay, from) = (relay.clone(), incoming.peer);
                tokio::spawn(async move { relay.serve(from, incoming.stream).await });
            }
        });
        Self {
            peer: raw.peer,
            address: raw.address.clone(),
            record,
            _raw: raw,
        }
    }

    /// Whether it has seen those bytes.
    fn has_seen(&self, bytes: &[u8]) -> bool {
        let record = self.record.lock().unwrap();
        record.windows(bytes.len()).any(|window| window == bytes)
    }

    fn circuit_to(&self, target: PeerId) -> Multiaddr {
        address::circuit(&self.address, self.peer, target)
    }
}

/// What it needs to serve one stream.
#[derive(Clone)]
struct Relay {
    peer: PeerId,
    address: Multiaddr,
    links: Links,
    record: Arc<Mutex<Vec<u8>>>,
    leads: Leads,
}

impl Relay {
    async fn serve(self, from: PeerId, mut stream: Stream) {
        let request: Hop = read(&mut stream).await.unwrap();
        if request.kind == Hop::RESERVE {
            return write(&mut stream, &self.reservation()).await;
        }
        let target = PeerId::from_bytes(&request.peer.unwrap().id).unwrap();
        let to = match &self.leads {
            Leads::There => target,
            Leads::To(other) => *other,
            Leads::Nowhere(poser) => {
                write(&mut stream, &Hop::accepted()).await;
                return poser.answer(stream).await;
            }
        };
        let (_, mut onward) = self.links.open(&to, Paths::Any).await.unwrap();
        let peer = Peer {
            id: from.to_bytes(),
        };
        write(&mut onward, &Stop::connect(peer)).await;
        let answer: Stop = read(&mut onward).await.unwrap();
        assert_eq!(answer.status, Some(raw::OK));
        write(&mut stream, &Hop::accepted()).await;
        let (near_in, near_out) = tokio::io::split(stream);
        let (far_in, far_out) = tokio::io::split(onward);
        // One end resets the circuit when it has seen enough.
        let _ends = tokio::join!(self.carry(near_in, far_out), self.carry(far_in, near_out));
    }

    async fn carry(
        &self,
        mut from: impl AsyncRead + Unpin,
        mut to: impl AsyncWrite + Unpin,
    ) -> io::Result<()> {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            let len = from.read(&mut buffer).await?;
            if len == 0 {
                return to.shutdown().await;
            }
            self.record.lock().unwrap().extend(&buffer[..len]);
            to.write_all(&buffer[..len]).await?;
            to.flush().await?;
        }
    }

    fn reservation(&self) -> Hop {
        let address = self.address.clone().with_p2p(self.peer).unwrap();
        Hop {
            reservation: Some(Reservation {
                expires: clock::now().0 + 3600,
                addresses: vec![address.to_vec()],
            }),
            ..Hop::accepted()
        }
    }
}

/// A record that leads to a node through the relay.
fn relayed_record(credential: &Credential, relay: &Hostile, node: PeerId) -> VerifiedRecord {
    let payload = Endpoint {
        addresses: vec![relay.circuit_to(node).to_string()],
        nat: NatType::Symmetric,
    };
    let payload = payload.encode().unwrap();
    record(credential, RecordKind::ENDPOINT, payload, 1)
}

async fn converse(mut stream: AgentStream, said: &[u8]) -> Vec<u8> {
    within(stream.write_all(said)).await.unwrap();
    within(stream.shutdown()).await.unwrap();
    let mut heard = Vec::new();
    within(stream.read_to_end(&mut heard)).await.unwrap();
    heard
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_sees_nothing_of_what_agents_say() {
    let relay = Hostile::start(Leads::There).await;
    let (caller, mut called) = (node(&[]).await, Behind::start(&relay).await);
    let credential = Owner::new().credential(clock::now());
    called.hosted.insert(Arc::clone(&credential));
    let record = relayed_record(&credential, &relay, called.peer);
    let canary = SigningKey::generate().seed().to_vec();
    let from = guest(&caller);
    for round in 0..10 {
        let stream = call(&caller, from, &record).await.unwrap();
        let conversation = converse(stream, &canary);
        let answering = async {
            let call = within(called.calls.recv()).await.unwrap();
            assert!(call.is_relayed(), "round {round}");
            let mut stream = call.accept().await.unwrap();
            let mut heard = vec![0; canary.len()];
            within(stream.read_exact(&mut heard)).await.unwrap();
            within(stream.write_all(&heard)).await.unwrap();
            within(stream.shutdown()).await.unwrap();
            heard
        };
        let (back, there) = tokio::join!(conversation, answering);
        assert_eq!((&back, &there), (&canary, &canary));
    }
    // Both ends had it, ten times each way, and the relay carried that.
    let carried = relay.record.lock().unwrap().len();
    assert!(carried > 20 * canary.len(), "{carried}");
    assert!(!relay.has_seen(&canary));
    assert!(!relay.has_seen(&canary[..8]));
    assert!(!relay.has_seen(credential.aid().to_string().as_bytes()));

    // What is not encrypted it does see.
    let (source, mut target) = (Raw::relay_user().await, Raw::relay_user().await);
    source.connect(relay.peer, &relay.address).await;
    target.connect(relay.peer, &relay.address).await;
    let (mut near, mut far) = source.circuit(relay.peer, &mut target).await;
    near.write_all(&canary).await.unwrap();
    near.flush().await.unwrap();
    within(far.read_exact(&mut vec![0; canary.len()]))
        .await
        .unwrap();
    assert!(relay.has_seen(&canary));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_pose_as_the_node() {
    let poser = Arc::new(poser::Poser::new());
    let relay = Hostile::start(Leads::Nowhere(Arc::clone(&poser))).await;
    let caller = node(&[]).await;
    let credential = Owner::new().credential(clock::now());
    let target = PeerId::random();
    let record = relayed_record(&credential, &relay, target);
    let from = guest(&caller);
    for _ in 0..ROUNDS {
        let outcome = call(&caller, from, &record).await;
        assert!(
            matches!(outcome, Err(CallError::Unreachable)),
            "{outcome:?}"
        );
    }
    assert!(poser.circuits() >= ROUNDS, "{}", poser.circuits());
    assert_eq!(poser.streams(), 0);
    println!("posed {ROUNDS} times, refused {ROUNDS} times");

    // With the poser's own name it is let in: only the name was wrong.
    let dialler = Raw::relay_user().await;
    dialler.connect(relay.peer, &relay.address).await;
    dialler.dial(target, &relay.circuit_to(target)).await;
    eventually(|| async { dialler.impostors() == [poser.peer] }).await;
    dialler
        .connect(poser.peer, &relay.circuit_to(poser.peer))
        .await;
    let mut stream = dialler.first.open(poser.peer).await.unwrap();
    stream.write_all(&[0]).await.unwrap();
    stream.flush().await.unwrap();
    eventually(|| async { poser.streams() == 1 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_cannot_lead_to_another_node() {
    // That node is reached through another relay, by those who ask for it.
    let honest = Hostile::start(Leads::There).await;
    let mut other = Behind::start(&honest).await;
    let relay = Hostile::start(Leads::To(other.peer)).await;
    other.join(&relay).await;
    let caller = node(&[]).await;
    let credential = Owner::new().credential(clock::now());
    let (from, target) = (guest(&caller), PeerId::random());
    // Even with the agent's own key, which a thief may have: the record names the node.
    other.hosted.insert(Arc::clone(&credential));
    let record = relayed_record(&credential, &relay, target);
    for _ in 0..ROUNDS {
        let outcome = call(&caller, from, &record).await;
        assert!(
            matches!(outcome, Err(CallError::Unreachable)),
            "{outcome:?}"
        );
    }
    assert!(other.calls.try_recv().is_err());
    let genuine = relayed_record(&credential, &honest, other.peer);
    assert!(call(&caller, from, &genuine).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_behind_a_relay_cannot_pose_as_the_agent() {
    let relay = Hostile::start(Leads::There).await;
    let (caller, mut impostor) = (node(&[]).await, Behind::start(&relay).await);
    let credential = Owner::new().credential(clock::now());
    let forged = credential.forged_with(SigningKey::generate());
    impostor.hosted.insert(Arc::new(forged));
    let record = relayed_record(&credential, &relay, impostor.peer);
    let from = guest(&caller);
    for _ in 0..ROUNDS {
        let outcome = call(&caller, from, &record).await;
        assert!(
            matches!(outcome, Err(CallError::Untrusted(Mistrust::InvalidProof))),
            "{outcome:?}"
        );
    }
    assert!(impostor.calls.try_recv().is_err());
    impostor.hosted.insert(credential);
    assert!(call(&caller, from, &record).await.is_ok());
}
