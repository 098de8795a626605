// SPDX-License-Identifier: MPL-2.0
//! How far a request has come, and who may send it where several are ready to.

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Semaphore;
use tokio::time::Instant;

/// One of several ways on which the same request may go, or the only one.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// Held by whoever has begun to send; `None` where any number may.
    place: Option<Arc<Semaphore>>,
    stage: AtomicU8,
    answered_at: OnceLock<Instant>,
}

/// How far the request has come on this way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stage {
    /// The service has seen nothing of it.
    Unseen = 0,
    /// It is being sent, or was, and the service may have acted on it.
    Sent = 1,
    /// The answer has begun.
    Answered = 2,
}

impl Turn {
    /// One of those that share `place`, which has room for one: as soon as one of them has begun to
    /// send, no other does, unless the service is known to have seen nothing.
    pub(crate) fn exclusive(place: Arc<Semaphore>) -> Self {
        Self {
            place: Some(place),
            ..Self::default()
        }
    }

    /// Whether the request must not go on two ways.
    pub(super) fn is_exclusive(&self) -> bool {
        self.place.is_some()
    }

    /// How far the request has come.
    pub(crate) fn stage(&self) -> Stage {
        match self.stage.load(Ordering::Acquire) {
            0 => Stage::Unseen,
            1 => Stage::Sent,
            _ => Stage::Answered,
        }
    }

    /// Waits until this way may be taken, and notes that it is.
    pub(super) async fn begin(&self) {
        if let Some(place) = &self.place
            && let Ok(permit) = place.acquire().await
        {
            // Given back by `not_seen` alone: whatever else ends the attempt, the service may have acted.
            permit.forget();
        }
        self.reached(Stage::Sent);
    }

    /// Notes that the service has seen nothing of what was sent.
    pub(super) fn not_seen(&self) {
        self.reached(Stage::Unseen);
        if let Some(place) = &self.place {
            place.add_permits(1);
        }
    }

    /// Notes that the answer has begun.
    pub(super) fn answered(&self) {
        self.answered_at.get_or_init(Instant::now);
        self.reached(Stage::Answered);
    }

    /// When the answer began.
    pub(crate) fn answered_at(&self) -> Option<Instant> {
        self.answered_at.get().copied()
    }

    fn reached(&self, stage: Stage) {
        self.stage.store(stage as u8, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn only_what_was_not_seen_is_sent_by_another() {
        let place = Arc::new(Semaphore::new(1));
        let [one, two] = [(); 2].map(|()| Turn::exclusive(Arc::clone(&place)));
        one.begin().await;
        assert!(two.begin().now_or_never().is_none());
        one.not_seen();
        assert_eq!(one.stage(), Stage::Unseen);
        two.begin().await;
        assert_eq!(two.stage(), Stage::Sent);
        drop(two);
        assert!(
            one.begin().now_or_never().is_none(),
            "it may have been seen"
        );
    }

    #[tokio::test]
    async fn what_may_be_repeated_waits_for_nobody() {
        let turn = Turn::default();
        turn.begin().await;
        turn.begin().await;
        turn.answered();
        assert_eq!(turn.stage(), Stage::Answered);
    }
}
