// SPDX-License-Identifier: MPL-2.0
//! Notes on a stream between two agents that have proved who they are.

use std::future::Future;
use std::io;

use a2al_proto::v1;
use futures::future::join_all;
use tokio::io::AsyncWriteExt as _;
use tokio::time::timeout;

use super::{Postage, Solver};
use crate::aid::Aid;
use crate::behaviour::agents::{AgentStream, CallError, IncomingCall, Newest, Refusal};
use crate::behaviour::records::{WorkCheck, read_work, write_work};
use crate::behaviour::streams::{FrameError, read_frame, write_frame};
use crate::clock;
use crate::limits::{
    DELIVERIES_PER_STREAM, DELIVERY_IDLE, KEEP_TIMEOUT, MAX_DELIVERY_LEN, MAX_MAILBOX_TTL,
    MAX_NOTE_PARTS, NOTES_PER_DELIVERY, RECEIPT_TIMEOUT,
};
use crate::mailbox::{Challenge, Pass, SealedNote, SignedPass, Work, recipient_of};
use crate::record::{self, RecordKind, SignedRecord, VerifiedRecord};

/// A note that its sender has brought itself.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The note; its sender is the agent that called.
    pub note: SealedNote,
    /// Whether the called agent had let the sender write.
    pub has_pass: bool,
    /// The sender's permission to write back.
    pub reply: Option<Pass>,
    /// How many bits of work it shows, which was checked; 0 for none.
    work_bits: u8,
}

impl Delivered {
    /// Whether the note shows a proof of work of at least so many bits.
    pub fn shows_work(&self, bits: u8) -> bool {
        self.work_bits >= bits
    }
}

/// What the recipient's node says about one note.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receipt {
    /// It is durably kept.
    Accepted,
    /// It was accepted before.
    Duplicate,
    /// It cannot be kept at present: there is no room, or its time has not come by the clock there.
    Full,
    /// It is kept only with a proof of work.
    WorkRequired {
        /// How many bits.
        bits: u8,
    },
    /// It does not verify, or is not what it should be.
    Invalid,
    /// The agent is not on that node any more.
    UnknownRecipient,
}

/// Why notes were not delivered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeliveryError {
    /// The recipient's node was not reached.
    #[error("the recipient was not reached")]
    Call(#[from] CallError),
    /// It refused the stream.
    #[error("the recipient's node refused")]
    Refused(#[source] Refusal),
    /// It did not say in time what became of the notes.
    #[error("no receipt in time")]
    Timeout,
    /// The stream failed.
    #[error("the stream to the recipient failed")]
    Stream(#[source] io::Error),
    /// What came was no receipt for what was sent.
    #[error("the recipient's node answered something else")]
    OtherAnswer,
}

impl From<FrameError> for DeliveryError {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::Io(source) => Self::Stream(source),
            FrameError::Ended => Self::Stream(io::ErrorKind::UnexpectedEof.into()),
            FrameError::TooLarge(_) | FrameError::Malformed(_) => Self::OtherAnswer,
        }
    }
}

/// Sends notes and waits for their receipts. Proofs of work that are asked for are found, and their notes sent once more.
pub(super) async fn deliver(
    mut stream: AgentStream,
    recipient: Aid,
    notes: &[SealedNote],
    postage: &Postage,
    solver: &Solver,
) -> Result<Vec<Receipt>, DeliveryError> {
    let refusal = stream.refusal();
    let sent = send_all(&mut stream, recipient, notes, postage, solver).await;
    // The receiver is told that there is no more; what it makes of that changes nothing.
    let _ = timeout(RECEIPT_TIMEOUT, stream.shutdown()).await;
    sent.map_err(|error| refusal.get().map_or(error, DeliveryError::Refused))
}

async fn send_all(
    stream: &mut AgentStream,
    recipient: Aid,
    notes: &[SealedNote],
    postage: &Postage,
    solver: &Solver,
) -> Result<Vec<Receipt>, DeliveryError> {
    let mut receipts = Vec::with_capacity(notes.len());
    let mut rest = notes;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(batch_len(rest));
        let messages = batch.iter().map(|note| message(note, None)).collect();
        receipts.extend(exchange(stream, messages, postage).await?);
        rest = later;
    }
    for (note, receipt) in notes.iter().zip(&mut receipts) {
        let Receipt::WorkRequired { bits } = *receipt else {
            continue;
        };
        let challenge = Challenge::new(&recipient.key(), &note.record);
        if let Some(work) = solver.solve(challenge, bits).await {
            let again = exchange(stream, vec![message(note, Some(work))], postage).await?;
            *receipt = again.first().copied().unwrap_or(*receipt);
        }
    }
    Ok(receipts)
}

