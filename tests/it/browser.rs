// SPDX-License-Identifier: MPL-2.0
//! A hostile agent's page in a real browser: it can neither read nor change anything beyond its own origin.
//!
//! The page makes the same attempts against its own origin, where each succeeds, and against others, where none may.

#[path = "browser/chromium.rs"]
mod chromium;
#[path = "browser/devtools.rs"]
mod devtools;
#[path = "browser/hostile.rs"]
mod hostile;
#[path = "browser/saving.rs"]
mod saving;
#[path = "browser/tap.rs"]
mod tap;

use serde_json::{Value, json};

use crate::harness::{Daemon, Net, Scripted, answer, say};
use chromium::Chromium;
use hostile::Hostile;
use tap::Tap;

/// A user's daemon, with an agent that a page might want to delete, and agents of others.
struct Scene {
    net: Net,
    hostile: Hostile,
    aid: String,
    neighbour: String,
    /// The service of the neighbour.
    beside: Scripted,
}

impl Scene {
    async fn set() -> Self {
        let page = answer("Content-Type: text/plain\r\n", "for visitors");
        let (hostile, beside) = (Hostile::start().await, Scripted::saying(&page).await);
        let net = Net::of(2).await;
        let aid = net.nodes[1].api.serving(&hostile.address).await.aid;
        let neighbour = net.nodes[1].api.serving(&beside.address).await.aid;
        net.nodes[0].api.agent().await;
        Self {
            net,
            hostile,
            aid,
            neighbour,
            beside,
        }
    }

    fn user(&self) -> &Daemon {
        &self.net.nodes[0]
    }

    fn port(&self) -> &str {
        let authority = self.user().api.authority();
        authority.rsplit_once(':').expect("host and port").1
    }

    fn origin_of(&self, aid: &str) -> String {
        format!(
            "http://{}.aid.localhost:{}",
            aid.to_ascii_lowercase(),
            self.port()
        )
    }

    /// What a page might want to read and change.
    async fn visible(&self) -> Value {
        let api = &self.user().api;
        let mut agents = api.get("/agents").await.ok();
        agents["agents"][0]["heartbeat_seconds_ago"].take();
        json!([agents, api.get("/config").await.ok()])
    }

    /// The attack's address under `origin`: what it is to be aimed at stands in the query.
    fn attack(&self, base: &str) -> String {
        let port = self.port();
        let victim = self.net.nodes[0].api.base();
        let targets = [
            victim.to_owned(),
            format!("http://localhost:{port}"),
            format!("{victim}/aid/{}", self.neighbour),
            self.origin_of(&self.neighbour),
        ];
        format!("{base}/attack?{}", targets.join(","))
    }

    /// Checks that every attempt succeeded against the page's own origin and none elsewhere.
    fn assert_contained(&self, report: &Value) {
        let own = self.origin_of(&self.aid);
        assert_eq!(report["origin"], own, "{report}");
        let results = report["results"].as_object().expect("results");
        assert_eq!(results.len(), 5, "{report}");
        let mut refused = 0;
        for (target, attempts) in results {
            let attempts = attempts.as_object().expect("attempts");
            assert_eq!(attempts.len(), hostile::ATTEMPTS, "{target}: {report}");
            for (attempt, outcome) in attempts {
                let outcome = outcome.as_str().expect("an outcome");
                let succeeded = outcome.starts_with("read:");
                assert_eq!(
                    succeeded,
                    *target == own,
                    "{attempt} against {target}: {outcome}\n{report:#}"
                );
                refused += usize::from(!succeeded);
            }
        }
        say(&format!(
            "browser: {refused} attempts from {own} failed, {} against itself succeeded",
            hostile::ATTEMPTS
        ));
    }
}

#[tokio::test]
async fn a_hostile_page_reaches_nothing_but_its_own_agent() {
    let Some(mut browser) = Chromium::new("a hostile page") else {
        return;
    };
    let mut scene = Scene::set().await;
    let before = scene.visible().await;
    // Opened on its own host, by a link; and below the path, from where the browser is sent there.
    let by_path = format!("{}/aid/{}", scene.user().api.base(), scene.aid);
    for base in [scene.origin_of(&scene.aid), by_path] {
        let open = browser.open(&scene.attack(&base));
        let report = scene.hostile.report().await;
        scene.assert_contained(&report);
        drop(open);
    }
    assert_eq!(scene.visible().await, before, "a page had an effect");
    // A page may link to another agent's: its window was opened, and could not be read.
    let asked = scene.beside.asked();
    assert!(!asked.is_empty(), "nobody followed the link");
    for request in asked {
        let head = request.to_ascii_lowercase();
        let is_visit =
            head.starts_with("get /status ") && head.contains("sec-fetch-dest: document");
        assert!(
            is_visit || head.starts_with("get /favicon.ico "),
            "{request}"
        );
        assert!(
            !head.contains("evil=") && !head.contains("own="),
            "{request}"
        );
    }
}

#[tokio::test]
async fn a_browser_that_does_not_say_where_it_comes_from_is_no_way_in() {
    let Some(mut browser) = Chromium::new("a browser of old") else {
        return;
    };
    let mut scene = Scene::set().await;
    let tap = Tap::start().await;
    browser.through(&tap.address);
    let before = scene.visible().await;
    let open = browser.open(&scene.attack(&scene.origin_of(&scene.aid)));
    let report = scene.hostile.report().await;
    scene.assert_contained(&report);
    drop(open);
    assert_eq!(scene.visible().await, before, "a page had an effect");

    // The attempts did reach the API's host; whatever cookies the page and its service set did not.
    let requests = tap.requests();
    let on = |host: &str| {
        let host = format!("\r\nhost: {host}:{}\r\n", scene.port());
        let found = requests.iter().filter(|request| request.contains(&host));
        found.cloned().collect::<Vec<_>>()
    };
    let own = on(&format!("{}.aid.localhost", scene.aid.to_ascii_lowercase()));
    assert!(
        own.iter().any(|request| request.contains("own=1")),
        "{own:#?}"
    );
    for api in ["127.0.0.1", "localhost"].map(on) {
        assert!(api.len() > 10, "{api:#?}");
        let cookies = api.iter().filter(|request| request.contains("\r\ncookie:"));
        assert_eq!(cookies.count(), 0, "{api:#?}");
    }
    assert!(
        !requests
            .iter()
            .any(|request| request.contains("\r\nsec-fetch-"))
    );

    // Below the path the same page is shown, and none of its scripts runs.
    let by_path = format!("{}/aid/{}", scene.user().api.base(), scene.aid);
    let shown = browser.dump(&format!("{by_path}/mark")).await;
    assert!(shown.contains("static text"), "{shown}");
    assert!(!shown.contains("script ran"), "{shown}");
    let control = browser
        .dump(&format!("{}/mark", scene.origin_of(&scene.aid)))
        .await;
    assert!(control.contains("script ran"), "{control}");
}
