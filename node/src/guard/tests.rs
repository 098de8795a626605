// SPDX-License-Identifier: MPL-2.0
//! The guard against every combination of headers, on every route the API has.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Extension;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use axum::routing::any;

use super::*;

const PORT: u16 = 2121;
const TOKEN: &str = "correct-horse";

/// `Host` values and whether a local caller may use them.
const HOSTS: [(Option<&str>, bool); 13] = [
    (Some("127.0.0.1:2121"), true),
    (Some("127.0.0.1"), true),
    (Some("127.1.2.3:80"), true),
    (Some("localhost:2121"), true),
    (Some("[::1]:2121"), true),
    (None, false),
    (Some(""), false),
    (Some("LOCALHOST:2121"), false),
    (Some("localhost.:2121"), false),
    (Some("0.0.0.0:2121"), false),
    (Some("192.168.1.10:2121"), false),
    (Some("evil.example"), false),
    (Some("evil.example:2121"), false),
];

/// `Origin` values and whether they are our own.
const ORIGINS: [(Option<&str>, bool); 10] = [
    (None, true),
    (Some("http://127.0.0.1:2121"), true),
    (Some("http://localhost:2121"), true),
    (Some("http://[::1]:2121"), true),
    (Some("null"), false),
    (Some(""), false),
    (Some("http://127.0.0.1:8080"), false),
    (Some("https://127.0.0.1:2121"), false),
    (Some("http://evil.example:2121"), false),
    (Some("http://localhost:2121.evil.example"), false),
];

/// `Sec-Fetch-Site` values and whether they are ours or the user's.
const SITES: [(Option<&str>, bool); 6] = [
    (None, true),
    (Some("same-origin"), true),
    (Some("none"), true),
    (Some("same-site"), false),
    (Some("cross-site"), false),
    (Some("Same-Origin"), false),
];

/// A guarded router that says 200 to everything and counts what reached it.
struct Probe {
    guarded: Guarded,
    reached: Arc<AtomicUsize>,
    _access: watch::Sender<Access>,
}

impl Probe {
    fn new(access: Access) -> Self {
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let handler = move |Extension(_): Extension<Caller>| async move {
            count.fetch_add(1, Ordering::Relaxed);
        };
        let access = watch::Sender::new(access);
        let router = Router::new().fallback(any(handler));
        let guarded = Guarded::new(router, access.subscribe(), PORT);
        Self {
            guarded,
            reached,
            _access: access,
        }
    }

