// SPDX-License-Identifier: MPL-2.0
//! What stands between changes while agents are in use.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::harness::{Answer, Upstream, body, eventually};
use crate::lab::{Home, Kind, Lab, Quality};
use crate::report::{Table, rounds, section};
use crate::world::{Seat, World};

/// Repetitions of each fault: one for every change, and this many where there is time.
const REPETITIONS: [usize; 2] = [1, 10];

/// Longest time until a transfer fails whose relay is gone.
const ERROR_WITHIN: Duration = Duration::from_secs(15);

/// Longest time until a fetch answers after the relay is gone.
const OTHER_RELAY_WITHIN: Duration = Duration::from_secs(30);

/// Longest time until a fetch answers after a change on the agent's side.
const REACHED_WITHIN: Duration = Duration::from_secs(20);

/// Longest time until the agent's record no longer names what is gone.
const UPDATED_WITHIN: Duration = Duration::from_secs(60);

/// Longest time until one of several connections between two nodes is left.
const SINGLE_WITHIN: Duration = Duration::from_secs(60);

/// Time in which the first bytes of an answer have long passed the relay.
const HEAD_WITHIN: Duration = Duration::from_secs(2);

/// An answer that takes longer than a relay lives in the test: 1000 chunks, 50 ms apart.
const SLOW_PATH: &str = "/slow/1000";

/// An agent and a caller, and what is between them.
struct Scene {
    agent: Arc<Seat>,
    caller: Arc<Seat>,
    aid: String,
    upstream: Upstream,
    world: World,
}

impl Scene {
    /// An agent at the first of `homes`, a caller at the second, who has fetched once.
    async fn start(test: &str, homes: &[Home]) -> Option<Self> {
        let world = World::start(test, homes, Quality::PERFECT).await?;
        let mut seats = world.seats(0..2).await;
        let (caller, agent) = (seats.remove(1), seats.remove(0));
        let upstream = agent.upstream("steady").await;
        let aid = agent.agent(&upstream).await.aid;
        agent.publish(&aid).await.ok();
        let scene = Self {
            agent,
            caller,
            aid,
            upstream,
            world,
        };
        scene.caller.fetch(&scene.aid, "/name").await.ok();
        Some(scene)
    }

    /// Waits until a fetch from `caller` answers; returns how long that took since `since`.
    async fn reached(&self, caller: &Seat, since: Instant, limit: Duration) -> Duration {
        eventually("the agent answers again", limit, async || {
            let left = limit.saturating_sub(since.elapsed());
            let fetched = timeout(left, caller.fetch(&self.aid, "/name")).await.ok()?;
            (fetched.status == 200).then(|| assert_eq!(body(&fetched.json()), b"steady"))
        })
        .await;
        since.elapsed()
    }

    /// The addresses in the agent's record, as the caller finds it; none while there is no record.
    async fn endpoints(&self) -> Vec<String> {
        let found = self
            .caller
            .post(&format!("/resolve/{}", self.aid), json!({}))
            .await;
        let found = found.json();
        let endpoints = found["endpoints"].as_array().into_iter().flatten();
        endpoints
            .filter_map(|endpoint| endpoint.as_str().map(str::to_owned))
            .collect()
    }

    /// The addresses in the agent's record that lead to its router from outside.
    async fn on_router(&self) -> Vec<String> {
        let outside = format!("/ip4/{}/", self.world.lab.sites[0].outside());
        let mut endpoints = self.endpoints().await;
        endpoints.retain(|endpoint| endpoint.starts_with(&outside));
        endpoints
    }

    /// Waits until the record names something, and nothing that is `stale`.
    async fn updated(&self, stale: &[String], since: Instant) -> Duration {
        eventually("the record is up to date", UPDATED_WITHIN, async || {
            let endpoints = self.endpoints().await;
            let is_stale = endpoints.iter().any(|endpoint| stale.contains(endpoint));
            (!is_stale && !endpoints.is_empty()).then_some(())
        })
        .await;
        since.elapsed()
    }

    /// Starts a fetch that takes long, and returns once its answer is under way; before that, a broken one is repeated.
    async fn transfer(&self) -> JoinHandle<Answer> {
        let (caller, aid) = (Arc::clone(&self.caller), self.aid.clone());
        let (served, started) = (self.upstream.served(), Instant::now());
        let transfer = tokio::spawn(async move { caller.fetch(&aid, SLOW_PATH).await });
        eventually("the transfer runs", REACHED_WITHIN, async || {
            let is_under_way = started.elapsed() > HEAD_WITHIN;
            (is_under_way && self.upstream.served() > served).then_some(())
        })
        .await;
        transfer
    }

