// SPDX-License-Identifier: MPL-2.0
//! MCP, message by message: over the pipes of a process, or over HTTP.

use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin as Input, ChildStdout as Output};
use tokio::time::timeout;

use super::{Answer, Api, Setup};

/// Longest wait for an answer. A tool takes 25 s at most.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);

/// One client, on one of the two transports.
pub(crate) enum Mcp {
    /// A daemon that was started for it.
    Pipes(Box<Pipes>),
    /// A daemon that runs.
    Http(Http),
}

/// The pipes of a process.
pub(crate) struct Pipes {
    child: tokio::process::Child,
    input: Option<Input>,
    output: BufReader<Output>,
    /// All that the process wrote to its standard output.
    pub(crate) heard: String,
    /// What keeps the data directory of a daemon as long as the daemon runs.
    setup: Option<Setup>,
}

/// A session over HTTP, or none.
pub(crate) struct Http {
    api: Api,
    session: Option<String>,
}

/// The message that opens a session in `version`.
pub(crate) fn initialize(version: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
        "protocolVersion": version,
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    }})
}

/// A request that stands for itself.
pub(crate) fn stateless(id: u32, version: &str, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// The last message of an answer over HTTP, which is JSON or a stream of events.
pub(crate) fn answer_to(answer: &Answer) -> Value {
    if !answer.content_type.starts_with("text/event-stream") {
        return answer.json();
    }
    let data = answer
        .text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "));
    let mut data = data.filter(|data| !data.is_empty());
    let last = data.next_back().expect("an event");
    serde_json::from_str(last).expect("events hold JSON")
}

impl Mcp {
    /// A daemon of `setup` on pipes, and no session yet.
    pub(crate) fn on_pipes(setup: &Setup) -> Self {
        let mut command = setup.command();
        command.arg("--mcp-stdio");
        let mut mcp = Self::running(command);
        if let Self::Pipes(pipes) = &mut mcp {
            pipes.setup = Some(setup.clone());
        }
        mcp
    }

    /// Any server on pipes.
    pub(crate) fn running(command: Command) -> Self {
        let mut command = tokio::process::Command::from(command);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let mut child = command
            .kill_on_drop(true)
            .spawn()
            .expect("the program starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("stdout is a pipe"));
        Self::Pipes(Box::new(Pipes {
            child,
            input,
            output,
            heard: String::new(),
            setup: None,
        }))
    }

    /// A daemon that runs, and no session yet.
    pub(crate) fn over_http(api: &Api) -> Self {
        Self::Http(Http {
            api: api.clone(),
            session: None,
        })
    }

    /// Opens a session, and returns the answer to `initialize`.
    pub(crate) async fn open(&mut self, version: &str) -> Value {
        let opened = self.ask(initialize(version)).await;
        self.tell(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
        opened
    }

    /// Sends a request and waits for its answer; notices in between are passed over.
    pub(crate) async fn ask(&mut self, request: Value) -> Value {
        match self {
            Self::Pipes(pipes) => {
                pipes.send(&request).await;
                loop {
                    let message = pipes.next().await;
                    if message["id"] == request["id"] && message.get("method").is_none() {
                        return message;
                    }
                }
            }
            Self::Http(http) => answer_to(&http.post(&request).await),
        }
    }

    /// Sends a message that has no answer.
    pub(crate) async fn tell(&mut self, message: Value) {
        match self {
            Self::Pipes(pipes) => pipes.send(&message).await,
            Self::Http(http) => {
                let answer = http.post(&message).await;
                assert_eq!(answer.status, 202, "{}: {}", answer.call, answer.text);
            }
        }
    }

    /// Calls a tool, and returns its result.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        let request =
            json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let answer = self.ask(request).await;
        assert!(
            answer.get("result").is_some(),
            "{tool} {arguments}: {answer}"
        );
        answer["result"].clone()
    }

    /// Calls a tool that does it, and returns its structured content.
    pub(crate) async fn done(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// Calls a tool that fails, and returns what it says.
    pub(crate) async fn fails(&mut self, tool: &str, arguments: Value) -> Value {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{tool}: {result}");
        result["structuredContent"].clone()
    }

    /// The next message on pipes that `is_it` accepts.
    pub(crate) async fn hears(&mut self, is_it: impl Fn(&Value) -> bool) -> Value {
        let Self::Pipes(pipes) = self else {
            panic!("only pipes are listened to")
        };
        loop {
            let message = pipes.next().await;
            if is_it(&message) {
                return message;
            }
        }
    }

    /// Closes the input of a process, waits for its end, and returns its status and all that it wrote.
    pub(crate) async fn close(self) -> (ExitStatus, String) {
        let Self::Pipes(mut pipes) = self else {
            panic!("only pipes are closed")
        };
        drop(pipes.input.take());
        loop {
            let mut line = String::new();
            let read = timeout(ANSWER_DEADLINE, pipes.output.read_line(&mut line)).await;
            if read
                .expect("the process ends with its input")
                .expect("a pipe")
                == 0
            {
                break;
            }
            pipes.heard.push_str(&line);
        }
        let ended = timeout(ANSWER_DEADLINE, pipes.child.wait()).await;
        (
            ended.expect("it ends").expect("it can be waited for"),
            pipes.heard,
        )
    }
}

impl Pipes {
    async fn send(&mut self, message: &Value) {
        self.send_bytes(message.to_string().as_bytes()).await;
    }

    /// Sends one line as it is.
    pub(crate) async fn send_bytes(&mut self, line: &[u8]) {
        let input = self.input.as_mut().expect("not closed yet");
        let line = [line, b"\n"].concat();
        input.write_all(&line).await.expect("the process reads");
    }

    async fn next(&mut self) -> Value {
        let mut line = String::new();
        let read = timeout(ANSWER_DEADLINE, self.output.read_line(&mut line)).await;
        let read = read.expect("an answer in time").expect("a pipe");
        assert_ne!(read, 0, "the process has closed its output");
        self.heard.push_str(&line);
        match serde_json::from_str(&line) {
            Ok(message) => message,
            Err(error) => panic!("{line:?} is no JSON: {error}"),
        }
    }
}

impl Http {
    /// Sends one message and returns the whole answer.
    pub(crate) async fn post(&mut self, message: &Value) -> Answer {
        let mut request = self
            .api
            .request(&reqwest::Method::POST, "/mcp")
            .body(message.to_string());
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
        ];
        let meta = &message["params"]["_meta"];
        if let Some(version) = meta["io.modelcontextprotocol/protocolVersion"].as_str() {
            headers.push(("mcp-protocol-version", version.to_owned()));
            headers.push((
                "mcp-method",
                message["method"].as_str().expect("a method").to_owned(),
            ));
            if let Some(name) = message["params"]["name"].as_str() {
                headers.push(("mcp-name", name.to_owned()));
            }
        } else if let Some(session) = &self.session {
            headers.push(("mcp-session-id", session.clone()));
        }
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let response = request.send().await.expect("the daemon answers");
        let answer = Answer::read("POST /mcp".to_owned(), response)
            .await
            .expect("a whole answer");
        if let Some(session) = answer.headers.get("mcp-session-id") {
            self.session = Some(session.to_str().expect("an id").to_owned());
        }
        answer
    }

    /// The id of the session.
    pub(crate) fn session(&self) -> &str {
        self.session.as_deref().expect("a session is open")
    }
}
