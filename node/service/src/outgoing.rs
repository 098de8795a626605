// SPDX-License-Identifier: MPL-2.0
//! What becomes of the bytes that answers have given to a connection.
//!
//! A front end that can tell says it to an [`Outgoing`], and serves the connection within
//! [`Outgoing::scope`]. Whatever hands something over while it is served learns from
//! [`Outgoing::here`] whether it got there.

use tokio::sync::watch;

tokio::task_local! {
    static HERE: Outgoing;
}

/// One connection. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Outgoing(watch::Sender<State>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// How often all that was given had left.
    flushes: u64,
    is_broken: bool,
}

impl Outgoing {
    /// Runs what serves the connection.
    pub fn scope<F: Future>(&self, serving: F) -> impl Future<Output = F::Output> + use<F> {
        HERE.scope(self.clone(), serving)
    }

    /// All that answers have given so far is with the system.
    pub fn flushed(&self) {
        self.0.send_modify(|state| state.flushes += 1);
    }

    /// The client has broken off: it need not have got anything of late.
    pub fn broken(&self) {
        self.0.send_modify(|state| state.is_broken = true);
    }

    /// Whether somebody waits to learn what has become of an answer.
    pub fn is_awaited(&self) -> bool {
        self.0.receiver_count() > 0
    }

    /// What was given to the connection until now that this task serves; `None` if it serves none.
    pub fn here() -> Option<Given> {
        let state = HERE.try_with(|here| here.0.subscribe()).ok()?;
        let flushes = state.borrow().flushes;
        Some(Given { state, flushes })
    }
}

/// What was given to a connection until some moment.
#[derive(Clone, Debug)]
pub struct Given {
    state: watch::Receiver<State>,
    /// How often all had left before.
    flushes: u64,
}

impl Given {
    /// Whether it is with the system by now, and the client has not broken off.
    pub fn has_left(&self) -> bool {
        let state = self.state.borrow();
        state.flushes > self.flushes && !state.is_broken
    }

    /// Waits until it is with the system; false if the connection ends before.
    pub(crate) async fn flushed(&mut self) -> bool {
        let flushes = self.flushes;
        let state = self
            .state
            .wait_for(|state| state.flushes > flushes || state.is_broken);
        state.await.is_ok_and(|state| !state.is_broken)
    }

    /// Waits until the client breaks off, which one that ends properly never does.
    pub(crate) async fn broken(&mut self) {
        let broken = self.state.wait_for(|state| state.is_broken);
        if broken.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn what_is_given_counts_when_it_has_left() {
        assert!(Outgoing::here().is_none());
        let connection = Outgoing::default();
        connection.flushed();
        let mut given = connection.scope(async { Outgoing::here() }).await.unwrap();
        assert!(given.flushed().now_or_never().is_none());
        connection.flushed();
        assert!(given.flushed().await);
        assert!(given.broken().now_or_never().is_none());
        connection.broken();
        given.broken().await;
        assert!(!given.flushed().await);
    }

    #[tokio::test]
    async fn a_connection_that_ends_in_between_has_not_got_it() {
        let connection = Outgoing::default();
        let mut given = connection.scope(async { Outgoing::here() }).await.unwrap();
        drop(connection);
        assert!(!given.flushed().await);
    }
}
