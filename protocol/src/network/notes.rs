// SPDX-License-Identifier: MPL-2.0
//! Notes between agents: straight to the recipient's node, or by the holders around the recipient's key.

mod delivery;
mod solver;

use std::future::Future;
use std::io;

pub use delivery::{Delivered, DeliveryError, Receipt};
pub(crate) use solver::Solver;

use super::client::Client;
use super::error::Error;
use crate::aid::Aid;
use crate::behaviour::agents::{Content, IncomingCall};
use crate::behaviour::records::{Deposit, FoundNote};
use crate::behaviour::streams::Paths;
use crate::credential::Credential;
use crate::mailbox::{Head, MessageId, Note, Pass, SealedNote};
use crate::record::VerifiedRecord;

/// What travels beside a note, so that it is taken where strangers' notes are not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Postage {
    /// The recipient's permission for the sender.
    pub pass: Option<Pass>,
    /// The sender's permission for the recipient, so that it can write back.
    pub reply: Option<Pass>,
}

impl Client {
    /// Leaves a note with the holders closest to the recipient's key.
    ///
    /// Answers like [`Self::publish`], unless holders ask for proofs of work: these are found, which may take half a minute, and the note
    /// is sent again. Safe to drop. This node keeps a copy only if it is among the closest itself; whoever sends the note decides how
    /// often it is deposited anew. With nobody known it answers at once, with no replicas.
    ///
    /// # Errors
    /// [`Error::NotANote`], or [`Error::Refused`] if no node accepts it.
    pub async fn deposit(&self, note: &SealedNote, postage: &Postage) -> Result<Deposit, Error> {
        self.depositor.deposit(note, postage).await
    }

    /// Has holders drop notes that the agent of `credential` has taken, so that its mailbox has room and their senders learn of it.
    /// Ends within five seconds for every 64 notes.
    ///
    /// Returns how many other nodes were told. What they remember keeps a note from coming back as long as it could be in force.
    pub async fn remove_notes(&self, credential: &Credential, ids: &[MessageId]) -> usize {
        self.depositor.remove_notes(credential, ids).await
    }

    /// Has holders drop the parts of a long note that its recipient has taken. Ends within five seconds.
    ///
    /// Returns how many other nodes were told.
    pub async fn release_parts(&self, head: &Head) -> usize {
        self.depositor.release(head).await
    }

    /// Collects the notes in an agent's mailbox: the union of what several holders keep. Ends within ten seconds; safe to drop.
    ///
    /// What comes back is genuine, but need not be for the agent, or open.
    ///
    /// # Errors
    /// [`Error::Timeout`] if nobody answered in time.
    pub async fn notes(&self, recipient: Aid) -> Result<Vec<FoundNote>, Error> {
        self.reader.notes(recipient).await
    }

    /// Fetches the parts of a long note and puts it together. Ends within ten seconds; safe to drop.
    ///
    /// # Errors
    /// [`Error::NotFound`] if some are missing everywhere, [`Error::Timeout`].
    pub async fn whole_note(&self, head: &Head) -> Result<Note, Error> {
        self.reader.whole_note(head).await
    }

    /// Delivers notes of `caller`, an agent on this node, to the agent of an endpoint record, each with one receipt.
    ///
    /// Where the receiver asks for proofs of work, they are found and the notes sent again; that may take some seconds each. Safe to
    /// drop; what was sent may then have arrived.
    ///
    /// # Errors
    /// [`DeliveryError`]; what was sent may have arrived unless it is [`DeliveryError::Call`] or [`DeliveryError::Refused`].
    pub async fn deliver(
        &self,
        caller: Aid,
        endpoint: &VerifiedRecord,
        paths: Paths,
        notes: &[SealedNote],
        postage: &Postage,
    ) -> Result<Vec<Receipt>, DeliveryError> {
        let stream = self.call(caller, endpoint, paths, Content::Notes).await?;
        let recipient = endpoint.aid();
        delivery::deliver(stream, recipient, notes, postage, &self.solver).await
    }

    /// Accepts a call that carries [`Content::Notes`], and asks `keep` about each note until the caller has no more.
    ///
    /// Only notes reach `keep` whose record and parts verify, that the proven caller signed, and that are for the called agent. Proofs of
    /// work are checked before, off the network's threads and one at a time on this node; the first that is wrong ends the stream. What it
    /// returns is told to the caller; [`Receipt::Accepted`] promises that the note is durably kept.
    ///
    /// # Errors
    /// If the stream fails, the caller breaks the protocol or shows a wrong proof, or `keep` takes too long.
    pub async fn receive_notes<K, F>(&self, call: IncomingCall, keep: K) -> io::Result<()>
    where
        K: Fn(Delivered) -> F,
        F: Future<Output = Receipt>,
    {
        delivery::receive(call, &self.reader.newest, &self.work, keep).await
    }
}
