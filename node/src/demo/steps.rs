// SPDX-License-Identifier: MPL-2.0
//! The printed course of the demo.

use std::fmt::Display;
use std::time::Instant;

use crate::output;

/// Prints each step with the time since the one before.
#[derive(Debug)]
pub(super) struct Steps {
    started: Instant,
    last: Instant,
}

impl Steps {
    pub(super) fn start() -> Self {
        let now = Instant::now();
        Self {
            started: now,
            last: now,
        }
    }

    /// Says that a step is done.
    pub(super) fn done(&mut self, what: impl Display) {
        let now = Instant::now();
        let took = (now - self.last).as_secs_f64() * 1000.0;
        output::data(format_args!("{took:8.1} ms  {what}"));
        self.last = now;
    }

    /// Says that all of it is done.
    pub(super) fn end(&self) {
        let took = self.started.elapsed().as_secs_f64() * 1000.0;
        output::data(format_args!("{took:8.1} ms  in all: everything worked"));
    }
}
