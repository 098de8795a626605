// SPDX-License-Identifier: MPL-2.0
//! A search in progress.

use std::collections::HashMap;
use std::time::Duration;

use a2al_protocol::network::{self, Search};
use a2al_protocol::{Aid, Topic, VerifiedRecord};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::{Order, Wanted};
use crate::{Error, clock};

/// Longest wait for a page. The network gives up earlier by itself; this one only guards against a
/// bug there.
const PAGE_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a page waits for more once it has something. Ours: clients that know no cursor are to get
/// all there is, and nobody is to wait for one silent holder.
const PAGE_PATIENCE: Duration = Duration::from_secs(1);

/// How often a search may fail before it counts as ended.
const MAX_FAILURES: u32 = 2;

/// Most agents that were found for some, and not yet for all, of several services. Ours: about 15 MB for
/// one search, and 240 MB for all that wait.
const MAX_INCOMPLETE: usize = 10_000;

/// A verified entry for a service.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// The record.
    pub(crate) record: VerifiedRecord,
    /// What it says.
    pub(crate) entry: Topic,
    /// Whether its service was asked for by name, not by category.
    pub(crate) is_asked_for: bool,
    rank: [u8; 32],
}

/// Some of what was found.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The entries.
    pub(crate) entries: Vec<Found>,
    /// Whether more may follow.
    pub(crate) has_more: bool,
    /// Whether agents were left out, as there were more than can be compared.
    pub(crate) is_truncated: bool,
}

/// One search for each service, and what they brought so far.
#[derive(Debug)]
pub(crate) struct Listing {
    wanted: Wanted,
    order: Order,
    /// Searches that may bring more.
    resting: Vec<Resting>,
    asking: JoinSet<Asked>,
    /// Entries of agents that were not found for every service yet.
    incomplete: HashMap<Aid, Parts>,
    /// What can be given out, in order.
    ready: Vec<Found>,
    has_found: bool,
    is_truncated: bool,
    failure: Option<network::Error>,
}

/// The search for one of the services.
#[derive(Debug)]
struct Resting {
    /// The place of its service.
    index: usize,
    search: Search,
    failures: u32,
}

struct Asked {
    search: Resting,
    batch: Result<Option<Vec<VerifiedRecord>>, network::Error>,
}

/// What was found of one agent, by the place of the service.
#[derive(Debug, Default)]
struct Parts {
    found: HashMap<usize, Vec<Found>>,
    is_complete: bool,
}

impl Listing {
    pub(super) fn new(searches: Vec<Search>, wanted: Wanted, order: Order) -> Self {
        Self {
            wanted,
            order,
            resting: (0..)
                .zip(searches)
                .map(|(index, search)| Resting {
                    index,
                    search,
                    failures: 0,
                })
                .collect(),
            asking: JoinSet::new(),
            incomplete: HashMap::new(),
            ready: Vec::new(),
            has_found: false,
            is_truncated: false,
            failure: None,
        }
    }

    /// What is searched for.
    pub(super) fn wanted(&self) -> &Wanted {
        &self.wanted
    }

    /// At most `limit` further entries: as soon as there are as many, or when nothing more comes.
    ///
    /// # Errors
    /// [`Error::Search`] if nothing was found because nobody answered.
    pub(crate) async fn page(&mut self, limit: usize) -> Result<Page, Error> {
        let mut deadline = Instant::now() + PAGE_TIMEOUT;
        while self.ready.len() < limit {
            for mut search in self.resting.drain(..) {
                self.asking.spawn(async move {
                    let batch = search.search.next().await;
                    Asked { search, batch }
                });
            }
            match timeout_at(deadline, self.asking.join_next()).await {
                Ok(Some(Ok(asked))) => {
                    if !self.take(asked) {
                        break;
                    }
                }
                // A search that panicked has ended; the panic was reported.
                Ok(Some(Err(_))) => {}
                Ok(None) | Err(_) => break,
            }
            if !self.ready.is_empty() {
                deadline = deadline.min(Instant::now() + PAGE_PATIENCE);
            }
        }
        self.give(limit)
    }