    async fn ask(&self, peer: &str, request: Request<Body>) -> StatusCode {
        let before = self.reached.load(Ordering::Relaxed);
        let response = self.guarded.answer(request, peer.parse().unwrap()).await;
        let reached = self.reached.load(Ordering::Relaxed) > before;
        assert_eq!(
            reached,
            response.status() == StatusCode::OK,
            "refused and handled at once"
        );
        assert_eq!(
            response.headers()[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff"
        );
        assert!(
            response
                .headers()
                .contains_key(header::CONTENT_SECURITY_POLICY)
        );
        response.status()
    }
}

fn request(method: &Method, path: &str, headers: &[(&str, Option<&str>)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        if let Some(value) = value {
            request = request.header(*name, *value);
        }
    }
    request.body(Body::empty()).unwrap()
}

/// Every documented route with every method, and paths no route has.
fn targets() -> BTreeSet<(String, &'static str)> {
    let document = serde_json::to_value(crate::rest::document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    assert!(paths.len() > 15, "the document has lost its routes");
    let methods = [
        "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW",
    ];
    let unknown = ["/", "/nowhere", "/aid/x", "/mcp", "/debug/identity"].map(ToOwned::to_owned);
    let all = paths.keys().cloned().chain(unknown);
    let all = all.map(|path| path.replace("{aid}", "a0"));
    all.flat_map(|path| methods.map(|method| (path.clone(), method)))
        .collect()
}

#[tokio::test]
async fn only_the_allowed_cells_of_the_matrix_reach_a_handler() {
    let probe = Probe::new(Access::default());
    for (path, method) in targets() {
        let method: Method = method.parse().unwrap();
        for ((host, local), (origin, ours), (site, own)) in cells() {
            let headers = [("host", host), ("origin", origin), ("sec-fetch-site", site)];
            let expected = match (local, ours && own) {
                (false, _) => StatusCode::BAD_REQUEST,
                (true, false) => StatusCode::FORBIDDEN,
                (true, true) => StatusCode::OK,
            };
            let status = probe
                .ask("127.0.0.1:9", request(&method, &path, &headers))
                .await;
            assert_eq!(status, expected, "{method} {path} {headers:?}");
        }
    }
}

type Cell = (
    (Option<&'static str>, bool),
    (Option<&'static str>, bool),
    (Option<&'static str>, bool),
);

fn cells() -> impl Iterator<Item = Cell> {
    HOSTS.into_iter().flat_map(|host| {
        ORIGINS
            .into_iter()
            .flat_map(move |origin| SITES.map(|site| (host, origin, site)))
    })
}

/// `Authorization` values and whether they show the token.
fn authorizations() -> [(Option<String>, bool); 7] {
    [
        (Some(format!("Bearer {TOKEN}")), true),
        (None, false),
        (Some(format!("bearer {TOKEN}")), false),
        (Some(format!("Bearer  {TOKEN}")), false),
        (Some(format!("Bearer {TOKEN}x")), false),
        (Some("Bearer ".to_owned()), false),
        (Some(TOKEN.to_owned()), false),
    ]
}

#[tokio::test]
async fn a_token_is_asked_of_those_who_need_one() {
    let none = ("", false);
    let lax = (TOKEN, false);
    let strict = (TOKEN, true);
    // (rules, peer, let in without the token, let in with it)
    for ((token, local), peer, without, with) in [
        (none, "127.0.0.1:9", true, true),
        (none, "192.0.2.1:9", false, false),
        (lax, "[::1]:9", true, true),
        (lax, "[::ffff:127.0.0.1]:9", true, true),
        (lax, "192.0.2.1:9", false, true),
        (strict, "127.0.0.1:9", false, true),
        (strict, "192.0.2.1:9", false, true),
    ] {
        let probe = Probe::new(Access::new(token, local));
        for (authorization, is_right) in authorizations() {
            let headers = [
                ("host", Some("127.0.0.1:2121")),
                ("authorization", authorization.as_deref()),
            ];
            let status = probe
                .ask(peer, request(&Method::GET, "/health", &headers))
                .await;
            let allowed = if is_right { with } else { without };
            let expected = if allowed {
                StatusCode::OK
            } else {
                StatusCode::UNAUTHORIZED
            };
            assert_eq!(
                status, expected,
                "{token:?} {local} {peer} {authorization:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_remote_caller_may_use_any_host_but_no_foreign_page() {
    let probe = Probe::new(Access::new(TOKEN, false));
    let token = format!("Bearer {TOKEN}");
    for (origin, expected) in [
        (None, StatusCode::OK),
        (Some("http://evil.example"), StatusCode::FORBIDDEN),
    ] {
        let headers = [
            ("host", Some("node.example:2121")),
            ("origin", origin),
            ("authorization", Some(token.as_str())),
        ];
        let status = probe
            .ask("192.0.2.1:9", request(&Method::GET, "/status", &headers))
            .await;
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn a_header_said_twice_and_a_foreign_target_are_refused() {
    let probe = Probe::new(Access::default());
    let twice = [("host", Some("localhost")), ("host", Some("localhost"))];
    let status = probe
        .ask("127.0.0.1:9", request(&Method::GET, "/health", &twice))
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let absolute = request(
        &Method::GET,
        "http://evil.example/health",
        &[("host", Some("localhost"))],
    );
    assert_eq!(
        probe.ask("127.0.0.1:9", absolute).await,
        StatusCode::BAD_REQUEST
    );
}

#[tokio::test]
async fn a_changed_token_holds_at_once() {
    let access = watch::Sender::new(Access::new("old", true));
    let guarded = Guarded::new(Router::new(), access.subscribe(), PORT);
    let headers = [
        ("host", Some("localhost")),
        ("authorization", Some("Bearer new")),
    ];
    let peer = "127.0.0.1:9".parse().unwrap();
    let before = guarded
        .answer(request(&Method::GET, "/", &headers), peer)
        .await;
    assert_eq!(before.status(), StatusCode::UNAUTHORIZED);
    access.send_replace(Access::new("new", true));
    let after = guarded
        .answer(request(&Method::GET, "/", &headers), peer)
        .await;
    assert_eq!(after.status(), StatusCode::NOT_FOUND);
}

/// An address in lower case, as hosts have it, and another one.
const AID: &str = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";
const OTHER: &str = "0xfb6916095ca1df60bb79ce92ce3ea74c37c5d359";

/// A guard whose routers say which of them was reached.
fn with_agents(access: &watch::Sender<Access>) -> Guarded {
    // Told in a header as well: the answer to `HEAD` has no body.
    let agents = |Extension(host): Extension<AgentHost>| async move {
        let aid = host.aid.to_string();
        ([("x-agent", aid.clone())], aid)
    };
    Guarded::new(
        Router::new().fallback(any(|| async { "api" })),
        access.subscribe(),
        PORT,
    )
    .with_agents(Router::new().fallback(agents))
}

/// Status and text that `guarded` answers a caller on this machine.
async fn told(guarded: &Guarded, request: Request<Body>) -> (StatusCode, String) {
    let response = guarded
        .answer(request, "127.0.0.1:9".parse().unwrap())
        .await;
    let status = response.status();
    if let Some(agent) = response.headers().get("x-agent") {
        return (status, agent.to_str().unwrap().to_owned());
    }
    let body = axum::body::to_bytes(response.into_body(), 1024).await;
    let body = String::from_utf8(body.unwrap().to_vec()).unwrap();
    (status, body)
}

#[tokio::test]
async fn every_route_of_an_agents_host_is_the_agents() {
    let access = watch::Sender::new(Access::default());
    let guarded = with_agents(&access);
    let host = format!("{AID}.AID.localhost:{PORT}");
    for (path, method) in targets() {
        let method: Method = method.parse().unwrap();
        let asked = request(&method, &path, &[("host", Some(&host))]);
        let (status, text) = told(&guarded, asked).await;
        assert_eq!(status, StatusCode::OK, "{method} {path}");
        assert!(text.eq_ignore_ascii_case(AID), "{method} {path}: {text}");
    }
    let stranger = request(&Method::GET, "/", &[("host", Some("x.aid.localhost:2121"))]);
    let (status, text) = told(&guarded, stranger).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(text.contains("bad aid address"), "{text}");
}

/// `Sec-Fetch-Mode` and `Sec-Fetch-Dest`, and whether they are those of a window that is opened.
const PURPOSES: [(Option<&str>, Option<&str>, bool); 7] = [
    (None, None, false),
    (Some("navigate"), Some("document"), true),
    (Some("navigate"), Some("iframe"), false),
    (Some("navigate"), None, false),
    (Some("no-cors"), Some("image"), false),
    (Some("cors"), Some("empty"), false),
    (Some("websocket"), Some("document"), false),
];

#[tokio::test]
async fn an_agents_host_lets_in_its_own_pages_and_visitors() {
    let access = watch::Sender::new(Access::default());
    let guarded = with_agents(&access);
    let host = format!("{AID}.aid.localhost:{PORT}");
    let own = format!("http://{host}");
    let neighbour = format!("http://{OTHER}.aid.localhost:{PORT}");
    let origins = ORIGINS.map(|(origin, _)| (origin, origin.is_none()));
    let origins = origins.into_iter().chain([
        (Some(own.as_str()), true),
        (Some(neighbour.as_str()), false),
    ]);
    let (mut passed, mut refused) = (0, 0);
    for (origin, is_own) in origins {
        for (site, own_site) in SITES {
            for (mode, dest, is_visit) in PURPOSES {
                for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS] {
                    let headers = [
                        ("host", Some(host.as_str())),
                        ("origin", origin),
                        ("sec-fetch-site", site),
                        ("sec-fetch-mode", mode),
                        ("sec-fetch-dest", dest),
                    ];
                    let reads = method == Method::GET || method == Method::HEAD;
                    let is_let_in = is_own && (own_site || is_visit && reads);
                    let expected = if is_let_in {
                        StatusCode::OK
                    } else {
                        StatusCode::FORBIDDEN
                    };
                    let (status, _) = told(&guarded, request(&method, "/", &headers)).await;
                    assert_eq!(status, expected, "{method} {headers:?}");
                    *(if is_let_in { &mut passed } else { &mut refused }) += 1;
                }
            }
        }
    }
    assert!(passed > 100 && refused > 1000, "{passed} and {refused}");
}

#[tokio::test]
async fn an_agents_page_is_a_stranger_to_the_api() {
    let access = watch::Sender::new(Access::default());
    let guarded = with_agents(&access);
    let origin = format!("http://{AID}.aid.localhost:{PORT}");
    for (path, method) in targets() {
        let method: Method = method.parse().unwrap();
        let headers = [
            ("host", Some("127.0.0.1:2121")),
            ("origin", Some(origin.as_str())),
        ];
        let (status, _) = told(&guarded, request(&method, &path, &headers)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {path}");
    }
    // Whatever a browser makes of the answer, the API's host has no visitors from other sites.
    for (mode, dest, _) in PURPOSES {
        let headers = [
            ("host", Some("127.0.0.1:2121")),
            ("sec-fetch-site", Some("cross-site")),
            ("sec-fetch-mode", mode),
            ("sec-fetch-dest", dest),
        ];
        let (status, _) = told(&guarded, request(&Method::GET, "/aid/x/", &headers)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{mode:?} {dest:?}");
    }
}

#[tokio::test]
async fn a_page_of_our_own_has_visitors_from_anywhere_and_needs_no_token() {
    let probe = Probe::new(Access::new(TOKEN, true));
    let methods = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
    let paths = [
        ("/backup/a0", true),
        ("/backup", false),
        ("/backups/a0", false),
        ("/identity/a0/master", false),
    ];
    let mut passed = 0;
    for ((path, is_page), method) in paths.into_iter().flat_map(|path| {
        let methods = methods.iter();
        methods.map(move |method| (path, method))
    }) {
        let is_read = is_page && (method == Method::GET || method == Method::HEAD);
        for (((host, local), (origin, ours), (site, own)), (mode, dest, is_visit)) in
            cells().flat_map(|cell| PURPOSES.map(|purpose| (cell, purpose)))
        {
            let headers = [
                ("host", host),
                ("origin", origin),
                ("sec-fetch-site", site),
                ("sec-fetch-mode", mode),
                ("sec-fetch-dest", dest),
            ];
            let expected = match (local, ours && (own || is_read && is_visit)) {
                (false, _) => StatusCode::BAD_REQUEST,
                (true, false) => StatusCode::FORBIDDEN,
                (true, true) if is_read => StatusCode::OK,
                (true, true) => StatusCode::UNAUTHORIZED,
            };
            let asked = request(method, path, &headers);
            let status = probe.ask("127.0.0.1:9", asked).await;
            assert_eq!(status, expected, "{method} {path} {headers:?}");
            passed += usize::from(status == StatusCode::OK);
        }
    }
    assert!(passed > 100, "{passed}");
    let asked = request(
        &Method::GET,
        "/backup/a0",
        &[("host", Some("node.example"))],
    );
    let status = probe.ask("192.0.2.1:9", asked).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "another machine");
}

#[tokio::test]
async fn a_host_and_a_target_that_differ_are_refused() {
    let access = watch::Sender::new(Access::default());
    let guarded = with_agents(&access);
    let agent = format!("{AID}.aid.localhost:{PORT}");
    let other = format!("http://{OTHER}.aid.localhost:{PORT}/");
    for (host, target) in [
        (agent.as_str(), "http://127.0.0.1:2121/status"),
        (agent.as_str(), other.as_str()),
        ("127.0.0.1:2121", other.as_str()),
    ] {
        let asked = request(&Method::GET, target, &[("host", Some(host))]);
        let (status, _) = told(&guarded, asked).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{host} {target}");
    }
}

#[tokio::test]
async fn agents_are_reached_with_the_token_wherever_the_api_is_and_never_see_it() {
    let access = watch::Sender::new(Access::new(TOKEN, true));
    let shown = |headers: HeaderMap| async move {
        let shown = headers.get_all(header::AUTHORIZATION);
        shown.iter().count().to_string()
    };
    let guarded = Guarded::new(Router::new().fallback(any(shown)), access.subscribe(), PORT)
        .with_agents(Router::new().fallback(any(shown)));
    let token = format!("Bearer {TOKEN}");
    for host in ["127.0.0.1:2121", &format!("{AID}.aid.localhost:{PORT}")] {
        let without = request(&Method::GET, "/aid/x/", &[("host", Some(host))]);
        assert_eq!(told(&guarded, without).await.0, StatusCode::UNAUTHORIZED);
        let with = [("host", Some(host)), ("authorization", Some(&*token))];
        let with = request(&Method::GET, "/aid/x/", &with);
        assert_eq!(told(&guarded, with).await, (StatusCode::OK, "0".to_owned()));
    }
    // Where none is needed, one that is shown all the same stays here, and others pass.
    access.send_replace(Access::new(TOKEN, false));
    for (authorization, passed) in [
        (&*token, "0"),
        ("bearer correct-horse", "0"),
        ("Bearer of the agent", "1"),
    ] {
        let headers = [
            ("host", Some("127.0.0.1:2121")),
            ("authorization", Some(authorization)),
        ];
        let (_, count) = told(&guarded, request(&Method::GET, "/aid/x/", &headers)).await;
        assert_eq!(count, passed, "{authorization}");
    }
}