    /// The bootstrap node that carries what the caller and the agent exchange, once there is a single connection left.
    async fn relay(&self) -> usize {
        eventually("a single relayed connection", SINGLE_WITHIN, async || {
            let entry = self.caller.peer(&self.agent).await?;
            let is_single = entry["connections"] == 1 && entry["path"] == "relay";
            let addr = entry["addr"].as_str().filter(|_| is_single)?;
            let mut nodes = self.world.bootstraps.iter();
            nodes.position(|node| addr.contains(node.peer_id()))
        })
        .await
    }

    /// Waits until a node that has just started, and knows nothing but the record, reaches the agent.
    async fn found_by_newcomer(&self, since: Instant) -> Duration {
        let host = &self.world.lab.sites[self.world.lab.sites.len() - 1].host;
        let newcomer = Seat::start(host, self.world.setup()).await;
        self.reached(&newcomer, since, UPDATED_WITHIN).await
    }
}

#[tokio::test]
async fn a_killed_relay_is_noticed_and_replaced() {
    let homes = [Kind::Symmetric, Kind::Symmetric].map(Home::behind);
    let Some(mut scene) = Scene::start("a killed relay", &homes).await else {
        return;
    };
    let mut table = Table::new(["error after", "answered after"]);
    for _ in 0..repetitions() {
        let relay = scene.relay().await;
        let transfer = scene.transfer().await;
        scene.world.bootstraps[relay].kill().await;
        let killed = Instant::now();
        let answer = timeout(ERROR_WITHIN, transfer).await;
        let answer = answer.expect("an error in time").expect("no panic");
        assert_ne!(answer.status, 200, "{}", answer.text);
        let error_after = killed.elapsed();
        let answered_after = scene
            .reached(&scene.caller, killed, OTHER_RELAY_WITHIN)
            .await;
        table.row([error_after, answered_after].map(seconds));
        scene.world.bootstraps[relay].run().await;
        scene.agent.settled().await;
        scene.caller.settled().await;
    }
    section(6, "A relay killed during a transfer", &table.text());
}

#[tokio::test]
async fn flushed_mappings_are_noticed() {
    let kinds = [Kind::PortRestricted, Kind::FullCone].map(Home::remapped);
    for home in kinds {
        let homes = [home, Home::behind(Kind::PortRestricted)];
        let title = format!("Mappings flushed, agent behind {home}");
        repeat(&title, &homes, |lab| lab.sites[0].flush()).await;
    }
}

#[tokio::test]
async fn another_address_of_the_router_is_noticed() {
    for kind in [Kind::FullCone, Kind::PortRestricted] {
        let homes = [kind, Kind::PortRestricted].map(Home::behind);
        let title = format!("Another address of the router, agent behind {kind}");
        repeat(&title, &homes, |lab| lab.sites[0].readdress()).await;
    }
}

#[tokio::test]
async fn another_lan_is_noticed() {
    let homes = [Kind::FullCone, Kind::PortRestricted, Kind::PortRestricted].map(Home::behind);
    let mut home = 0;
    let roam = |lab: &mut Lab| {
        // To and fro between the first home and the third.
        home = 2 - home;
        lab.roam(0, home);
    };
    repeat(
        "Another LAN, from full-cone to port-restr and back",
        &homes,
        roam,
    )
    .await;
}

/// Does `fault` to a used agent again and again, and notes how long it takes until the caller reaches it again, and until its
/// record is right: it names no address that is gone, and leads a newcomer there.
async fn repeat(title: &str, homes: &[Home], mut fault: impl FnMut(&mut Lab)) {
    let homes = [homes, &[Home::behind(Kind::None)]].concat();
    let Some(mut scene) = Scene::start(title, &homes).await else {
        return;
    };
    let mut table = Table::new(["answered after", "record right after", "addresses gone"]);
    for _ in 0..repetitions() {
        let stale = scene.on_router().await;
        fault(&mut scene.world.lab);
        let since = Instant::now();
        let caller = &scene.caller;
        let answered = scene.reached(caller, since, REACHED_WITHIN).await;
        scene.updated(&stale, since).await;
        let updated = scene.found_by_newcomer(since).await;
        let gone = stale.len().to_string();
        table.row([seconds(answered), seconds(updated), gone]);
    }
    section(6, title, &table.text());
}

fn repetitions() -> usize {
    REPETITIONS[usize::from(rounds() > 1)]
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}
