// SPDX-License-Identifier: MPL-2.0
//! A started program whose standard error is kept, so that a failing test can show it.

use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;

use super::eventually;

/// A running program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    stderr: Arc<Mutex<String>>,
    reader: JoinHandle<()>,
    stdout: JoinHandle<String>,
}

/// What a program left behind when it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The exit code, or `None` after a signal.
    pub(crate) fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Checks that the program ended with `code` and said why in one line holding every one of `words`.
    #[track_caller]
    pub(crate) fn failed_clearly(&self, code: i32, words: &[&str]) {
        assert_eq!(
            self.code(),
            Some(code),
            "exit code; stderr:\n{}",
            self.stderr
        );
        let told = self
            .stderr
            .lines()
            .filter(|line| !line.trim().is_empty())
            .collect::<Vec<_>>();
        let clear = told
            .iter()
            .any(|line| words.iter().all(|word| line.contains(word)));
        assert!(clear, "no line names {words:?}; stderr:\n{}", self.stderr);
        assert_eq!(
            told.len(),
            1,
            "more than one line on stderr:\n{}",
            self.stderr
        );
        assert!(
            self.stdout.is_empty(),
            "stdout is for data:\n{}",
            self.stdout
        );
    }
}

impl Process {
    /// Starts `command`, with nothing on its standard input.
    pub(crate) fn start(command: std::process::Command) -> Self {
        let mut command = Command::from(command);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let stderr = Arc::new(Mutex::new(String::new()));
        let error_pipe = child.stderr.take().expect("stderr is a pipe");
        let output_pipe = child.stdout.take().expect("stdout is a pipe");
        let reader = tokio::spawn(keep_lines(error_pipe, Arc::clone(&stderr)));
        let stdout = tokio::spawn(read_all(output_pipe));
        Self {
            child,
            stderr,
            reader,
            stdout,
        }
    }

    /// Runs `command` to its end, or panics after half a minute.
    pub(crate) async fn run(command: std::process::Command) -> Ended {
        Self::start(command).ended(Duration::from_secs(30)).await
    }

    /// What was written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr
            .lock()
            .expect("the reader does not panic")
            .clone()
    }

    /// Waits for the first line on standard error that `find` accepts. Panics with all of it if the program ends first.
    pub(crate) async fn line<T>(
        &mut self,
        what: &str,
        deadline: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> T {
        eventually(what, deadline, async || {
            // Asked for before reading: what an ended program wrote is then complete.
            let ended = self.reader.is_finished();
            let told = self
                .stderr
                .lock()
                .expect("the reader does not panic")
                .clone();
            let found = told.lines().find_map(&find);
            assert!(
                found.is_some() || !ended,
                "{what}: the program ended first; stderr:\n{told}"
            );
            found
        })
        .await
    }

    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id().expect("the program is running")
    }

    /// Sends `signal` (`TERM`, `INT`, …) to the program.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        let sent = std::process::Command::new("kill")
            .args(["-s", signal, &pid])
            .status();
        assert!(sent.expect("kill runs").success(), "the program is running");
    }

    /// Kills the program at once (SIGKILL) and waits for its end.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.expect("the program can be killed");
    }

    /// Waits for the program's end.
    pub(crate) async fn ended(mut self, deadline: Duration) -> Ended {
        let waited = tokio::time::timeout(deadline, self.child.wait()).await;
        let Ok(status) = waited else {
            panic!(
                "the program did not end within {deadline:?}; stderr:\n{}",
                self.stderr()
            );
        };
        self.reader.await.expect("the reader does not panic");
        let stdout = self.stdout.await.expect("the reader does not panic");
        let stderr = self
            .stderr
            .lock()
            .expect("the reader does not panic")
            .clone();
        Ended {
            status: status.expect("the program can be waited for"),
            stdout,
            stderr,
        }
    }
}

async fn keep_lines(pipe: impl AsyncRead + Unpin, kept: Arc<Mutex<String>>) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut kept = kept.lock().expect("no test panics while it holds this");
        kept.push_str(&line);
        kept.push('\n');
    }
}

async fn read_all(mut pipe: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    // A broken pipe ends the output just as its end does.
    let _ended = pipe.read_to_end(&mut bytes).await;
    String::from_utf8_lossy(&bytes).into_owned()
}
