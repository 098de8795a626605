// SPDX-License-Identifier: MPL-2.0
//! Readers that leave before they have their notes.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::harness::{Api, Daemon, eventually};

const DEADLINE: Duration = Duration::from_secs(30);

/// Asks for notes, and leaves when all of the answer is there, without reading it. `headers` end with a line
/// break.
async fn leaves(api: &Api, aid: &str, headers: &str) {
    let host = api.base().trim_start_matches("http://");
    let mut stream = TcpStream::connect(host).await.expect("the API listens");
    let request = format!(
        "POST /agents/{aid}/mailbox/poll HTTP/1.1\r\nHost: {host}\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
    );
    stream.write_all(request.as_bytes()).await.expect("open");
    let mut answer = [0; 4096];
    eventually("an answer", DEADLINE, async || {
        let len = stream.peek(&mut answer).await.expect("an answer");
        answer[..len].ends_with(b"\n").then_some(())
    })
    .await;
}

/// Has a reader leave until its note waits again: on a busy machine one seems to have had the time to
/// read.
async fn broken_off(api: &Api, headers: &str) -> String {
    let (sender, recipient) = (api.agent().await.aid, api.reader().await);
    let path = format!("/agents/{recipient}/mailbox");
    eventually("what was not read waits again", DEADLINE, async || {
        let waiting = api.get(&path).await.ok();
        if waiting["messages"] != json!([]) {
            return Some(());
        }
        api.sent_note(&sender, &recipient, b"unread").await;
        leaves(api, &recipient, headers).await;
        None
    })
    .await;
    recipient
}

#[tokio::test]
async fn a_reader_that_breaks_off_has_not_read() {
    let daemon = Daemon::alone().await;
    for headers in ["", "Connection: close\r\n"] {
        let recipient = broken_off(&daemon.api, headers).await;
        let read = daemon.api.poll(&recipient).await;
        assert!(read.iter().any(|note| note.again), "{read:?}");
    }
}

#[tokio::test]
async fn what_a_reader_broke_off_comes_again_after_a_kill() {
    let daemon = Daemon::alone().await;
    let recipient = broken_off(&daemon.api, "").await;
    let daemon = daemon.kill().await.start().await;
    let read = daemon.api.poll(&recipient).await;
    assert!(read.iter().any(|note| note.again), "{read:?}");
}
