// SPDX-License-Identifier: MPL-2.0
//! What happens to agents, for clients that follow it or ask now and then.
//!
//! The newest events of each agent are remembered while the process runs; what waits is told by
//! [`pending`](Service::pending) in any case, so that nothing depends on having heard an event.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use a2al_protocol::Aid;
use a2al_protocol::limits::{EVENT_QUEUE, MAX_EVENT_CLIENTS, MAX_EVENTS_KEPT};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::model::{self, NotesReceived};
use crate::{Error, Service, clock};

/// The only kind of event so far.
const MAILBOX_RECEIVED: &str = "mailbox.received";

/// Something that happened to an agent.
#[derive(Clone, Copy, Debug)]
struct Event {
    /// Larger than those of earlier events of the node, also across restarts.
    seq: u64,
    aid: Aid,
    /// Milliseconds since 1970.
    at: u64,
    data: NotesReceived,
}

/// The events of a node.
#[derive(Debug)]
pub(crate) struct Events {
    state: Mutex<State>,
    live: broadcast::Sender<Event>,
    /// Places for clients that follow events.
    places: Arc<Semaphore>,
}

#[derive(Debug)]
struct State {
    /// Number after which this run began.
    first: u64,
    /// Number of the newest event.
    last: u64,
    agents: HashMap<Aid, History>,
}

/// What one agent's clients can still ask for.
#[derive(Debug, Default)]
struct History {
    events: VecDeque<Event>,
    /// Number of the newest event that was forgotten.
    forgotten: u64,
}

impl Events {
    /// Without any event; numbers begin after `first`, which no earlier run has reached: the present in
    /// milliseconds, or a ceiling of what was given out before, if the clock was set back.
    pub(crate) fn new(first: u64) -> Self {
        let state = State {
            first,
            last: first,
            agents: HashMap::new(),
        };
        Self {
            state: Mutex::new(state),
            live: broadcast::Sender::new(EVENT_QUEUE),
            places: Arc::new(Semaphore::new(MAX_EVENT_CLIENTS)),
        }
    }

    /// Tells that notes have come in.
    pub(crate) fn notes_received(&self, aid: Aid, data: NotesReceived) {
        // Sent under the lock, so that every client sees the events in the order of their numbers.
        let mut state = self.state();
        state.last += 1;
        let event = Event {
            seq: state.last,
            aid,
            at: clock::now_millis(),
            data,
        };
        state.agents.entry(aid).or_default().push(event);
        // Nobody may be following.
        let _ = self.live.send(event);
    }

    /// Forgets the events of an agent that is gone.
    pub(crate) fn forget(&self, aid: &Aid) {
        self.state().agents.remove(aid);
    }

    fn since(&self, aid: &Aid, after: u64) -> model::EventList {
        let state = self.state();
        let history = state.agents.get(aid);
        let events = history.map_or_else(Vec::new, |history| history.after(state.known(after)));
        model::EventList {
            events: events.iter().map(Event::asked_for).collect(),
            last_seq: state.last_of(history),
            oldest_seq: history
                .and_then(|history| history.events.front())
                .map_or(0, |event| event.seq),
            truncated: state.is_gap(history, after),
        }
    }

