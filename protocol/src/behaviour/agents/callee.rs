// SPDX-License-Identifier: MPL-2.0
//! The called side of an agent stream.

use std::io;

use a2al_proto::v1;
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::bindings::{Binding, Bindings, Pair, Side};
use super::handshake::{self, Direction, Refusal, Transcript};
use super::stream::AgentStream;
use super::{Content, Hosted, MAX_MESSAGE_LEN, Newest};
use crate::aid::Aid;
use crate::behaviour::streams::{FrameError, Incoming, Slots, Stream, read_frame, write_frame};
use crate::clock;
use crate::credential::Credential;
use crate::key::PublicKey;
use crate::limits::{AGENT_HANDSHAKE_TIMEOUT, MAX_CONCURRENT_HANDSHAKES, MAX_HANDSHAKES_PER_PEER};

/// A verified call to an agent on this node, to be accepted or refused.
#[derive(Debug)]
pub struct IncomingCall {
    pair: Pair,
    caller_key: PublicKey,
    peer: PeerId,
    content: Content,
    stream: Stream,
}

impl IncomingCall {
    /// The agent that calls; it proved its AID.
    pub fn caller(&self) -> Aid {
        self.pair.caller
    }

    /// The operational key that the caller proved to hold.
    pub fn caller_key(&self) -> PublicKey {
        self.caller_key
    }

    /// The agent on this node that is called.
    pub fn agent(&self) -> Aid {
        self.pair.agent
    }

    /// The node that the caller is on.
    pub fn peer(&self) -> PeerId {
        self.peer
    }

    /// What the stream carries, as the caller declares it.
    pub fn content(&self) -> Content {
        self.content
    }

    /// Whether the bytes pass through a relay.
    pub fn is_relayed(&self) -> bool {
        self.stream.is_relayed()
    }

    /// Accepts the call; what is written to the stream from now on reaches the caller.
    ///
    /// # Errors
    /// If the stream failed meanwhile.
    pub async fn accept(mut self) -> io::Result<AgentStream> {
        let body = v1::answer::Body::Accepted(v1::Accepted {});
        write_frame(&mut self.stream, &v1::Answer { body: Some(body) }).await?;
        Ok(AgentStream::open(self.stream))
    }

    /// Refuses the call with a reason that the caller sees.
    pub async fn refuse(mut self, refusal: Refusal) {
        refuse(&mut self.stream, refusal).await;
    }
}

/// Tells the caller why. A caller who does not listen is left alone.
async fn refuse(stream: &mut Stream, refusal: Refusal) {
    let answer = refusal.answer();
    let told = write_frame(stream, &answer);
    if !matches!(timeout(AGENT_HANDSHAKE_TIMEOUT, told).await, Ok(Ok(()))) {
        tracing::debug!(%refusal, "the caller left before it was refused");
    }
}

/// Answers handshakes for the agents on this node.
#[derive(Clone, Debug)]
pub(crate) struct Callee {
    pub(crate) local: PeerId,
    pub(crate) hosted: Hosted,
    pub(crate) bindings: Bindings,
    pub(crate) newest: Newest,
    /// Where verified calls go; when it is full, callers are refused as busy.
    pub(crate) calls: mpsc::Sender<IncomingCall>,
}

/// Serves inbound agent streams until `stop`; handshakes run side by side, a bounded number of them.
pub(crate) async fn serve(
    callee: Callee,
    mut incoming: mpsc::Receiver<Incoming>,
    stop: CancellationToken,
) {
    let handshakes = Slots::new(MAX_CONCURRENT_HANDSHAKES, MAX_HANDSHAKES_PER_PEER);
    let tasks = TaskTracker::new();
    let serving = async {
        while let Some(inbound) = incoming.recv().await {
            let Some(slot) = handshakes.take(inbound.peer) else {
                tracing::debug!(peer = %inbound.peer, "too many handshakes, stream reset");
                continue;
            };
            let callee = callee.clone();
            tasks.spawn(async move {
                callee.answer(inbound).await;
                drop(slot);
            });
        }
    };
    stop.run_until_cancelled(serving).await;
}

impl Callee {
    async fn answer(&self, inbound: Incoming) {
        let Incoming {
            peer,
            connection,
            mut stream,
            ip: _,
        } = inbound;
        let handshake = self.authenticate(&mut stream, peer, connection);
        let outcome = timeout(AGENT_HANDSHAKE_TIMEOUT, handshake).await;
        match outcome {
            Ok(Ok((pair, binding, content))) => {
                let call = IncomingCall {
                    pair,
                    caller_key: binding.key,
                    peer,
                    content,
                    stream,
                };
                if let Err(full) = self.calls.try_send(call) {
                    full.into_inner().refuse(Refusal::Busy).await;
                }
            }
            Ok(Err(Failure::Refused(refusal))) => {
                tracing::debug!(%peer, %refusal, "call refused");
                refuse(&mut stream, refusal).await;
            }
            Ok(Err(Failure::Gone)) | Err(_) => {
                tracing::debug!(%peer, "the caller did not finish its handshake");
            }
        }
    }

    /// Reads who calls whom, and has the caller prove it unless it did on this connection.
    async fn authenticate(
        &self,
        stream: &mut Stream,
        peer: PeerId,
        connection: ConnectionId,
    ) -> Result<(Pair, Binding, Content), Failure> {
        let open: v1::Open = read_frame(stream, MAX_MESSAGE_LEN).await?;
        let pair = Pair {
            caller: parse_aid(&open.caller)?,
            agent: parse_aid(&open.agent)?,
        };
        let content = open.content().into();
        let credential = self.hosted.get(&pair.agent).ok_or(Refusal::NotHosted)?;
        if open.proven {
            let bound = self
                .bindings
                .get(connection, Side::Callee, pair, clock::now());
            // A newer delegation may have been seen since, on any connection.
            let current = bound.filter(|bound| self.newest.accept(pair.caller, bound.issued_at));
            return Ok((pair, current.ok_or(Refusal::ProofRequired)?, content));
        }
        let transcript = Transcript {
            caller_peer: peer,
            callee_peer: self.local,
            pair,
            caller_nonce: handshake::parse_nonce(&open.nonce)?,
            callee_nonce: handshake::nonce(),
        };
        let binding = self.challenge(stream, &transcript, &credential).await?;
        self.bindings
            .insert(connection, Side::Callee, pair, binding);
        Ok((pair, binding, content))
    }

    async fn challenge(
        &self,
        stream: &mut Stream,
        transcript: &Transcript,
        credential: &Credential,
    ) -> Result<Binding, Failure> {
        let challenge = v1::Challenge {
            nonce: transcript.callee_nonce.to_vec(),
            proof: Some(transcript.prove(Direction::Callee, credential)),
        };
        let body = v1::answer::Body::Challenge(challenge);
        write_frame(stream, &v1::Answer { body: Some(body) })
            .await
            .map_err(FrameError::from)?;
        let proof: v1::Proof = read_frame(stream, MAX_MESSAGE_LEN).await?;
        Ok(transcript.verify(Direction::Caller, &proof, &self.newest, clock::now())?)
    }
}

fn parse_aid(bytes: &[u8]) -> Result<Aid, Refusal> {
    Aid::from_bytes(bytes).map_err(|_| Refusal::Malformed)
}

/// Why a handshake ended without a call.
enum Failure {
    Refused(Refusal),
    /// The stream ended or failed: nobody is left to be told.
    Gone,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<FrameError> for Failure {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Ended | FrameError::Io(_) => Self::Gone,
            FrameError::TooLarge(_) | FrameError::Malformed(_) => Self::Refused(Refusal::Malformed),
        }
    }
}
