// SPDX-License-Identifier: MPL-2.0
//! Looking for the notes that other nodes keep for agents of this one.

mod taking;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::mailbox::MessageId;
use a2al_protocol::network;
use a2al_protocol::{Aid, Credential};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::backoff::{Backoff, jittered};
use crate::Service;
use taking::Taken;

/// How often notes are looked for: more and more rarely while none come, since whoever sends one
/// also tries to bring it.
const ROUNDS: Backoff = Backoff {
    first: Duration::from_secs(30),
    last: Duration::from_secs(480),
};

/// When it is tried again after nobody could be asked.
const AGAIN: Duration = Duration::from_secs(2);

/// When parts of a long note are looked for again that were not found. A sender stores head and parts
/// in one go, and again every half an hour; the head is never acknowledged without them, since its
/// sender would take that for read.
const PARTS_AGAIN: Backoff = Backoff {
    first: Duration::from_secs(15),
    last: Duration::from_secs(3600),
};

/// Rounds that are under way at one time.
const AT_ONCE: usize = 16;

/// Longest time for asking who keeps notes. The network gives up earlier by itself.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a reader waits for a round.
const READER_PATIENCE: Duration = Duration::from_secs(2);

/// How soon a reader asks again when nobody could be asked.
const READER_AGAIN: Duration = Duration::from_millis(100);

/// What a round found less than so long ago need not be looked for again by a reader.
const FRESH: Duration = Duration::from_secs(1);

/// Shortest sleep between two looks at what is due.
const SHORTEST_SLEEP: Duration = Duration::from_millis(50);

/// When notes of each agent are looked for.
#[derive(Debug, Default)]
pub(crate) struct Collections(Mutex<HashMap<Aid, Rounds>>);

#[derive(Debug)]
struct Rounds {
    next: Instant,
    /// Rounds in a row in which nothing came.
    idle: u32,
    is_running: bool,
    /// Whether another round is wanted right after the one that is running.
    is_wanted: bool,
    /// The heads whose parts were not found.
    incomplete: HashMap<MessageId, Incomplete>,
    /// When the last round ended, and whether anybody was asked in it.
    ended: watch::Sender<Option<Ended>>,
}

/// The end of a round.
#[derive(Clone, Copy, Debug)]
struct Ended {
    at: Instant,
    has_asked: bool,
}

/// A head whose parts were not found.
#[derive(Clone, Copy, Debug)]
struct Incomplete {
    failures: u32,
    /// When they are looked for again.
    next: Instant,
}

impl Rounds {
    fn due_at(next: Instant) -> Self {
        Self {
            next,
            idle: 0,
            is_running: false,
            is_wanted: false,
            incomplete: HashMap::new(),
            ended: watch::Sender::new(None),
        }
    }

    fn make_due(&mut self, now: Instant) {
        (self.next, self.idle) = (now, 0);
        self.is_wanted = self.is_running;
    }
}

impl Collections {
    /// Notes of that agent are looked for at once.
    pub(super) fn make_due(&self, aid: Aid) {
        let now = Instant::now();
        let mut all = self.all();
        let rounds = all.entry(aid).or_insert_with(|| Rounds::due_at(now));
        rounds.make_due(now);
    }

    /// Notes of all agents are looked for at once: this node has met others again.
    pub(super) fn make_all_due(&self) {
        let now = Instant::now();
        for rounds in self.all().values_mut() {
            rounds.make_due(now);
        }
    }

    pub(super) fn forget(&self, aid: &Aid) {
        self.all().remove(aid);
    }

    /// Takes the turn for an agent, unless somebody has it. Also returns where its end is told.
    fn begin(&self, aid: Aid) -> (bool, watch::Receiver<Option<Ended>>) {
        let mut all = self.all();
        let rounds = all
            .entry(aid)
            .or_insert_with(|| Rounds::due_at(Instant::now()));
        let may = !std::mem::replace(&mut rounds.is_running, true);
        (may, rounds.ended.subscribe())
    }

