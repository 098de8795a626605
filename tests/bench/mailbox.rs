// SPDX-License-Identifier: MPL-2.0
//! Notes to an agent that is asleep, beside one round trip and one synced write.

use std::io::Write as _;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use crate::bare::Echo;
use crate::cpu;
use crate::harness::{Net, eventually, say};
use crate::load::{Connection, Request};
use crate::report::{Line, Report, Unit, median_millis};

/// Daemons, the one that sleeps included.
const NODES: usize = 8;

/// Agents that write, all on one daemon.
const SENDERS: usize = 5;

/// Notes of each.
const NOTES: usize = 20;

/// Length of a body, in bytes.
const BODY: usize = 300;

/// What a send has to take at most, and should, in milliseconds. Absolute, as the time that a synced write takes is.
const SEND: (f64, f64) = (3.0, 1.8);

/// Longest wait until all notes have been collected.
const ARRIVAL_DEADLINE: Duration = Duration::from_secs(60);

/// Adds what notes cost.
pub(crate) async fn measure(report: &mut Report) {
    let round_trip = Echo::start().await.round_trips(200).await;
    let mut net = Net::of(NODES).await;
    let asleep = net.nodes.pop().expect("one more");
    let recipient = asleep.api.reader().await;
    let sender = &net.nodes[1];
    let mut senders = Vec::new();
    for _ in 0..SENDERS {
        senders.push(sender.api.agent().await.aid);
    }
    sender.api.resolve(&recipient).await;
    let setup = asleep.stop().await;
    let synced = synced_writes(&sender.data_dir());
    let limit = round_trip + synced;
    let pids: Vec<_> = net.nodes.iter().map(crate::harness::Daemon::pid).collect();

    let body = BASE64_STANDARD.encode(vec![7; BODY]);
    let note = json!({ "recipient": recipient, "msg_type": 3, "body_base64": body });
    let requests: Vec<_> = senders
        .iter()
        .map(|sender| Request::post(&format!("/agents/{sender}/mailbox/send"), &note))
        .collect();
    let mut connection = Connection::open(sender.api.authority()).await;
    let (mut times, before) = (Vec::new(), cpu::used(&pids));
    for request in requests.iter().cycle().take(SENDERS * NOTES) {
        let started = Instant::now();
        connection.call(request).await;
        times.push(started.elapsed());
    }
    let count = f64::from(u32::try_from(SENDERS * NOTES).expect("a small number"));
    let each = (cpu::used(&pids) - before) / count * 1e6;
    let send = median_millis(times);
    report.add(
        Line::new("note to a sleeper, p50", Unit::Millis, send, limit)
            .target(SEND.0 / limit, SEND.1 / limit),
    );

    let awake = setup.start().await;
    let started = Instant::now();
    eventually("all notes are collected", ARRIVAL_DEADLINE, async || {
        let waiting = awake.status().await;
        (waiting["pending"][&recipient]["mailbox"] == SENDERS * NOTES).then_some(())
    })
    .await;
    let collected = started.elapsed().as_secs_f64() * 1000.0;
    let poll = Request::post(&format!("/agents/{recipient}/mailbox/poll"), &json!({}));
    let mut connection = Connection::open(awake.api.authority()).await;
    let (started, before) = (Instant::now(), cpu::used(&[awake.pid()]));
    connection.call(&poll).await;
    let polled = started.elapsed().as_secs_f64() * 1000.0;
    let used = (cpu::used(&[awake.pid()]) - before) * 1e6;
    assert!(
        awake.api.poll(&recipient).await.is_empty(),
        "all came at once"
    );
    report.add(Line::new("poll of 100 notes", Unit::Millis, polled, limit));
    say(&format!(
        "mailbox: 100 of 100 notes delivered; a send costs {each:.0} µs of CPU on all nodes together, the poll {used:.0} µs; \
         collected {collected:.0} ms after the start; a round trip takes {round_trip:.3} ms, a synced write {synced:.3} ms"
    ));
}

/// The median time of an append of a few hundred bytes that is on disk afterwards, in milliseconds.
fn synced_writes(directory: &std::path::Path) -> f64 {
    let path = directory.join("synced");
    let mut file = std::fs::File::create(&path).expect("our own directory");
    let mut times = Vec::new();
    for _ in 0..100 {
        let started = Instant::now();
        file.write_all(&[7; 4096]).expect("there is room");
        file.sync_data().expect("there is room");
        times.push(started.elapsed());
    }
    std::fs::remove_file(path).expect("our own file");
    median_millis(times)
}
