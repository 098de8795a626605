// SPDX-License-Identifier: MPL-2.0
//! Questions that a stateless client carries to a human and back: sealed, and answered once.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rmcp::model::{RequestStateCodec, SealOptions};
use tokio::time::Instant;

use crate::limits::{MAX_QUESTIONS, QUESTION_TTL};

/// Tells a question from all others.
type Nonce = [u8; 16];

/// The questions that wait for an answer.
pub(crate) struct Questions {
    codec: RequestStateCodec,
    open: Mutex<VecDeque<(Nonce, Instant)>>,
}

impl std::fmt::Debug for Questions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Questions").finish_non_exhaustive()
    }
}

impl Questions {
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut key = vec![0; RequestStateCodec::MIN_KEY_LENGTH];
        getrandom::fill(&mut key)?;
        Ok(Self {
            codec: RequestStateCodec::new_unchecked(key),
            open: Mutex::default(),
        })
    }

    /// What the client carries with a question about `act`.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub(crate) fn ask(&self, act: &str) -> Result<String, getrandom::Error> {
        let mut nonce = Nonce::default();
        getrandom::fill(&mut nonce)?;
        let options = SealOptions::new()
            .associated_data(act.as_bytes())
            .ttl(QUESTION_TTL);
        let mut open = self.open();
        open.retain(|(_, asked)| asked.elapsed() < QUESTION_TTL);
        if open.len() >= MAX_QUESTIONS {
            open.pop_front();
        }
        open.push_back((nonce, Instant::now()));
        Ok(self.codec.seal_with(&nonce, &options))
    }

    /// Whether `state` belongs to a question about `act` that waits for its answer; it then does no
    /// longer.
    pub(crate) fn answered(&self, state: &str, act: &str) -> bool {
        let Ok(nonce) = self.codec.open_with(state, act.as_bytes()) else {
            return false;
        };
        let mut open = self.open();
        let at = open.iter().position(|(waits, _)| waits[..] == nonce[..]);
        at.is_some_and(|at| open.remove(at).is_some())
    }

    /// What the client carries along with a question of `tool` that may be answered at any time, as
    /// often as it likes: `text`, which is no secret, and which nobody else can have written.
    pub(crate) fn signed(&self, text: &str, tool: &str) -> String {
        let options = SealOptions::new().associated_data(tool.as_bytes());
        self.codec.seal_with(text.as_bytes(), &options)
    }

    /// The text in a state that [`Self::signed`] made for `tool`.
    pub(crate) fn read(&self, state: &str, tool: &str) -> Option<String> {
        let text = self.codec.open_with(state, tool.as_bytes()).ok()?;
        String::from_utf8(text).ok()
    }

    fn open(&self) -> MutexGuard<'_, VecDeque<(Nonce, Instant)>> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_and_for_what_it_asked() {
        let questions = Questions::new().unwrap();
        let state = questions.ask("export a").unwrap();
        assert!(!questions.answered(&state, "export b"));
        assert!(!questions.answered(&format!("{state}x"), "export a"));
        assert!(questions.answered(&state, "export a"));
        assert!(!questions.answered(&state, "export a"));
    }

    #[test]
    fn so_many_questions_wait() {
        let questions = Questions::new().unwrap();
        let first = questions.ask("a").unwrap();
        let second = questions.ask("a").unwrap();
        for _ in 1..MAX_QUESTIONS {
            questions.ask("a").unwrap();
        }
        assert!(!questions.answered(&first, "a"));
        assert!(questions.answered(&second, "a"));
    }
}
