// SPDX-License-Identifier: MPL-2.0
//! Calls from other agents: each becomes a connection to the called agent's service.
//!
//! A stream that carries HTTP passes through [`http`], which tells the service who calls. All
//! others pass as they are, [`raw`]; a plain service's are watched meanwhile, so that HTTP in them
//! is noticed ([`first_line`]).

mod first_line;
mod http;
mod lent;
mod meter;
mod places;
mod raw;
mod session;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use a2al_protocol::Aid;
use a2al_protocol::network::{Content, IncomingCall, Refusal};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::service_tcp::{DialError, ServiceStream};
use crate::{InboundLimits, Service, mailbox, pump};
use lent::Lent;
use meter::{Metered, Replayed};
use places::{Place, Places};
use raw::Passed;
use session::{Listed, Session, Sessions};

/// What streams to services share.
#[derive(Debug)]
pub(crate) struct Inbound {
    places: Arc<Places>,
    sessions: Sessions,
}

impl Inbound {
    pub(crate) fn new(limits: InboundLimits) -> Self {
        Self {
            places: Places::new(limits),
            sessions: Sessions::default(),
        }
    }
}

/// How long telling the caller yes or no may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a bridge may be without a byte.
///
/// A raw one that is open both ways is left alone while there is room: its caller's node knows how
/// long it is to last. Source: the reference.
const MAX_SILENCE: Duration = Duration::from_secs(6 * 60);

/// How long a stream with HTTP may be without a byte: longer than a gateway waits for an answer.
const MAX_HTTP_SILENCE: Duration = Duration::from_secs(11 * 60);

/// How long an HTTP answer may be without a byte once the caller has ended its side, which is how
/// callers leave. Ours: most servers do not wait at all.
const MAX_SILENCE_AFTER_CALLER: Duration = Duration::from_secs(30);

/// How long a caller may take to end a stream that is over.
const MAX_SILENCE_AFTER_END: Duration = Duration::from_secs(30);

/// How often silence is looked at.
const SILENCE_CHECK: Duration = Duration::from_secs(10);

/// An accepted way to a service.
struct Opened {
    service: Metered<ServiceStream>,
    listed: Listed,
    /// Ends the bridge when the agent's service changes.
    bridges: CancellationToken,
    handling: Handling,
}

/// What is done with the caller's bytes.
#[derive(Clone, Copy)]
enum Handling {
    Http,
    Watched,
}

/// Answers calls until the network or the service stops.
pub(crate) async fn run(service: Service, mut calls: mpsc::Receiver<IncomingCall>) {
    while let Some(call) = calls.recv().await {
        let place = service.core.inbound.places.take(call.agent(), call.peer());
        let answering = service.clone();
        service.spawn(async move {
            match place {
                Some(place) if call.content() == Content::Notes => {
                    mailbox::answer(&answering, call).await;
                    drop(place);
                }
                Some(place) => answer(answering, call, place).await,
                None => refuse(call, Refusal::Busy).await,
            }
        });
    }
}

async fn answer(service: Service, call: IncomingCall, place: Place) {
    let (caller, agent) = (call.caller(), call.agent());
    let session = Arc::new(Session::new(caller, call.caller_key(), agent));
    let opened = match service.open_service(agent, call.content(), session).await {
        Ok(opened) => opened,
        Err(refusal) => {
            tracing::debug!(%caller, %agent, ?refusal, "call refused");
            return refuse(call, refusal).await;
        }
    };
    match timeout(ANSWER_TIMEOUT, call.accept()).await {
        Ok(Ok(stream)) => {
            tracing::debug!(%caller, %agent, "call accepted");
            bridge(stream, opened, &place).await;
        }
        Ok(Err(error)) => tracing::debug!(%caller, %agent, %error, "caller left"),
        Err(_) => tracing::debug!(%caller, %agent, "caller did not take the stream in time"),
    }
}

async fn refuse(call: IncomingCall, refusal: Refusal) {
    // A caller that does not listen is told nothing.
    let _ = timeout(ANSWER_TIMEOUT, call.refuse(refusal)).await;
}

