// SPDX-License-Identifier: MPL-2.0
//! The calling side of an agent stream.

use std::io;
use std::sync::Arc;

use a2al_proto::v1;
use libp2p::PeerId;
use libp2p::swarm::ConnectionId;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::bindings::{Binding, Bindings, Pair, Side};
use super::handshake::{self, Direction, Refusal, Transcript};
use super::stream::{AgentStream, Claim};
use super::{Content, Hosted, MAX_MESSAGE_LEN, Newest};
use crate::aid::Aid;
use crate::behaviour::streams::{
    FrameError, Links, OpenError, Paths, Stream, encode_frame, read_frame, write_frame,
};
use crate::clock;
use crate::credential::Credential;
use crate::key::PublicKey;
use crate::limits::AGENT_HANDSHAKE_TIMEOUT;
use crate::network::{Dialer, Route};
use crate::time::UnixSeconds;

/// Opens streams from the agents on this node to agents anywhere.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) local: PeerId,
    pub(crate) hosted: Hosted,
    pub(crate) bindings: Bindings,
    pub(crate) newest: Newest,
    pub(crate) links: Links,
    pub(crate) dialer: Dialer,
}

/// Whom to call: what a verified endpoint record says.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) agent: Aid,
    /// The operational key that signed the record.
    pub(crate) key: PublicKey,
    /// When the delegation of that key was issued; 0 without one.
    pub(crate) issued_at: UnixSeconds,
    /// The nodes to dial, best first.
    pub(crate) routes: Vec<Route>,
}

impl Target {
    /// Whether the agent that answered is the one that the record speaks of, or has a newer delegation.
    fn check(&self, binding: &Binding) -> Result<(), CallError> {
        if binding.key == self.key || binding.issued_at > self.issued_at {
            return Ok(());
        }
        Err(CallError::Untrusted(Mistrust::OtherKey))
    }
}

impl Caller {
    /// Opens a stream from `caller`, an agent on this node, to the target.
    ///
    /// Tries the routes in their order and returns at the first node that proves to be the agent. The first stream of a pair on
    /// a connection takes one round trip; later ones take none, and a refusal then shows at the first read.
    pub(crate) async fn call(
        &self,
        caller: Aid,
        target: &Target,
        paths: Paths,
        content: Content,
    ) -> Result<AgentStream, CallError> {
        let credential = self
            .hosted
            .get(&caller)
            .ok_or(CallError::CallerNotHosted(caller))?;
        let mut last = CallError::NoAddress;
        for route in target
            .routes
            .iter()
            .filter(|route| route.peer != self.local)
        {
            match self
                .call_at(route, &credential, target, paths, content)
                .await
            {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    tracing::debug!(agent = %target.agent, peer = %route.peer, %error, "call failed");
                    last = error;
                }
            }
        }
        Err(last)
    }

    async fn call_at(
        &self,
        route: &Route,
        credential: &Arc<Credential>,
        target: &Target,
        paths: Paths,
        content: Content,
    ) -> Result<AgentStream, CallError> {
        let (connection, stream) = self.open(route, paths).await?;
        let pair = Pair {
            caller: credential.aid(),
            agent: target.agent,
        };
        let known = self
            .bindings
            .get(connection, Side::Caller, pair, clock::now());
        let current = known.filter(|known| self.newest.accept(pair.agent, known.issued_at));
        if let Some(binding) = current.filter(|binding| target.check(binding).is_ok()) {
            let claim = self.claim(connection, pair, binding);
            return resume(stream, claim, content)
                .await
                .map_err(CallError::Stream);
        }
        let handshake = self.introduce(stream, connection, route.peer, credential, target, content);
        timeout(AGENT_HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| CallError::Timeout)?
    }

    async fn open(&self, route: &Route, paths: Paths) -> Result<(ConnectionId, Stream), CallError> {
        if !self.links.is_connected(&route.peer, paths) {
            self.dialer.connect(route, paths).await?;
        }
        match self.links.open(&route.peer, paths).await {
            // The connection closed between the check and the request.
            Err(OpenError::NotConnected) => {
                self.dialer.connect(route, paths).await?;
                Ok(self.links.open(&route.peer, paths).await?)
            }
            other => Ok(other?),
        }
    }

    /// Runs the mutual handshake up to our own proof; the answer to it shows at the first read.
    async fn introduce(
        &self,
        mut stream: Stream,
        connection: ConnectionId,
        peer: PeerId,
        credential: &Credential,
        target: &Target,
        content: Content,
    ) -> Result<AgentStream, CallError> {
        let pair = Pair {
            caller: credential.aid(),
            agent: target.agent,
        };
        let caller_nonce = handshake::nonce();
        write_frame(
            &mut stream,
            &open_message(pair, content, Some(caller_nonce)),
        )
        .await?;
        let challenge = read_challenge(&mut stream).await?;
        let transcript = Transcript {
            caller_peer: self.local,
            callee_peer: peer,
            pair,
            caller_nonce,
            callee_nonce: handshake::parse_nonce(&challenge.nonce)
                .map_err(|_| CallError::Untrusted(Mistrust::InvalidProof))?,
        };
        let proof = challenge
            .proof
            .ok_or(CallError::Untrusted(Mistrust::InvalidProof))?;
        let binding = transcript
            .verify(Direction::Callee, &proof, &self.newest, clock::now())
            .map_err(|refusal| CallError::Untrusted(refusal.into()))?;
        target.check(&binding)?;
        write_frame(
            &mut stream,
            &transcript.prove(Direction::Caller, credential),
        )
        .await?;
        Ok(AgentStream::unanswered(
            stream,
            self.claim(connection, pair, binding),
        ))
    }

    fn claim(&self, connection: ConnectionId, pair: Pair, binding: Binding) -> Claim {
        Claim {
            bindings: self.bindings.clone(),
            connection,
            pair,
            binding,
        }
    }
}

