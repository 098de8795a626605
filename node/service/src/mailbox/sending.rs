// SPDX-License-Identifier: MPL-2.0
//! Sending a note: sealed at once, on disk before it is confirmed, and under way meanwhile.

use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::limits::{MAX_LONG_BODY_LEN, MAX_MAILBOX_TTL};
use a2al_protocol::mailbox::{Lifetime, Recipient, SealError, SealedNote};
use a2al_protocol::{Aid, Credential, Seq, SignedRecord, VerifiedRecord};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::outbox::{Pair, Progress};
use super::receiving::{Verdict, last_second};
use super::sealed;
use crate::error::Input;
use crate::model::{NoteSource, NoteStatus, SendNote, SentNote};
use crate::store::mail::{Body, MailChange, Outgoing, OutgoingFacts, SeenEndpoint};
use crate::{Error, Service, base64_body, clock};

/// How long the sender of a note waits for more than that it is on disk.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long a recipient whose node is connected has to take a note before others are asked to keep
/// it.
const DIRECT_FIRST: Duration = Duration::from_millis(400);

/// A note that is to be sent, checked.
struct Wanted {
    recipient: Aid,
    msg_type: u8,
    body: Vec<u8>,
    ttl_secs: u32,
}

impl Wanted {
    fn read(request: &SendNote) -> Result<Self, Error> {
        if request.recipient.is_empty() {
            return Err(Input::RecipientRequired.into());
        }
        let recipient = request.recipient.parse().map_err(|_| Input::Aid)?;
        let body = base64_body::read(&request.body_base64).ok_or(Input::NoteBody)?;
        if body.len() > MAX_LONG_BODY_LEN {
            return Err(Error::NoteTooLong {
                len: body.len(),
                max: MAX_LONG_BODY_LEN,
            });
        }
        Ok(Self {
            recipient,
            msg_type: request.msg_type,
            body,
            ttl_secs: lifetime(request.ttl)?,
        })
    }
}

/// The life of a note in seconds: as asked, or as long as holders keep one.
fn lifetime(ttl: Option<u64>) -> Result<u32, Input> {
    let max = u32::try_from(MAX_MAILBOX_TTL.as_secs()).expect("a week fits");
    match ttl {
        None | Some(0) => Ok(max),
        Some(ttl) => {
            let ttl = u32::try_from(ttl).ok().filter(|ttl| *ttl <= max);
            ttl.ok_or(Input::TtlTooLong { max })
        }
    }
}

/// Where a note goes.
enum Destination {
    /// To an agent of this node.
    Here(Recipient),
    /// To where an agent is reached.
    Found(VerifiedRecord),
    /// To where it was reached before; its record is not in force any more.
    Remembered(VerifiedRecord),
}

impl Destination {
    fn recipient(&self) -> Recipient {
        match self {
            Self::Here(recipient) => *recipient,
            Self::Found(endpoint) | Self::Remembered(endpoint) => Recipient::of_record(endpoint),
        }
    }
}

/// A record that was valid when it was seen, unless its key may not sign for the agent any more.
fn remembered(seen: &SeenEndpoint) -> Option<VerifiedRecord> {
    let record = SignedRecord::decode(&seen.encoded).ok()?;
    let record = record.verify(seen.seen_at).ok()?;
    let mut delegation = record.delegation().into_iter();
    let is_delegated = delegation.all(|delegation| delegation.is_valid_at(clock::now()));
    is_delegated.then_some(record)
}

impl Service {
    /// Sends a note of `sender`, an agent of this node.
    ///
    /// Answers when the recipient's node has it, or enough others keep it and it is on this node's
    /// disk; after 2 s it is enough that it is on the disk. What has not arrived by then is tried
    /// again until it has, or its time is over. Goes on when the future is dropped. A note that
    /// could not be written to the disk may arrive all the same.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Input`], [`Error::NoteTooLong`], [`Error::NoteUnresolved`] if
    /// the recipient's key cannot be found out, [`Error::DelegationExpired`], [`Error::OutboxFull`],
    /// [`Error::StorageFull`].
    pub async fn send_note(&self, sender: Aid, request: SendNote) -> Result<SentNote, Error> {
        let agent = self.agent_here(&sender)?;
        agent.live.beat();
        let wanted = Wanted::read(&request)?;
        let destination = self.destination(sender, wanted.recipient).await?;
        let recipient = destination.recipient();
        let note = self.seal(&agent.credential, &recipient, &wanted)?;
        let facts = OutgoingFacts {
            message: note.id(),
            sender,
            recipient: wanted.recipient,
            msg_type: wanted.msg_type,
            body_len: u32::try_from(wanted.body.len()).unwrap_or(u32::MAX),
            sent_at: note.record.timestamp(),
            expires_at: last_second(&note.record),
        };
        let service = self.clone();
        let sending = self.core.tasks.spawn(async move {
            match destination {
                Destination::Here(_) => service.hand_over_here(facts, note, wanted.body).await,
                Destination::Found(endpoint) => {
                    let seen = SeenEndpoint {
                        encoded: endpoint.encoded().to_vec(),
                        seen_at: clock::now(),
                    };
                    service.set_out(facts, note, &endpoint, Some(seen)).await
                }
                Destination::Remembered(endpoint) => {
                    service.set_out(facts, note, &endpoint, None).await
                }
            }
        });
        sending.await.map_err(|_| Error::Stopped)?
    }

