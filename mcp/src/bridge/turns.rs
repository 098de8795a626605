// SPDX-License-Identifier: MPL-2.0
//! What is passed on one after the other: the opening of a session, notices, and answers to the
//! server. Requests overtake it, but for an opening that came before them.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::message::{Kind, Message};
use super::problem::Problem;
use super::remote::{OPENING_TIMEOUT, Remote};
use super::{exchange, tell};

/// Messages that wait for their turn; further ones are left out.
const WAITING_TURNS: usize = 256;

/// How long a server may take to accept what it need not answer.
const NOTICE_TIMEOUT: Duration = Duration::from_secs(10);

/// The way to whoever passes on.
pub(super) struct Turns {
    queue: mpsc::Sender<Turn>,
    /// Done once all openings so far are.
    opened: CancellationToken,
}

struct Turn {
    message: Message,
    /// Lets requests pass that came after an opening.
    opened: Option<DropGuard>,
}

impl Turns {
    /// Begins to pass on, until this is dropped; then the task ends with what still waits, or at once
    /// if its handle is dropped.
    pub(super) fn start(
        remote: Arc<Remote>,
        out: mpsc::Sender<String>,
    ) -> (Self, AbortOnDropHandle<()>) {
        let (queue, turns) = mpsc::channel(WAITING_TURNS);
        let opened = CancellationToken::new();
        opened.cancel();
        let passing_on = tokio::spawn(pass_on(remote, out, turns));
        (Self { queue, opened }, AbortOnDropHandle::new(passing_on))
    }

    /// Puts `message` behind those that came before; gives it back where too many wait.
    pub(super) fn take(&mut self, message: Message) -> Result<(), Message> {
        let is_opening = matches!(message.kind(), Kind::Initialize | Kind::Initialized);
        let opened = is_opening.then(|| {
            self.opened = CancellationToken::new();
            self.opened.clone().drop_guard()
        });
        let taken = self.queue.try_send(Turn { message, opened });
        taken.map_err(|unsent| unsent.into_inner().message)
    }

    /// Ends once all openings so far have ended, however they did.
    pub(super) fn opened(&self) -> CancellationToken {
        self.opened.clone()
    }
}

async fn pass_on(remote: Arc<Remote>, out: mpsc::Sender<String>, mut turns: mpsc::Receiver<Turn>) {
    let mut _listening = None;
    while let Some(Turn { message, opened }) = turns.recv().await {
        let limit = match message.kind() {
            Kind::Initialize => OPENING_TIMEOUT,
            _ => NOTICE_TIMEOUT,
        };
        let passed = timeout(limit, exchange(&remote, &out, &message)).await;
        if passed.is_err() {
            tell(&out, &message, &Problem::Late).await;
        }
        if message.kind() == Kind::Initialized {
            let (remote, out) = (Arc::clone(&remote), out.clone());
            let listening = tokio::spawn(async move { remote.listen(&out).await });
            _listening = Some(AbortOnDropHandle::new(listening));
        }
        drop(opened);
    }
}
