// SPDX-License-Identifier: MPL-2.0
//! Calls by service, where providers are near, dead, slow, and behind a relay.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Scripted, eventually};
use crate::lab::{Home, Kind, Quality};
use crate::report::{Table, section};
use crate::world::{Seat, World};

const SERVICE: &str = "tool.job";

/// Calls, every other one a POST.
const CALLS: usize = 100;

/// 95 of 100 calls take at most this.
const P95: Duration = Duration::from_secs(1);

/// How long the slow provider takes.
const SLOW: Duration = Duration::from_secs(10);

const DEADLINE: Duration = Duration::from_secs(60);

/// The caller, and the providers by what they are.
const SEATS: [(&str, Kind); 6] = [
    ("caller", Kind::Symmetric),
    ("near", Kind::None),
    ("near too", Kind::None),
    ("slow", Kind::None),
    ("relayed", Kind::Symmetric),
    ("dead", Kind::None),
];

/// A provider on a seat.
struct Provider {
    name: &'static str,
    aid: String,
    service: Scripted,
}

impl Provider {
    async fn start(seat: &Seat, name: &'static str) -> Self {
        let pause = if name == "slow" { SLOW } else { Duration::ZERO };
        let service = seat.scripted(name, pause).await;
        let aid = seat.agent_at(&service.address).await.aid;
        let path = format!("/agents/{aid}/services");
        seat.post(&path, json!({ "services": [SERVICE] }))
            .await
            .ok();
        Self { name, aid, service }
    }

    /// The paths of the POSTs that it has seen.
    fn posts(&self) -> Vec<String> {
        let requests = self.service.asked();
        let lines = requests.iter().filter_map(|request| request.lines().next());
        let posts = lines.filter_map(|line| line.strip_prefix("POST "));
        posts.map(str::to_owned).collect()
    }
}

/// What a hundred calls brought.
#[derive(Default)]
struct Calls {
    times: Vec<Duration>,
    answered_by: BTreeMap<&'static str, usize>,
}

impl Calls {
    async fn make(caller: &Seat, providers: &[Provider]) -> Self {
        let mut calls = Self::default();
        for at in 0..CALLS {
            let method = if at % 2 == 0 { "GET" } else { "POST" };
            let started = Instant::now();
            let called = call(caller, method, &format!("/{at}")).await;
            calls.times.push(started.elapsed());
            let provider = providers.iter().find(|one| called["aid"] == *one.aid);
            let name = provider.expect("one of the providers").name;
            *calls.answered_by.entry(name).or_default() += 1;
        }
        calls.times.sort_unstable();
        calls
    }

    fn p95(&self) -> Duration {
        self.times[CALLS * 95 / 100 - 1]
    }

    fn tell(&self) {
        let mut table = Table::new([
            "calls",
            "median, s",
            "95 of 100, s",
            "slowest, s",
            "answered by",
        ]);
        let shown = |time: Duration| format!("{:.3}", time.as_secs_f64());
        let by = self.answered_by.iter();
        let by = by.map(|(name, count)| format!("{name} {count}"));
        table.row([
            CALLS.to_string(),
            shown(self.times[CALLS / 2]),
            shown(self.p95()),
            shown(self.times[CALLS - 1]),
            by.collect::<Vec<_>>().join(", "),
        ]);
        let title = "Calls by service: two near providers, one slow, one relayed, one dead";
        section(9, title, &table.text());
    }
}

async fn call(caller: &Seat, method: &str, path: &str) -> Value {
    let request = json!({ "service": SERVICE, "method": method, "path": path });
    let called = caller.post("/call", request).await.ok();
    assert_eq!(called["status"], 200, "{called}");
    called
}

async fn found(caller: &Seat) -> usize {
    let answer = caller
        .post("/discover", json!({ "services": [SERVICE] }))
        .await;
    answer.ok()["entries"].as_array().expect("a list").len()
}

#[tokio::test]
async fn a_near_live_provider_answers() {
    let homes = SEATS.map(|(_, kind)| Home::behind(kind));
    let Some(world) = World::start("providers", &homes, Quality::PERFECT).await else {
        return;
    };
    let mut seats = world.seats(0..SEATS.len()).await;
    let mut providers = Vec::new();
    for (seat, (name, _)) in seats.iter().zip(SEATS).skip(1) {
        providers.push(Provider::start(seat, name).await);
    }
    let caller = seats.remove(0);
    eventually("all providers are found", DEADLINE, async || {
        (found(&caller).await == providers.len()).then_some(())
    })
    .await;
    let dead = seats
        .pop()
        .and_then(Arc::into_inner)
        .expect("nobody else has it");
    dead.stop().await;

    let calls = Calls::make(&caller, &providers).await;
    calls.tell();
    assert!(calls.p95() <= P95, "{:?}", calls.times);
    for name in ["dead", "relayed"] {
        assert!(
            !calls.answered_by.contains_key(name),
            "{:?}",
            calls.answered_by
        );
    }
    let posts: Vec<_> = providers.iter().flat_map(Provider::posts).collect();
    let distinct: BTreeSet<_> = posts.iter().collect();
    assert_eq!(
        (posts.len(), distinct.len()),
        (CALLS / 2, CALLS / 2),
        "each was sent once"
    );

    // Where nobody else is left, the relayed one answers.
    for (seat, provider) in seats.iter().zip(&providers) {
        if provider.name != "relayed" {
            let path = format!("/agents/{}/services/{SERVICE}", provider.aid);
            seat.delete(&path).await.ok();
        }
    }
    let relayed = eventually("the relayed provider answers", DEADLINE, async || {
        let called = call(&caller, "GET", "/last").await;
        let relayed = providers.iter().find(|one| one.name == "relayed")?;
        (called["aid"] == *relayed.aid).then_some(called)
    })
    .await;
    assert_eq!(relayed["is_relayed"], true, "{relayed}");
}
