// SPDX-License-Identifier: MPL-2.0
//! The API answers its own page and local programs, and nobody else.

use serde_json::{Value, json};

use crate::harness::{Call, Daemon, Pair, RawAnswer, Setup, say};

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

const GOOD_HOSTS: [&str; 6] = [
    "{here}",
    "127.0.0.1",
    "localhost",
    "localhost:{port}",
    "[::1]:{port}",
    "127.9.9.9:1",
];

const BAD_HOSTS: [Option<&str>; 15] = [
    None,
    Some(""),
    Some("evil.example"),
    Some("evil.example:{port}"),
    Some("127.0.0.1.evil.example"),
    Some("localhost.evil.example:{port}"),
    Some("localhost."),
    Some("LOCALHOST"),
    Some("0.0.0.0:{port}"),
    Some("[::]:{port}"),
    Some("192.168.1.1:{port}"),
    Some("a@127.0.0.1:{port}"),
    Some("aid.localhost:{port}"),
    Some("x.aid.localhost:{port}"),
    Some("0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed.aid.localhost."),
];

const GOOD_ORIGINS: [Option<&str>; 2] = [None, Some("http://{here}")];

const BAD_ORIGINS: [&str; 10] = [
    "null",
    "http://evil.example",
    "https://{here}",
    "http://127.0.0.1:1",
    "http://evil.example:{port}",
    "http://{here}.evil.example",
    "file://",
    "chrome-extension://abcdefghijklmnop",
    "http://0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed.aid.localhost:{port}",
    "http://aid.localhost:{port}",
];

const GOOD_SITES: [Option<&str>; 3] = [None, Some("same-origin"), Some("none")];

const BAD_SITES: [&str; 3] = ["cross-site", "same-site", "unheard-of"];

/// Every path that the daemon describes, with an address of its own filled in, and some that it does not.
async fn every_path(daemon: &Daemon) -> Vec<String> {
    let described = daemon.api.get("/openapi.json").await.ok();
    let aid = daemon.status().await["node_aid"]
        .as_str()
        .expect("an address")
        .to_owned();
    let paths = described["paths"].as_object().expect("an OpenAPI document");
    let filled = paths.keys().map(|path| path.replace("{aid}", &aid));
    let others = [
        "/",
        "/mcp",
        "/mcp/",
        "/aid/x/",
        "/debug/host",
        "/assets/x",
        "/nowhere",
    ];
    filled.chain(others.map(str::to_owned)).collect()
}

/// What a request that got through would change.
async fn visible(daemon: &Daemon) -> Value {
    let mut agents = daemon.api.get("/agents").await.ok();
    agents["agents"][0]["heartbeat_seconds_ago"].take();
    let config = daemon.api.get("/config").await.ok();
    json!([agents, config])
}

#[track_caller]
fn assert_refused(call: &Call<'_>, answer: &RawAnswer) {
    let shown = call.shown();
    assert!(
        matches!(answer.status, 400 | 401 | 403),
        "{shown}: {} {}",
        answer.status,
        answer.body
    );
    assert!(
        answer.header("access-control-allow-origin").is_none(),
        "{shown}: {}",
        answer.head
    );
    if call.method != "HEAD" {
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{shown}"
        );
        let told = serde_json::from_str::<Value>(&answer.body);
        assert!(
            told.is_ok_and(|told| told["error"].is_string()),
            "{shown}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn no_route_answers_a_page_of_another_site() {
    let daemon = Daemon::alone().await;
    daemon.api.agent().await;
    let before = visible(&daemon).await;
    let mut refused = 0;
    for path in every_path(&daemon).await {
        for method in METHODS {
            let plain = Call {
                method,
                path: &path,
                body: "{}",
                ..Call::default()
            };
            let hosts = BAD_HOSTS.map(|host| Call { host, ..plain });
            let origins = BAD_ORIGINS.map(|origin| Call {
                origin: Some(origin),
                ..plain
            });
            let sites = BAD_SITES.map(|site| Call {
                site: Some(site),
                ..plain
            });
            for call in hosts.iter().chain(&origins).chain(&sites) {
                assert_refused(call, &call.send(&daemon).await);
                refused += 1;
            }
        }
    }
    assert_eq!(
        visible(&daemon).await,
        before,
        "a refused request had an effect"
    );
    say(&format!(
        "guard: {refused} foreign requests refused on every route and method"
    ));
}

#[tokio::test]
async fn only_the_allowed_combinations_pass() {
    let daemon = Daemon::alone().await;
    let hosts = GOOD_HOSTS.map(|host| (Some(host), true)).into_iter();
    let hosts = hosts
        .chain(BAD_HOSTS.map(|host| (host, false)))
        .collect::<Vec<_>>();
    let origins = GOOD_ORIGINS.map(|origin| (origin, true)).into_iter();
    let origins = origins
        .chain(BAD_ORIGINS.map(|origin| (Some(origin), false)))
        .collect::<Vec<_>>();
    let sites = GOOD_SITES.map(|site| (site, true)).into_iter();
    let sites = sites
        .chain(BAD_SITES.map(|site| (Some(site), false)))
        .collect::<Vec<_>>();
    let (mut passed, mut refused) = (0, 0);
    for &(host, host_is_good) in &hosts {
        for &(origin, origin_is_good) in &origins {
            for &(site, site_is_good) in &sites {
                // An origin is the API's own only beside the host that it names.
                let is_own = origin.is_none() || host == Some("{here}");
                let call = Call {
                    host,
                    origin,
                    site,
                    ..Call::default()
                };
                let answer = call.send(&daemon).await;
                if host_is_good && origin_is_good && is_own && site_is_good {
                    assert_eq!(answer.status, 200, "{}: {}", call.shown(), answer.body);
                    passed += 1;
                } else if !(host_is_good && origin_is_good && site_is_good) {
                    assert_refused(&call, &answer);
                    refused += 1;
                }
            }
        }
    }
    say(&format!(
        "guard: {passed} combinations pass, {refused} are refused"
    ));
}

#[tokio::test]
async fn a_foreign_host_is_told_as_the_reference_tells_it() {
    let daemon = Daemon::alone().await;
    let answer = Call {
        host: Some("evil.example"),
        ..Call::default()
    }
    .send(&daemon)
    .await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.body.contains("host header not allowed"),
        "{}",
        answer.body
    );
}

