// SPDX-License-Identifier: MPL-2.0
//! What travels beside a note, from its sender to holders and from one holder to the next.

use std::sync::Arc;

use a2al_proto::v1;

use crate::limits::{MAX_PASS_LEN, REPLY_PASS_LEN};
use crate::mailbox::{Pass, Work};
use crate::network::Postage;
use crate::record::VerifiedRecord;

/// The pass of the sender, its proof of work, and its permission to write back. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Beside {
    /// As it came; only [`SignedPass::verify`](crate::mailbox::SignedPass::verify) tells whether it is genuine.
    pub(crate) pass: Option<Arc<[u8]>>,
    pub(crate) work: Option<Work>,
    /// For the recipient to verify.
    pub(crate) reply: Option<[u8; REPLY_PASS_LEN]>,
}

impl Beside {
    /// What a sender encloses.
    pub(crate) fn of_postage(postage: &Postage, note: &VerifiedRecord) -> Self {
        let reply = postage.reply.as_ref().and_then(|pass| pass.beside(note));
        Self {
            pass: postage.pass.as_ref().map(|pass| Pass::encode(pass).into()),
            work: None,
            reply,
        }
    }

    /// What came with a record; fields out of bounds are taken for missing.
    pub(crate) fn of_message(placed: &v1::PlacedRecord) -> Self {
        let pass = Some(&placed.pass).filter(|pass| !pass.is_empty() && pass.len() <= MAX_PASS_LEN);
        Self {
            pass: pass.map(|pass| pass.as_slice().into()),
            work: placed.work.as_ref().and_then(read_work),
            reply: placed.reply_pass.as_slice().try_into().ok(),
        }
    }

    /// Encloses it with a record.
    pub(crate) fn enclose(&self, placed: &mut v1::PlacedRecord) {
        placed.pass = self.pass.as_deref().unwrap_or_default().to_vec();
        placed.work = self.work.map(write_work);
        placed.reply_pass = self.reply.map(Vec::from).unwrap_or_default();
    }

    /// Bytes that it takes on the wire, about.
    pub(crate) fn bytes(&self) -> usize {
        let pass = self.pass.as_ref().map_or(0, |pass| pass.len());
        pass + self.reply.map_or(0, |reply| reply.len()) + 16
    }
}

/// A proof of work as it stands on the wire; `None` if it cannot be one.
pub(crate) fn read_work(message: &v1::Work) -> Option<Work> {
    Some(Work {
        bits: message.bits.try_into().ok()?,
        nonce: message.nonce,
    })
}

pub(crate) fn write_work(work: Work) -> v1::Work {
    v1::Work {
        bits: work.bits.into(),
        nonce: work.nonce,
    }
}
