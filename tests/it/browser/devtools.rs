// SPDX-License-Identifier: MPL-2.0
//! A page of a running browser, driven over the browser's own debugging protocol.

use std::path::Path;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use crate::harness::eventually;

/// Longest wait for the browser, and for what a page does.
const DEADLINE: Duration = Duration::from_secs(60);

/// One page.
pub(super) struct Tab {
    socket: WebSocketStream<TcpStream>,
    last: u64,
}

impl Tab {
    /// The only page of the browser that runs on `profile`.
    pub(super) async fn of(profile: &Path) -> Self {
        let note = profile.join("DevToolsActivePort");
        let url = eventually("the browser has a page", DEADLINE, async || {
            let note = std::fs::read_to_string(&note).ok()?;
            let port = note.lines().next()?.parse::<u16>().ok()?;
            let list = format!("http://127.0.0.1:{port}/json/list");
            let pages: Vec<Value> = reqwest::get(list).await.ok()?.json().await.ok()?;
            let page = pages.iter().find(|page| page["type"] == "page")?;
            Some(page["webSocketDebuggerUrl"].as_str()?.to_owned())
        })
        .await;
        let authority = url.split('/').nth(2).expect("host and port");
        let stream = TcpStream::connect(authority).await.expect("the browser");
        let opened = tokio_tungstenite::client_async(&url, stream).await;
        let (socket, _) = opened.expect("a web socket");
        Self { socket, last: 0 }
    }

    /// Calls a method of the protocol, and returns its result or what went wrong.
    pub(super) async fn call(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last += 1;
        let call = json!({ "id": self.last, "method": method, "params": params });
        let sent = self.socket.send(Message::text(call.to_string())).await;
        sent.expect("the browser listens");
        loop {
            let message = timeout(DEADLINE, self.socket.next()).await;
            let message = message.expect("an answer in time").expect("an open socket");
            let Message::Text(text) = message.expect("a message") else {
                continue;
            };
            let message: Value = serde_json::from_str(&text).expect("JSON");
            if message["id"] == self.last {
                return match message.get("result") {
                    Some(result) => Ok(result.clone()),
                    None => Err(message.to_string()),
                };
            }
        }
    }

    /// The value of a script of the page, or of its promise; what it throws is the error.
    pub(super) async fn value(&mut self, script: &str) -> Result<Value, String> {
        let params = json!({
            "expression": script, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let done = self.call("Runtime.evaluate", params).await?;
        match done.get("exceptionDetails") {
            Some(thrown) => Err(thrown.to_string()),
            None => Ok(done["result"]["value"].clone()),
        }
    }

    /// Goes to another page.
    pub(super) async fn open(&mut self, url: &str) {
        let went = self.call("Page.navigate", json!({ "url": url })).await;
        went.expect("a page");
    }

    /// Waits until the element says something that has `words` in it.
    pub(super) async fn says(&mut self, id: &str, words: &str) -> String {
        let script = format!("document.getElementById('{id}').innerText");
        let mut last = Value::Null;
        let said = eventually(words, DEADLINE, async || {
            last = self.value(&script).await.unwrap_or_default();
            last.as_str()
                .filter(|text| text.contains(words))
                .map(ToOwned::to_owned)
        });
        said.await
    }

    /// Whether the element is to be seen.
    pub(super) async fn sees(&mut self, id: &str) -> bool {
        let script = format!("document.getElementById('{id}').checkVisibility()");
        self.value(&script).await == Ok(Value::Bool(true))
    }

    /// Presses a button that is to be seen and can be pressed.
    pub(super) async fn press(&mut self, id: &str) {
        let script = format!(
            "(() => {{ const it = document.getElementById('{id}'); \
             if (!it.checkVisibility() || it.disabled) throw 'it cannot be pressed'; it.click(); }})()"
        );
        let pressed = self.value(&script).await;
        pressed.unwrap_or_else(|error| panic!("{id}: {error}"));
    }
}
