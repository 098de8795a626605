// SPDX-License-Identifier: MPL-2.0
//! One URL of an agent card.

use a2al_protocol::Aid;
use serde_json::Value;

use super::super::base::{Base, own_path};

/// Replaces the URL in `field`, if there is one of HTTP; says whether it is another one now.
pub(super) fn replace(field: &mut Value, aid: Aid, base: &Base) -> bool {
    let Value::String(url) = field else {
        return false;
    };
    match below(url, aid, base) {
        Some(new) if new != *url => {
            *url = new;
            true
        }
        _ => false,
    }
}

/// The URL below `base` with the same path and query; `None` for what is no URL of HTTP.
fn below(url: &str, aid: Aid, base: &Base) -> Option<String> {
    Some(base.url(own_path(path(url)?, aid)))
}

/// Everything that follows the authority. What is none begins with a slash itself.
fn path(url: &str) -> Option<&str> {
    if url.starts_with('/') && !url.starts_with("//") {
        return Some(url);
    }
    let (scheme, rest) = url.split_once("://")?;
    let is_http = ["http", "https"]
        .iter()
        .any(|http| scheme.eq_ignore_ascii_case(http));
    let start = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    (is_http && start > 0).then(|| &rest[start..])
}

#[cfg(test)]
mod tests {
    use super::*;

    const AID: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

    fn moved(url: &str, prefix: &str) -> Option<String> {
        let base = Base {
            host: "localhost:2121".to_owned(),
            prefix: prefix.replace("AID", AID),
        };
        below(&url.replace("AID", AID), AID.parse().unwrap(), &base)
    }

    #[test]
    fn path_and_query_stay_and_the_prefix_comes_once() {
        for (url, path) in [
            (
                "http://127.0.0.1:9999/a2a/v1?x=1&y=%2F",
                "/a2a/v1?x=1&y=%2F",
            ),
            ("https://agent.example", ""),
            ("https://agent.example/", "/"),
            ("HTTPS://agent.example?x", "?x"),
            ("/a2a", "/a2a"),
            ("http://localhost:2121/aid/AID/a2a", "/a2a"),
            ("http://other:1/aid/AID", ""),
            (
                "http://h/aid/0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed/a",
                "/a",
            ),
            ("http://h/aid/a0x/a", "/aid/a0x/a"),
        ] {
            let by_path = format!("http://localhost:2121/aid/{AID}{path}");
            assert_eq!(moved(url, "/aid/AID").unwrap(), by_path, "{url}");
            let by_host = format!("http://localhost:2121{path}");
            assert_eq!(moved(url, "").unwrap(), by_host, "{url}");
            assert_eq!(moved(&by_path, "/aid/AID").unwrap(), by_path, "again");
        }
    }

    #[test]
    fn what_does_not_speak_http_stays() {
        for url in [
            "",
            "x",
            "grpc://h:1/",
            "h:50051",
            "//h/x",
            "http:///x",
            "ws://h/x",
        ] {
            assert_eq!(moved(url, ""), None, "{url}");
        }
    }
}
