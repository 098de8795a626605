// SPDX-License-Identifier: MPL-2.0
//! The API answers its own page and local programs, and nobody else.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Daemon, RawAnswer, Setup, eventually, raw_request, say};

/// Largest JSON body that the API takes, in bytes.
const MAX_BODY_LEN: usize = 1024 * 1024;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// One request, header by header. `{here}` in a value stands for the API's own host and port, `{port}` for the port.
#[derive(Clone, Copy)]
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    host: Option<&'a str>,
    origin: Option<&'a str>,
    site: Option<&'a str>,
    content_type: Option<&'a str>,
    authorization: Option<&'a str>,
    body: &'a str,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            path: "/health",
            host: Some("{here}"),
            origin: None,
            site: None,
            content_type: Some("application/json"),
            authorization: None,
            body: "",
        }
    }
}

impl Call<'_> {
    /// The request as bytes for the API at `here`.
    fn bytes(&self, here: &str) -> Vec<u8> {
        let port = here.rsplit(':').next().expect("host and port");
        let headers = [
            ("Host", self.host),
            ("Origin", self.origin),
            ("Sec-Fetch-Site", self.site),
            ("Content-Type", self.content_type),
            ("Authorization", self.authorization),
        ];
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in headers {
            if let Some(value) = value {
                let value = value.replace("{here}", here).replace("{port}", port);
                text.extend([name, ": ", &value, "\r\n"]);
            }
        }
        let Self { body, .. } = self;
        let len = body.len();
        format!("{text}Content-Length: {len}\r\nConnection: close\r\n\r\n{body}").into_bytes()
    }

    async fn send(&self, daemon: &Daemon) -> RawAnswer {
        let here = daemon.api.authority();
        raw_request(here, &self.bytes(here)).await
    }

    fn shown(&self) -> String {
        let Self {
            method,
            path,
            host,
            origin,
            site,
            ..
        } = self;
        format!("{method} {path} Host {host:?} Origin {origin:?} Sec-Fetch-Site {site:?}")
    }
}

const GOOD_HOSTS: [&str; 6] = [
    "{here}",
    "127.0.0.1",
    "localhost",
    "localhost:{port}",
    "[::1]:{port}",
    "127.9.9.9:1",
];

const BAD_HOSTS: [Option<&str>; 12] = [
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
];

const GOOD_ORIGINS: [Option<&str>; 2] = [None, Some("http://{here}")];

const BAD_ORIGINS: [&str; 8] = [
    "null",
    "http://evil.example",
    "https://{here}",
    "http://127.0.0.1:1",
    "http://evil.example:{port}",
    "http://{here}.evil.example",
    "file://",
    "chrome-extension://abcdefghijklmnop",
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
    let agents = daemon.api.get("/agents").await.ok();
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
async fn changes_have_to_be_declared_as_json() {
    let daemon = Daemon::alone().await;
    let agent = daemon.api.agent().await;
    let path = format!("/agents/{}", agent.aid);
    let heartbeat = format!("{path}/heartbeat");
    let calls = [
        ("POST", "/identity/generate"),
        ("POST", heartbeat.as_str()),
        ("PATCH", &path),
        ("DELETE", &path),
    ];
    for (method, path) in calls {
        let wrong = [
            None,
            Some("text/plain"),
            Some("application/x-www-form-urlencoded"),
            Some("Application/JSON"),
            Some(""),
        ];
        for content_type in wrong {
            let call = Call {
                method,
                path,
                content_type,
                ..Call::default()
            };
            let answer = call.send(&daemon).await;
            assert_eq!(
                answer.status,
                415,
                "{} {content_type:?}: {}",
                call.shown(),
                answer.body
            );
            assert!(
                answer
                    .body
                    .contains("Content-Type must be application/json"),
                "{}",
                answer.body
            );
        }
        let content_type = Some("application/json; charset=utf-8");
        let call = Call {
            method,
            path,
            content_type,
            ..Call::default()
        };
        assert_eq!(call.send(&daemon).await.status, 200, "{}", call.shown());
    }
    let reading = Call {
        path: "/agents",
        content_type: None,
        ..Call::default()
    };
    assert_eq!(reading.send(&daemon).await.status, 200);
}

#[tokio::test]
async fn bodies_are_bounded_on_every_route() {
    let daemon = Daemon::alone().await;
    let long = " ".repeat(MAX_BODY_LEN + 1);
    for path in [
        "/identity/generate",
        "/agents",
        "/agents/generate",
        "/agents/x/publish",
        "/resolve/x",
        "/fetch/x",
    ] {
        let call = Call {
            method: "POST",
            path,
            body: &long,
            ..Call::default()
        };
        let answer = call.send(&daemon).await;
        assert_eq!(answer.status, 413, "{path}: {}", answer.body);
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{path}"
        );
    }
    let answer = raw_request(
        daemon.api.authority(),
        &chunked_body(daemon.api.authority()),
    )
    .await;
    assert_eq!(answer.status, 413, "without a length: {}", answer.body);
    let at_limit = " ".repeat(MAX_BODY_LEN);
    let call = Call {
        method: "POST",
        path: "/identity/generate",
        body: &at_limit,
        ..Call::default()
    };
    assert_eq!(call.send(&daemon).await.status, 200);
}

/// A request whose body is over the limit and that does not tell its length.
fn chunked_body(here: &str) -> Vec<u8> {
    let head = format!(
        "POST /agents HTTP/1.1\r\nHost: {here}\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    (head + &chunk.repeat(17) + "0\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let daemon = Daemon::alone().await;
    let unknown = Call {
        path: "/nowhere",
        ..Call::default()
    }
    .send(&daemon)
    .await;
    assert_eq!(unknown.status, 404);
    assert_eq!(
        unknown.header("content-type"),
        Some("application/json"),
        "{}",
        unknown.head
    );
    for (method, path, allowed) in [
        ("GET", "/identity/generate", "POST"),
        ("GET", "/resolve/x", "POST"),
        ("PUT", "/agents", "POST"),
        ("POST", "/status", "GET"),
        ("OPTIONS", "/agents", "GET"),
    ] {
        let call = Call {
            method,
            path,
            ..Call::default()
        };
        let answer = call.send(&daemon).await;
        assert_eq!(answer.status, 405, "{}: {}", call.shown(), answer.body);
        let allow = answer.header("allow").unwrap_or_default();
        assert!(allow.contains(allowed), "{}: Allow {allow}", call.shown());
        assert_eq!(
            answer.header("content-type"),
            Some("application/json"),
            "{}",
            call.shown()
        );
        assert!(
            serde_json::from_str::<Value>(&answer.body).is_ok_and(|told| told["error"].is_string())
        );
    }
    let head = Call {
        method: "HEAD",
        path: "/agents",
        ..Call::default()
    }
    .send(&daemon)
    .await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
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

#[tokio::test]
async fn slow_callers_do_not_keep_others_out() {
    let daemon = Daemon::alone().await;
    let mut slow = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(daemon.api.authority())
            .await
            .expect("the API listens");
        stream
            .write_all(b"GET /health HTTP/1.1\r\nHost: 127.")
            .await
            .expect("an open connection");
        slow.push(stream);
    }
    eventually("others are answered", Duration::from_secs(20), async || {
        daemon
            .api
            .try_get("/health")
            .await
            .filter(|answer| answer.status == 200)
    })
    .await;
    let mut first = slow.swap_remove(0);
    let mut rest = Vec::new();
    let closing = tokio::time::timeout(Duration::from_secs(20), first.read_to_end(&mut rest)).await;
    assert!(closing.is_ok(), "half a request keeps its connection");
}
