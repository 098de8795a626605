// SPDX-License-Identifier: MPL-2.0
//! Agents that offer services, found and called by them.

#[path = "discovery/calling.rs"]
mod calling;
#[path = "discovery/cli.rs"]
mod cli;
#[path = "discovery/paging.rs"]
mod paging;
#[path = "discovery/profiles.rs"]
mod profiles;
#[path = "discovery/reference.rs"]
mod reference;
#[path = "discovery/registering.rs"]
mod registering;
#[path = "discovery/searching.rs"]
mod searching;

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Api, eventually};

/// How long a change may take until the last node knows.
const DEADLINE: Duration = Duration::from_secs(30);

impl Api {
    /// Registers `aid` for what `body` says.
    async fn offer(&self, aid: &str, body: Value) -> Value {
        let answer = self.post(&format!("/agents/{aid}/services"), body).await;
        let answer = answer.ok();
        assert_eq!(answer["ok"], true, "{answer}");
        answer
    }

    /// A new agent without a service behind it that offers `service`.
    async fn offering(&self, service: &str) -> String {
        let aid = self.agent().await.aid;
        self.offer(&aid, json!({ "services": [service] })).await;
        aid
    }

    async fn discover(&self, body: Value) -> Vec<Value> {
        entries(&self.post("/discover", body).await.ok())
    }

    /// The agents that offer `service`.
    async fn providers(&self, service: &str) -> BTreeSet<String> {
        aids(&self.discover(json!({ "services": [service] })).await)
    }

    /// Waits until the agents that offer `service` are `expected`.
    async fn finds(&self, service: &str, expected: &[&str]) {
        let expected: BTreeSet<_> = expected.iter().map(|&aid| aid.to_owned()).collect();
        eventually("exactly the providers are found", DEADLINE, async || {
            (self.providers(service).await == expected).then_some(())
        })
        .await;
    }
}

fn entries(answer: &Value) -> Vec<Value> {
    answer["entries"].as_array().expect("a list").clone()
}

fn aids(entries: &[Value]) -> BTreeSet<String> {
    let aids = entries.iter().map(|entry| entry["aid"].as_str());
    aids.map(|aid| aid.expect("an address").to_owned())
        .collect()
}
