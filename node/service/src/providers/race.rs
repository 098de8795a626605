// SPDX-License-Identifier: MPL-2.0
//! One request, and the providers that are to answer it.

use std::collections::{HashSet, VecDeque};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use a2al_protocol::Aid;
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};

use super::failures::Failures;
use super::ranking::Candidate;
use crate::fetch::{Stage, Turn};
use crate::{Error, Service, model};

/// How long a provider may take to be reached before the next one is tried beside it. Ours: a live
/// one takes a few round trips, a dead one the ten seconds of a dial.
const REACH_PATIENCE: Duration = Duration::from_millis(500);

/// How long a provider may take to begin its answer before the next one is asked beside it. Ours.
const ANSWER_PATIENCE: Duration = Duration::from_secs(1);

/// How soon a request that is on its way is looked at again: what was sent may come back unseen.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Providers that are tried at one time.
const AT_ONCE: usize = 3;

/// Providers that are tried in all.
const MAX_TRIED: usize = 8;

/// A request in search of an answer.
pub(super) struct Race<'a> {
    service: &'a Service,
    request: Arc<model::Fetch>,
    is_safe: bool,
    /// Room for the one request that may be sent, if it must not be sent twice.
    place: Arc<Semaphore>,
    waiting: VecDeque<Candidate>,
    /// Who was entered so far.
    entered: HashSet<Aid>,
    running: Vec<Running>,
    attempts: JoinSet<Ended>,
    tried: usize,
    failures: Failures,
    /// When nobody is waited for any more.
    deadline: Instant,
}

struct Running {
    candidate: Candidate,
    attempt: Id,
    turn: Arc<Turn>,
    since: Instant,
}

struct Ended {
    aid: Aid,
    result: Result<model::FetchAnswer, Error>,
}

impl<'a> Race<'a> {
    pub(super) fn new(
        service: &'a Service,
        request: model::Fetch,
        is_safe: bool,
        deadline: Instant,
    ) -> Self {
        Self {
            service,
            request: Arc::new(request),
            is_safe,
            place: Arc::new(Semaphore::new(1)),
            waiting: VecDeque::new(),
            entered: HashSet::new(),
            running: Vec::new(),
            attempts: JoinSet::new(),
            tried: 0,
            failures: Failures::default(),
            deadline,
        }
    }

    /// Adds providers, best first, that were not entered before.
    pub(super) fn enter(&mut self, candidates: Vec<Candidate>) {
        let new = candidates.into_iter();
        let new = new.filter(|candidate| self.entered.insert(candidate.aid));
        self.waiting.extend(new);
    }

    /// Tries the providers. `None` if all of them failed and the request may still be sent.
    pub(super) async fn run(&mut self) -> Option<Result<model::CalledService, Error>> {
        self.try_next();
        loop {
            let next = self.next_start();
            tokio::select! {
                ended = self.attempts.join_next() => {
                    let ended = match ended? {
                        Ok(ended) => self.end(ended),
                        Err(error) => self.crash(&error),
                    };
                    if ended.is_some() {
                        return ended;
                    }
                    if self.running.is_empty() && !self.try_next() {
                        return None;
                    }
                }
                () = sleep_until(self.deadline) => return Some(Err(self.expire())),
                () = at(next) => {
                    if self.is_start_due(Instant::now()) {
                        self.try_next();
                    }
                }
            }
        }
    }

    /// Why nobody answered.
    pub(super) fn failure(self) -> Error {
        if self.failures.failed().is_empty() {
            return Error::NoProvider;
        }
        Error::ProvidersFailed(self.failures)
    }

    /// Begins to try the next provider, if there is one.
    fn try_next(&mut self) -> bool {
        if self.tried == MAX_TRIED {
            return false;
        }
        let Some(candidate) = self.waiting.pop_front() else {
            return false;
        };
        self.tried += 1;
        let turn = Arc::new(if self.is_safe {
            Turn::default()
        } else {
            Turn::exclusive(Arc::clone(&self.place))
        });
        let (service, request) = (self.service.clone(), Arc::clone(&self.request));
        let (aid, used) = (candidate.aid, Arc::clone(&turn));
        let attempt = self.attempts.spawn(async move {
            let result = service.fetch_in_turn(aid, &request, &used).await;
            Ended { aid, result }
        });
        self.running.push(Running {
            candidate,
            attempt: attempt.id(),
            turn,
            since: Instant::now(),
        });
        true
    }

    /// When it is to be looked whether another provider is tried beside those that are.
    fn next_start(&self) -> Option<Instant> {
        let newest = self.running.last()?;
        if self.waiting.is_empty() || self.tried == MAX_TRIED || self.running.len() == AT_ONCE {
            return None;
        }
        match newest.turn.stage() {
            Stage::Sent if !self.is_safe => Some(Instant::now() + LOOK_AGAIN),
            stage => Some(newest.since + self.patience(stage)?),
        }
    }

