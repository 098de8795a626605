// SPDX-License-Identifier: MPL-2.0
//! Kill -9 at any moment: what a caller was told has happened.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Api, Daemon, Dice, Identity, Setup, eventually, say};

/// Acknowledged registrations, and acknowledged deletions, before the test is content.
const WANTED: usize = 100;

/// Kills before the test is content.
const WANTED_KILLS: usize = 25;

/// Agents registered before the last kill.
const SURVIVORS: usize = 50;

/// Callers that work at the same time.
const CALLERS: usize = 3;

/// Longest life of one run of the daemon, in milliseconds.
const MAX_LIFE_MS: usize = 500;

/// How long the daemon may take after the last start to publish every agent again.
const PUBLISHING: Duration = Duration::from_secs(10);

/// What callers know about one agent.
#[derive(Debug, Clone)]
struct Known {
    identity: Identity,
    state: State,
    /// The service that the daemon last acknowledged; `None` while a change is unanswered.
    service: Option<String>,
    /// The highest sequence number that the daemon answered with.
    seq: u64,
    is_published: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Registered,
    /// Registered, and a caller is changing or publishing it.
    Busy,
    Deleted,
    /// Its registration or deletion is not answered yet, or never was.
    Unanswered,
}

/// What the callers were told, across all runs of the daemon.
#[derive(Debug, Default)]
struct Ledger {
    agents: BTreeMap<String, Known>,
    registered: usize,
    deleted: usize,
    published: usize,
    kills: usize,
    slowest_start: Duration,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_or_comes_back() {
    let ledger = RefCell::new(Ledger::default());
    let dice = RefCell::new(Dice::new("crash"));
    let mut setup = Setup::new();
    while !ledger.borrow().is_content() {
        let started = Instant::now();
        let daemon = setup.start().await;
        ledger.borrow_mut().started(started.elapsed());
        compare(&ledger, &daemon.api).await;
        let life = 20 + dice.borrow_mut().below(MAX_LIFE_MS - 20);
        let life = Duration::from_millis(u64::try_from(life).expect("a small number"));
        let working = (0..CALLERS).map(|_| work(&ledger, &dice, &daemon.api));
        // The kill falls into whatever the callers are doing; that is what is tested.
        let _killed = tokio::time::timeout(life, futures::future::join_all(working)).await;
        setup = daemon.kill().await;
    }
    let daemon = setup.start().await;
    compare(&ledger, &daemon.api).await;
    for _ in 0..SURVIVORS {
        register(&ledger, &daemon.api)
            .await
            .expect("the daemon runs");
    }
    let all = ledger.borrow().agents.clone();
    for known in all
        .into_values()
        .filter(|known| known.state == State::Registered)
    {
        publish_known(&ledger, known, &daemon.api)
            .await
            .expect("the daemon runs");
    }
    let daemon = daemon.kill().await.start().await;
    compare(&ledger, &daemon.api).await;
    published_again(&ledger, &daemon).await;
    say(&ledger.borrow().summary());
}

impl Ledger {
    fn is_content(&self) -> bool {
        self.registered >= WANTED && self.deleted >= WANTED && self.kills >= WANTED_KILLS
    }

    fn started(&mut self, took: Duration) {
        self.kills += 1;
        self.slowest_start = self.slowest_start.max(took);
    }

    fn summary(&self) -> String {
        let Self {
            registered,
            deleted,
            published,
            kills,
            slowest_start,
            ..
        } = self;
        format!(
            "crash: {kills} kills, {registered} registrations, {deleted} deletions and {published} \
             publishes answered, none lost or undone; slowest start {slowest_start:?}"
        )
    }

    /// An agent that no other caller works on, marked as `next`.
    fn pick(&mut self, dice: &mut Dice, next: State) -> Option<Known> {
        let is_free = |known: &&mut Known| known.state == State::Registered;
        let mut free = self.agents.values_mut().filter(is_free).collect::<Vec<_>>();
        let len = free.len();
        let picked = free.get_mut(dice.below(len.max(1)))?;
        let before = picked.clone();
        picked.state = next;
        Some(before)
    }

