// SPDX-License-Identifier: MPL-2.0
//! What a record is about, and which rules of storage follow from that.

use std::fmt;

/// What a record is about. Displayed as `0x01`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct RecordKind(pub u8);

impl RecordKind {
    /// How an agent is reached.
    pub const ENDPOINT: Self = Self(0x01);
    /// Who an agent is and what it can do.
    pub const PROFILE: Self = Self(0x02);
    /// An agent's entry for a service.
    pub const TOPIC: Self = Self(0x10);
    /// The withdrawal of such an entry: it names the service and takes the entry's slot.
    pub const TOPIC_WITHDRAWN: Self = Self(0x11);
    /// A note for another agent.
    pub const MAILBOX: Self = Self(0x80);
    /// The head of a note whose body does not fit a mailbox record. Ours.
    pub const LONG_NOTE: Self = Self(0x81);
    /// A part of such a body. Ours; it lies outside the mailbox kinds because their payload would be too small.
    pub const NOTE_PART: Self = Self(0x90);

    /// The rules of storage for records of this kind.
    pub const fn category(self) -> Category {
        match self.0 {
            0x10..=0x1f => Category::Topic,
            0x80..=0x8f => Category::Mailbox,
            0x90 => Category::NotePart,
            _ => Category::Sovereign,
        }
    }

    /// Whether records of this kind answer those who ask for `asked`: entries come with their
    /// withdrawals, so that a holder that lags behind cannot bring one back.
    pub const fn answers(self, asked: Self) -> bool {
        self.0 == asked.0 || (asked.0 == Self::TOPIC.0 && self.0 == Self::TOPIC_WITHDRAWN.0)
    }

    /// Whether records of this kind are published. Others are stored as sovereign ones, as the
    /// reference does, so that later kinds can travel through older nodes.
    pub const fn is_assigned(self) -> bool {
        matches!(self.0, 0x01..=0x1f | 0x80..=0x90)
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#04x}", self.0)
    }
}

/// Where records live and which of them replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Category {
    /// `01` to `0f`, and what is not assigned: one record per kind, at the place of its publisher.
    Sovereign,
    /// `10` to `1f`: one record per signing key and service, at the places of the service.
    Topic,
    /// `80` to `8f`: any number of notes, at the place of the recipient.
    Mailbox,
    /// `90`: the parts of one long note, at a place that follows from the part.
    NotePart,
}
