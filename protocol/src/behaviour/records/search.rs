// SPDX-License-Identifier: MPL-2.0
//! Finding everybody who offers a service, batch by batch.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use futures::StreamExt;
use futures::stream::FuturesOrdered;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::survey::Found;
use super::{Query, Reader};
use crate::aid::Aid;
use crate::dht_key::DhtKey;
use crate::limits::{MAX_SEARCHED_KEYS, OVERFLOW_ANSWERS, READ_TIMEOUT, SEARCH_PARALLELISM};
use crate::network::Error;
use crate::record::{Branch, VerifiedRecord};

/// A search that was begun, see [`Client::search`](crate::network::Client::search).
///
/// Reads the key of the service, and then, level by level, the keys that entries overflow to. What was found is in here: it may be
/// kept for as long as somebody may ask for more, and dropped at any time.
pub struct Search {
    reader: Reader,
    waiting: VecDeque<Branch>,
    /// In tasks of their own: nobody else moves them on between two batches.
    reading: FuturesOrdered<AbortOnDropHandle<(Branch, Result<Found, Error>)>>,
    decided: Decisions,
    /// Keys that may still be read.
    allowance: usize,
}

/// What there is at most one entry for: an agent and a service.
type Entry = (Aid, String);

impl Search {
    pub(crate) fn new(reader: Reader, topic: &str) -> Self {
        Self {
            reader,
            waiting: [Branch::root(DhtKey::of_topic(topic))].into(),
            reading: FuturesOrdered::new(),
            decided: Decisions::default(),
            allowance: MAX_SEARCHED_KEYS - 1,
        }
    }

    /// The next verified live entries, at least one and at most a few hundred; `None` when there are no further ones.
    ///
    /// Over the whole search each agent and service is told once: the newest version that is known by then, and nothing as long as
    /// that is a withdrawal. Ends within ten seconds; safe to drop and to call again, which goes on where it was.
    ///
    /// # Errors
    /// [`Error::Timeout`] if nobody answered in time. Calling again goes on; a key for which nobody answered is tried again.
    pub async fn next(&mut self) -> Result<Option<Vec<VerifiedRecord>>, Error> {
        let advanced = timeout(READ_TIMEOUT, self.advance()).await;
        advanced.unwrap_or(Err(Error::Timeout))
    }

    async fn advance(&mut self) -> Result<Option<Vec<VerifiedRecord>>, Error> {
        loop {
            self.read_further();
            let Some(read) = self.reading.next().await else {
                return Ok(None);
            };
            // The task was not cancelled, so that it has ended with its runtime.
            let (branch, found) = read.map_err(|_| Error::Timeout)?;
            let found = match found {
                Ok(found) => found,
                Err(error) => {
                    self.waiting.push_front(branch);
                    return Err(error);
                }
            };
            self.descend(&branch, &found);
            let batch = self.decided.decide(found.records);
            if !batch.is_empty() {
                return Ok(Some(batch));
            }
        }
    }

    fn read_further(&mut self) {
        while self.reading.len() < SEARCH_PARALLELISM {
            let Some(branch) = self.waiting.pop_front() else {
                break;
            };
            let reader = self.reader.clone();
            let reading = self.reader.tasks.spawn(async move {
                let enough = if branch.is_root() {
                    usize::MAX
                } else {
                    OVERFLOW_ANSWERS
                };
                let found = reader
                    .collect(Query::of_entries(branch.key()), enough)
                    .await;
                (branch, found)
            });
            self.reading.push_back(AbortOnDropHandle::new(reading));
        }
    }

    /// Goes on to the keys below, if entries may have overflowed there.
    ///
    /// Below the root that is believed only where entries are: these can be had for each key by those who belong there only, so a
    /// holder that claims overflow everywhere costs us one level and no more.
    fn descend(&mut self, branch: &Branch, found: &Found) {
        if found.overflows && (branch.is_root() || !found.records.is_empty()) {
            let children = branch.children().take(self.allowance);
            let before = self.waiting.len();
            self.waiting.extend(children);
            self.allowance -= self.waiting.len() - before;
        }
    }
}

/// What is known of each entry that was met.
#[derive(Default)]
struct Decisions(HashMap<Entry, Decision>);

enum Decision {
    Told,
    /// Withdrawn by a record of this rank, which may be old: who registers again at a full key is found further down.
    Withdrawn((u64, u64, u64)),
}

impl Decisions {
    /// Picks the newest version of each entry that was not told before, and leaves out what is withdrawn.
    fn decide(&mut self, records: Vec<VerifiedRecord>) -> Vec<VerifiedRecord> {
        let mut newest: HashMap<Entry, VerifiedRecord> = HashMap::new();
        for record in records {
            let Some(topic) = record.topic() else {
                continue;
            };
            let entry = (record.aid(), topic.to_owned());
            let is_newer = |known: &VerifiedRecord| record.is_newer_than(known);
            if self.is_news(&entry, &record) && newest.get(&entry).is_none_or(is_newer) {
                newest.insert(entry, record);
            }
        }
        let mut found = Vec::new();
        for (entry, record) in newest {
            let decision = if record.is_withdrawn() {
                Decision::Withdrawn(record.rank())
            } else {
                found.push(record);
                Decision::Told
            };
            self.0.insert(entry, decision);
        }
        found
    }

    fn is_news(&self, entry: &Entry, record: &VerifiedRecord) -> bool {
        match self.0.get(entry) {
            None => true,
            Some(Decision::Told) => false,
            Some(Decision::Withdrawn(rank)) => record.rank() > *rank,
        }
    }
}

impl fmt::Debug for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Search")
            .field("decided", &self.decided.0.len())
            .field("waiting", &self.waiting.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Draft, RecordKind, Seq, Topic};
    use crate::{Credential, SigningKey, clock};

    fn version(agent: &SigningKey, kind: RecordKind, seq: u64) -> VerifiedRecord {
        let draft = Draft {
            kind,
            payload: Topic::new("translate").encode().unwrap(),
            seq: Seq(seq),
            timestamp: clock::now(),
            ttl_secs: 3600,
        };
        draft.sign(&Credential::node(agent.clone())).unwrap()
    }

    #[test]
    fn an_old_withdrawal_hides_no_newer_entry_and_a_newer_one_hides_old_entries() {
        let agent = SigningKey::generate();
        let entry = |seq| version(&agent, RecordKind::TOPIC, seq);
        let withdrawal = |seq| version(&agent, RecordKind::TOPIC_WITHDRAWN, seq);
        let mut decided = Decisions::default();
        assert!(decided.decide(vec![entry(1), withdrawal(2)]).is_empty());
        assert!(decided.decide(vec![entry(1)]).is_empty());
        let renewed = entry(3);
        assert_eq!(decided.decide(vec![renewed.clone()]), [renewed]);
        assert!(decided.decide(vec![entry(4)]).is_empty(), "told once");
    }
}