    fn is_start_due(&self, now: Instant) -> bool {
        self.running.last().is_some_and(|newest| {
            let patience = self.patience(newest.turn.stage());
            patience.is_some_and(|patience| newest.since + patience <= now)
        })
    }

    /// How long a provider with which the request has come so far is waited for alone.
    fn patience(&self, stage: Stage) -> Option<Duration> {
        match stage {
            Stage::Unseen => Some(REACH_PATIENCE),
            Stage::Sent if self.is_safe => Some(ANSWER_PATIENCE),
            Stage::Sent | Stage::Answered => None,
        }
    }

    /// Takes in how an attempt ended; returns how the race has ended by it.
    fn end(&mut self, ended: Ended) -> Option<Result<model::CalledService, Error>> {
        let Ended { aid, result } = ended;
        let at = self
            .running
            .iter()
            .position(|one| one.candidate.aid == aid)?;
        let ended = self.running.remove(at);
        match result {
            Ok(answer) => Some(Ok(self.won(&ended, answer))),
            Err(error) => {
                let may_have_acted = !self.is_safe && ended.turn.stage() != Stage::Unseen;
                tracing::debug!(%aid, %error, "provider failed");
                // That is the caller's wish, and no fault of the provider.
                if !matches!(error, Error::RelayRequired) {
                    self.service.core.providers.failed(aid);
                }
                self.fail(aid, error, may_have_acted)
            }
        }
    }

    /// Takes in that an attempt panicked, which was reported; returns how the race has ended by it.
    fn crash(&mut self, error: &JoinError) -> Option<Result<model::CalledService, Error>> {
        let crashed = |one: &Running| one.attempt == error.id();
        let at = self.running.iter().position(crashed)?;
        let crashed = self.running.remove(at);
        let may_have_acted = !self.is_safe && crashed.turn.stage() != Stage::Unseen;
        self.fail(crashed.candidate.aid, Error::Stopped, may_have_acted)
    }

    /// Notes a failure; it ends the race if the service may have acted.
    fn fail(
        &mut self,
        aid: Aid,
        error: Error,
        may_have_acted: bool,
    ) -> Option<Result<model::CalledService, Error>> {
        self.failures.add(aid, error, may_have_acted);
        let failures = may_have_acted.then(|| std::mem::take(&mut self.failures));
        failures.map(|failures| Err(Error::ProvidersFailed(failures)))
    }

    /// Why the race has brought nothing in time.
    fn expire(&mut self) -> Error {
        // Taken for good where nobody has it, so that no attempt begins to send from now on.
        let has_sent = match self.place.try_acquire() {
            Ok(place) => {
                place.forget();
                false
            }
            Err(_) => !self.is_safe,
        };
        if !has_sent {
            return Error::FetchTimeout;
        }
        for late in self.running.drain(..) {
            let may_have_acted = late.turn.stage() != Stage::Unseen;
            let aid = late.candidate.aid;
            self.failures.add(aid, Error::FetchTimeout, may_have_acted);
        }
        Error::ProvidersFailed(std::mem::take(&mut self.failures))
    }

    fn won(&self, winner: &Running, answer: model::FetchAnswer) -> model::CalledService {
        let providers = &self.service.core.providers;
        let answered_at = winner.turn.answered_at();
        let took = answered_at.map(|at| at.saturating_duration_since(winner.since));
        if took.is_none_or(|took| took < ANSWER_PATIENCE) {
            providers.answered(&winner.candidate.aid);
        } else {
            providers.failed(winner.candidate.aid);
        }
        // Those that were not waited for alone.
        let overtaken = self.running.iter();
        let overtaken = overtaken.filter(|other| other.since < winner.since);
        for slow in overtaken.clone() {
            providers.failed(slow.candidate.aid);
        }
        model::CalledService {
            aid: winner.candidate.aid,
            why: self.why(&winner.candidate, overtaken.count()),
            answer,
        }
    }

    fn why(&self, winner: &Candidate, overtaken: usize) -> String {
        let failed = self.failures.failed().len();
        match (failed, overtaken, self.entered.len()) {
            (0, 0, 1) => format!("{winner}; the only one"),
            (0, 0, all) => format!("{winner}; best of {all}"),
            (failed, 0, _) => format!("{winner}; {failed} before it failed"),
            (0, slow, _) => format!("{winner}; {slow} before it did not answer in time"),
            (failed, slow, _) => {
                format!("{winner}; {failed} before it failed, {slow} did not answer in time")
            }
        }
    }
}

async fn at(next: Option<Instant>) {
    match next {
        Some(next) => sleep_until(next).await,
        None => pending().await,
    }
}

#[cfg(test)]
mod tests;
