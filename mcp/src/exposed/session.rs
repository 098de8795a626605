// SPDX-License-Identifier: MPL-2.0
//! A process of the server and the streams to its client; both end together.

use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use hyper::StatusCode;
use serde_json::Value;
use tokio::io::AsyncRead;
use tokio::process::ChildStdout;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::child::{Child, Pipes};
use super::http::{Messages, Refusal};
use super::routes::{NotTaken, Route, Routes};
use super::{FAILED, INVALID, Program};
use crate::bridge::message::Message;
use crate::bridge::{failure, write_lines};
use crate::limits::{EXPOSED_GRACE, EXPOSED_IDLE, MAX_BRIDGED_LEN, MAX_EXPOSED_INPUT};
use crate::lines::{Line, Lines};

/// Time between two looks whether anybody uses a session.
const IDLE_INTERVAL: Duration = Duration::from_secs(60);

/// How long a client may take to read that its session has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The code of a request that the other side does not serve.
const NOT_SERVED: i32 = -32601;

/// A session, as its client uses it.
#[derive(Debug)]
pub(super) struct Session {
    input: mpsc::Sender<String>,
    routes: Mutex<Routes>,
    is_shared: bool,
    used: Mutex<Instant>,
    ending: CancellationToken,
    /// Set when the process is gone, with how it ended.
    told: OnceLock<String>,
    gone: CancellationToken,
}

/// The process of a session.
pub(super) struct Served {
    child: Child,
    output: ChildStdout,
    hear: fn(&str),
    tasks: [JoinHandle<()>; 2],
}

impl Session {
    /// Starts a process; `is_shared` if many clients use it. The session has to be served.
    pub(super) fn start(program: &Program, is_shared: bool) -> io::Result<(Arc<Self>, Served)> {
        let (child, pipes) = Child::start(program)?;
        let Pipes {
            input,
            output,
            errors,
        } = pipes;
        let (lines, written) = mpsc::channel(MAX_EXPOSED_INPUT);
        let hear = program.hear;
        let served = Served {
            child,
            output,
            hear,
            tasks: [
                tokio::spawn(write_lines(input, written)),
                tokio::spawn(hear_all(errors, hear)),
            ],
        };
        let session = Self {
            input: lines,
            routes: Mutex::new(Routes::new(is_shared)),
            is_shared,
            used: Mutex::new(Instant::now()),
            ending: CancellationToken::new(),
            told: OnceLock::new(),
            gone: CancellationToken::new(),
        };
        Ok((Arc::new(session), served))
    }

    /// Sends a request, and gives what comes back for it.
    pub(super) async fn request(&self, request: &Message) -> Result<Messages, Refusal> {
        let asked = self.routes().ask(request.value());
        let messages = asked.map_err(|why| refusal(why).to(request.id()))?;
        self.tell(request)
            .await
            .map_err(|refusal| refusal.to(request.id()))?;
        Ok(Messages::new(messages))
    }

