// SPDX-License-Identifier: MPL-2.0
//! Taking in what was found: short notes first, then long ones, whose parts have to be fetched.

use std::time::Duration;

use a2al_protocol::mailbox::{self, Head, MessageId, Note, OpenError, Opened, SealedNote};
use a2al_protocol::network::FoundNote;
use a2al_protocol::{Aid, Credential, RecordKind};
use futures::StreamExt as _;
use tokio::time::{Instant, timeout_at};

use super::super::postage::kept;
use super::super::receiving::Verdict;
use crate::model::NoteSource;
use crate::store::mail::Received;
use crate::{Service, clock, store};

/// Long notes that are fetched at one time: few, so that on a slow line each is there before its holder is taken for silent.
const FETCHES_AT_ONCE: usize = 3;

/// Longest time in one round for fetching long notes; the others wait for the next.
const FETCH_BUDGET: Duration = Duration::from_secs(30);

/// How long a note may lie that does not open. That it is for an older key its sender learns from a
/// call.
const GRACE: Duration = Duration::from_secs(6 * 60 * 60);

/// What a round has taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Notes that need not be kept any more: they are safe here, or nobody can ever read them.
    ids: Vec<MessageId>,
    /// The heads of long ones among them.
    heads: Vec<Head>,
    /// How many of the notes are new.
    pub(super) new: usize,
}

/// What was found, sorted.
#[derive(Default)]
struct Sorted {
    short: Vec<Received>,
    long: Vec<(MessageId, Head, FoundNote)>,
    /// Notes that do not open with the agent's key.
    sealed: Vec<MessageId>,
}

impl Service {
    pub(super) async fn take_found(
        &self,
        credential: &Credential,
        found: Vec<FoundNote>,
        taken: &mut Taken,
    ) -> Result<(), store::Error> {
        let aid = credential.aid();
        let ids = found.iter().map(id).collect();
        taken.ids = self.core.store.seen(aid, ids).await?;
        let sorted = self.sorted(credential, found, taken);
        let short = sorted.short.into_iter().map(|note| (note, None));
        self.commit(credential, short.collect(), taken).await;
        self.drop_unreadable(credential, sorted.sealed, taken).await;
        self.take_long(credential, sorted.long, taken).await;
        Ok(())
    }

    fn sorted(&self, credential: &Credential, found: Vec<FoundNote>, taken: &mut Taken) -> Sorted {
        let aid = credential.aid();
        let mut sorted = Sorted::default();
        for found in found {
            let id = id(&found);
            let is_seen = taken.ids.contains(&id);
            if is_seen && found.record.kind() != RecordKind::LONG_NOTE {
                continue;
            }
            match mailbox::open(&found.record, aid, credential.signing_key()) {
                // Its parts may still be held.
                Ok(Opened::Head(head)) if is_seen => taken.heads.push(head),
                _ if is_seen => {}
                Ok(Opened::Head(head)) => sorted.long.push((id, head, found)),
                Ok(Opened::Note(note)) => sorted.short.push(self.found_note(aid, &found, note)),
                Err(error) => {
                    let sender = found.record.aid();
                    tracing::debug!(%aid, %sender, %error, "a note does not open");
                    match error {
                        OpenError::Sealed if is_over(&found) => sorted.sealed.push(id),
                        OpenError::Content | OpenError::Malformed(_) | OpenError::Field(_) => {
                            taken.ids.push(id);
                        }
                        _ => {}
                    }
                }
            }
        }
        sorted
    }

    /// Gives up the places of notes that do not open, unless they may be for a newer key that the
    /// agent has on another node.
    async fn drop_unreadable(
        &self,
        credential: &Credential,
        ids: Vec<MessageId>,
        taken: &mut Taken,
    ) {
        if ids.is_empty() {
            return;
        }
        let published = self.core.client.endpoint(credential.aid()).await;
        let own_key = credential.public_key();
        if published.is_ok_and(|record| record.public_key() == own_key) {
            taken.ids.extend(ids);
        }
    }

    /// Fetches long notes and commits each as soon as it is whole.
    async fn take_long(
        &self,
        credential: &Credential,
        mut long: Vec<(MessageId, Head, FoundNote)>,
        taken: &mut Taken,
    ) {
        let (aid, collections) = (credential.aid(), &self.core.mail.collections);
        let ids: Vec<_> = long.iter().map(|(id, ..)| *id).collect();
        let due = collections.heads_due(&aid, &ids);
        long.retain(|(id, ..)| due.contains(id));
        long.sort_by_key(|(id, ..)| due.iter().position(|due| due == id));
        let fetches = long.into_iter().map(|(id, head, found)| async move {
            let whole = self.core.client.whole_note(&head).await;
            (id, head, found, whole)
        });
        let mut fetches = futures::stream::iter(fetches).buffer_unordered(FETCHES_AT_ONCE);
        let deadline = Instant::now() + FETCH_BUDGET;
        // What was not fetched in time comes next time.
        while let Ok(Some((id, head, found, whole))) = timeout_at(deadline, fetches.next()).await {
            match whole {
                Ok(note) => {
                    let note = (self.found_note(aid, &found, note), Some(head));
                    self.commit(credential, vec![note], taken).await;
                }
                Err(error) => {
                    tracing::debug!(%aid, %error, "a long note is not complete yet");
                    collections.incomplete(&aid, id);
                }
            }
        }
    }

    async fn commit(
        &self,
        credential: &Credential,
        notes: Vec<(Received, Option<Head>)>,
        taken: &mut Taken,
    ) {
        let (notes, heads): (Vec<_>, Vec<_>) = notes.into_iter().unzip();
        let ids: Vec<_> = notes.iter().map(|note| note.message).collect();
        let source = NoteSource::Stored;
        let verdicts = self.take_in(credential.aid(), notes, source).await;
        for ((id, head), verdict) in ids.into_iter().zip(heads).zip(verdicts) {
            match verdict {
                Ok(verdict @ (Verdict::Received | Verdict::Known)) => {
                    taken.new += usize::from(verdict == Verdict::Received);
                    taken.ids.push(id);
                    taken.heads.extend(head);
                }
                // It stays where it is until there is room.
                Ok(Verdict::Full) | Err(_) => {}
            }
        }
    }

    /// Has others drop what was taken.
    pub(super) async fn acknowledge(&self, credential: &Credential, taken: Taken) {
        if taken.ids.is_empty() {
            return;
        }
        let client = &self.core.client;
        let told = client.remove_notes(credential, &taken.ids).await;
        tracing::debug!(aid = %credential.aid(), notes = taken.ids.len(), told, "notes acknowledged");
        let releases = taken.heads.into_iter().map(|head| async move {
            client.release_parts(&head).await;
        });
        let mut releases = futures::stream::iter(releases).buffer_unordered(FETCHES_AT_ONCE);
        while releases.next().await.is_some() {}
    }

    fn found_note(&self, aid: Aid, found: &FoundNote, note: Note) -> Received {
        let sealed = SealedNote {
            record: found.record.clone(),
            parts: Vec::new(),
        };
        let mut received = self.incoming(aid, &sealed, note);
        received.reply = found.reply.as_ref().and_then(kept);
        received
    }
}

/// Whether nobody need wait any longer until a note can be read.
fn is_over(found: &FoundNote) -> bool {
    found.record.timestamp().saturating_add(GRACE) < clock::now()
}

fn id(note: &FoundNote) -> MessageId {
    MessageId::of_payload(note.record.payload())
}
