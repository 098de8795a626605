// SPDX-License-Identifier: MPL-2.0
//! A process of the server, and all that it starts.

use std::io;
use std::process::{ExitStatus, Stdio};

use tokio::process::{ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::Program;
use crate::limits::EXPOSED_GRACE;

/// A running process. Dropping it kills it.
pub(super) struct Child {
    process: tokio::process::Child,
    /// Where the system has such: the group that it leads.
    group: Option<u32>,
}

/// Both ends of what a process reads and writes.
pub(super) struct Pipes {
    pub(super) input: ChildStdin,
    pub(super) output: ChildStdout,
    pub(super) errors: ChildStderr,
}

impl Child {
    pub(super) fn start(program: &Program) -> io::Result<(Self, Pipes)> {
        let mut command = Command::new(&program.path);
        command
            .args(&program.args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        // Ctrl-C at the terminal is for us alone; and what a runner of packages starts ends with it.
        #[cfg(unix)]
        command.process_group(0);
        let mut process = command.spawn()?;
        let group = process.id();
        let pipes = (|| {
            Some(Pipes {
                input: process.stdin.take()?,
                output: process.stdout.take()?,
                errors: process.stderr.take()?,
            })
        })();
        let child = Self { process, group };
        let pipes = pipes.ok_or_else(|| io::Error::other("a process without pipes"))?;
        Ok((child, pipes))
    }

    /// Waits for its end, which its closed input asks for, and kills what goes on after that.
    ///
    /// `None` if it had to be killed.
    pub(super) async fn end(mut self) -> Option<ExitStatus> {
        let ended = timeout(EXPOSED_GRACE, self.process.wait()).await;
        self.kill_group();
        if let Ok(ended) = ended {
            return ended.ok();
        }
        // Where it led no group, it is still there.
        let _ = self.process.kill().await;
        None
    }

    #[cfg(unix)]
    fn kill_group(&mut self) {
        use rustix::process::{Pid, Signal, kill_process_group};

        let group = self.group.take().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = group.and_then(Pid::from_raw) {
            // An error says that nobody is left in it.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    #[cfg(not(unix))]
    fn kill_group(&mut self) {
        self.group = None;
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill_group();
    }
}