    /// Events from now on, after those that are remembered since `after`.
    fn follow(&self, aid: Option<Aid>, after: Option<u64>) -> Result<EventStream, Error> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| Error::TooManyEventClients(MAX_EVENT_CLIENTS))?;
        let state = self.state();
        let missed = match (aid, after) {
            (Some(aid), Some(after)) => state
                .agents
                .get(&aid)
                .map_or_else(Vec::new, |history| history.after(state.known(after))),
            _ => Vec::new(),
        };
        Ok(EventStream {
            aid,
            missed: missed.into(),
            live: self.live.subscribe(),
            _place: place,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while the lock is held; a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Number up to which events of an agent may be missing: those of earlier runs are.
    fn forgotten_of(&self, history: Option<&History>) -> u64 {
        history
            .map_or(0, |history| history.forgotten)
            .max(self.first)
    }

    /// The number that a client knows; 0 for one that nobody was told: it is of another node.
    fn known(&self, after: u64) -> u64 {
        if after > self.last { 0 } else { after }
    }

    /// Whether events may be missing between number `after` and those that are remembered.
    fn is_gap(&self, history: Option<&History>, after: u64) -> bool {
        after > self.last || (after > 0 && after < self.forgotten_of(history))
    }

    /// Number of the newest event of an agent, or, where it has none, of any before it.
    fn last_of(&self, history: Option<&History>) -> u64 {
        history
            .and_then(|history| history.events.back())
            .map_or(self.last, |event| event.seq)
    }
}

impl History {
    fn push(&mut self, event: Event) {
        if self.events.len() >= MAX_EVENTS_KEPT
            && let Some(oldest) = self.events.pop_front()
        {
            self.forgotten = oldest.seq;
        }
        self.events.push_back(event);
    }

    fn after(&self, seq: u64) -> Vec<Event> {
        let later = self.events.iter().filter(|event| event.seq > seq);
        later.copied().collect()
    }
}

impl Event {
    fn asked_for(&self) -> model::Event {
        model::Event {
            seq: self.seq,
            ts: self.at,
            kind: MAILBOX_RECEIVED.to_owned(),
            data: self.data,
        }
    }

    /// The event on the stream of one agent, or of all.
    fn streamed(&self, of_all: bool) -> Streamed {
        Streamed {
            seq: self.seq,
            event: model::StreamedEvent {
                aid: of_all.then_some(self.aid),
                at: clock::rfc3339(a2al_protocol::UnixSeconds(self.at / 1000)),
                kind: MAILBOX_RECEIVED.to_owned(),
                data: self.data,
            },
        }
    }
}

/// An event and its number.
#[derive(Clone, Debug)]
pub struct Streamed {
    /// Its number; [`Service::agent_events`] resumes after it.
    pub seq: u64,
    /// What happened.
    pub event: model::StreamedEvent,
}

/// The client did not keep up; so many events were passed over.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{0} events were missed")]
pub struct Lagged(pub u64);

/// Events as they happen. It takes one of the places for clients until it is dropped.
#[derive(Debug)]
pub struct EventStream {
    aid: Option<Aid>,
    missed: VecDeque<Event>,
    live: broadcast::Receiver<Event>,
    _place: OwnedSemaphorePermit,
}

impl EventStream {
    /// The next event; `None` when the node ends. Safe to drop.
    ///
    /// # Errors
    /// [`Lagged`] if the client has not kept up. It is best cut off then: `pending` tells it what it
    /// needs to know when it comes back.
    pub async fn next(&mut self) -> Result<Option<Streamed>, Lagged> {
        if let Some(event) = self.missed.pop_front() {
            return Ok(Some(event.streamed(false)));
        }
        loop {
            match self.live.recv().await {
                Ok(event) if self.aid.is_none_or(|aid| aid == event.aid) => {
                    return Ok(Some(event.streamed(self.aid.is_none())));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(missed)) => return Err(Lagged(missed)),
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }
}

impl Service {
    /// What happens to an agent from now on, and before that what is remembered since event `after`.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::TooManyEventClients`].
    pub fn agent_events(&self, aid: Aid, after: Option<u64>) -> Result<EventStream, Error> {
        self.agent_here(&aid)?;
        self.core.events.follow(Some(aid), after)
    }

    /// What happens to all agents of this node from now on.
    ///
    /// # Errors
    /// [`Error::TooManyEventClients`].
    pub fn all_events(&self) -> Result<EventStream, Error> {
        self.core.events.follow(None, None)
    }

    /// The events of an agent after number `after_seq`; 0 asks for all that are remembered.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn events_since(&self, aid: Aid, after_seq: u64) -> Result<model::EventList, Error> {
        self.agent_here(&aid)?;
        Ok(self.core.events.since(&aid, after_seq))
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;
    use crate::model::NoteSource;

    const RECEIVED: NotesReceived = NotesReceived {
        count: 1,
        source: NoteSource::QuicDirect,
    };

    fn aid() -> Aid {
        SigningKey::generate().public().aid()
    }

    fn seqs(list: &model::EventList) -> Vec<u64> {
        list.events.iter().map(|event| event.seq).collect()
    }

    #[test]
    fn what_is_asked_for_again_begins_after_what_was_told() {
        let (events, one, other) = (Events::new(100), aid(), aid());
        let nothing = events.since(&one, 0);
        assert_eq!((nothing.last_seq, nothing.oldest_seq), (100, 0));
        events.notes_received(one, RECEIVED);
        events.notes_received(other, RECEIVED);
        events.notes_received(one, RECEIVED);
        let all = events.since(&one, nothing.last_seq);
        assert_eq!((seqs(&all), all.last_seq), (vec![101, 103], 103));
        assert_eq!(seqs(&events.since(&one, 101)), [103]);
        assert!(seqs(&events.since(&one, all.last_seq)).is_empty());
        let told = [0, 99, 100, 101, 104].map(|after| events.since(&one, after).truncated);
        assert_eq!(
            told,
            [false, true, false, false, true],
            "99 is of an earlier run"
        );
        assert_eq!(seqs(&events.since(&one, 104)), [101, 103]);
        events.forget(&one);
        assert!(events.since(&one, 0).events.is_empty());
    }

    #[test]
    fn only_the_newest_are_remembered_and_the_gap_is_told() {
        let (events, aid) = (Events::new(0), aid());
        for _ in 0..MAX_EVENTS_KEPT + 2 {
            events.notes_received(aid, RECEIVED);
        }
        let list = events.since(&aid, 1);
        assert_eq!(list.events.len(), MAX_EVENTS_KEPT);
        assert_eq!((list.oldest_seq, list.truncated), (3, true));
        assert!(!events.since(&aid, 2).truncated, "3 is the next");
    }

    #[tokio::test]
    async fn a_stream_resumes_without_a_gap_and_is_told_when_it_lags() {
        let (events, one, other) = (Events::new(0), aid(), aid());
        events.notes_received(one, RECEIVED);
        events.notes_received(one, RECEIVED);
        let mut stream = events.follow(Some(one), Some(1)).unwrap();
        let mut all = events.follow(None, None).unwrap();
        events.notes_received(other, RECEIVED);
        events.notes_received(one, RECEIVED);
        for seq in [2, 4] {
            let next = stream.next().await.unwrap().unwrap();
            assert_eq!((next.seq, next.event.aid), (seq, None));
        }
        assert_eq!(all.next().await.unwrap().unwrap().event.aid, Some(other));
        for _ in 0..=EVENT_QUEUE {
            events.notes_received(one, RECEIVED);
        }
        assert!(stream.next().await.is_err());
    }

    #[tokio::test]
    async fn there_are_so_many_places_for_clients() {
        let events = Events::new(0);
        let mut open: Vec<_> = (0..MAX_EVENT_CLIENTS)
            .map(|_| events.follow(None, None).unwrap())
            .collect();
        assert!(events.follow(None, None).is_err());
        open.pop();
        assert!(events.follow(None, None).is_ok());
    }
}
