// SPDX-License-Identifier: MPL-2.0
//! Who offers a service.
//!
//! A search is a [`Listing`], which gives out one page after the other as the network brings
//! entries. What is left after the first page waits in a task of its own ([`Searches`]), under the
//! cursor that the client was given.

mod listing;
mod order;
mod searches;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::{Aid, Topic};
use futures::future::join_all;
use tokio::sync::Semaphore;
use tokio::time::timeout;

pub(crate) use listing::{Found, Listing, Page};
pub(crate) use order::Order;
pub(crate) use searches::Searches;
pub(crate) use wanted::{Wanted, is_category};

use crate::error::Input;
use crate::{Error, Service, clock, model, text};

/// Most entries in one answer. Ours.
pub(crate) const MAX_SEARCH_LIMIT: usize = 1000;

/// Entries in one answer unless asked otherwise. Ours: what a holder keeps in the reference.
const DEFAULT_LIMIT: usize = 100;

/// Most agents that are tried out for one answer. Ours.
const MAX_PROBES: usize = 32;

/// Agents that are tried out at one time.
const PROBES_AT_ONCE: usize = 16;

/// How long an agent may take to answer when it is tried out; in two rounds that stays below what
/// clients wait for.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1500);

impl Service {
    /// Finds agents that offer services, page by page.
    ///
    /// An entry is given out once, newest record only, in an order that is this node's own: neither
    /// publishing again nor choosing another key moves an agent up. Answers once a page is full or all
    /// holders were heard, and a second after the first entries in any case.
    ///
    /// # Errors
    /// [`Error::Input`]; [`Error::Search`] or [`Error::SearchNotConnected`] if nobody answered.
    pub async fn discover(&self, request: model::Discover) -> Result<model::Discovered, Error> {
        let limit = limit(request.limit)?;
        let probes = probes(request.probe);
        let wanted = Wanted::new(request.services, request.filter);
        let (page, cursor) = match request.cursor.filter(|cursor| !cursor.is_empty()) {
            Some(cursor) => {
                let continued = self.core.searches.go_on(&cursor, wanted.ok(), limit);
                continued.await?
            }
            None => self.first_page(wanted?, limit).await?,
        };
        let mut entries: Vec<_> = page.entries.iter().map(Found::shown).collect();
        self.try_out(&mut entries, probes).await;
        Ok(model::Discovered {
            entries,
            cursor,
            truncated: page.is_truncated.then_some(true),
        })
    }

    async fn first_page(
        &self,
        wanted: Wanted,
        limit: usize,
    ) -> Result<(Arc<Page>, Option<String>), Error> {
        let mut listing = self.listing(wanted).await;
        let page = match listing.page(limit).await {
            Err(_) if self.is_cut_off() => return Err(Error::SearchNotConnected),
            page => Arc::new(page?),
        };
        let cursor = page.has_more.then(|| {
            let (cursor, serving) = self.core.searches.keep(listing);
            self.spawn(serving);
            cursor
        });
        Ok((page, cursor))
    }

    /// Begins a search.
    pub(crate) async fn listing(&self, wanted: Wanted) -> Listing {
        self.joined().await;
        let searches = wanted.services().iter();
        let searches = searches.map(|service| self.core.client.search(service.as_str()));
        Listing::new(searches.collect(), wanted, self.core.order)
    }

    /// Says of the agents of the first `count` entries whether they answer.
    async fn try_out(&self, entries: &mut [model::Entry], count: usize) {
        let tried: BTreeSet<Aid> = entries.iter().map(|entry| entry.aid).take(count).collect();
        let room = Semaphore::new(PROBES_AT_ONCE);
        let room = &room;
        let probes = tried.into_iter().map(|aid| async move {
            let _place = room.acquire().await;
            let reached = timeout(PROBE_TIMEOUT, self.reach(aid)).await;
            (aid, reached.is_ok_and(|reached| reached.is_ok()))
        });
        let reachable: BTreeMap<Aid, bool> = join_all(probes).await.into_iter().collect();
        for entry in entries.iter_mut().take(count) {
            entry.reachable = reachable.get(&entry.aid).copied();
        }
    }
}

impl Found {
    /// The entry as clients see it.
    fn shown(&self) -> model::Entry {
        let Self { record, entry, .. } = self;
        let Topic {
            topic,
            name,
            protocols,
            tags,
            brief,
            meta,
            version,
        } = entry;
        model::Entry {
            aid: record.aid(),
            service: if self.is_asked_for {
                topic.clone()
            } else {
                text::name(topic, text::MAX_NAME_CHARS)
            },
            name: text::line(name, text::MAX_NAME_CHARS),
            protocols: protocols.as_deref().map(text::lines),
            tags: tags.as_deref().map(text::lines),
            brief: text::line(brief, text::MAX_BRIEF_CHARS),
            meta: Some(text::values(meta)).filter(|meta| !meta.is_empty()),
            seq: record.seq().0,
            timestamp: record.timestamp().0,
            ttl: record.ttl_secs(),
            version: *version,
            renewed_at: Some(clock::rfc3339(record.timestamp())),
            reachable: None,
        }
    }
}

fn limit(asked: Option<u32>) -> Result<usize, Input> {
    match asked.map(|asked| asked as usize) {
        None => Ok(DEFAULT_LIMIT),
        Some(limit @ 1..=MAX_SEARCH_LIMIT) => Ok(limit),
        Some(_) => Err(Input::Limit),
    }
}

fn probes(asked: Option<model::ProbeResults>) -> usize {
    match asked {
        None | Some(model::ProbeResults::All(false)) => 0,
        Some(model::ProbeResults::All(true)) => MAX_PROBES,
        Some(model::ProbeResults::First(count)) => MAX_PROBES.min(count as usize),
    }
}
