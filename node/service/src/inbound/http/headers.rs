// SPDX-License-Identifier: MPL-2.0
//! The headers of a request that tell who calls.

use hyper::body::{Bytes, Frame};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::inbound::first_line::{OWN_PREFIX, fold};

/// Tells the service who calls.
const CALLER: HeaderName = HeaderName::from_static("x-a2al-caller-aid");

/// Parameters of an upgrade to HTTP/2.
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Sets who calls, and takes out everything that could make the service see somebody else.
pub(super) fn identify(headers: &mut HeaderMap, caller: &HeaderValue) {
    strip(headers);
    strip_options(headers);
    if upgrades_to_http(headers) {
        // Requests would follow that nobody reads here.
        headers.remove(header::UPGRADE);
        headers.remove(HTTP2_SETTINGS);
    }
    headers.insert(CALLER, caller.clone());
}

/// Takes trailers of ours out of a frame.
pub(super) fn strip_trailers(mut frame: Frame<Bytes>) -> Frame<Bytes> {
    if let Some(trailers) = frame.trailers_mut() {
        strip(trailers);
    }
    frame
}

fn strip(headers: &mut HeaderMap) {
    while let Some(own) = headers.keys().find(|name| is_own(name.as_ref())).cloned() {
        headers.remove(own);
    }
}

/// Takes our names out of `Connection`: what it lists does not pass the next proxy.
fn strip_options(headers: &mut HeaderMap) {
    let is_clean = headers
        .get_all(header::CONNECTION)
        .iter()
        .all(|value| !options(value).any(is_own));
    if is_clean {
        return;
    }
    let kept = headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(options)
        .filter(|option| !is_own(option))
        .collect::<Vec<_>>()
        .join(b", ".as_slice());
    match HeaderValue::from_bytes(&kept) {
        Ok(kept) if !kept.is_empty() => drop(headers.insert(header::CONNECTION, kept)),
        _ => drop(headers.remove(header::CONNECTION)),
    }
}

fn options(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let options = value.as_bytes().split(|byte| *byte == b',');
    options.map(<[u8]>::trim_ascii)
}

/// Whether what follows an upgrade would be requests again.
fn upgrades_to_http(headers: &HeaderMap) -> bool {
    let mut wanted = headers.get_all(header::UPGRADE).iter().flat_map(options);
    wanted.any(|protocol| {
        let name = protocol.split(|byte| *byte == b'/').next();
        ["h2c", "h2", "http", "tls"]
            .iter()
            .any(|http| name.is_some_and(|name| name.eq_ignore_ascii_case(http.as_bytes())))
    })
}

/// Whether only this node may set a header of that name, or of one that a server takes for it.
fn is_own(name: &[u8]) -> bool {
    name.get(..OWN_PREFIX.len()).is_some_and(|start| {
        start
            .iter()
            .map(|byte| fold(*byte))
            .eq(OWN_PREFIX.iter().copied())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let parsed = lines
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        let mut headers = HeaderMap::new();
        for (name, value) in parsed {
            let (name, value): (HeaderName, HeaderValue) = (name, value);
            headers.append(name, value);
        }
        headers
    }

    fn identified(lines: &[(&str, &str)]) -> HeaderMap {
        let mut headers = headers(lines);
        identify(&mut headers, &HeaderValue::from_static("me"));
        headers
    }

    #[test]
    fn only_this_node_says_who_calls() {
        let seen = identified(&[
            ("X-A2AL-Caller-AID", "forged"),
            ("x-a2al-caller-aid", "forged"),
            ("X_A2AL_Caller_AID", "forged"),
            ("x-a2al_caller-aid", "forged"),
            ("X.A2AL.Caller.AID", "forged"),
            ("x!a2al~caller'aid", "forged"),
            ("X-A2AL-Else", "forged"),
            ("x-a2", "kept"),
            ("host", "kept"),
        ]);
        assert_eq!(seen.get_all(CALLER).iter().collect::<Vec<_>>(), ["me"]);
        assert_eq!(seen.len(), 3, "{seen:?}");
    }

    #[test]
    fn the_next_proxy_passes_it_on() {
        let seen = identified(&[("connection", "close, X-A2AL-Caller-AID, x-mine")]);
        assert_eq!(seen["connection"], "close, x-mine");
        let seen = identified(&[("connection", "x_a2al_caller_aid")]);
        assert!(!seen.contains_key("connection"));
        let seen = identified(&[("connection", "x-mine, X.A2AL.Caller.AID, \u{e4}")]);
        assert_eq!(seen["connection"].as_bytes(), "x-mine, \u{e4}".as_bytes());
        let seen = identified(&[("connection", "Upgrade"), ("upgrade", "websocket")]);
        assert_eq!(
            (&seen["connection"], &seen["upgrade"]),
            (&"Upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
    }

    #[test]
    fn nothing_is_upgraded_to_requests_that_nobody_reads() {
        for wanted in [
            "h2c",
            "websocket, H2C",
            "\u{e4}, h2c",
            "HTTP/2.0",
            "TLS/1.2",
        ] {
            let seen = identified(&[("upgrade", wanted), ("http2-settings", "x")]);
            assert_eq!(seen.len(), 1, "{wanted}: {seen:?}");
        }
    }

    #[test]
    fn trailers_of_ours_are_taken_out() {
        let sent = headers(&[
            ("x-a2al-caller-aid", "forged"),
            ("x.a2al.caller.aid", "forged"),
            ("checksum", "1"),
        ]);
        let passed = strip_trailers(Frame::trailers(sent));
        assert_eq!(
            passed.into_trailers().unwrap(),
            headers(&[("checksum", "1")])
        );
    }
}