/// How many of the next notes fit one message; at least one.
fn batch_len(notes: &[SealedNote]) -> usize {
    let mut length = 0;
    let fits = |note: &&SealedNote| {
        let records = note.parts.iter().chain([&note.record]);
        length += records
            .map(|record| record.encoded().len() + 16)
            .sum::<usize>();
        length <= MAX_DELIVERY_LEN / 2
    };
    notes
        .iter()
        .take(NOTES_PER_DELIVERY)
        .take_while(fits)
        .count()
        .max(1)
}

fn message(note: &SealedNote, work: Option<Work>) -> v1::DeliveredNote {
    let parts = note.parts.iter();
    v1::DeliveredNote {
        record: note.record.encoded().to_vec(),
        parts: parts.map(|part| part.encoded().to_vec()).collect(),
        work: work.map(write_work),
    }
}

async fn exchange(
    stream: &mut AgentStream,
    notes: Vec<v1::DeliveredNote>,
    postage: &Postage,
) -> Result<Vec<Receipt>, DeliveryError> {
    let count = notes.len();
    let encoded = |pass: &Option<Pass>| pass.as_ref().map(Pass::encode).unwrap_or_default();
    let delivery = v1::NoteDelivery {
        notes,
        pass: encoded(&postage.pass),
        reply_pass: encoded(&postage.reply),
    };
    let conversation = async {
        write_frame(stream, &delivery)
            .await
            .map_err(FrameError::Io)?;
        read_frame::<v1::NoteReceipt>(stream, MAX_DELIVERY_LEN).await
    };
    let answer = timeout(RECEIPT_TIMEOUT, conversation).await;
    let answer = answer.map_err(|_| DeliveryError::Timeout)??;
    if answer.outcomes.len() != count {
        return Err(DeliveryError::OtherAnswer);
    }
    Ok(answer.outcomes.into_iter().map(receipt).collect())
}

fn receipt(outcome: v1::NoteOutcome) -> Receipt {
    match outcome.verdict() {
        v1::NoteVerdict::Accepted => Receipt::Accepted,
        v1::NoteVerdict::Duplicate => Receipt::Duplicate,
        v1::NoteVerdict::Full => Receipt::Full,
        v1::NoteVerdict::WorkRequired => Receipt::WorkRequired {
            bits: u8::try_from(outcome.work_bits).unwrap_or(u8::MAX),
        },
        v1::NoteVerdict::UnknownRecipient => Receipt::UnknownRecipient,
        v1::NoteVerdict::Invalid | v1::NoteVerdict::Unspecified => Receipt::Invalid,
    }
}

fn outcome(receipt: Receipt) -> v1::NoteOutcome {
    let mut work_bits = 0;
    let verdict = match receipt {
        Receipt::Accepted => v1::NoteVerdict::Accepted,
        Receipt::Duplicate => v1::NoteVerdict::Duplicate,
        Receipt::Full => v1::NoteVerdict::Full,
        Receipt::WorkRequired { bits } => {
            work_bits = bits.into();
            v1::NoteVerdict::WorkRequired
        }
        Receipt::Invalid => v1::NoteVerdict::Invalid,
        Receipt::UnknownRecipient => v1::NoteVerdict::UnknownRecipient,
    };
    v1::NoteOutcome {
        verdict: verdict.into(),
        work_bits,
    }
}

/// The called side: see [`Client::receive_notes`](super::Client::receive_notes).
pub(super) async fn receive<K, F>(
    call: IncomingCall,
    newest: &Newest,
    work: &WorkCheck,
    keep: K,
) -> io::Result<()>
where
    K: Fn(Delivered) -> F,
    F: Future<Output = Receipt>,
{
    let checks = Checks {
        sender: call.caller(),
        recipient: call.agent(),
        newest,
        work,
    };
    let mut stream = timeout(RECEIPT_TIMEOUT, call.accept()).await??;
    for _ in 0..DELIVERIES_PER_STREAM {
        let delivery = read_frame(&mut stream, MAX_DELIVERY_LEN);
        let delivery: v1::NoteDelivery = match timeout(DELIVERY_IDLE, delivery).await {
            Err(_) | Ok(Err(FrameError::Ended)) => break,
            Ok(delivery) => delivery.map_err(io::Error::other)?,
        };
        if delivery.notes.len() > NOTES_PER_DELIVERY {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let notes = checks.check(&delivery).await?;
        let kept = join_all(notes.into_iter().map(|note| async {
            match note {
                Ok(note) => keep(note).await,
                Err(refusal) => refusal,
            }
        }));
        let receipts = timeout(KEEP_TIMEOUT, kept).await?;
        let answer = v1::NoteReceipt {
            outcomes: receipts.into_iter().map(outcome).collect(),
        };
        timeout(RECEIPT_TIMEOUT, write_frame(&mut stream, &answer)).await??;
    }
    timeout(RECEIPT_TIMEOUT, stream.shutdown()).await?
}

/// What every note of a stream is held against.
struct Checks<'n> {
    sender: Aid,
    recipient: Aid,
    newest: &'n Newest,
    work: &'n WorkCheck,
}

