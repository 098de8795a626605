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

/// Waits for SIGTERM or SIGINT.
///
/// # Errors
/// When the system takes no handler for them.
#[cfg(unix)]
pub(super) async fn told_to_stop() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Waits for Ctrl-C.
///
/// # Errors
/// When the system takes no handler for it.
#[cfg(not(unix))]
pub(super) async fn told_to_stop() -> std::io::Result<()> {
    tokio::signal::ctrl_c().await
}