    /// Sends what has no answer.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Refusal> {
        self.touch();
        // A message is one line.
        let text = if message.text().contains(['\n', '\r']) {
            message.value().to_string()
        } else {
            message.text().to_owned()
        };
        let sent = tokio::select! {
            sent = self.input.send(text) => sent.is_ok(),
            () = self.ending.cancelled() => false,
        };
        if sent {
            Ok(())
        } else {
            Err(Refusal::no_session())
        }
    }

    /// Calls off a request whose client has left.
    pub(super) fn call_off(&self, id: &Value) {
        if self.routes().forget(id) {
            let params = serde_json::json!({ "requestId": id });
            let notice = serde_json::json!({
                "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params,
            });
            // A process that does not read has not begun with it either.
            let _ = self.input.try_send(notice.to_string());
        }
    }

    /// Gives what belongs to no request.
    pub(super) fn listen(&self) -> Result<Messages, Refusal> {
        self.touch();
        let messages = self.routes().listen();
        messages.map(Messages::new).ok_or_else(Refusal::no_session)
    }

    /// Ends the session soon.
    pub(super) fn end(&self) {
        self.ending.cancel();
    }

    /// Whether it has ended or is about to.
    pub(super) fn is_over(&self) -> bool {
        self.ending.is_cancelled()
    }

    /// Whether somebody waits for an answer, or listens.
    pub(super) fn is_in_use(&self) -> bool {
        self.routes().is_in_use()
    }

    /// When it was used last.
    pub(super) fn used(&self) -> Instant {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until the process is gone, and tells how it ended.
    pub(super) async fn how_it_ended(&self) -> String {
        self.gone.cancelled().await;
        self.told.get().cloned().unwrap_or_default()
    }

    /// Passes on what the process says, until either ends.
    pub(super) async fn serve(&self, served: &mut Served) {
        tokio::select! {
            () = self.read(&mut served.output, served.hear) => {}
            () = self.idle() => {}
            () = self.ending.cancelled() => {}
        }
        self.end();
    }

    /// Ends the process, and says so to those who wait for an answer.
    pub(super) async fn finish(&self, served: Served) {
        let [writing, mut hearing] = served.tasks;
        writing.abort();
        // The input is closed with the task that writes to it.
        let _ = writing.await;
        let told = how(served.child.end().await);
        // What a killed process has started elsewhere may keep the pipe open.
        let _ = timeout(EXPOSED_GRACE, &mut hearing).await;
        hearing.abort();
        let told = self.told.get_or_init(|| told);
        let left = self.routes().end();
        for (id, to) in left {
            let text = failure(&id, FAILED, told);
            let _ = timeout(LAST_WORDS, to.send(text)).await;
        }
        self.gone.cancel();
    }

    async fn read(&self, output: &mut ChildStdout, hear: fn(&str)) {
        let mut lines = Lines::new(output, MAX_BRIDGED_LEN);
        loop {
            match lines.next().await {
                Line::Text(text) => self.take(text.trim(), hear).await,
                Line::TooLong | Line::NotText => {
                    hear("a message is too long or no text; its session is ended");
                    return;
                }
                Line::End => return,
            }
        }
    }

    async fn take(&self, text: &str, hear: fn(&str)) {
        let message: Value = match serde_json::from_str(text) {
            Ok(message @ Value::Object(_)) => message,
            _ => return hear("a line on stdout is no message, and was left out"),
        };
        let route = self.routes().route(&message);
        let is_read = match route {
            Route::To(stream) => self.pass(&stream, text).await,
            Route::Waits => true,
            Route::Nowhere => false,
        };
        let is_request = message.get("method").is_some() && message.get("id").is_some();
        if is_request && !is_read {
            let refused = failure(&message["id"], NOT_SERVED, "no client listens");
            // A process that does not read will not wait for it.
            let _ = self.input.try_send(refused);
        }
    }

    /// Writes to a stream, and tells whether somebody may read it.
    async fn pass(&self, stream: &mpsc::Sender<String>, text: &str) -> bool {
        if !self.is_shared {
            return stream.send(text.to_owned()).await.is_ok();
        }
        let sent = stream.try_send(text.to_owned());
        if sent.is_err() {
            // Other clients do not wait for one that does not read.
            self.routes().cut(stream);
        }
        sent.is_ok()
    }

    /// Returns once nobody has used the session for long.
    async fn idle(&self) {
        while self.is_in_use() || self.used().elapsed() < EXPOSED_IDLE {
            sleep(IDLE_INTERVAL).await;
        }
    }

    fn touch(&self) {
        *self.used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    fn routes(&self) -> MutexGuard<'_, Routes> {
        // Nothing panics while the lock is held; what it guards is still whole.
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn refusal(why: NotTaken) -> Refusal {
    match why {
        NotTaken::Over => Refusal::no_session(),
        NotTaken::SameId => {
            let text = "a request with this id is under way";
            Refusal::new(StatusCode::BAD_REQUEST, INVALID, text)
        }
        NotTaken::Busy => {
            let text = "too many requests are under way; wait for one";
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, FAILED, text)
        }
    }
}

fn how(status: Option<ExitStatus>) -> String {
    status.map_or_else(
        || "the MCP server was ended".to_owned(),
        |status| format!("the MCP server has ended ({status})"),
    )
}

/// Tells each line, until the pipe ends.
async fn hear_all(pipe: impl AsyncRead + Unpin, hear: fn(&str)) {
    let mut lines = Lines::new(pipe, MAX_BRIDGED_LEN);
    loop {
        match lines.next().await {
            Line::Text(text) => hear(text.trim_end()),
            Line::TooLong | Line::NotText => {}
            Line::End => return,
        }
    }
}