    /// Where a note goes. An endpoint record lives an hour; of an agent that has slept for longer, the
    /// one is used by which it was written to before.
    async fn destination(&self, sender: Aid, recipient: Aid) -> Result<Destination, Error> {
        if let Some(agent) = self.core.registry.get(&recipient) {
            let key = agent.credential.public_key();
            let aid = recipient;
            return Ok(Destination::Here(Recipient { aid, key }));
        }
        let error = match self.endpoint(recipient).await {
            Ok(endpoint) => return Ok(Destination::Found(endpoint)),
            Err(error) => error,
        };
        match self.core.store.seen_endpoint(sender, recipient).await? {
            Some(seen) => remembered(&seen).map(Destination::Remembered),
            None => None,
        }
        .ok_or_else(|| Error::NoteUnresolved(Box::new(error)))
    }

    fn seal(
        &self,
        credential: &Credential,
        recipient: &Recipient,
        wanted: &Wanted,
    ) -> Result<SealedNote, Error> {
        let lifetime = Lifetime {
            seq: self.next_seq(Seq(0)),
            timestamp: clock::now(),
            ttl_secs: wanted.ttl_secs,
        };
        SealedNote::seal(
            credential,
            recipient,
            wanted.msg_type,
            &wanted.body,
            lifetime,
        )
        .map_err(|error| match error {
            SealError::Sign(a2al_protocol::record::SignError::DelegationExpired) => {
                Error::DelegationExpired
            }
            error => Error::NoteNotSealed(error),
        })
    }

    /// Gives a note to an agent of this node.
    async fn hand_over_here(
        &self,
        facts: OutgoingFacts,
        note: SealedNote,
        body: Vec<u8>,
    ) -> Result<SentNote, Error> {
        let received = self.received(&facts, Body(body));
        let befriend = MailChange::Befriend {
            aid: facts.sender,
            contact: facts.recipient,
        };
        let (verdicts, befriended) = tokio::join!(
            self.take_in(facts.recipient, vec![received], NoteSource::Local),
            self.core.store.mail(befriend)
        );
        befriended?;
        match verdicts.into_iter().next() {
            Some(Ok(Verdict::Received | Verdict::Known)) => {
                Ok(sent(&facts, NoteStatus::Delivered, None))
            }
            // It waits here until there is room.
            Some(Ok(Verdict::Full)) => {
                let (saving, _) = self.put_out(facts, note, None, Instant::now()).await?;
                saving.await?;
                Ok(sent(&facts, NoteStatus::Queued, None))
            }
            Some(Err(error)) => Err(error.into()),
            None => Err(Error::Stopped),
        }
    }

    /// Gets a note on its way, and waits for a moment for how far it comes.
    async fn set_out(
        &self,
        facts: OutgoingFacts,
        note: SealedNote,
        endpoint: &VerifiedRecord,
        seen: Option<SeenEndpoint>,
    ) -> Result<SentNote, Error> {
        let mut store_at = Instant::now();
        if self.core.client.is_connected(endpoint) {
            store_at += DIRECT_FIRST;
        }
        let (saving, mut progress) = self.put_out(facts, note, seen, store_at).await?;
        let pair = Pair {
            sender: facts.sender,
            recipient: facts.recipient,
        };
        self.call_soon(pair);
        self.store_soon(facts.message);
        self.core.mail.retry.notify_one();
        let mut told = progress.clone();
        let settled = async {
            let saved = saving.await;
            if saved.is_err() {
                self.core.mail.outbox.remove(&facts.message);
            }
            saved?;
            let arrived = progress.wait_for(|progress| *progress != Progress::Queued);
            // Nothing more in time, or cancelled meanwhile: it is on the disk.
            Ok(timeout(PATIENCE, arrived)
                .await
                .map_or(Progress::Queued, |arrived| {
                    arrived.map_or(Progress::Queued, |progress| *progress)
                }))
        };
        let progress = tokio::select! {
            biased;
            // The recipient's disk is as good as ours.
            Ok(_) = told.wait_for(|progress| *progress == Progress::Delivered) => Ok(Progress::Delivered),
            settled = settled => settled,
        };
        progress.map(|progress| match progress {
            Progress::Queued => sent(&facts, NoteStatus::Queued, None),
            Progress::Stored(replicas) => sent(&facts, NoteStatus::Stored, Some(replicas)),
            Progress::Delivered => sent(&facts, NoteStatus::Delivered, None),
        })
    }

    /// Puts a note into the outbox; the future ends when it is on disk.
    async fn put_out(
        &self,
        facts: OutgoingFacts,
        note: SealedNote,
        endpoint: Option<SeenEndpoint>,
        store_at: Instant,
    ) -> Result<
        (
            impl Future<Output = Result<bool, Error>> + use<>,
            watch::Receiver<Progress>,
        ),
        Error,
    > {
        // The disk counts again; but what it refuses may be on its way already.
        if self.core.mail.outbox.is_full(&facts.sender) {
            return Err(Error::OutboxFull);
        }
        let outgoing = Arc::new(Outgoing {
            facts,
            note: sealed::encode(&note),
            endpoint,
        });
        // Asked for before anything else happens, so that what follows from it is written later.
        let saving = self.core.store.begin(MailChange::Send(outgoing)).await?;
        let progress = self
            .core
            .mail
            .outbox
            .insert(facts, Arc::new(note), store_at);
        // Whoever deletes an agent takes it from the registry first.
        if self.core.registry.get(&facts.sender).is_none() {
            self.core.mail.outbox.remove(&facts.message);
            return Err(Error::NotFound);
        }
        Ok((async move { Ok(saving.await?) }, progress))
    }
}

fn sent(facts: &OutgoingFacts, status: NoteStatus, replicas: Option<usize>) -> SentNote {
    SentNote {
        ok: true,
        message_id: facts.message.to_string(),
        status,
        replicas: replicas.map(|replicas| replicas as u64),
    }
}
