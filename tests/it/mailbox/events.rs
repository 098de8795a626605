// SPDX-License-Identifier: MPL-2.0
//! Server-sent events about notes.

use std::time::Duration;

use futures::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Daemon, Net};

/// Longest wait for an event.
const DEADLINE: Duration = Duration::from_secs(20);

/// How a note comes from another node: brought, or kept by others first if the machine is busy.
const FROM_ELSEWHERE: [&str; 2] = ["quic_direct", "stored"];

/// An open stream of events.
struct Events {
    body: futures::stream::BoxStream<'static, Vec<u8>>,
    read: String,
}

/// One block of a stream: its fields by name, comments left out.
#[derive(Debug, Default, PartialEq)]
struct Event {
    id: Option<u64>,
    kind: String,
    data: Value,
    retry: Option<u64>,
}

impl Events {
    async fn open(daemon: &Daemon, path: &str, last: Option<u64>) -> Self {
        let mut request = daemon.api.request(&Method::GET, path);
        if let Some(last) = last {
            request = request.header("last-event-id", last.to_string());
        }
        let answer = request.timeout(Duration::from_secs(300)).send().await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-cache");
        let body = futures::stream::unfold(answer, |mut answer| async {
            let chunk = answer.chunk().await.ok()??;
            Some((chunk.to_vec(), answer))
        });
        Self {
            body: body.boxed(),
            read: String::new(),
        }
    }

    /// The next event; `None` at the end of the stream.
    async fn next(&mut self) -> Option<Event> {
        timeout(DEADLINE, async {
            loop {
                if let Some(end) = self.read.find("\n\n") {
                    let event = Event::read(&self.read[..end]);
                    self.read.drain(..end + 2);
                    if event != Event::default() {
                        return Some(event);
                    }
                    continue;
                }
                let chunk = self.body.next().await?;
                self.read += std::str::from_utf8(&chunk).expect("events are text");
            }
        })
        .await
        .expect("an event in time")
    }
}

impl Event {
    fn read(block: &str) -> Self {
        let mut event = Self::default();
        for line in block.lines().filter(|line| !line.starts_with(':')) {
            let (name, value) = line.split_once(": ").expect("a field");
            match name {
                "id" => event.id = value.parse().ok(),
                "event" => value.clone_into(&mut event.kind),
                "data" => event.data = serde_json::from_str(value).expect("JSON"),
                "retry" => event.retry = value.parse().ok(),
                other => panic!("{other} is no field"),
            }
        }
        event
    }
}

#[tokio::test]
async fn a_note_is_told_to_whoever_follows_and_to_whoever_comes_back() {
    let net = Net::of(2).await;
    let (from, host) = (&net.nodes[0], &net.nodes[1]);
    let (sender, recipient) = (from.api.agent().await.aid, host.api.reader().await);
    let path = format!("/agents/{recipient}/events");
    let mut events = Events::open(host, &path, None).await;
    let mut all = Events::open(host, "/events", None).await;
    assert_eq!(events.next().await.expect("an event").retry, Some(3000));
    from.api.sent_note(&sender, &recipient, b"first").await;
    let first = events.next().await.expect("an event");
    assert_eq!(first.kind, "mailbox.received");
    let id = first.id.expect("a number");
    assert_eq!(first.data["type"], "mailbox.received");
    assert_eq!(first.data["data"]["count"], 1);
    let source = first.data["data"]["source"].as_str().expect("text");
    assert!(FROM_ELSEWHERE.contains(&source), "{source}");
    assert!(first.data["at"].as_str().expect("a time").ends_with('Z'));
    assert!(first.data.get("aid").is_none(), "{first:?}");
    let told = all.next().await.expect("an event");
    assert_eq!((told.id, told.kind.as_str()), (None, "mailbox.received"));
    assert_eq!(told.data["aid"], recipient.as_str());
    assert_eq!(told.data["data"], first.data["data"]);

    drop(events);
    let local = host.api.agent().await.aid;
    host.api.sent_note(&local, &recipient, b"second").await;
    from.api.delivered_note(&sender, &recipient, b"third").await;
    let by_query = format!("{path}?last_event_id={id}");
    for mut events in [
        Events::open(host, &path, Some(id)).await,
        Events::open(host, &by_query, None).await,
        Events::open(host, &format!("{path}?last_event_id=1"), Some(id)).await,
    ] {
        assert_eq!(events.next().await.expect("an event").retry, Some(3000));
        let pending = events.next().await.expect("an event");
        assert_eq!((pending.id, pending.kind.as_str()), (None, "pending"));
        assert_eq!(pending.data, json!({ &recipient: { "mailbox": 3 } }));
        let mut last = id;
        for sources in [&["local"][..], &FROM_ELSEWHERE] {
            let event = events.next().await.expect("an event");
            assert!(event.id > Some(last), "{event:?}");
            last = event.id.expect("a number");
            let source = event.data["data"]["source"].as_str().expect("text");
            assert!(sources.contains(&source), "{source}");
        }
    }
}

#[tokio::test]
async fn events_are_chosen_and_wrong_doors_are_told() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await.aid;
    let path = format!("/agents/{agent}/events");
    let mut other = Events::open(&daemon, &format!("{path}?types=chat.unread"), None).await;
    let types = format!("{path}?types=chat.unread,mailbox.received");
    let mut wanted = Events::open(&daemon, &types, None).await;
    assert_eq!(other.next().await.expect("an event").retry, Some(3000));
    assert_eq!(wanted.next().await.expect("an event").retry, Some(3000));
    daemon.api.sent_note(&agent, &agent, b"to myself").await;
    assert_eq!(
        wanted.next().await.expect("an event").kind,
        "mailbox.received"
    );
    for query in ["last_event_id=x", "last_event_id=-1"] {
        let answer = daemon.api.get(&format!("{path}?{query}")).await;
        answer.refused(400, "bad last_event_id");
    }
    daemon
        .api
        .get("/agents/nonsense/events")
        .await
        .refused(400, "bad aid");
    let stopped = daemon.stop().await;
    assert_eq!(
        other.next().await,
        None,
        "it ends with the daemon, and without the event"
    );
    assert_eq!(wanted.next().await, None);
    drop(stopped);
}

#[tokio::test]
async fn numbers_of_events_rise_across_restarts() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await.aid;
    let path = format!("/agents/{agent}/events");
    let (mut daemon, mut last) = (daemon, 0);
    for run in 1..4 {
        let mut events = Events::open(&daemon, &path, Some(last)).await;
        assert_eq!(events.next().await.expect("an event").retry, Some(3000));
        if run > 1 {
            assert_eq!(events.next().await.expect("an event").kind, "pending");
        }
        daemon.api.sent_note(&agent, &agent, b"once more").await;
        let event = events.next().await.expect("an event");
        assert!(event.id > Some(last), "{event:?} after {last}");
        last = event.id.expect("a number");
        daemon = daemon.kill().await.start().await;
    }
}

#[tokio::test]
async fn there_are_so_many_who_may_follow() {
    let daemon = Daemon::alone().await;
    let mut open = Vec::new();
    for _ in 0..128 {
        open.push(Events::open(&daemon, "/events", None).await);
    }
    daemon
        .api
        .get("/events")
        .await
        .refused(503, "too many clients follow events");
    open.clear();
    crate::harness::eventually("there is room again", DEADLINE, async || {
        let answer = daemon
            .api
            .request(&Method::GET, "/events")
            .send()
            .await
            .ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
}
