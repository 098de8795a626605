// SPDX-License-Identifier: MPL-2.0
//! What the daemon costs, beside what the same work costs without any daemon, measured in the same run.
//!
//! Real daemons on loopback: one publishes and hosts, one resolves and calls, in the first chapter a third one only holds.
//! Absolute figures hold on one machine on one day; the ratio to the limit is what is compared with the targets. Run by
//! `just bench`, which takes the name of one chapter, `foundation`, `tunnels`, `discovery`, `mailbox` or `memory`. `A2AL_BENCH_OTHER` names another
//! `a2ald` executable to measure in the second chapter.

mod harness;

#[path = "bench/bare.rs"]
mod bare;
#[path = "bench/cpu.rs"]
mod cpu;
#[path = "bench/discovery.rs"]
mod discovery;
#[path = "bench/load.rs"]
mod load;
#[path = "bench/mailbox.rs"]
mod mailbox;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/peer.rs"]
mod peer;
#[path = "bench/raw.rs"]
mod raw;
#[path = "bench/report.rs"]
mod report;
#[path = "bench/subject.rs"]
mod subject;
#[path = "bench/tunnels.rs"]
mod tunnels;

use std::slice::from_ref;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use bare::{Echo, Relay};
use harness::{Identity, Net, say};
use load::{Connection, Request};
use peer::Peer;
use report::{Line, Report, Unit};

/// Calls of each kind when they are made one at a time.
const CALLS: usize = 1000;

/// Agents that are published, and then resolved for the first time.
const AGENTS: usize = 200;

/// Calls at the same time in the throughput figures.
const AT_ONCE: usize = 32;

/// How long each throughput figure is measured.
const WINDOW: Duration = Duration::from_secs(4);

/// Size of the large body, in bytes.
const LARGE: usize = 1024 * 1024;

#[tokio::main]
async fn main() {
    if peer::served().await {
        return;
    }
    let chosen = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    let is_chosen = |chapter: &str| chosen.as_ref().is_none_or(|chosen| chosen == chapter);
    let mut report = Report::default();
    if is_chosen("foundation") {
        foundation(&mut report).await;
    }
    if is_chosen("tunnels") {
        tunnels::measure(&mut report).await;
    }
    if is_chosen("discovery") {
        discovery::measure(&mut report).await;
    }
    if is_chosen("mailbox") {
        mailbox::measure(&mut report).await;
    }
    if report.has_lines() {
        say(&report.table());
    }
    if is_chosen("memory") {
        say(&memory::tables().await);
    }
}

async fn foundation(report: &mut Report) {
    let upstream = Peer::start("http", "").await;
    let net = Net::of(3).await;
    let agents = register_agents(&net).await;
    let called = net.nodes[0].api.serving(&upstream.address).await;
    lookups(report, &net, &agents, &upstream).await;
    fetches(report, &net, &called, &upstream).await;
}

async fn register_agents(net: &Net) -> Vec<Identity> {
    let mut agents = Vec::new();
    for _ in 0..AGENTS {
        agents.push(net.nodes[0].api.agent().await);
    }
    agents
}

/// Publishing, and resolving for the first time and again.
async fn lookups(report: &mut Report, net: &Net, agents: &[Identity], plain: &Peer) {
    let publisher = net.nodes[0].api.authority();
    let reader = net.nodes[1].api.authority();
    let round_trip = Echo::start().await.round_trips(CALLS).await;
    let name = Request::get("/name");
    let http = one_at_a_time(&plain.address, from_ref(&name), CALLS).await;
    let http_rate = at_once(&plain.address, &name).await;

    let post = |path: String| Request::post(&path, &json!({}));
    let publishes = agents
        .iter()
        .map(|agent| post(format!("/agents/{}/publish", agent.aid)));
    let publish = one_at_a_time(publisher, &publishes.collect::<Vec<_>>(), AGENTS).await;
    let resolves = agents
        .iter()
        .map(|agent| post(format!("/resolve/{}", agent.aid)));
    let resolves = resolves.collect::<Vec<_>>();
    let cold = one_at_a_time(reader, &resolves, AGENTS).await;
    let warm = one_at_a_time(reader, &resolves[..1], CALLS).await;
    let warm_rate = at_once(reader, &resolves[0]).await;

    report.add(Line::new("publish, p50", Unit::Millis, publish, round_trip).target(10.5, 5.3));
    report.add(Line::new("resolve cold, p50", Unit::Millis, cold, round_trip).target(9.5, 5.3));
    report.add(Line::new("resolve warm, p50", Unit::Millis, warm, http).target(2.1, 1.4));
    let warm_rate = Line::new(
        "resolve warm, 32 at once",
        Unit::PerSecond,
        warm_rate,
        http_rate,
    );
    report.add(warm_rate.target(0.20, 0.41));
}

