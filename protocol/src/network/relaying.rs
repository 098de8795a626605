// SPDX-License-Identifier: MPL-2.0
//! What circuits through this node carry: counted, held to its rates, and ended at its budgets.
//!
//! libp2p's relay knows no rates, and its counts let one more through than they say. Every byte of a circuit passes the substream on
//! which its source asked for it, once, so that is where circuits are metered: [`Muxer`] wraps the muxer of every direct connection,
//! and finds those substreams by our own answers in their negotiation, which no peer can forge.
//!
//! At its rate a circuit waits, and its ends feel that as back-pressure. At a budget it is cut: its ends look for another way at
//! once, where a stalled circuit would leave them waiting.

mod budget;
mod circuit;
mod muxer;
mod negotiation;
mod pace;
mod substream;

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::PeerId;
use tokio::time::Instant;

use self::budget::{Budget, Promise};
use self::pace::Pace;
pub(crate) use muxer::Muxer;

use super::config::RelayLimits;

/// Accounts above which those that nobody uses are dropped; they hold no more than a new one would.
const KEPT_ACCOUNTS: usize = 1024;

/// What this node relays for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Relaying {
    /// Nodes for which it keeps a place, so that others reach them through it.
    pub reservations: usize,
    /// Open circuits.
    pub circuits: usize,
    /// User bytes that circuits have carried since the start, both directions together.
    pub carried_bytes: u64,
    /// Whether the daily budget is used up: no circuit is opened, and open ones are cut, until the day is over.
    pub is_exhausted: bool,
}

/// Counts what this node relays, and says how much more it may. Clones count together.
#[derive(Clone, Debug)]
pub(crate) struct RelayMeter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: RelayLimits,
    pace: Pace,
    budget: Budget,
    accounts: Mutex<HashMap<PeerId, Arc<Account>>>,
    reservations: AtomicUsize,
    circuits: AtomicUsize,
}

/// What one source of circuits uses.
#[derive(Debug)]
struct Account {
    pace: Pace,
    /// Circuits that it has opened or is asking for.
    circuits: AtomicUsize,
}

impl RelayMeter {
    pub(crate) fn new(limits: RelayLimits) -> Self {
        Self(Arc::new(Shared {
            limits,
            pace: Pace::new(limits.total_rate),
            budget: Budget::new(limits.daily_bytes),
            accounts: Mutex::default(),
            reservations: AtomicUsize::new(0),
            circuits: AtomicUsize::new(0),
        }))
    }

    pub(crate) fn limits(&self) -> RelayLimits {
        self.0.limits
    }

    /// What is relayed now, and was until now.
    pub(crate) fn relaying(&self) -> Relaying {
        Relaying {
            reservations: self.0.reservations.load(Ordering::Relaxed),
            circuits: self.0.circuits.load(Ordering::Relaxed),
            carried_bytes: self.0.budget.carried(),
            is_exhausted: self.is_exhausted(),
        }
    }

    /// Whether the daily budget is used up.
    pub(crate) fn is_exhausted(&self) -> bool {
        self.0.budget.is_exhausted(Instant::now())
    }

    pub(crate) fn set_reservations(&self, count: usize) {
        self.0.reservations.store(count, Ordering::Relaxed);
    }

    /// Whether the circuit that `source` is asking for may be opened. Its request is among those counted.
    pub(crate) fn admits_circuit(&self, source: PeerId) -> bool {
        let circuits = self.account(source).circuits.load(Ordering::Relaxed);
        circuits <= self.0.limits.circuits_per_peer && !self.is_exhausted()
    }

    fn account(&self, peer: PeerId) -> Arc<Account> {
        let mut accounts = self
            .0
            .accounts
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if accounts.len() >= KEPT_ACCOUNTS && !accounts.contains_key(&peer) {
            let now = Instant::now();
            accounts.retain(|_, account| {
                Arc::strong_count(account) > 1 || !account.pace.is_rested(now)
            });
        }
        let account = accounts.entry(peer).or_insert_with(|| {
            Arc::new(Account {
                pace: Pace::new(self.0.limits.peer_rate),
                circuits: AtomicUsize::new(0),
            })
        });
        Arc::clone(account)
    }

    /// How many of `wanted` bytes may pass now.
    fn promise(&self, wanted: u64) -> Promise {
        self.0.budget.promise(wanted, Instant::now())
    }

    /// Of `promised` bytes, `moved` have passed for `account`. Returns when its next bytes may.
    fn settle(&self, account: &Account, promised: u64, moved: u64) -> Instant {
        let now = Instant::now();
        self.0.budget.settle(promised, moved, now);
        let own = account.pace.charge(moved, now);
        own.max(self.0.pace.charge(moved, now))
    }
}