/// Carries bytes both ways until either side ends, the agent's service changes, or nothing moves.
async fn bridge<C>(stream: C, opened: Opened, place: &Place)
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Opened {
        service,
        listed,
        bridges,
        handling,
    } = opened;
    let session = Arc::clone(&service.session);
    let kept = Lent::new(stream);
    let stream = Replayed {
        head: Bytes::new(),
        inner: kept.clone(),
        session: Arc::clone(&session),
        is_shut: false,
    };
    let is_whole = tokio::select! {
        biased;
        () = bridges.cancelled() => false,
        // Either side may break off; the other then sees its end, too.
        is_whole = carry(stream, service, handling) => is_whole,
        () = silence(&session, place, &kept) => {
            tracing::debug!("a stream without bytes is closed");
            false
        }
    };
    // The service's connection is gone, and its port may be another's by now.
    drop(listed);
    if is_whole {
        // Who takes longer has been told of the end all the same.
        let _ = timeout(MAX_SILENCE_AFTER_END, kept.finish()).await;
    }
}

/// Returns whether both sides have said all.
async fn carry<C>(
    mut stream: Replayed<C>,
    mut service: Metered<ServiceStream>,
    handling: Handling,
) -> bool
where
    C: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    if let Handling::Watched = handling {
        match raw::watched(&mut stream, &mut service).await {
            Ok(Passed::Http(head)) => stream.head = head,
            Ok(Passed::Whole) => return true,
            Err(error) => {
                tracing::debug!(%error, "a stream broke off");
                service.inner.reset();
                return false;
            }
        }
    }
    // Boxed, because most raw streams never need the room that this takes.
    match Box::pin(http::proxy(stream, service)).await {
        Ok(()) => true,
        Err(error) => {
            tracing::debug!(%error, "a stream with HTTP broke off");
            false
        }
    }
}

/// Ends when the bridge has been without a byte for too long.
async fn silence<C: AsyncRead + Unpin>(session: &Session, place: &Place, caller: &Lent<C>) {
    loop {
        sleep(SILENCE_CHECK).await;
        let is_http = session.is_http.load(Ordering::Relaxed);
        // While an answer is awaited nobody reads, so nobody else would notice.
        if is_http && session.silence() >= SILENCE_CHECK && caller.has_ended().await {
            session.caller_ended.store(true, Ordering::Relaxed);
        }
        let has_caller_ended = session.caller_ended.load(Ordering::Relaxed);
        let is_open = !has_caller_ended && !session.service_ended.load(Ordering::Relaxed);
        let limit = match (is_http, has_caller_ended) {
            (true, true) => MAX_SILENCE_AFTER_CALLER,
            (true, false) => MAX_HTTP_SILENCE,
            (false, _) => MAX_SILENCE,
        };
        if session.silence() >= limit && (is_http || !is_open || place.is_crowded()) {
            return;
        }
    }
}

impl Service {
    /// Opens a stream from one address of this node to an agent of this node. It is what a stream
    /// over the network would be: the service learns who calls, and ends it when it changes.
    ///
    /// # Errors
    /// Why the stream is refused.
    pub(crate) async fn call_own(
        &self,
        caller: Aid,
        agent: Aid,
        content: Content,
    ) -> Result<DuplexStream, Refusal> {
        let key = if caller == self.node_aid() {
            self.core.node.public_key()
        } else {
            let caller = self.core.registry.get(&caller).ok_or(Refusal::Denied)?;
            caller.credential.public_key()
        };
        let places = &self.core.inbound.places;
        let place = places.take(agent, self.core.client.peer_id());
        let place = place.ok_or(Refusal::Busy)?;
        let session = Arc::new(Session::new(caller, key, agent));
        let opened = self.open_service(agent, content, session).await?;
        let (near, far) = duplex(pump::BLOCK_LEN);
        self.spawn(async move { bridge(far, opened, &place).await });
        Ok(near)
    }