impl Checks<'_> {
    /// The notes of a delivery; a refusal in the place of those that prove nothing, or not yet.
    ///
    /// # Errors
    /// If a proof of work is wrong.
    async fn check(
        &self,
        delivery: &v1::NoteDelivery,
    ) -> io::Result<Vec<Result<Delivered, Receipt>>> {
        let pass = self.pass(&delivery.pass, (self.recipient, self.sender));
        let reply = self.pass(&delivery.reply_pass, (self.sender, self.recipient));
        let mut notes = Vec::with_capacity(delivery.notes.len());
        for message in &delivery.notes {
            let note = match self.note(message).await {
                Ok(note) => note,
                Err(refusal) => {
                    notes.push(Err(refusal));
                    continue;
                }
            };
            let work_bits = self.work_bits(&note, message.work.as_ref()).await?;
            notes.push(Ok(Delivered {
                note,
                has_pass: pass.is_some(),
                reply: reply.clone(),
                work_bits,
            }));
        }
        Ok(notes)
    }

    /// How many bits of work a note shows; none while too many proofs wait to be checked.
    ///
    /// # Errors
    /// If the proof is wrong: whoever goes on after that costs a millisecond each time, and nothing itself.
    async fn work_bits(&self, note: &SealedNote, work: Option<&v1::Work>) -> io::Result<u8> {
        let Some(work) = work.and_then(read_work) else {
            return Ok(0);
        };
        let challenge = Challenge::new(&self.recipient.key(), &note.record);
        match self.work.is_right(challenge, work).await {
            Some(true) => Ok(work.bits),
            Some(false) => Err(io::ErrorKind::InvalidData.into()),
            None => Ok(0),
        }
    }

    async fn note(&self, message: &v1::DeliveredNote) -> Result<SealedNote, Receipt> {
        if message.parts.len() > MAX_NOTE_PARTS {
            return Err(Receipt::Invalid);
        }
        let record = self.record(&message.record)?;
        if recipient_of(&record) != Ok(self.recipient) {
            return Err(Receipt::Invalid);
        }
        let mut parts = Vec::with_capacity(message.parts.len());
        for bytes in &message.parts {
            let part = self.record(bytes)?;
            if part.kind() != RecordKind::NOTE_PART {
                return Err(Receipt::Invalid);
            }
            parts.push(part);
            // A long note takes milliseconds to verify: others get their turn in between.
            tokio::task::yield_now().await;
        }
        Ok(SealedNote { record, parts })
    }

    /// A record that the caller signed for as long as notes may live, under no older delegation than was seen before.
    fn record(&self, bytes: &[u8]) -> Result<VerifiedRecord, Receipt> {
        let record = SignedRecord::decode(bytes).map_err(|_| Receipt::Invalid)?;
        if record.aid() != self.sender {
            return Err(Receipt::Invalid);
        }
        let record = record.verify(clock::now()).map_err(|error| match error {
            record::Error::FromTheFuture => Receipt::Full,
            _ => Receipt::Invalid,
        })?;
        let is_short = u64::from(record.ttl_secs()) <= MAX_MAILBOX_TTL.as_secs();
        let is_right = is_short && self.newest.accept(record.aid(), record.issued_at());
        is_right.then_some(record).ok_or(Receipt::Invalid)
    }

    fn pass(&self, bytes: &[u8], parties: (Aid, Aid)) -> Option<Pass> {
        let pass = SignedPass::decode(bytes).ok()?;
        if pass.parties() != parties {
            return None;
        }
        let pass = pass.verify(clock::now()).ok()?;
        let is_current = self.newest.accept(pass.issuer(), pass.issued_at());
        is_current.then_some(pass)
    }
}
