// SPDX-License-Identifier: MPL-2.0
//! A node that has just started publishes at once, and is found at once.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::Setup;
use crate::lab::{Home, Host, Kind, Quality};
use crate::report::{Table, rounds, section};
use crate::world::{Seat, World};

/// Longest time from the start of the process to the answer that an agent is published.
const PUBLISHED_WITHIN: Duration = Duration::from_secs(5);

/// Starts behind each kind of router: a few for every change, and this many where there is time.
const STARTS: [usize; 2] = [2, 20];

#[tokio::test]
async fn an_agent_is_published_soon_after_the_start_and_found_at_once() {
    let homes = Kind::ALL.map(Home::behind);
    let elsewhere = homes.len();
    let all = [&homes[..], &[Home::behind(Kind::None)]].concat();
    let Some(world) = World::start("publishing", &all, Quality::PERFECT).await else {
        return;
    };
    let seeker = world.seats(elsewhere..elsewhere + 1).await.remove(0);
    let starts = STARTS[usize::from(rounds() > 1)];
    let mut table = Table::new(["router", "slowest", "median", "found"]);
    let mut failed = Vec::new();
    for site in &world.lab.sites[..elsewhere] {
        let mut setup = world.setup();
        let mut times = Vec::new();
        let mut found = 0;
        for _ in 0..starts {
            let start;
            (start, setup) = Start::of(&site.host, setup, &seeker).await;
            times.push(start.time);
            match start.fault {
                None => found += 1,
                Some(fault) => failed.push(format!("{}: {fault}", site.home)),
            }
        }
        times.sort_unstable();
        let [slowest, median] = [times[starts - 1], times[starts / 2]];
        let shown = |time: Duration| format!("{:.2}", time.as_secs_f64());
        let found = format!("{found} of {starts}");
        table.row([site.home.to_string(), shown(slowest), shown(median), found]);
        if slowest > PUBLISHED_WITHIN {
            failed.push(format!("{}: published after {slowest:?}", site.home));
        }
    }
    section(5, "From process start to published", &table.text());
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}

/// How a daemon started and published.
struct Start {
    /// From the start of the process until a new agent was published.
    time: Duration,
    /// What was wrong with the record that was found at once, if anything.
    fault: Option<String>,
}

impl Start {
    /// Starts a daemon on `host`, publishes a new agent, and lets `seeker` look for it.
    async fn of(host: &Host, setup: Setup, seeker: &Seat) -> (Self, Setup) {
        let started = Instant::now();
        let seat = Seat::start(host, setup).await;
        let upstream = seat.upstream("new").await;
        let aid = seat.agent(&upstream).await.aid;
        let published = seat.publish(&aid).await.ok();
        let time = started.elapsed();
        let found = seeker.post(&format!("/resolve/{aid}"), json!({})).await;
        let fault = fault(&published, &found.json());
        (Self { time, fault }, seat.stop().await)
    }
}

/// Says what is wrong with what was `found` after it was `published`.
fn fault(published: &Value, found: &Value) -> Option<String> {
    let is_current = found["seq"].as_u64() >= published["seq"].as_u64();
    let is_dialable = found["endpoints"].get(0).is_some();
    (!is_current || !is_dialable).then(|| format!("{found} instead of {published}"))
}