    /// Connects to the service of the called agent, and lists the session beforehand.
    async fn open_service(
        &self,
        aid: Aid,
        content: Content,
        session: Arc<Session>,
    ) -> Result<Opened, Refusal> {
        if aid == self.node_aid() {
            return Err(Refusal::NoService);
        }
        let agent = self.core.registry.get(&aid).ok_or(Refusal::NotHosted)?;
        let target = agent.service.as_ref().ok_or(Refusal::NoService)?;
        let (stream, listed) = target
            .connect(&self.core.targets, |port| {
                self.core.inbound.sessions.list(port, &session)
            })
            .await
            .map_err(|error| {
                tracing::info!(%aid, service = %target, %error, "service unreachable");
                match error {
                    DialError::NoSockets(_) => Refusal::Busy,
                    _ => Refusal::ServiceUnreachable,
                }
            })?;
        let is_http = target.is_http() || content == Content::Http;
        session.is_http.store(is_http, Ordering::Relaxed);
        Ok(Opened {
            service: Metered {
                inner: stream,
                session,
            },
            listed,
            bridges: agent.bridges.clone(),
            handling: if is_http {
                Handling::Http
            } else {
                Handling::Watched
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;
    use a2al_protocol::network::PeerId;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::Instant;

    use super::*;
    use crate::InboundLimits;

    fn session() -> Session {
        let key = SigningKey::generate().public();
        Session::new(key.aid(), key, key.aid())
    }

    fn places(total: usize) -> Arc<Places> {
        Places::new(InboundLimits {
            total,
            ..InboundLimits::default()
        })
    }

    /// How long a bridge without a byte is left alone; `None` for more than an hour.
    async fn lifetime(session: &Session, place: &Place) -> Option<Duration> {
        let (_caller, stream) = duplex(1);
        lifetime_of(session, place, &Lent::new(stream)).await
    }

    async fn lifetime_of(
        session: &Session,
        place: &Place,
        stream: &Lent<DuplexStream>,
    ) -> Option<Duration> {
        let start = Instant::now();
        timeout(Duration::from_secs(3600), silence(session, place, stream))
            .await
            .ok()?;
        Some(start.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_bridge_ends_unless_it_may_be_a_lasting_tunnel() {
        let agent = SigningKey::generate().public().aid();
        let roomy = places(100).take(agent, PeerId::random()).unwrap();
        let crowded = places(1).take(agent, PeerId::random()).unwrap();
        let open = session();
        assert_eq!(lifetime(&open, &roomy).await, None);
        let open = session();
        assert_eq!(lifetime(&open, &crowded).await, Some(MAX_SILENCE));
        let half = session();
        half.caller_ended.store(true, Ordering::Relaxed);
        assert_eq!(lifetime(&half, &roomy).await, Some(MAX_SILENCE));
        let http = session();
        http.is_http.store(true, Ordering::Relaxed);
        assert_eq!(lifetime(&http, &roomy).await, Some(MAX_HTTP_SILENCE));
        let left = session();
        left.is_http.store(true, Ordering::Relaxed);
        left.caller_ended.store(true, Ordering::Relaxed);
        let after_caller = Some(MAX_SILENCE_AFTER_CALLER);
        assert_eq!(lifetime(&left, &roomy).await, after_caller);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_leaves_is_noticed_though_nobody_reads() {
        let agent = SigningKey::generate().public().aid();
        let place = places(100).take(agent, PeerId::random()).unwrap();
        let http = session();
        http.is_http.store(true, Ordering::Relaxed);
        let (mut caller, stream) = duplex(64);
        let mut stream = Lent::new(stream);
        // What it still says is not lost, and an end behind it is seen only by whoever reads.
        caller.write_all(b"more").await.unwrap();
        drop(caller);
        let silent = lifetime_of(&http, &place, &stream).await;
        assert_eq!(silent, Some(MAX_HTTP_SILENCE));
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).await.unwrap();
        assert_eq!(rest, b"more");
        let http = session();
        http.is_http.store(true, Ordering::Relaxed);
        let silent = lifetime_of(&http, &place, &stream).await;
        assert_eq!(silent, Some(MAX_SILENCE_AFTER_CALLER));
    }

    #[tokio::test(start_paused = true)]
    async fn a_byte_in_either_direction_keeps_a_bridge() {
        let agent = SigningKey::generate().public().aid();
        let place = places(1).take(agent, PeerId::random()).unwrap();
        for moved in [Session::sent, Session::received] {
            let session = session();
            let moving = async {
                sleep(MAX_SILENCE / 2).await;
                moved(&session, 1);
            };
            let (lifetime, ()) = tokio::join!(lifetime(&session, &place), moving);
            assert_eq!(lifetime, Some(MAX_SILENCE / 2 + MAX_SILENCE));
        }
    }
}