    /// Takes a turn for each agent that is due, at most `count`.
    fn begin_due(&self, count: usize) -> Vec<Aid> {
        let now = Instant::now();
        let mut all = self.all();
        let due = all
            .iter_mut()
            .filter(|(_, rounds)| !rounds.is_running && rounds.next <= now);
        let begun = due.take(count).map(|(aid, rounds)| {
            rounds.is_running = true;
            *aid
        });
        begun.collect()
    }

    fn ended(&self, aid: &Aid, outcome: Outcome) {
        let now = Instant::now();
        if let Some(rounds) = self.all().get_mut(aid) {
            rounds.is_running = false;
            rounds.ended.send_replace(Some(Ended {
                at: now,
                has_asked: matches!(outcome, Outcome::Asked { .. }),
            }));
            rounds.next = match outcome {
                Outcome::Asked { found: 0 } => {
                    rounds.idle = rounds.idle.saturating_add(1);
                    now + ROUNDS.wait(rounds.idle - 1)
                }
                Outcome::Asked { .. } => {
                    rounds.idle = 0;
                    now + ROUNDS.wait(0)
                }
                Outcome::Alone => now + jittered(AGAIN),
            };
            if std::mem::take(&mut rounds.is_wanted) {
                rounds.next = now;
            }
        }
    }

    /// Forgets the heads that nobody keeps any more, and tells for which of `heads` parts are looked
    /// for now: those that have failed least come first.
    fn heads_due(&self, aid: &Aid, heads: &[MessageId]) -> Vec<MessageId> {
        let now = Instant::now();
        let mut all = self.all();
        let Some(rounds) = all.get_mut(aid) else {
            return Vec::new();
        };
        rounds.incomplete.retain(|head, _| heads.contains(head));
        let state = |head: &MessageId| rounds.incomplete.get(head);
        let is_due = |head: &&MessageId| state(head).is_none_or(|known| known.next <= now);
        let mut due: Vec<_> = heads.iter().filter(is_due).copied().collect();
        due.sort_by_key(|head| state(head).map_or(0, |known| known.failures));
        due
    }

    /// The parts of a head were not found.
    fn incomplete(&self, aid: &Aid, head: MessageId) {
        let now = Instant::now();
        if let Some(rounds) = self.all().get_mut(aid) {
            let known = rounds.incomplete.entry(head).or_insert(Incomplete {
                failures: 0,
                next: now,
            });
            known.next = now + PARTS_AGAIN.wait(known.failures);
            known.failures = known.failures.saturating_add(1);
        }
    }

    /// Whether others were asked for that agent a moment ago.
    fn is_fresh(&self, aid: &Aid) -> bool {
        let all = self.all();
        let ended = all.get(aid).and_then(|rounds| *rounds.ended.borrow());
        ended.is_some_and(|ended| ended.has_asked && ended.at.elapsed() < FRESH)
    }