    fn keep(&mut self, known: Known) {
        self.agents.insert(known.identity.aid.clone(), known);
    }
}

/// Registers, changes, publishes and deletes until the daemon is gone.
async fn work(ledger: &RefCell<Ledger>, dice: &RefCell<Dice>, api: &Api) {
    loop {
        let choice = dice.borrow_mut().below(6);
        let answered = match choice {
            0..=1 => register(ledger, api).await,
            2 => change(ledger, dice, api).await,
            3 => publish(ledger, dice, api).await,
            _ => delete(ledger, dice, api).await,
        };
        if answered.is_none() {
            return;
        }
    }
}

async fn register(ledger: &RefCell<Ledger>, api: &Api) -> Option<()> {
    let made = api.try_post("/identity/generate", json!({})).await?.ok();
    let identity = Identity::read(&made);
    let service = "127.0.0.1:1".to_owned();
    let mut known = Known {
        identity: identity.clone(),
        state: State::Unanswered,
        service: Some(service.clone()),
        seq: 0,
        is_published: false,
    };
    ledger.borrow_mut().keep(known.clone());
    api.try_post("/agents", identity.registration_with(&service))
        .await?
        .ok();
    known.state = State::Registered;
    let mut ledger = ledger.borrow_mut();
    ledger.registered += 1;
    ledger.keep(known);
    Some(())
}

async fn change(ledger: &RefCell<Ledger>, dice: &RefCell<Dice>, api: &Api) -> Option<()> {
    let picked = ledger
        .borrow_mut()
        .pick(&mut dice.borrow_mut(), State::Busy);
    let Some(mut known) = picked else {
        return Some(());
    };
    let service = format!("127.0.0.1:{}", 1 + dice.borrow_mut().below(60_000));
    ledger.borrow_mut().keep(Known {
        service: None,
        state: State::Busy,
        ..known.clone()
    });
    let path = format!("/agents/{}", known.identity.aid);
    api.try_patch(&path, json!({ "service_tcp": service }))
        .await?
        .ok();
    known.service = Some(service);
    ledger.borrow_mut().keep(known);
    Some(())
}

async fn publish(ledger: &RefCell<Ledger>, dice: &RefCell<Dice>, api: &Api) -> Option<()> {
    let picked = ledger
        .borrow_mut()
        .pick(&mut dice.borrow_mut(), State::Busy);
    match picked {
        Some(known) => publish_known(ledger, known, api).await,
        None => Some(()),
    }
}

async fn publish_known(ledger: &RefCell<Ledger>, mut known: Known, api: &Api) -> Option<()> {
    let path = format!("/agents/{}/publish", known.identity.aid);
    let answer = api.try_post(&path, json!({})).await?.ok();
    let seq = answer["seq"].as_u64().expect("a number");
    assert!(
        seq > known.seq,
        "{} was used before: {seq} after {}",
        known.identity.aid,
        known.seq
    );
    known.seq = seq;
    known.is_published = true;
    let mut ledger = ledger.borrow_mut();
    ledger.published += 1;
    ledger.keep(known);
    Some(())
}

async fn delete(ledger: &RefCell<Ledger>, dice: &RefCell<Dice>, api: &Api) -> Option<()> {
    let picked = ledger
        .borrow_mut()
        .pick(&mut dice.borrow_mut(), State::Unanswered);
    let Some(mut known) = picked else {
        return Some(());
    };
    let path = format!("/agents/{}", known.identity.aid);
    api.try_delete(&path).await?.ok();
    known.state = State::Deleted;
    let mut ledger = ledger.borrow_mut();
    ledger.deleted += 1;
    ledger.keep(known);
    Some(())
}

/// Compares what the daemon knows with what callers were told, and settles what was left unanswered.
async fn compare(ledger: &RefCell<Ledger>, api: &Api) {
    let listed = api.get("/agents").await.ok();
    let listed = listed["agents"].as_array().expect("a list");
    let by_aid = listed
        .iter()
        .map(|agent| (agent["aid"].as_str().expect("text").to_owned(), agent));
    let by_aid = by_aid.collect::<BTreeMap<_, _>>();
    assert_eq!(by_aid.len(), listed.len(), "an agent is listed twice");
    let mut ledger = ledger.borrow_mut();
    for aid in by_aid.keys() {
        assert!(ledger.agents.contains_key(aid), "{aid} came from nowhere");
    }
    for (aid, known) in &mut ledger.agents {
        settle(known, by_aid.get(aid).copied());
    }
}

fn settle(known: &mut Known, found: Option<&Value>) {
    let aid = &known.identity.aid;
    match known.state {
        State::Registered | State::Busy => {
            assert!(found.is_some(), "{aid} was registered and is lost");
        }
        State::Deleted => assert!(found.is_none(), "{aid} was deleted and is back"),
        State::Unanswered => {}
    }
    let Some(found) = found else {
        known.state = State::Deleted;
        return;
    };
    known.state = State::Registered;
    let service = found["service_tcp"].as_str().expect("text").to_owned();
    if let Some(told) = &known.service {
        assert_eq!(&service, told, "{aid} lost its service");
    }
    known.service = Some(service);
}

/// What the daemon shows of those of the agents in `due` that are not published.
async fn unpublished(due: &[Known], api: &Api) -> Vec<Value> {
    let listed = api.get("/agents").await.ok();
    let listed = listed["agents"].as_array().expect("a list");
    let missing = due.iter().filter_map(|known| {
        let aid = known.identity.aid.as_str();
        let shown = listed.iter().find(|agent| agent["aid"] == aid);
        let Some(shown) = shown else {
            return Some(json!({ "aid": aid, "shown": false }));
        };
        let state = [
            "aid",
            "seq",
            "published_to_dht",
            "last_publish_at",
            "next_republish_estimate",
            "dht_active_replicas",
        ];
        let state = state.map(|name| (name.to_owned(), shown[name].clone()));
        (shown["published_to_dht"] != true).then(|| state.into_iter().collect())
    });
    missing.collect()
}

/// Checks that every agent that was published once is published again soon after the start.
async fn published_again(ledger: &RefCell<Ledger>, daemon: &Daemon) {
    let is_due = |known: &&Known| known.is_published && known.state == State::Registered;
    let due = ledger
        .borrow()
        .agents
        .values()
        .filter(is_due)
        .cloned()
        .collect::<Vec<_>>();
    let started = Instant::now();
    let missing = eventually("agents are listed", 2 * PUBLISHING, async || {
        let missing = unpublished(&due, &daemon.api).await;
        (missing.is_empty() || started.elapsed() >= PUBLISHING).then_some(missing)
    })
    .await;
    assert!(
        missing.is_empty(),
        "{} of {} agents are not published again within {PUBLISHING:?} of the start:\n{}",
        missing.len(),
        due.len(),
        missing
            .iter()
            .map(Value::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    );
    for known in &due {
        let found = daemon.api.resolve(&known.identity.aid).await;
        let seq = found["seq"].as_u64().expect("a number");
        assert!(
            seq > known.seq,
            "{found} is older than what was told before: {}",
            known.seq
        );
    }
    say(&format!(
        "crash: {} agents published again after the last start",
        due.len()
    ));
}