/// Names a pair that has proved itself on the connection; user bytes may follow in the same packet.
async fn resume(mut stream: Stream, claim: Claim, content: Content) -> io::Result<AgentStream> {
    stream
        .write_all(&encode_frame(&open_message(claim.pair, content, None)))
        .await?;
    Ok(AgentStream::unanswered(stream, claim))
}

fn open_message(pair: Pair, content: Content, nonce: Option<handshake::Nonce>) -> v1::Open {
    v1::Open {
        caller: pair.caller.as_bytes().to_vec(),
        agent: pair.agent.as_bytes().to_vec(),
        nonce: nonce.map(Vec::from).unwrap_or_default(),
        proven: nonce.is_none(),
        content: v1::Content::from(content).into(),
    }
}

async fn read_challenge(stream: &mut Stream) -> Result<v1::Challenge, CallError> {
    let answer: v1::Answer = read_frame(stream, MAX_MESSAGE_LEN).await?;
    match answer.body {
        Some(v1::answer::Body::Challenge(challenge)) => Ok(challenge),
        Some(v1::answer::Body::Refused(refused)) => Err(CallError::Refused(refused.code().into())),
        // Accepting without a proof of its own would let any node pass for any agent.
        Some(v1::answer::Body::Accepted(_)) | None => {
            Err(CallError::Untrusted(Mistrust::InvalidProof))
        }
    }
}

/// Why a call to an agent did not come about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// The record holds no address that this node may dial.
    #[error("the agent publishes no address that can be dialled from here")]
    NoAddress,
    /// No address of the agent's node answers.
    #[error("the agent's node does not answer")]
    Unreachable,
    /// The agent's node is reached through a relay only, and the caller asked for a direct path.
    #[error("the agent's node is reached through a relay only")]
    RelayRequired,
    /// The agent's node refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The node that answered did not prove to be the agent.
    #[error("the node that answered is not the agent")]
    Untrusted(#[source] Mistrust),
    /// The calling agent is not on this node.
    #[error("agent {0} is not on this node")]
    CallerNotHosted(Aid),
    /// The agent's node does not speak the agent protocol.
    #[error("the agent's node does not speak the agent protocol")]
    Unsupported,
    /// No answer in time.
    #[error("the agent's node did not answer in time")]
    Timeout,
    /// The network is shutting down.
    #[error("the network is shutting down")]
    Stopped,
    /// The stream failed.
    #[error("the stream to the agent failed")]
    Stream(#[source] io::Error),
}

/// What was wrong with the called agent's proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mistrust {
    /// It is missing, malformed or does not verify.
    #[error("its proof does not verify")]
    InvalidProof,
    /// A newer delegation of that AID was verified before.
    #[error("a newer delegation of the agent is known")]
    StaleDelegation,
    /// The key is not the one in the agent's endpoint record, and not a newer one.
    #[error("its key is not the one in the agent's record")]
    OtherKey,
}

impl From<Refusal> for Mistrust {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::StaleDelegation => Self::StaleDelegation,
            _ => Self::InvalidProof,
        }
    }
}

impl From<OpenError> for CallError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NotConnected => Self::Unreachable,
            OpenError::Unsupported => Self::Unsupported,
            OpenError::Timeout => Self::Timeout,
            OpenError::Full => Self::Refused(Refusal::Busy),
            OpenError::Io(source) => Self::Stream(source),
        }
    }
}

impl From<FrameError> for CallError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(source) => Self::Stream(source),
            FrameError::Ended => Self::Stream(io::ErrorKind::UnexpectedEof.into()),
            FrameError::TooLarge(_) | FrameError::Malformed(_) => {
                Self::Untrusted(Mistrust::InvalidProof)
            }
        }
    }
}

impl From<io::Error> for CallError {
    fn from(source: io::Error) -> Self {
        Self::Stream(source)
    }
}