    fn next_due(&self) -> Option<Instant> {
        let all = self.all();
        let waiting = all.values().filter(|rounds| !rounds.is_running);
        waiting.map(|rounds| rounds.next).min()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Aid, Rounds>> {
        // Nothing panics while the lock is held; a poisoned map is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How a round ended.
#[derive(Clone, Copy)]
enum Outcome {
    /// Others were asked, and had so many notes that are new.
    Asked { found: usize },
    /// Nobody could be asked.
    Alone,
}

/// Looks for notes of all agents until the service stops.
pub(super) async fn run(service: &Service) {
    let collections = &service.core.mail.collections;
    for agent in service.core.registry.all() {
        collections.make_due(agent.aid());
    }
    let mut running = JoinSet::new();
    loop {
        for aid in collections.begin_due(AT_ONCE.saturating_sub(running.len())) {
            let service = service.clone();
            running.spawn(async move { service.collect(aid).await });
        }
        let soon = Instant::now() + SHORTEST_SLEEP;
        let next = collections.next_due();
        let next = next.map_or(soon + ROUNDS.last, |next| next.max(soon));
        tokio::select! {
            () = sleep_until(next), if running.len() < AT_ONCE => {}
            () = service.core.mail.collect.notified() => {}
            Some(_) = running.join_next() => {}
        }
    }
}

impl Service {
    /// Before somebody reads: looks for notes that others keep, unless some wait already.
    pub(super) async fn look_for_notes(&self, aid: Aid) {
        let mail = &self.core.mail;
        if mail.collections.is_fresh(&aid) {
            return;
        }
        if mail.inboxes.count(&aid) > 0 {
            mail.collections.make_due(aid);
            mail.collect.notify_one();
            return;
        }
        // Too late: what is found then waits for the next reader.
        let _ = timeout(READER_PATIENCE, self.asked_for_notes(aid)).await;
    }

    /// Returns once others were asked for notes of an agent, or when there is nobody to ask.
    async fn asked_for_notes(&self, aid: Aid) {
        self.joined().await;
        while !self.is_cut_off() {
            let (begun, mut ended) = self.core.mail.collections.begin(aid);
            if begun {
                let service = self.clone();
                self.spawn(async move { service.collect(aid).await });
            }
            if ended.changed().await.is_err() || ended.borrow().is_none_or(|ended| ended.has_asked)
            {
                return;
            }
            sleep(READER_AGAIN).await;
        }
    }

    /// One round for an agent; the caller has its turn.
    async fn collect(&self, aid: Aid) {
        let collections = &self.core.mail.collections;
        let Some(agent) = self.core.registry.get(&aid) else {
            // Deleted while somebody asked for its notes.
            collections.forget(&aid);
            return;
        };
        if self.is_cut_off() {
            collections.ended(&aid, Outcome::Alone);
            return;
        }
        let mut taken = Taken::default();
        let outcome = match self.collect_for(&agent.credential, &mut taken).await {
            Ok(()) => Outcome::Asked { found: taken.new },
            Err(error) => {
                tracing::debug!(%aid, %error, "nobody told of notes");
                Outcome::Alone
            }
        };
        collections.ended(&aid, outcome);
        // Whoever waits for the notes need not wait for this.
        self.acknowledge(&agent.credential, taken).await;
    }

    /// Takes in what others keep for an agent.
    async fn collect_for(
        &self,
        credential: &Credential,
        taken: &mut Taken,
    ) -> Result<(), network::Error> {
        let aid = credential.aid();
        let asked = timeout(ASK_TIMEOUT, self.core.client.notes(aid)).await;
        let found = asked.unwrap_or(Err(network::Error::Timeout))?;
        if !found.is_empty()
            && let Err(error) = self.take_found(credential, found, taken).await
        {
            tracing::warn!(%aid, %error, "notes that others keep were not taken");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::SigningKey;

    use super::*;

    fn agent() -> (Collections, Aid) {
        let (collections, aid) = (
            Collections::default(),
            SigningKey::generate().public().aid(),
        );
        collections.make_due(aid);
        (collections, aid)
    }

    fn head(number: u8) -> MessageId {
        MessageId::of_payload(&[number])
    }

    #[test]
    fn after_a_failure_it_is_tried_again_soon_and_after_sleep_at_once() {
        let (collections, aid) = agent();
        let soon = || Instant::now() + AGAIN * 2;
        assert_eq!(collections.begin_due(1), [aid]);
        collections.ended(&aid, Outcome::Alone);
        assert!(collections.next_due().is_some_and(|next| next < soon()));
        collections.begin(aid);
        collections.ended(&aid, Outcome::Asked { found: 0 });
        assert!(collections.next_due().is_some_and(|next| next > soon()));
        collections.make_all_due();
        assert_eq!(collections.begin_due(1), [aid]);
        collections.make_all_due();
        collections.ended(&aid, Outcome::Asked { found: 0 });
        assert_eq!(collections.begin_due(1), [aid], "wanted meanwhile");
    }

    #[test]
    fn heads_without_parts_wait_and_are_forgotten() {
        let (collections, aid) = agent();
        let both = [head(1), head(2)];
        assert_eq!(collections.heads_due(&aid, &both), both);
        collections.incomplete(&aid, head(1));
        assert_eq!(collections.heads_due(&aid, &both), [head(2)]);
        assert_eq!(collections.heads_due(&aid, &[head(2)]), [head(2)]);
        assert_eq!(collections.heads_due(&aid, &both), both, "it was gone");
    }
}
