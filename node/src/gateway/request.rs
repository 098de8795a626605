// SPDX-License-Identifier: MPL-2.0
//! The head of a request on its way to an agent.

use a2al_protocol::Aid;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::answer::is_ours;
use super::base::Base;

/// Says under which host the client asked.
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// Says over which protocol the client asked.
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// Says below which path the client asked.
const X_FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// Headers of proxies begin like this. Those of ours are set anew, the others are nobody's business.
const FORWARDED: &str = "x-forwarded-";

/// Other headers that tell an agent about the client's network.
const ABOUT_THE_CLIENT: [HeaderName; 3] = [
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// What a browser says of itself begins like this.
const BROWSER: &str = "sec-fetch-";

/// Makes the headers those of a request to `aid` by a client that found it at `base`.
pub(super) fn rewrite(headers: &mut HeaderMap, aid: Aid, base: &Base) {
    let is_browser = headers
        .keys()
        .any(|name| name.as_str().starts_with(BROWSER));
    if is_browser && !base.prefix.is_empty() {
        // A browser's cookies for this host are those of every port: other programs' as well.
        headers.remove(header::COOKIE);
    }
    let unwanted: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name) || name.as_str().starts_with(FORWARDED))
        .cloned()
        .collect();
    for name in unwanted.iter().chain(&ABOUT_THE_CLIENT) {
        headers.remove(name);
    }
    headers.remove(header::PROXY_AUTHORIZATION);
    set(headers, header::HOST, &aid.to_string());
    set(headers, X_FORWARDED_HOST, &base.host);
    set(headers, X_FORWARDED_PROTO, "http");
    if !base.prefix.is_empty() {
        set(headers, X_FORWARDED_PREFIX, &base.prefix);
    }
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Addresses are letters and digits, and the rest came in a request.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

/// Whether a browser is about to show the answer as a page, in a window or a frame.
pub(super) fn is_page_visit(headers: &HeaderMap) -> bool {
    let any = |name, wanted: &[&str]| {
        let mut values = headers.get_all(name).iter();
        values.any(|value| wanted.iter().any(|wanted| value == wanted))
    };
    any(
        "sec-fetch-dest",
        &[
            "document",
            "iframe",
            "frame",
            "fencedframe",
            "embed",
            "object",
        ],
    ) || any("sec-fetch-mode", &["navigate", "nested-navigate"])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(given: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for &(name, value) in given {
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn rewritten(given: &[(&'static str, &'static str)], prefix: &str) -> HeaderMap {
        let mut headers = headers(given);
        let base = Base {
            host: "localhost:2121".to_owned(),
            prefix: prefix.to_owned(),
        };
        let aid = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed"
            .parse()
            .unwrap();
        rewrite(&mut headers, aid, &base);
        headers
    }

    #[test]
    fn an_agent_learns_where_it_was_asked_and_not_by_whom() {
        let given = [
            ("host", "localhost:2121"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "elsewhere.example"),
            ("x-forwarded-prefix", "/elsewhere"),
            ("forwarded", "for=192.0.2.7"),
            ("x-real-ip", "192.0.2.7"),
            ("x-a2al-caller-aid", "a0forged"),
            ("x-a2al-anything", "1"),
            ("proxy-authorization", "Basic eA=="),
            ("authorization", "Bearer mine"),
            ("cookie", "a=1"),
        ];
        let expected = [
            ("host", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
            ("x-forwarded-host", "localhost:2121"),
            ("x-forwarded-proto", "http"),
            ("authorization", "Bearer mine"),
            ("cookie", "a=1"),
        ];
        assert_eq!(rewritten(&given, ""), headers(&expected));
        let by_path = rewritten(&given, "/aid/x");
        assert_eq!(by_path["x-forwarded-prefix"], "/aid/x");
        assert_eq!(by_path["cookie"], "a=1", "a program's own");
    }

    #[test]
    fn cookies_that_other_programs_gave_a_browser_stay_here() {
        let given = [("cookie", "a=1"), ("sec-fetch-site", "same-origin")];
        assert!(!rewritten(&given, "/aid/x").contains_key(header::COOKIE));
        assert!(rewritten(&given, "").contains_key(header::COOKIE));
    }

    #[test]
    fn pages_and_frames_are_visits_and_fetches_are_not() {
        for visit in [
            ("sec-fetch-dest", "document"),
            ("sec-fetch-dest", "iframe"),
            ("sec-fetch-dest", "object"),
            ("sec-fetch-mode", "navigate"),
        ] {
            assert!(is_page_visit(&headers(&[visit])), "{visit:?}");
        }
        for other in [
            ("sec-fetch-dest", "empty"),
            ("sec-fetch-mode", "cors"),
            ("accept", "text/html"),
        ] {
            assert!(!is_page_visit(&headers(&[other])), "{other:?}");
        }
    }
}
