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
    let mut late = Vec::new();
    for site in &world.lab.sites[..elsewhere] {
        let mut setup = world.setup();
        let mut times = Vec::new();
        for _ in 0..starts {
            let time;
            (time, setup) = start_and_find(&site.host, setup, &seeker).await;
            times.push(time);
        }
        times.sort_unstable();
        let [slowest, median] = [times[starts - 1], times[starts / 2]];
        let shown = [slowest, median].map(|time| format!("{:.2}", time.as_secs_f64()));
        let [slowest_shown, median_shown] = shown;
        let found = format!("{starts} of {starts}");
        table.row([site.home.to_string(), slowest_shown, median_shown, found]);
        if slowest > PUBLISHED_WITHIN {
            late.push(site.home.to_string());
        }
    }
    section(5, "From process start to published", &table.text());
    assert!(late.is_empty(), "later than {PUBLISHED_WITHIN:?}: {late:?}");
}

/// Starts a daemon, publishes a new agent, and lets `seeker` look for it; returns the time until it was published.
async fn start_and_find(host: &Host, setup: Setup, seeker: &Seat) -> (Duration, Setup) {
    let started = Instant::now();
    let seat = Seat::start(host, setup).await;
    let upstream = seat.upstream("new").await;
    let aid = seat.agent(&upstream).await.aid;
    let published = seat.publish(&aid).await.ok();
    let time = started.elapsed();
    let found = seeker
        .post(&format!("/resolve/{aid}"), json!({}))
        .await
        .ok();
    let seq = |answer: &Value| answer["seq"].as_u64().expect("a number");
    assert!(
        seq(&found) >= seq(&published),
        "{found} instead of {published}"
    );
    let endpoints = found["endpoints"].as_array().expect("a list");
    assert!(!endpoints.is_empty(), "nobody can dial it: {found}");
    (time, seat.stop().await)
}
