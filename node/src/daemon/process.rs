// SPDX-License-Identifier: MPL-2.0
//! Settings of the process itself, made before anything is opened, and the signals that end it.

/// Keeps what the process writes private, its memory out of core files, and gives it as many file
/// descriptors as the system allows: every connection needs one.
#[cfg(unix)]
pub(super) fn prepare() {
    use rustix::fs::Mode;
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit, umask};

    umask(Mode::from_raw_mode(0o077));
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let files = getrlimit(Resource::Nofile);
    let most = Rlimit {
        current: files.maximum,
        maximum: files.maximum,
    };
    // A system that refuses either still runs the node, so that is not worth failing for.
    let _ = setrlimit(Resource::Core, none);
    let _ = setrlimit(Resource::Nofile, most);
}

#[cfg(not(unix))]
pub(super) fn prepare() {}

#[cfg(unix)]
mod signals {
    use std::io;

    use tokio::signal::unix::{Signal, SignalKind, signal};

    /// The signals that end a program, caught from the moment this exists.
    pub(crate) struct StopSignals {
        terminate: Signal,
        interrupt: Signal,
    }

    impl StopSignals {
        /// Catches SIGTERM and SIGINT.
        pub(crate) fn catch() -> io::Result<Self> {
            let terminate = signal(SignalKind::terminate())?;
            let interrupt = signal(SignalKind::interrupt())?;
            Ok(Self {
                terminate,
                interrupt,
            })
        }

        /// Waits for one of them.
        pub(crate) async fn received(mut self) {
            tokio::select! {
                _ = self.terminate.recv() => {}
                _ = self.interrupt.recv() => {}
            }
        }
    }
}

#[cfg(not(unix))]
mod signals {
    use std::io;

    /// Ctrl-C, which ends a program.
    pub(crate) struct StopSignals;

    impl StopSignals {
        /// Nothing to prepare here.
        pub(crate) fn catch() -> io::Result<Self> {
            Ok(Self)
        }

        /// Waits for it.
        pub(crate) async fn received(self) {
            // Where it cannot be caught, the system's own way to end a process is left.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

pub(crate) use signals::StopSignals;
