// SPDX-License-Identifier: MPL-2.0
//! Notes between agents: sent at any time, read once, by the recipient alone.

#[path = "mailbox/asleep.rs"]
mod asleep;
#[path = "mailbox/crash.rs"]
mod crash;
#[path = "mailbox/events.rs"]
mod events;
#[path = "mailbox/reading.rs"]
mod reading;
#[path = "mailbox/tool.rs"]
mod tool;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Daemon, Net, Setup, eventually, note};

/// Longest body of a note, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Unread notes of strangers that an agent keeps.
const STRANGERS: usize = 200;

/// Bodies that are easily broken on the way.
fn bodies() -> Vec<Vec<u8>> {
    let all: Vec<u8> = (0..=255).collect();
    let lengths = [0, 1, 388, 389, 390, 4096, MAX_BODY];
    let long = lengths.map(|len| all.iter().copied().cycle().take(len).collect());
    [vec![all.clone(), "grüße\u{202e}\r\n".into()], long.to_vec()].concat()
}

#[tokio::test]
async fn a_note_is_delivered_and_read_once() {
    let net = Net::of(2).await;
    let (from, to) = (&net.nodes[0].api, &net.nodes[1].api);
    let (sender, recipient) = (from.agent().await.aid, to.reader().await);
    let mut sent = Vec::new();
    for body in bodies() {
        let answer = from.delivered_note(&sender, &recipient, &body).await;
        sent.push((
            answer["message_id"].as_str().expect("text").to_owned(),
            body,
        ));
    }
    let peeked = to.peek(&recipient).await;
    assert_eq!(to.peek(&recipient).await, peeked, "looking takes nothing");
    let read = to.poll(&recipient).await;
    assert_eq!(read, peeked, "in the order in which they came");
    let told: Vec<_> = read
        .iter()
        .map(|note| (note.id.clone(), note.body.clone()))
        .collect();
    assert_eq!(told, sent);
    assert!(
        read.iter()
            .all(|note| note.sender == sender && note.msg_type == 3 && !note.again)
    );
    assert!(to.poll(&recipient).await.is_empty());
    assert!(to.peek(&recipient).await.is_empty());
}

#[tokio::test]
async fn kinds_of_notes_pass_through() {
    let daemon = Daemon::alone().await;
    let (one, other) = (daemon.api.agent().await.aid, daemon.api.agent().await.aid);
    for msg_type in [0, 1, 4, 23, 24, 0x10, 200, 255] {
        let mut request = note(&other, b"kind");
        request["msg_type"] = json!(msg_type);
        daemon.api.send_note(&one, request).await.ok();
        let read = daemon.api.poll(&other).await;
        assert_eq!(read[0].msg_type, msg_type);
    }
}

#[tokio::test]
async fn agents_of_one_daemon_write_to_each_other_and_to_themselves() {
    let daemon = Daemon::alone().await;
    let api = &daemon.api;
    let (one, other) = (api.agent().await.aid, api.agent().await.aid);
    for (sender, recipient) in [(&one, &other), (&other, &one), (&one, &one)] {
        for body in bodies() {
            let answer = api.sent_note(sender, recipient, &body).await;
            assert_eq!(answer["status"], "delivered", "{answer}");
            let read = api.poll(recipient).await;
            assert_eq!(
                (read.len(), &read[0].body, &read[0].sender),
                (1, &body, sender)
            );
        }
    }
}

#[tokio::test]
async fn wrong_doors_are_told() {
    let daemon = Daemon::alone().await;
    let api = &daemon.api;
    let (agent, stranger) = (api.agent().await.aid, api.identity().await.aid);
    let refusals = [
        (json!({}), 400, "recipient required"),
        (json!({ "recipient": "" }), 400, "recipient required"),
        (note("nonsense", b""), 400, "bad aid"),
        (note(&agent[..41], b""), 400, "bad aid"),
        (
            json!({ "recipient": agent, "body_base64": "%%" }),
            400,
            "invalid body_base64",
        ),
        (
            json!({ "recipient": agent, "msg_type": 256 }),
            400,
            "invalid json",
        ),
        (
            json!({ "recipient": agent, "msg_type": -1 }),
            400,
            "invalid json",
        ),
        (
            json!({ "recipient": agent, "body_base64": 7 }),
            400,
            "invalid json",
        ),
        (
            json!({ "recipient": agent, "ttl": 604_801 }),
            400,
            "ttl too long",
        ),
        (
            note(&agent, &vec![0; MAX_BODY + 1]),
            413,
            "mailbox send failed",
        ),
    ];
    for (request, status, text) in refusals {
        api.send_note(&agent, request).await.refused(status, text);
    }
    api.send_note(&stranger, note(&agent, b"x"))
        .await
        .refused(404, "not found");
    api.send_note("nonsense", note(&agent, b"x"))
        .await
        .refused(400, "bad aid");
}

