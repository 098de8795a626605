// SPDX-License-Identifier: MPL-2.0
//! Streams to agents on other nodes.

use std::time::Duration;

use a2al_protocol::network::{AgentStream, CallError, Content, Paths, Refusal};
use a2al_protocol::{Aid, Endpoint, VerifiedRecord};
use tokio::time::{Instant, sleep};

use crate::{Error, Service};

/// How long an agent is tried again whose connection broke, or that is reached through a relay.
///
/// After a restart, or when its relay fails, its node needs a moment to reserve a place and to
/// publish that.
const PATIENCE: Duration = Duration::from_secs(8);

/// Wait before the first such try; doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(250);

/// Longest wait between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl Service {
    /// Opens a stream from `caller`, who is hosted here, to `agent`; also returns the record that
    /// led there. Nothing of the caller's has been sent when this fails.
    ///
    /// When the known endpoint does not lead to the agent any more, a newer one is looked up and
    /// tried; where there is none, and the connection broke or the agent is reached through a
    /// relay, the same one is tried for some seconds.
    ///
    /// # Errors
    /// [`Error::TargetUnresolved`], or how far the call came.
    pub(crate) async fn call(
        &self,
        caller: Aid,
        agent: Aid,
        paths: Paths,
        content: Content,
    ) -> Result<(VerifiedRecord, AgentStream), Error> {
        let mut record = self.endpoint_to_call(agent).await?;
        let mut tries = Tries::start(Instant::now());
        loop {
            let failure = match self.core.client.call(caller, &record, paths, content).await {
                Ok(stream) => return Ok((record, stream)),
                Err(failure) => failure,
            };
            if !leads_nowhere(&failure) {
                return Err(refused(failure));
            }
            tracing::debug!(%agent, error = %failure, "known endpoint failed");
            self.core.found.distrust(&record);
            let newest = self.endpoint_to_call(agent).await?;
            let pause = if newest.is_newer_than(&record) {
                tries.with_newer(Instant::now())
            } else if paths == Paths::Any && may_come_back(&failure, &newest) {
                tries.with_same(Instant::now())
            } else {
                None
            };
            let Some(pause) = pause else {
                return Err(refused(failure));
            };
            sleep(pause).await;
            record = newest;
        }
    }

    /// Looks up the endpoint of `agent` again before the next call.
    pub(crate) fn distrust_endpoint(&self, agent: &Aid) {
        if let Some(record) = self.core.found.newest(agent) {
            self.core.found.distrust(&record);
        }
    }

    /// The endpoint record of an agent about to be called.
    pub(crate) async fn endpoint_to_call(&self, agent: Aid) -> Result<VerifiedRecord, Error> {
        self.endpoint(agent)
            .await
            .map_err(|error| Error::TargetUnresolved(Box::new(error)))
    }
}

/// How often one call was tried, and when it is next.
struct Tries {
    patience_ends: Instant,
    pause: Duration,
    has_tried_newer: bool,
}

impl Tries {
    fn start(now: Instant) -> Self {
        Self {
            patience_ends: now + PATIENCE,
            pause: FIRST_PAUSE,
            has_tried_newer: false,
        }
    }

    /// How long to wait before a newer record is tried: not at all, the first time whatever the
    /// hour.
    fn with_newer(&mut self, now: Instant) -> Option<Duration> {
        let is_first = !std::mem::replace(&mut self.has_tried_newer, true);
        (is_first || now < self.patience_ends).then_some(Duration::ZERO)
    }

    /// How long to wait before the same record is tried again; `None` when that has gone on for
    /// long enough.
    fn with_same(&mut self, now: Instant) -> Option<Duration> {
        let pause = self.pause;
        self.pause = (2 * pause).min(LONGEST_PAUSE);
        (now + pause < self.patience_ends).then_some(pause)
    }
}

/// Whether another endpoint of the same agent might do better.
fn leads_nowhere(failure: &CallError) -> bool {
    has_no_path(failure)
        || matches!(
            failure,
            CallError::NoAddress
                | CallError::RelayRequired
                | CallError::Refused(Refusal::NotHosted)
        )
}

/// Whether nobody was met at the other end, or the connection broke before the agents had met.
fn has_no_path(failure: &CallError) -> bool {
    matches!(
        failure,
        CallError::Unreachable | CallError::Timeout | CallError::Stream(_)
    )
}

/// Whether the same endpoint may soon lead to the agent again: its node was met just now, or
/// reserves a place on a relay.
fn may_come_back(failure: &CallError, record: &VerifiedRecord) -> bool {
    if matches!(failure, CallError::Stream(_)) {
        return true;
    }
    let endpoint = Endpoint::decode(record.payload()).unwrap_or_default();
    let mut addresses = endpoint.addresses.iter();
    has_no_path(failure) && addresses.any(|address| address.contains("/p2p-circuit"))
}

/// How a failed call is told to clients.
pub(crate) fn refused(failure: CallError) -> Error {
    match failure {
        CallError::Refused(Refusal::NoService) => Error::NoInbound,
        CallError::Refused(Refusal::ServiceUnreachable) => Error::InboundUnreachable,
        CallError::Refused(Refusal::Denied) => Error::AccessDenied,
        CallError::Refused(Refusal::Busy) => Error::Busy,
        CallError::RelayRequired => Error::RelayRequired,
        CallError::CallerNotHosted(_) => Error::CallerNotHosted,
        CallError::Stopped => Error::Stopped,
        failure => Error::Connect(failure),
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::{Credential, Draft, RecordKind, Seq, SigningKey, UnixSeconds};

    use super::*;

    fn record(address: &str) -> VerifiedRecord {
        let endpoint = Endpoint {
            addresses: vec![address.to_owned()],
            ..Endpoint::default()
        };
        let draft = Draft {
            kind: RecordKind::ENDPOINT,
            payload: endpoint.encode().unwrap(),
            seq: Seq(1),
            timestamp: UnixSeconds(1),
            ttl_secs: 60,
        };
        draft
            .sign(&Credential::node(SigningKey::generate()))
            .unwrap()
    }

    #[test]
    fn who_was_met_just_now_or_is_behind_a_relay_is_waited_for() {
        let direct = record("/ip4/203.0.113.7/udp/1/quic-v1/p2p/x");
        let relayed = record("/ip4/203.0.113.7/udp/1/quic-v1/p2p/y/p2p-circuit/p2p/x");
        assert!(may_come_back(&CallError::Unreachable, &relayed));
        assert!(!may_come_back(&CallError::Unreachable, &direct));
        assert!(!may_come_back(&CallError::RelayRequired, &relayed));
        assert!(!may_come_back(&Refusal::NotHosted.into(), &relayed));
        let broken = CallError::Stream(std::io::ErrorKind::ConnectionReset.into());
        assert!(may_come_back(&broken, &direct));
    }

    #[test]
    fn patience_ends() {
        let start = Instant::now();
        let (mut tries, mut now) = (Tries::start(start), start);
        assert_eq!(tries.with_newer(now), Some(Duration::ZERO));
        let mut pauses = Vec::new();
        while let Some(pause) = tries.with_same(now) {
            pauses.push(pause);
            now += pause;
        }
        let millis = [250, 500, 1000, 2000, 2000, 2000].map(Duration::from_millis);
        assert_eq!(pauses, millis);
        assert_eq!(tries.with_newer(now), Some(Duration::ZERO), "still in time");
        assert_eq!(tries.with_newer(start + PATIENCE), None);
        let mut late = Tries::start(start);
        assert!(
            late.with_newer(start + PATIENCE).is_some(),
            "one newer record is tried in any case"
        );
    }
}