/// Fetching through two daemons, beside a bare relay of the same shape.
async fn fetches(report: &mut Report, net: &Net, called: &Identity, upstream: &Peer) {
    let caller = net.nodes[1].api.authority();
    let path = format!("/fetch/{}", called.aid);
    let small = Request::post(&path, &json!({ "path": "/name" }));
    let body = BASE64_STANDARD.encode(vec![7; LARGE / 2]);
    let large = Request::post(&path, &json!({ "path": format!("/bytes/{LARGE}") }));
    let upload = json!({ "method": "POST", "path": "/mirror", "body_base64": body });
    let upload = Request::post(&path, &upload);

    let relay = Relay::start(&upstream.address).await;
    let bare_one = one_at_a_time(relay.address(), &[Request::get("/name")], CALLS).await;
    let one = one_at_a_time(caller, from_ref(&small), CALLS).await;
    report.add(Line::new("fetch, p50", Unit::Millis, one, bare_one).target(2.1, 1.4));
    let bare_rate = at_once(relay.address(), &Request::get("/name")).await;
    let rate = at_once(caller, &small).await;
    report.add(Line::new("fetch, 32 at once", Unit::PerSecond, rate, bare_rate).target(0.29, 0.42));
    let bare_large = mebibytes(
        relay.address(),
        &Request::get(&format!("/bytes/{LARGE}")),
        1.0,
    )
    .await;
    let fetched = mebibytes(caller, &large, 1.0).await;
    let line = Line::new(
        "fetch, 1 MiB answer",
        Unit::MebibytesPerSecond,
        fetched,
        bare_large,
    );
    report.add(line.target(0.42, 0.65));
    let mirrored = mebibytes(caller, &upload, 1.0).await;
    report.add(Line::new(
        "fetch, 512 KiB both ways",
        Unit::MebibytesPerSecond,
        mirrored,
        bare_large,
    ));
}

/// The median time of one call, in milliseconds, over `calls` calls one after the other on one connection.
async fn one_at_a_time(authority: &str, requests: &[Request], calls: usize) -> f64 {
    let mut connection = Connection::open(authority).await;
    let mut times = Vec::with_capacity(calls);
    for request in requests.iter().cycle().take(calls) {
        let started = Instant::now();
        connection.call(request).await;
        times.push(started.elapsed());
    }
    report::median_millis(times)
}

/// Calls per second on 32 connections at once.
async fn at_once(authority: &str, request: &Request) -> f64 {
    let started = Instant::now();
    let calling = (0..AT_ONCE).map(|_| {
        let (authority, request) = (authority.to_owned(), request.clone());
        tokio::spawn(async move {
            let mut connection = Connection::open(&authority).await;
            let mut calls = 0.0;
            while started.elapsed() < WINDOW {
                connection.call(&request).await;
                calls += 1.0;
            }
            calls
        })
    });
    let calls = futures::future::join_all(calling).await;
    let calls = calls
        .into_iter()
        .map(|calls| calls.expect("a caller does not panic"))
        .sum::<f64>();
    calls / started.elapsed().as_secs_f64()
}

/// Mebibytes per second, one call at a time, where each call carries `each` of them.
async fn mebibytes(authority: &str, request: &Request, each: f64) -> f64 {
    let mut connection = Connection::open(authority).await;
    connection.call(request).await;
    let started = Instant::now();
    let mut carried = 0.0;
    while started.elapsed() < WINDOW {
        connection.call(request).await;
        carried += each;
    }
    carried / started.elapsed().as_secs_f64()
}
