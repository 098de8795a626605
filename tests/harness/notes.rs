// SPDX-License-Identifier: MPL-2.0
//! Notes between agents, through the API alone.

use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::{Answer, Api, eventually};

/// Longest time until notes that are under way have arrived.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(90);

/// A note as it was read.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Note {
    pub(crate) sender: String,
    pub(crate) body: Vec<u8>,
    pub(crate) msg_type: u64,
    pub(crate) id: String,
    /// Whether an earlier answer may have held it.
    pub(crate) again: bool,
}

impl Note {
    /// The notes of an answer of `poll`, or of the list.
    #[track_caller]
    pub(crate) fn list(answer: &Value) -> Vec<Self> {
        let messages = answer["messages"].as_array().expect("a list");
        messages.iter().map(Self::read).collect()
    }

    #[track_caller]
    fn read(message: &Value) -> Self {
        let text = |name: &str| message[name].as_str().expect(name).to_owned();
        assert!(text("sent_at").ends_with('Z') && text("received_at").ends_with('Z'));
        Self {
            sender: text("sender"),
            body: BASE64_STANDARD.decode(text("body_base64")).expect("base64"),
            msg_type: message["msg_type"].as_u64().expect("a number"),
            id: text("message_id"),
            again: message["again"] == true,
        }
    }
}

/// The body of a request that sends a note.
pub(crate) fn note(recipient: &str, body: &[u8]) -> Value {
    json!({ "recipient": recipient, "msg_type": 3, "body_base64": BASE64_STANDARD.encode(body) })
}

impl Api {
    /// Sends a note and returns the answer, whatever it is.
    pub(crate) async fn send_note(&self, sender: &str, note: Value) -> Answer {
        self.post(&format!("/agents/{sender}/mailbox/send"), note)
            .await
    }

    /// Sends a note that has to be taken.
    pub(crate) async fn sent_note(&self, sender: &str, recipient: &str, body: &[u8]) -> Value {
        let sent = self.send_note(sender, note(recipient, body)).await.ok();
        assert_eq!(sent["ok"], true, "{sent}");
        let id = sent["message_id"].as_str().expect("a name");
        assert!(id.len() == 64 && id.bytes().all(|digit| digit.is_ascii_hexdigit()));
        sent
    }

    /// Sends a note, waits until it has arrived, and returns the answer of the sending. On a busy
    /// machine others may keep it first.
    pub(crate) async fn delivered_note(&self, sender: &str, recipient: &str, body: &[u8]) -> Value {
        let sent = self.sent_note(sender, recipient, body).await;
        self.outbox_is_empty(sender).await;
        sent
    }

    /// Sends a note to an agent that is off, waits until others keep it, and returns its name.
    pub(crate) async fn stored_note(&self, sender: &str, recipient: &str, body: &[u8]) -> String {
        let sent = self.sent_note(sender, recipient, body).await;
        let id = sent["message_id"].as_str().expect("a name").to_owned();
        if sent["status"] == "stored" {
            assert!(sent["replicas"].as_u64() > Some(0), "{sent}");
            return id;
        }
        assert_eq!(sent["status"], "queued", "{sent}");
        eventually("others keep the note", ARRIVAL_DEADLINE, async || {
            let kept = self.outbox(sender).await;
            let is_stored = |note: &Value| note["message_id"] == *id && note["status"] == "stored";
            kept.iter().any(is_stored).then_some(())
        })
        .await;
        id
    }

    /// Takes the notes that wait.
    pub(crate) async fn poll(&self, aid: &str) -> Vec<Note> {
        let path = format!("/agents/{aid}/mailbox/poll");
        Note::list(&self.post(&path, json!({})).await.ok())
    }

    /// Takes notes until `count` were read, and checks that no further ones come right after.
    pub(crate) async fn poll_all(&self, aid: &str, count: usize) -> Vec<Note> {
        let mut read = Vec::new();
        eventually("the notes arrive", ARRIVAL_DEADLINE, async || {
            read.extend(self.poll(aid).await);
            (read.len() >= count).then_some(())
        })
        .await;
        read.extend(self.poll(aid).await);
        assert_eq!(read.len(), count, "one is read twice, or came from nowhere");
        read
    }

    /// The notes that wait, which stay.
    pub(crate) async fn peek(&self, aid: &str) -> Vec<Note> {
        Note::list(&self.get(&format!("/agents/{aid}/mailbox")).await.ok())
    }

    /// The notes of an agent that are under way.
    pub(crate) async fn outbox(&self, aid: &str) -> Vec<Value> {
        let listed = self.get(&format!("/agents/{aid}/outbox")).await.ok();
        listed["notes"].as_array().expect("a list").clone()
    }

    /// Waits until nothing of an agent is under way any more.
    pub(crate) async fn outbox_is_empty(&self, aid: &str) {
        eventually("all notes are delivered", ARRIVAL_DEADLINE, async || {
            self.outbox(aid).await.is_empty().then_some(())
        })
        .await;
    }

    /// An agent without a service that others can write to.
    pub(crate) async fn reader(&self) -> String {
        let agent = self.agent().await;
        self.publish(&agent.aid).await;
        agent.aid
    }
}
