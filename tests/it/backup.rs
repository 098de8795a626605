// SPDX-License-Identifier: MPL-2.0
//! The page on which a master key is saved, as it is served.

use serde_json::json;

use crate::harness::{Call, Daemon, RawAnswer, Setup};

async fn kept(daemon: &Daemon) -> String {
    let call = json!({ "tool": "a2al_identity_generate" });
    let made = daemon.api.post("/mcp/call", call).await.ok();
    made["aid"].as_str().expect("an address").to_owned()
}

/// What a page of another site is answered that does this with a path.
async fn from_elsewhere(daemon: &Daemon, path: &str, how: (&str, &str, &str, &str)) -> RawAnswer {
    let (method, site, mode, dest) = how;
    let call = Call {
        method,
        path,
        site: Some(site),
        mode: Some(mode),
        dest: Some(dest),
        content_type: None,
        ..Call::default()
    };
    call.send(daemon).await
}

#[tokio::test]
async fn the_page_is_static_text_that_may_do_little() {
    let daemon = Daemon::alone().await;
    let aid = kept(&daemon).await;
    let page = daemon.api.get(&format!("/backup/{aid}")).await;
    let other = daemon.api.get("/backup/%3Cscript%3E").await;
    assert_eq!((page.status, other.status), (200, 200));
    assert_eq!(page.text, other.text, "nothing of the request is in it");
    assert!(!page.text.contains(&aid));
    let header = |name: &str| page.headers[name].to_str().expect("a text");
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("cache-control"), "no-store");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(header("referrer-policy"), "no-referrer");
    assert_eq!(header("cross-origin-opener-policy"), "same-origin");
    assert_eq!(header("cross-origin-resource-policy"), "same-origin");
    let policies = page.headers.get_all("content-security-policy");
    assert_eq!(policies.iter().count(), 1);
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none'; ",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "connect-src 'self'; ",
        "frame-ancestors 'none'; ",
        "base-uri 'none'; ",
        "form-action 'none'; ",
    ] {
        assert!(policy.contains(part), "{part}: {policy}");
    }
    for part in ["unsafe", "*", "http:", "https:", "data:", "blob:"] {
        assert!(!policy.contains(part), "{part}: {policy}");
    }
    for outside in ["src=", "href=", "http://", "https://", "innerHTML"] {
        assert!(!page.text.contains(outside), "{outside}");
    }
}

#[tokio::test]
async fn a_link_from_anywhere_leads_to_the_page_and_to_nothing_else() {
    let daemon = Daemon::alone().await;
    let aid = kept(&daemon).await;
    let page = format!("/backup/{aid}");
    for site in ["cross-site", "same-site"] {
        let visit = ("GET", site, "navigate", "document");
        assert_eq!(from_elsewhere(&daemon, &page, visit).await.status, 200);
        for other in ["/", "/status", "/backup", "/identity/kept"] {
            assert_eq!(from_elsewhere(&daemon, other, visit).await.status, 403);
        }
        let key = format!("/identity/{aid}/master");
        for how in [
            visit,
            ("GET", site, "cors", "empty"),
            ("GET", site, "no-cors", "script"),
            ("DELETE", site, "cors", "empty"),
        ] {
            let refused = from_elsewhere(&daemon, &key, how).await;
            assert_eq!(refused.status, 403, "{how:?}: {}", refused.body);
        }
        for how in [
            ("GET", site, "navigate", "iframe"),
            ("GET", site, "cors", "empty"),
            ("GET", site, "no-cors", "script"),
            ("POST", site, "navigate", "document"),
        ] {
            let refused = from_elsewhere(&daemon, &page, how).await;
            assert_eq!(refused.status, 403, "{how:?}: {}", refused.body);
        }
    }
    let rebound = Call {
        path: &page,
        host: Some("evil.example"),
        ..Call::default()
    };
    assert_eq!(rebound.send(&daemon).await.status, 400);
    let waits = daemon.status().await["pending"].clone();
    assert_eq!(waits, json!({ &aid: { "master_backup": true } }));
}

#[tokio::test]
async fn the_page_needs_no_token_and_the_key_does() {
    let config = "api_token = \"canary-4711\"\nrequire_local_token = true\n";
    let daemon = Setup::new().with_config(config).start().await;
    let tell = async |method, path| {
        let call = Call {
            method,
            path,
            ..Call::default()
        };
        call.send(&daemon).await.status
    };
    assert_eq!(tell("GET", "/backup/x").await, 200);
    assert_eq!(tell("HEAD", "/backup/x").await, 200);
    assert_eq!(tell("POST", "/backup/x").await, 401);
    assert_eq!(tell("GET", "/backup").await, 401);
    assert_eq!(tell("GET", "/identity/kept").await, 401);
    assert_eq!(tell("GET", "/identity/x/master").await, 401);
}
