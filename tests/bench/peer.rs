// SPDX-License-Identifier: MPL-2.0
//! The other sides of a measurement: this program again, as a process of its own, as the daemons are.

use std::process::Command;
use std::time::Duration;

use crate::harness::{Process, Upstream, say};

/// What the process is to do, in its environment.
const ROLE: &str = "A2AL_BENCH_ROLE";

/// Where it leads, in its environment: a service, or what the other end of a relay announced.
const TARGET: &str = "A2AL_BENCH_TARGET";

/// A process that serves. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Peer {
    /// What it announced: where it listens.
    pub(crate) address: String,
    process: Process,
}

impl Peer {
    /// Starts this program in `role`, leading to `target`.
    pub(crate) async fn start(role: &str, target: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.env(ROLE, role).env(TARGET, target);
        let mut process = Process::start(command);
        let announced = |line: &str| line.strip_prefix("serving ").map(str::to_owned);
        let address = process.line("the address", Duration::from_secs(10), announced);
        let address = address.await;
        Self { address, process }
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Says, in such a process, where it listens.
    pub(crate) fn announce(address: &str) {
        say(&format!("serving {address}"));
    }
}

/// Serves and returns `true` if this process was started by [`Peer::start`].
pub(crate) async fn served() -> bool {
    let Ok(role) = std::env::var(ROLE) else {
        return false;
    };
    match role.as_str() {
        "echo" => crate::bare::serve(None).await,
        "relay" => crate::bare::serve(std::env::var(TARGET).ok()).await,
        "entrance" => crate::bare::enter(&std::env::var(TARGET).expect("the other end")).await,
        "raw" => crate::raw::serve().await,
        _ => {
            let upstream = Upstream::start("bench").await;
            Peer::announce(&upstream.address);
            std::future::pending::<()>().await;
        }
    }
    true
}