    fn give(&mut self, limit: usize) -> Result<Page, Error> {
        let now = clock::now();
        self.ready.retain(|found| !found.record.is_expired(now));
        if self.ready.is_empty()
            && !self.has_found
            && let Some(failure) = self.failure.take()
        {
            return Err(Error::Search(failure));
        }
        let count = self.ready.len().min(limit);
        Ok(Page {
            entries: self.ready.drain(..count).collect(),
            has_more: self.may_bring_more(),
            is_truncated: self.is_truncated,
        })
    }

    fn may_bring_more(&self) -> bool {
        !(self.ready.is_empty() && self.resting.is_empty() && self.asking.is_empty())
    }

    /// Takes in what a search brought; false if it failed, so that it is not asked again at once.
    fn take(&mut self, asked: Asked) -> bool {
        let Asked { mut search, batch } = asked;
        let batch = match batch {
            Ok(Some(batch)) => batch,
            Ok(None) => return true,
            Err(failure) => {
                tracing::debug!(%failure, "search interrupted");
                self.failure = Some(failure);
                search.failures += 1;
                if search.failures < MAX_FAILURES {
                    self.resting.push(search);
                }
                return false;
            }
        };
        search.failures = 0;
        let index = search.index;
        self.resting.push(search);
        for record in batch {
            if let Some(found) = self.counted(index, record) {
                self.sort_in(index, found);
            }
        }
        self.has_found |= !self.ready.is_empty();
        self.ready.sort_by(|one, other| {
            let key = |found: &'_ Found| (found.rank, found.record.aid());
            let by_agent = key(one).cmp(&key(other));
            by_agent.then_with(|| one.entry.topic.cmp(&other.entry.topic))
        });
        true
    }

    /// The entry in `record`, if it is one that was asked for.
    fn counted(&self, index: usize, record: VerifiedRecord) -> Option<Found> {
        let entry = Topic::decode(record.payload()).ok()?;
        self.wanted.takes(index, &entry).then(|| Found {
            is_asked_for: self.wanted.names(&entry.topic),
            rank: self.order.rank(&record.aid()),
            record,
            entry,
        })
    }

    /// Gives an entry out once its agent was found for every service.
    fn sort_in(&mut self, index: usize, found: Found) {
        let services = self.wanted.services().len();
        if services == 1 {
            self.ready.push(found);
            return;
        }
        let aid = found.record.aid();
        let has_room = self.incomplete.len() < MAX_INCOMPLETE;
        if !has_room && !self.incomplete.contains_key(&aid) {
            self.is_truncated = true;
            return;
        }
        let parts = self.incomplete.entry(aid).or_default();
        if parts.is_complete {
            self.ready.push(found);
            return;
        }
        parts.found.entry(index).or_default().push(found);
        if parts.found.len() == services {
            parts.is_complete = true;
            self.ready
                .extend(parts.found.drain().flat_map(|(_, found)| found));
        }
    }
}

#[cfg(test)]
mod tests {
    use a2al_protocol::{Credential, Draft, RecordKind, Seq, SigningKey};

    use super::*;

    #[tokio::test]
    async fn what_is_left_out_is_told() {
        let services = ["a", "b"].map(str::to_owned).to_vec();
        let wanted = Wanted::new(Some(services), None).unwrap();
        let key = SigningKey::generate();
        let mut listing = Listing::new(Vec::new(), wanted, Order::new(&key));
        let draft = Draft {
            kind: RecordKind::TOPIC,
            payload: Topic::new("a").encode().unwrap(),
            seq: Seq(1),
            timestamp: clock::now(),
            ttl_secs: 60,
        };
        let record = draft.sign(&Credential::node(key)).unwrap();
        let found = listing.counted(0, record).unwrap();
        listing.sort_in(0, found.clone());
        assert!(!listing.page(1).await.unwrap().is_truncated);
        listing.incomplete.clear();
        for at in 0..MAX_INCOMPLETE as u64 {
            let mut bytes = [0xa0; Aid::LEN];
            bytes[1..9].copy_from_slice(&at.to_be_bytes());
            let aid = Aid::from_bytes(&bytes).unwrap();
            listing.incomplete.insert(aid, Parts::default());
        }
        listing.sort_in(0, found);
        assert_eq!(listing.incomplete.len(), MAX_INCOMPLETE);
        assert!(listing.page(1).await.unwrap().is_truncated);
    }
}