#[tokio::test]
async fn only_agents_of_this_daemon_have_a_mailbox() {
    let daemon = Daemon::alone().await;
    let api = &daemon.api;
    let (agent, stranger) = (api.agent().await.aid, api.identity().await.aid);
    let node = daemon.status().await["node_aid"]
        .as_str()
        .expect("text")
        .to_owned();
    for aid in [&stranger, &node] {
        let mailbox = format!("/agents/{aid}/mailbox");
        api.post(&format!("{mailbox}/poll"), json!({}))
            .await
            .refused(404, "not found");
        api.get(&mailbox).await.refused(404, "not found");
        api.get(&format!("/agents/{aid}/outbox"))
            .await
            .refused(404, "not found");
        api.get(&format!("/agents/{aid}/events"))
            .await
            .refused(404, "not found");
    }
    let outbox = format!("/agents/{agent}/outbox");
    api.delete(&format!("{outbox}/nonsense"))
        .await
        .refused(400, "bad message_id");
    api.delete(&format!("{outbox}/{}", "0".repeat(64)))
        .await
        .refused(404, "note not found");
}

#[tokio::test]
async fn nobody_writes_to_an_agent_whose_key_is_unknown() {
    let net = Net::of(2).await;
    let api = &net.nodes[0].api;
    let agent = api.agent().await.aid;
    let silent = net.nodes[1].api.agent().await.aid;
    api.send_note(&agent, note(&silent, b"x"))
        .await
        .refused(502, "mailbox send failed");
    assert!(api.outbox(&agent).await.is_empty());
    let alone = Daemon::alone().await;
    let agent = alone.api.agent().await.aid;
    let refused = alone.api.send_note(&agent, note(&silent, b"x")).await;
    assert!(
        refused.status == 503 && refused.json()["retryable"] == true,
        "{refused:?}"
    );
}

/// What `/status` and the list of agents say is pending.
async fn pending(daemon: &Daemon) -> Value {
    let status = daemon.status().await;
    let listed = daemon.api.get("/agents").await.ok();
    assert_eq!(status.get("pending"), listed.get("pending"));
    status.get("pending").cloned().unwrap_or_default()
}

#[tokio::test]
async fn what_waits_is_told_across_a_restart() {
    let daemon = Daemon::alone().await;
    let (one, other) = (daemon.api.agent().await.aid, daemon.api.agent().await.aid);
    assert_eq!(pending(&daemon).await, Value::Null);
    for _ in 0..2 {
        daemon.api.sent_note(&one, &other, b"waits").await;
    }
    daemon.api.sent_note(&other, &one, b"waits too").await;
    let expected = json!({ &one: { "mailbox": 1 }, &other: { "mailbox": 2 } });
    assert_eq!(pending(&daemon).await, expected);
    let daemon = daemon.kill().await.start().await;
    assert_eq!(pending(&daemon).await, expected);
    assert_eq!(daemon.api.poll(&other).await.len(), 2);
    assert_eq!(pending(&daemon).await, json!({ &one: { "mailbox": 1 } }));
    daemon.api.delete(&format!("/agents/{one}")).await.ok();
    assert_eq!(pending(&daemon).await, Value::Null);
    let daemon = daemon.stop().await.start().await;
    assert!(
        daemon.api.poll(&other).await.is_empty(),
        "read before the restart"
    );
}

#[tokio::test]
async fn a_full_mailbox_keeps_what_it_has_and_senders_keep_the_rest() {
    let net = Net::of(2).await;
    let (from, to) = (&net.nodes[0].api, &net.nodes[1].api);
    let (sender, recipient) = (from.reader().await, to.reader().await);
    // Two strangers beside the recipient fill the room of strangers; one alone cannot.
    let other = to.agent().await.aid;
    let neighbour = to.agent().await.aid;
    for number in 0..STRANGERS {
        let from = if number < STRANGERS / 2 {
            &other
        } else {
            &neighbour
        };
        let body = format!("{number}");
        let sent = to.sent_note(from, &recipient, body.as_bytes()).await;
        assert_eq!(sent["status"], "delivered", "{number}: {sent}");
    }
    let more = to.sent_note(&neighbour, &recipient, b"one more").await;
    assert_eq!(more["status"], "queued", "{more}");
    assert_eq!(to.outbox(&neighbour).await.len(), 1);
    let beyond = from.sent_note(&sender, &recipient, b"beyond").await;
    assert_ne!(beyond["status"], "delivered", "{beyond}");
    eventually("the sender is told", Duration::from_secs(20), async || {
        let kept = from.outbox(&sender).await;
        let told = kept[0]["last_error"].as_str()?;
        assert!(told.contains("full"), "{kept:?}");
        Some(())
    })
    .await;
    // Who was written to has room of its own.
    to.sent_note(&recipient, &sender, b"hello").await;
    from.sent_note(&sender, &recipient, b"as a contact").await;
    from.outbox_is_empty(&sender).await;
    let mut read = to.poll_all(&recipient, STRANGERS + 3).await;
    let mut late: Vec<_> = read.drain(STRANGERS..).map(|note| note.body).collect();
    late.sort();
    let expected = ["as a contact", "beyond", "one more"];
    assert_eq!(late, expected.map(|body| body.as_bytes().to_vec()));
    to.outbox_is_empty(&neighbour).await;
}