#[tokio::test]
async fn an_agents_host_serves_the_agent_to_its_own_pages_and_visitors() {
    let pair = Pair::start().await;
    let host = format!("{}.aid.localhost:{{port}}", pair.aid.to_lowercase());
    let own = format!("http://{host}");
    let neighbour = "http://0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed.aid.localhost:{port}";
    let origins = [(None, true), (Some(own.as_str()), true)].into_iter();
    let origins = origins
        .chain([(Some("http://{here}"), false), (Some(neighbour), false)])
        .chain(BAD_ORIGINS.map(|origin| (Some(origin), false)));
    let sites = GOOD_SITES.map(|site| (site, true)).into_iter();
    let sites = sites.chain(BAD_SITES.map(|site| (Some(site), false)));
    let purposes = [
        (None, None),
        (Some("navigate"), Some("document")),
        (Some("navigate"), Some("iframe")),
        (Some("cors"), Some("empty")),
        (Some("no-cors"), Some("script")),
    ];
    let (mut passed, mut refused) = (0, 0);
    for (origin, own_origin) in origins {
        for (site, own_site) in sites.clone() {
            for (mode, dest) in purposes {
                for method in ["GET", "POST"] {
                    let call = Call {
                        method,
                        path: "/status/418",
                        host: Some(&host),
                        origin,
                        site,
                        mode,
                        dest,
                        content_type: None,
                        ..Call::default()
                    };
                    let is_visit = (method, dest) == ("GET", Some("document"));
                    let answer = call.send(pair.caller()).await;
                    if own_origin && (own_site || is_visit) {
                        assert_eq!(answer.status, 418, "{}", call.shown());
                        passed += 1;
                    } else {
                        assert_eq!(answer.status, 403, "{}", call.shown());
                        assert_refused(&call, &answer);
                        refused += 1;
                    }
                }
            }
        }
    }
    assert_eq!(
        pair.upstream.served(),
        passed,
        "a refused request reached the agent"
    );
    say(&format!(
        "guard: {passed} requests to an agent's host pass, {refused} are refused"
    ));
}

#[tokio::test]
async fn a_required_token_is_required_everywhere() {
    let setup =
        Setup::new().with_config("api_token = \"canary-4711\"\nrequire_local_token = true\n");
    let daemon = setup.start().await;
    let tell = async |path: &str, authorization: Option<&str>| {
        Call {
            path,
            authorization,
            ..Call::default()
        }
        .send(&daemon)
        .await
    };
    let wrong = [
        None,
        Some("Bearer canary-4712"),
        Some("Bearer canary-471"),
        Some("Bearer canary-47111"),
        Some("bearer canary-4711"),
        Some("canary-4711"),
        Some("Basic canary-4711"),
        Some("Bearer "),
        Some(""),
    ];
    for path in [
        "/health",
        "/status",
        "/agents",
        "/openapi.json",
        "/nowhere",
        "/mcp",
        "/debug/host",
    ] {
        for authorization in wrong {
            let answer = tell(path, authorization).await;
            assert_eq!(
                answer.status, 401,
                "{path} {authorization:?}: {}",
                answer.body
            );
            assert!(
                answer.body.contains("unauthorized"),
                "{path}: {}",
                answer.body
            );
            assert!(
                answer.header("www-authenticate").is_none(),
                "{path}: {}",
                answer.head
            );
        }
    }
    let right = Some("Bearer canary-4711");
    assert_eq!(tell("/health", right).await.status, 200);
    let config = tell("/config", right).await;
    assert!(
        config.body.contains("\"***\"") && !config.body.contains("canary"),
        "{}",
        config.body
    );
    assert!(!daemon.stderr().contains("canary"), "{}", daemon.stderr());
}

#[tokio::test]
async fn a_token_alone_asks_nothing_of_local_callers() {
    let daemon = Setup::new()
        .with_config("api_token = \"canary-4711\"\n")
        .start()
        .await;
    for authorization in [None, Some("Bearer wrong"), Some("Bearer canary-4711")] {
        let call = Call {
            authorization,
            ..Call::default()
        };
        assert_eq!(call.send(&daemon).await.status, 200, "{authorization:?}");
    }
}

#[tokio::test]
async fn a_token_set_while_running_counts_at_once() {
    let daemon = Setup::new()
        .with_config("require_local_token = true\napi_token = \"one\"\n")
        .start()
        .await;
    let call = |authorization| Call {
        authorization: Some(authorization),
        ..Call::default()
    };
    let change = Call {
        method: "PATCH",
        path: "/config",
        body: "{\"api_token\":\"two\"}",
        ..call("Bearer one")
    };
    assert_eq!(change.send(&daemon).await.status, 200);
    assert_eq!(call("Bearer one").send(&daemon).await.status, 401);
    assert_eq!(call("Bearer two").send(&daemon).await.status, 200);
}
