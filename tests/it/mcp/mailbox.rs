// SPDX-License-Identifier: MPL-2.0
//! Reading notes: no more at a time than a context bears, and none that is lost on the way.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::harness::{Daemon, Mcp, Pair, eventually};

/// Sends `texts` from the agent of `pair` to itself.
async fn send(mcp: &mut Mcp, pair: &Pair, texts: &[impl AsRef<str>]) {
    for text in texts {
        let note = json!({ "aid": pair.aid, "recipient": pair.aid, "text": text.as_ref() });
        let sent = mcp.done("a2al_mailbox_send", note).await;
        assert_eq!(sent["status"], "delivered", "{sent}");
    }
}

fn texts(notes: &Value) -> Vec<&str> {
    let messages = notes["messages"].as_array().expect("a list").iter();
    let texts = messages.map(|note| note["untrusted"]["text"].as_str());
    texts.map(|text| text.expect("a text")).collect()
}

#[tokio::test]
async fn an_answer_holds_no_more_than_a_context_bears() {
    let pair = Pair::start().await;
    let all = json!({ "mcp_toolsets": "all" });
    pair.host().api.patch("/config", all).await.ok();
    let mut mcp = Mcp::over_http(&pair.host().api);
    mcp.open("2025-11-25").await;
    let long = "x".repeat(30_000);
    send(&mut mcp, &pair, &[&long; 5]).await;
    let one = json!({ "aid": pair.aid });
    let inbox = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read",
        "params": { "uri": format!("a2al://inbox/{}", pair.aid) } });
    let read = mcp.ask(inbox).await["result"]["contents"][0]["text"].clone();
    let read = serde_json::from_str(read.as_str().expect("a text")).expect("JSON");
    let listed = mcp.done("a2al_mailbox_list", one.clone()).await;
    for (what, notes) in [("resource", read), ("list", listed)] {
        assert_eq!(texts(&notes), [&long; 2], "{what}");
        assert_eq!(notes["remaining"], 3, "{what}");
    }
    for (count, remaining) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        let notes = mcp.done("a2al_mailbox_poll", one.clone()).await;
        assert_eq!(texts(&notes).len(), count);
        assert_eq!(notes["remaining"], remaining);
    }
}

/// Sends a request and hangs up before the daemon has begun to read it.
async fn ask_and_leave(daemon: &Daemon, path: &str, session: &str, body: &Value) {
    let address = daemon.api.base().trim_start_matches("http://");
    // The system takes connections in the daemon's place.
    daemon.signal("STOP");
    let mut connection = TcpStream::connect(address).await.expect("a listener");
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{session}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    connection
        .write_all(request.as_bytes())
        .await
        .expect("a reader");
    drop(connection);
    daemon.signal("CONT");
}

#[tokio::test]
async fn notes_of_an_answer_that_nobody_took_come_again() {
    let pair = Pair::start().await;
    let host = pair.host();
    let mut mcp = Mcp::over_http(&host.api);
    mcp.open("2025-11-25").await;
    let Mcp::Http(http) = &mcp else {
        unreachable!("it was opened over HTTP")
    };
    let session = format!("Mcp-Session-Id: {}\r\n", http.session());
    let one = json!({ "aid": pair.aid });
    let params = json!({ "name": "a2al_mailbox_poll", "arguments": one });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let script = json!({ "tool": "a2al_mailbox_poll", "args": one });
    for (path, session, body) in [("/mcp", session.as_str(), call), ("/mcp/call", "", script)] {
        for round in 0..5 {
            let text = format!("precious {round}");
            send(&mut mcp, &pair, &[&text]).await;
            ask_and_leave(host, path, session, &body).await;
            let notes = eventually("the note comes", Duration::from_secs(20), async || {
                let notes = mcp.done("a2al_mailbox_poll", one.clone()).await;
                (!texts(&notes).is_empty()).then_some(notes)
            })
            .await;
            assert_eq!(texts(&notes), [&text], "{path}");
        }
    }
    let nothing = mcp.done("a2al_mailbox_poll", one.clone()).await;
    assert_eq!(texts(&nothing), [""; 0], "each was taken once: {nothing}");
}

/// Most clients leave as soon as they have the answer, and do not wait for the end of the stream.
#[tokio::test]
async fn notes_are_read_by_a_client_that_leaves_with_them() {
    let pair = Pair::start().await;
    let api = &pair.host().api;
    let mut mcp = Mcp::over_http(api);
    mcp.open("2025-11-25").await;
    let Mcp::Http(http) = &mcp else {
        unreachable!("it was opened over HTTP")
    };
    let session = http.session().to_owned();
    let one = json!({ "aid": pair.aid });
    let params = json!({ "name": "a2al_mailbox_poll", "arguments": one });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    for round in 0..5 {
        let text = format!("read {round}");
        send(&mut mcp, &pair, &[&text]).await;
        let request = api.request(&Method::POST, "/mcp");
        let request = request
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-session-id", &session);
        let response = request.body(call.to_string()).send().await;
        let mut response = response.expect("an answer");
        let mut heard = String::new();
        while !heard.contains(&text) {
            let chunk = response
                .chunk()
                .await
                .expect("a stream")
                .expect("an answer");
            heard.push_str(&String::from_utf8_lossy(&chunk));
        }
        assert!(!heard.contains("\"again\":true"), "{heard}");
        tokio::task::yield_now().await;
        drop(response);
    }
    let nothing = mcp.done("a2al_mailbox_poll", one).await;
    assert_eq!(texts(&nothing), [""; 0], "{nothing}");
}

#[tokio::test]
async fn notes_that_were_read_on_pipes_are_gone() {
    let setup = crate::harness::Setup::new();
    let mut mcp = Mcp::on_pipes(&setup);
    mcp.open("2025-11-25").await;
    let aid = mcp.done("a2al_identity_generate", json!({})).await["aid"].clone();
    let one = json!({ "aid": aid });
    mcp.done("a2al_agent_register", one.clone()).await;
    for text in ["first", "second"] {
        let note = json!({ "aid": aid, "recipient": aid, "text": text });
        mcp.done("a2al_mailbox_send", note).await;
        let notes = mcp.done("a2al_mailbox_poll", one.clone()).await;
        assert_eq!(texts(&notes), [text]);
    }
}