#[tokio::test]
async fn a_note_can_be_given_up_and_ends_by_itself() {
    let net = Net::of(2).await;
    let recipient = net.nodes[1].api.reader().await;
    let api = net.nodes[0].api.clone();
    let sender = api.agent().await.aid;
    let mut nodes = net.nodes.into_iter();
    let (kept, gone) = (nodes.next().expect("two"), nodes.next().expect("two"));
    let setup = gone.kill().await;
    let sent = api.sent_note(&sender, &recipient, b"given up").await;
    assert_eq!(sent["status"], "queued", "nobody else is there: {sent}");
    let mut short = note(&recipient, b"too late");
    short["ttl"] = json!(6);
    api.send_note(&sender, short).await.ok();
    let listed = api.outbox(&sender).await;
    assert_eq!(listed.len(), 2, "{listed:?}");
    assert_eq!(listed[0]["status"], "queued");
    assert_eq!(listed[0]["recipient"], recipient.as_str());
    assert_eq!(listed[0]["body_len"], 8);
    assert!(listed[0]["expires_at"].as_str() > listed[0]["sent_at"].as_str());
    let path = format!(
        "/agents/{sender}/outbox/{}",
        sent["message_id"].as_str().expect("text")
    );
    assert_eq!(api.delete(&path).await.ok(), json!({ "ok": true }));
    api.outbox_is_empty(&sender).await;
    // It is not found again on the disk either.
    let kept = kept.kill().await.start().await;
    assert!(kept.api.outbox(&sender).await.is_empty());
    drop(setup);
}

#[tokio::test]
async fn no_note_is_ever_in_the_clear() {
    let config = "log_level = \"trace\"\n";
    let first = Setup::new().with_config(config).start().await;
    let addresses = first.addresses().await;
    let mut others = Vec::new();
    for _ in 0..3 {
        let setup = Setup::new().with_config(config).joining(&addresses);
        others.push(setup.start().await);
    }
    let asleep = others.pop().expect("three");
    let recipient = asleep.api.reader().await;
    let sender = first.api.agent().await.aid;
    eventually(
        "the recipient is found",
        Duration::from_secs(20),
        async || {
            let found = first
                .api
                .post(&format!("/resolve/{recipient}"), json!({}))
                .await;
            (found.status == 200).then_some(())
        },
    )
    .await;
    first
        .api
        .delivered_note(&sender, &recipient, CANARY.as_bytes())
        .await;
    let asleep_setup = asleep.stop().await;
    let long = CANARY.repeat(100);
    for body in [CANARY, long.as_str()] {
        first
            .api
            .stored_note(&sender, &recipient, body.as_bytes())
            .await;
    }
    let broken = json!({ "recipient": recipient, "body_base64": CANARY, "msg_type": 999 });
    first
        .api
        .send_note(&sender, broken)
        .await
        .refused(400, "invalid json");
    others.push(first);
    for node in others {
        nowhere_in_the_clear(node).await;
    }
    let log = asleep_setup.start().await.stop_for_log().await;
    assert!(!is_clear(log.as_bytes()), "in the log of its reader");
}

/// What the notes of that test say.
const CANARY: &str = "canary-in-a-note";

fn is_clear(bytes: &[u8]) -> bool {
    let canary = CANARY.as_bytes();
    bytes.windows(canary.len()).any(|part| part == canary)
}

/// Checks the log and the files of a daemon, and stops it.
async fn nowhere_in_the_clear(node: Daemon) {
    for entry in std::fs::read_dir(node.data_dir()).expect("our own directory") {
        let path = entry.expect("our own directory").path();
        if path.is_file() {
            let bytes = std::fs::read(&path).expect("our own file");
            assert!(!is_clear(&bytes), "a note is in {}", path.display());
        }
    }
    let log = node.stop_for_log().await;
    assert!(log.contains("TRACE"), "the log is on");
    assert!(!is_clear(log.as_bytes()), "a note is in the log");
}
