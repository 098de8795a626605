// SPDX-License-Identifier: MPL-2.0
//! What a tunnel has carried, and when. Read by clients while connections count on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Bytes by direction.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Carried {
    /// Sent to agents.
    pub(crate) up: u64,
    /// Received from them.
    pub(crate) down: u64,
}

/// Bytes that are still being counted.
#[derive(Debug, Default)]
pub(super) struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

impl Meter {
    pub(super) fn carried(&self) -> Carried {
        Carried {
            up: self.up.load(Ordering::Relaxed),
            down: self.down.load(Ordering::Relaxed),
        }
    }
}

/// Bytes, connections and times of one tunnel.
#[derive(Debug)]
pub(super) struct Traffic {
    since: Instant,
    own: Meter,
    /// That of all tunnels together.
    total: Arc<Meter>,
    /// Milliseconds after `since` of the last activity.
    activity: AtomicU64,
    /// The same of the last bytes; 0 before the first.
    progress: AtomicU64,
    connections: AtomicUsize,
}

impl Traffic {
    pub(super) fn new(total: Arc<Meter>) -> Self {
        Self {
            since: Instant::now(),
            own: Meter::default(),
            total,
            activity: AtomicU64::new(0),
            progress: AtomicU64::new(0),
            connections: AtomicUsize::new(0),
        }
    }

    /// Counts bytes on their way to the agent.
    pub(super) fn sent(&self, len: usize) {
        if len == 0 {
            return;
        }
        self.own.up.fetch_add(len as u64, Ordering::Relaxed);
        self.total.up.fetch_add(len as u64, Ordering::Relaxed);
        self.progress();
    }

    /// Counts bytes that came from the agent.
    pub(super) fn received(&self, len: usize) {
        self.own.down.fetch_add(len as u64, Ordering::Relaxed);
        self.total.down.fetch_add(len as u64, Ordering::Relaxed);
        self.progress();
    }

    fn progress(&self) {
        let now = self.activity();
        // Zero stands for "never".
        self.progress.store(now.max(1), Ordering::Relaxed);
    }

    fn activity(&self) -> u64 {
        let now = u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.activity.store(now, Ordering::Relaxed);
        now
    }

    /// Counts a connection until the answer is dropped.
    pub(super) fn connection(&self) -> Connection<'_> {
        self.connections.fetch_add(1, Ordering::Relaxed);
        self.activity();
        Connection(self)
    }

    pub(super) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }

    pub(super) fn carried(&self) -> Carried {
        self.own.carried()
    }

    /// Time from the beginning to the last activity.
    pub(super) fn last_activity(&self) -> Duration {
        Duration::from_millis(self.activity.load(Ordering::Relaxed))
    }

    /// Time from the beginning to the last bytes.
    pub(super) fn last_progress(&self) -> Option<Duration> {
        let progress = self.progress.load(Ordering::Relaxed);
        (progress > 0).then(|| Duration::from_millis(progress))
    }

    /// Returns once there was neither a connection nor activity for `patience`.
    pub(super) async fn idle(&self, patience: Duration) {
        loop {
            let now = Instant::now();
            let earliest = self.idle_from(now) + patience;
            if earliest <= now {
                return;
            }
            tokio::time::sleep_until(earliest).await;
        }
    }

    /// Since when nothing has happened, at `now`.
    fn idle_from(&self, now: Instant) -> Instant {
        if self.connections() > 0 {
            now
        } else {
            self.since + self.last_activity()
        }
    }
}

/// An open connection.
#[derive(Debug)]
pub(super) struct Connection<'a>(&'a Traffic);

impl Drop for Connection<'_> {
    fn drop(&mut self) {
        self.0.activity();
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_never_idle() {
        let traffic = Traffic::new(Arc::default());
        let much_later = Instant::now() + Duration::from_secs(3600);
        let open = traffic.connection();
        assert_eq!(traffic.idle_from(much_later), much_later);
        drop(open);
        assert!(traffic.idle_from(much_later) < much_later);
    }

    #[test]
    fn bytes_count_for_the_tunnel_and_in_total() {
        let total = Arc::<Meter>::default();
        let (one, other) = (
            Traffic::new(Arc::clone(&total)),
            Traffic::new(Arc::clone(&total)),
        );
        assert_eq!(one.last_progress(), None);
        one.sent(3);
        other.received(5);
        assert_eq!(one.carried(), Carried { up: 3, down: 0 });
        assert_eq!(total.carried(), Carried { up: 3, down: 5 });
        assert!(one.last_progress().is_some());
    }
}
