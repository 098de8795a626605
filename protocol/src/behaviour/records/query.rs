// SPDX-License-Identifier: MPL-2.0
//! Which records are asked for, and what the asker knows already.

use a2al_proto::v1;
use sha2::{Digest, Sha256};

use crate::aid::Aid;
use crate::dht_key::DhtKey;
use crate::limits::{MAX_RECORDS_READ, MAX_TOPIC_RECORDS};
use crate::record::{Category, RecordKind, VerifiedRecord};

/// Which records of a key are asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query {
    pub(crate) key: DhtKey,
    pub(crate) kind: Option<RecordKind>,
    pub(crate) publisher: Option<Aid>,
}

impl Query {
    /// The records that an agent publishes under its own key.
    pub(crate) fn of_agent(aid: Aid, kind: Option<RecordKind>) -> Self {
        Self {
            key: DhtKey::of_aid(&aid),
            kind,
            publisher: Some(aid),
        }
    }

    /// The entries for services at a key, and what withdraws such.
    pub(crate) fn of_entries(key: DhtKey) -> Self {
        Self {
            key,
            kind: Some(RecordKind::TOPIC),
            publisher: None,
        }
    }

    /// Whether a record is an answer to this query.
    pub(crate) fn asks_for(&self, record: &VerifiedRecord) -> bool {
        self.wants(record) && record.may_live_at(&self.key)
    }

    /// Whether a record that is held at the key is an answer to this query.
    pub(crate) fn wants(&self, record: &VerifiedRecord) -> bool {
        self.kind.is_none_or(|kind| record.kind().answers(kind))
            && self
                .publisher
                .is_none_or(|publisher| record.aid() == publisher)
    }

    /// Records that one holder may bring: no more than an honest one holds.
    pub(super) fn most_records(&self) -> usize {
        match self.kind.map(RecordKind::category) {
            Some(Category::Topic) => MAX_TOPIC_RECORDS,
            _ => MAX_RECORDS_READ,
        }
    }

    pub(super) fn message(&self, cursor: Vec<u8>, known: &Known) -> v1::Get {
        v1::Get {
            key: self.key.as_bytes().to_vec(),
            kind: self.kind.map(|kind| u32::from(kind.0)).unwrap_or_default(),
            publisher: self
                .publisher
                .map(|aid| aid.as_bytes().to_vec())
                .unwrap_or_default(),
            cursor,
            known: known.digest.clone(),
        }
    }
}

/// What an asker holds itself: a holder that has exactly the same need not send it.
#[derive(Debug, Default)]
pub(crate) struct Known {
    pub(super) records: Vec<VerifiedRecord>,
    /// Empty if there are none.
    pub(super) digest: Vec<u8>,
}

impl Known {
    pub(crate) fn new(mut records: Vec<VerifiedRecord>) -> Self {
        records.sort_by_key(|record| *record.signature().as_bytes());
        let hash = |hash: Sha256, record: &VerifiedRecord| hash.chain_update(record.encoded());
        let digest = records.iter().fold(Sha256::new(), hash).finalize();
        let is_empty = records.is_empty();
        Self {
            records,
            digest: if is_empty {
                Vec::new()
            } else {
                digest.to_vec()
            },
        }
    }
}
