// SPDX-License-Identifier: MPL-2.0
//! Looking for the notes that other nodes keep for agents of this one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use a2al_protocol::mailbox::{self, Head, MessageId, Opened, SealedNote};
use a2al_protocol::network::{self, FoundNote};
use a2al_protocol::{Aid, Credential};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::backoff::{Backoff, jittered};
use super::receiving::{Verdict, kept};
use crate::model::NoteSource;
use crate::store::mail::Received;
use crate::{Service, store};

/// How often notes are looked for: more and more rarely while none come, since whoever sends one
/// also tries to bring it.
const ROUNDS: Backoff = Backoff {
    first: Duration::from_secs(30),
    last: Duration::from_secs(480),
};

/// When it is tried again after nobody could be asked.
const AGAIN: Duration = Duration::from_secs(2);

/// Rounds that are under way at one time.
const AT_ONCE: usize = 16;

/// Longest time for asking who keeps notes. The network gives up earlier by itself.
const ASK_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a reader waits for a round.
const READER_PATIENCE: Duration = Duration::from_secs(2);

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
    /// When the last round ended.
    ended: watch::Sender<Option<Instant>>,
}

impl Rounds {
    fn due_at(next: Instant) -> Self {
        Self {
            next,
            idle: 0,
            is_running: false,
            ended: watch::Sender::new(None),
        }
    }
}

impl Collections {
    /// Notes of that agent are looked for at once.
    pub(super) fn make_due(&self, aid: Aid) {
        let now = Instant::now();
        let mut all = self.all();
        let rounds = all.entry(aid).or_insert_with(|| Rounds::due_at(now));
        (rounds.next, rounds.idle) = (now, 0);
    }

    pub(super) fn forget(&self, aid: &Aid) {
        self.all().remove(aid);
    }

    /// Takes the turn for an agent, unless somebody has it. Also returns where its end is told.
    fn begin(&self, aid: Aid) -> (bool, watch::Receiver<Option<Instant>>) {
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
            rounds.ended.send_replace(Some(now));
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
        }
    }

    /// Whether a round for that agent ended a moment ago.
    fn is_fresh(&self, aid: &Aid) -> bool {
        let all = self.all();
        let ended = all.get(aid).and_then(|rounds| *rounds.ended.borrow());
        ended.is_some_and(|ended| ended.elapsed() < FRESH)
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

/// What a round has taken.
#[derive(Debug, Default)]
struct Taken {
    /// Notes that are safe here, new or not.
    ids: Vec<MessageId>,
    /// The heads of long ones among them.
    heads: Vec<Head>,
    /// How many of the notes are new.
    new: usize,
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
        if mail.collections.is_fresh(&aid) || self.is_cut_off() {
            return;
        }
        if mail.inboxes.count(&aid) > 0 {
            mail.collections.make_due(aid);
            mail.collect.notify_one();
            return;
        }
        let (begun, mut ended) = mail.collections.begin(aid);
        if begun {
            let service = self.clone();
            self.spawn(async move { service.collect(aid).await });
        }
        ended.mark_unchanged();
        // Too late: what is found then waits for the next reader.
        let _ = timeout(READER_PATIENCE, ended.changed()).await;
    }

    /// One round for an agent; the caller has its turn.
    async fn collect(&self, aid: Aid) {
        let collections = &self.core.mail.collections;
        let agent = self.core.registry.get(&aid);
        let Some(agent) = agent.filter(|_| !self.is_cut_off()) else {
            collections.ended(&aid, Outcome::Alone);
            return;
        };
        let taken = self.collect_for(&agent.credential).await;
        collections.ended(&aid, Outcome::Asked { found: taken.new });
        // Whoever waits for the notes need not wait for this.
        self.acknowledge(&agent.credential, &taken).await;
    }

    /// Takes in what others keep for an agent.
    async fn collect_for(&self, credential: &Credential) -> Taken {
        let aid = credential.aid();
        let asked = timeout(ASK_TIMEOUT, self.core.client.notes(aid)).await;
        let taken = match asked.unwrap_or(Err(network::Error::Timeout)) {
            Ok(found) if found.is_empty() => return Taken::default(),
            Ok(found) => self.take_found(credential, found).await,
            Err(error) => {
                tracing::debug!(%aid, %error, "nobody told of notes");
                return Taken::default();
            }
        };
        taken.unwrap_or_else(|error| {
            tracing::warn!(%aid, %error, "notes that others keep were not taken");
            Taken::default()
        })
    }

    async fn take_found(
        &self,
        credential: &Credential,
        found: Vec<FoundNote>,
    ) -> Result<Taken, store::Error> {
        let aid = credential.aid();
        let id = |note: &FoundNote| MessageId::of_payload(note.record.payload());
        let seen = self.core.store.seen(aid, found.iter().map(id).collect());
        let mut taken = Taken {
            ids: seen.await?,
            ..Taken::default()
        };
        let (mut opened, mut heads) = (Vec::new(), Vec::new());
        for note in found {
            if !taken.ids.contains(&id(&note))
                && let Some((received, head)) = self.opened(credential, note).await
            {
                heads.push((received.message, head));
                opened.push(received);
            }
        }
        let verdicts = self.take_in(aid, opened, NoteSource::Stored).await;
        for ((message, head), verdict) in heads.into_iter().zip(verdicts) {
            match verdict {
                Ok(verdict @ (Verdict::Received | Verdict::Known)) => {
                    taken.new += usize::from(verdict == Verdict::Received);
                    taken.ids.push(message);
                    taken.heads.extend(head);
                }
                // It stays where it is until there is room.
                Ok(Verdict::Full) | Err(_) => {}
            }
        }
        Ok(taken)
    }

    /// Has others drop what was taken.
    async fn acknowledge(&self, credential: &Credential, taken: &Taken) {
        if taken.ids.is_empty() {
            return;
        }
        let client = &self.core.client;
        let told = client.remove_notes(credential, &taken.ids).await;
        tracing::debug!(aid = %credential.aid(), notes = taken.ids.len(), told, "notes acknowledged");
        for head in &taken.heads {
            client.release_parts(head).await;
        }
    }

    /// A note that others keep, its parts included, and its head if it is a long one; `None` if it
    /// cannot be opened (yet).
    async fn opened(
        &self,
        credential: &Credential,
        found: FoundNote,
    ) -> Option<(Received, Option<Head>)> {
        let (aid, record) = (credential.aid(), found.record);
        let (note, head) = match mailbox::open(&record, aid, credential.signing_key()) {
            Ok(Opened::Note(note)) => (note, None),
            Ok(Opened::Head(head)) => {
                let whole = self.core.client.whole_note(&head).await;
                let incomplete = |error: &network::Error| {
                    tracing::debug!(%aid, %error, "a long note is not complete yet");
                };
                (whole.inspect_err(incomplete).ok()?, Some(head))
            }
            Err(error) => {
                tracing::debug!(%aid, sender = %record.aid(), %error, "a note does not open");
                return None;
            }
        };
        let parts = Vec::new();
        let mut received = self.incoming(aid, &SealedNote { record, parts }, note);
        received.reply = found.reply.as_ref().map(kept);
        Some((received, head))
    }
}
