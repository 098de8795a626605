// SPDX-License-Identifier: MPL-2.0
//! Searches that wait for their clients to ask for more.
//!
//! Each waits in a task of its own, which ends when nobody has asked for some time, or when too many
//! others were begun since.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Listing, Page, Wanted};
use crate::Error;
use crate::error::Input;

/// How long a search waits to be continued. Ours.
const IDLE_TIMEOUT: Duration = Duration::from_secs(600);

/// Searches that wait; the one that has waited longest ends. Ours: each keeps up to two pages,
/// and what was found for some of several services.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(16).expect("not zero");

/// Requests that wait for a page of one search. A client asks for one after the other.
const QUEUE_LEN: usize = 4;

/// A page, and the cursor of the one that follows it.
type Continued = (Arc<Page>, Option<String>);

/// The searches that wait.
#[derive(Debug)]
pub(crate) struct Searches(Mutex<LruCache<String, mpsc::Sender<Ask>>>);

impl Default for Searches {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(CAPACITY)))
    }
}

/// A request for a page.
#[derive(Debug)]
struct Ask {
    number: u64,
    /// What the client believes to search for; `None` if it only gave the cursor.
    wanted: Option<Wanted>,
    limit: usize,
    reply: oneshot::Sender<Result<Continued, Error>>,
}

impl Searches {
    /// Keeps a search whose first page was given out. Returns the cursor of its second page, and the
    /// task that brings it.
    pub(super) fn keep(&self, listing: Listing) -> (String, impl Future<Output = ()> + use<>) {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("the system has random numbers");
        let id = hex::encode(bytes);
        let (asks, queue) = mpsc::channel(QUEUE_LEN);
        self.searches().put(id.clone(), asks);
        let cursor = cursor(&id, 1);
        (cursor, serve(listing, id, queue))
    }

    /// The page that `cursor` leads to.
    ///
    /// # Errors
    /// [`Input::Cursor`], [`Input::CursorOfOtherSearch`].
    pub(super) async fn go_on(
        &self,
        cursor: &str,
        wanted: Option<Wanted>,
        limit: usize,
    ) -> Result<Continued, Error> {
        let (id, number) = cursor.rsplit_once('-').ok_or(Input::Cursor)?;
        let number = number.parse().map_err(|_| Input::Cursor)?;
        let asks = self.searches().get(id).cloned().ok_or(Input::Cursor)?;
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            number,
            wanted,
            limit,
            reply,
        };
        let asked = asks.send(ask).await;
        asked.map_err(|_| Input::Cursor)?;
        answer.await.map_err(|_| Input::Cursor)?
    }

    fn searches(&self) -> MutexGuard<'_, LruCache<String, mpsc::Sender<Ask>>> {
        // Nothing panics while the lock is held; a poisoned table is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cursor(id: &str, number: u64) -> String {
    format!("{id}-{number}")
}

/// Gives out pages until nobody asks any more. The newest page is kept: a client whose answer was
/// lost asks for it again.
async fn serve(mut listing: Listing, id: String, mut queue: mpsc::Receiver<Ask>) {
    let (mut newest, mut page) = (0, Arc::<Page>::default());
    while let Ok(Some(ask)) = timeout(IDLE_TIMEOUT, queue.recv()).await {
        let is_other = ask.wanted.is_some_and(|wanted| wanted != *listing.wanted());
        let answer = if is_other {
            Err(Input::CursorOfOtherSearch.into())
        } else if ask.number == newest {
            Ok(Arc::clone(&page))
        } else if ask.number == newest + 1 && (newest == 0 || page.has_more) {
            let next = listing.page(ask.limit).await.map(Arc::new);
            next.inspect(|next| (newest, page) = (ask.number, Arc::clone(next)))
        } else {
            Err(Input::Cursor.into())
        };
        let answer = answer.map(|page| {
            let following = page.has_more.then(|| cursor(&id, ask.number + 1));
            (page, following)
        });
        // A client that has left asks again.
        let _ = ask.reply.send(answer);
    }
}
