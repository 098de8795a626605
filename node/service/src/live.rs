// SPDX-License-Identifier: MPL-2.0
//! What is known of an address only while the process runs: its heartbeat, and what was published
//! for it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::{Endpoint, UnixSeconds, VerifiedRecord};
use tokio::time::Instant;

use crate::schedule::Schedule;

/// Time between two renewals of a published record.
///
/// Half of the record's life, so that one missed renewal loses nothing. Source: the reference
/// renews every 1800 s.
pub(crate) const RENEWAL_INTERVAL: Duration = Duration::from_secs(1800);

/// An endpoint record as it went out.
#[derive(Clone, Debug)]
pub(crate) struct Publication {
    /// The record.
    pub(crate) record: VerifiedRecord,
    /// When it went out.
    pub(crate) at: UnixSeconds,
    /// Other nodes that stored it.
    pub(crate) replicas: usize,
    /// Whether as many did as there should be.
    pub(crate) is_complete: bool,
}

/// Heartbeat and publications of one address.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    heartbeat: Option<Instant>,
    last: Option<Publication>,
    schedule: Schedule,
    /// What the newest publication says, unless it failed.
    said: Option<Endpoint>,
}

impl Live {
    /// Notes a sign of life.
    pub(crate) fn beat(&self) {
        self.state().heartbeat = Some(Instant::now());
    }

    /// Time since the last sign of life.
    pub(crate) fn since_heartbeat(&self) -> Option<Duration> {
        self.state().heartbeat.map(|at| at.elapsed())
    }

    /// The newest publication, valid or not.
    pub(crate) fn publication(&self) -> Option<Publication> {
        self.state().last.clone()
    }

    /// Whether a publication is under way.
    pub(crate) fn is_under_way(&self) -> bool {
        self.state().schedule.is_under_way()
    }

    /// When the next publication is due; `None` = at once.
    pub(crate) fn due(&self) -> Option<Instant> {
        self.state().schedule.due()
    }

    /// Whether a publication is due at `now`, and none is under way.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.state().schedule.is_due(now)
    }

    /// Asks for a publication at once, however often it has failed.
    pub(crate) fn make_due(&self) {
        self.state().schedule.make_due();
    }

    /// Asks for a publication at once, unless the newest one, perhaps still under way, says `now`
    /// already.
    pub(crate) fn make_due_unless_said(&self, now: &Endpoint) {
        let is_said = self.state().said.as_ref() == Some(now);
        if !is_said {
            self.make_due();
        }
    }

    /// Notes what the publication that is under way says.
    pub(crate) fn says(&self, endpoint: Endpoint) {
        self.state().said = Some(endpoint);
    }

    /// Puts the next publication off by one interval.
    pub(crate) fn postpone(&self, now: Instant) {
        self.state().schedule.postpone(now + RENEWAL_INTERVAL);
    }

    /// Notes that a publication begins; [`published`](Self::published) or [`failed`](Self::failed)
    /// ends it.
    pub(crate) fn begin(&self) {
        self.state().schedule.begin();
    }

    /// Notes that `publication` went out. One that reached too few nodes is soon repeated.
    pub(crate) fn published(&self, publication: Publication, now: Instant) {
        let mut state = self.state();
        if publication.is_complete {
            state.schedule.succeeded(now + RENEWAL_INTERVAL);
        } else {
            state.schedule.failed(now);
        }
        // Two publications may end in the wrong order.
        match &state.last {
            Some(last) if !publication.record.is_newer_than(&last.record) => {}
            _ => state.last = Some(publication),
        }
    }

    /// Notes that a publication failed.
    pub(crate) fn failed(&self, now: Instant) {
        let mut state = self.state();
        state.said = None;
        state.schedule.failed(now);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; a poisoned state is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::{Credential, Draft, NatType, RecordKind, Seq, SigningKey};

    use super::*;

    fn publication(seq: u64, is_complete: bool) -> Publication {
        let at = UnixSeconds(1_000_000);
        let payload = Endpoint::default().encode().unwrap();
        let kind = RecordKind::ENDPOINT;
        let draft = Draft {
            kind,
            payload,
            seq: Seq(seq),
            timestamp: at,
            ttl_secs: 60,
        };
        let key = SigningKey::from_seed(&[1; 32]);
        let record = draft.sign(&Credential::node(key)).unwrap();
        Publication {
            record,
            at,
            replicas: 0,
            is_complete,
        }
    }

    #[test]
    fn a_publication_is_renewed_after_the_interval() {
        let (live, now) = (Live::default(), Instant::now());
        assert!(live.is_due(now));
        live.begin();
        assert!(!live.is_due(now), "one is under way");
        live.published(publication(1, true), now);
        assert_eq!(live.due(), Some(now + RENEWAL_INTERVAL));
        live.make_due();
        assert!(live.is_due(now));
    }

    #[test]
    fn what_changes_during_a_publication_is_published_after_it() {
        let (live, now) = (Live::default(), Instant::now());
        live.begin();
        live.make_due();
        live.published(publication(1, true), now);
        assert!(live.is_due(now));
        live.begin();
        live.published(publication(2, true), now);
        assert!(!live.is_due(now));
    }

    #[test]
    fn what_is_being_said_already_is_not_said_again() {
        let (live, now) = (Live::default(), Instant::now());
        let (first, second) = (
            Endpoint::default(),
            Endpoint {
                nat: NatType::Public,
                ..Endpoint::default()
            },
        );
        live.begin();
        live.says(first.clone());
        live.make_due_unless_said(&first);
        live.published(publication(1, true), now);
        assert!(!live.is_due(now));
        live.make_due_unless_said(&second);
        assert!(live.is_due(now));
        live.begin();
        live.says(second.clone());
        live.failed(now);
        live.make_due_unless_said(&second);
        assert!(live.is_due(now), "it was not said after all");
    }

    #[test]
    fn failures_are_repeated_ever_more_rarely() {
        let (live, now) = (Live::default(), Instant::now());
        for wait in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
            live.failed(now);
            assert_eq!(live.due(), Some(now + Duration::from_secs(wait)));
        }
        live.published(publication(1, false), now);
        assert_eq!(
            live.due(),
            Some(now + Duration::from_secs(300)),
            "too few nodes is no success"
        );
        live.published(publication(2, true), now);
        live.failed(now);
        assert_eq!(live.due(), Some(now + Duration::from_secs(5)));
        live.failed(now);
        live.make_due();
        live.failed(now);
        assert_eq!(
            live.due(),
            Some(now + Duration::from_secs(5)),
            "a change starts anew"
        );
    }

    #[test]
    fn the_newest_record_stays_the_publication() {
        let (live, now) = (Live::default(), Instant::now());
        live.published(publication(2, true), now);
        live.published(publication(1, true), now);
        assert_eq!(live.publication().unwrap().record.seq(), Seq(2));
    }
}
