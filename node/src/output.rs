// SPDX-License-Identifier: MPL-2.0
//! The one place that writes to the terminal: data to stdout, talk to stderr.
//!
//! A reader that went away (`a2al agents list | head -1`) ends the output, not the program in a
//! panic. Other faults of stdout, such as a full disk, are kept for [`unwritten`].

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

static UNWRITTEN: OnceLock<io::Error> = OnceLock::new();

/// Why data did not get to stdout, if some did not.
pub fn unwritten() -> Option<&'static io::Error> {
    UNWRITTEN.get()
}

/// Writes one line of data to stdout.
pub fn data(line: impl Display) {
    remember(delivered(line));
}

fn remember(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        // The first one says what is the matter.
        let _ = UNWRITTEN.set(error);
    }
}

/// Writes one line of data to stdout that must not be lost: what follows depends on it.
///
/// # Errors
/// What the system said; then the line may be there in part.
pub fn delivered(line: impl Display) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush())
}

/// Writes bytes to stdout as they are.
pub fn raw(bytes: &[u8]) {
    let mut stdout = io::stdout().lock();
    remember(stdout.write_all(bytes).and_then(|()| stdout.flush()));
}

/// Writes one line of talk to stderr.
pub fn note(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An error and its causes on one line, without saying the same words twice.
pub fn one_line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    line.replace('\n', " ")
}
