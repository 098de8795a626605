// SPDX-License-Identifier: MPL-2.0
//! The head of an agent's answer on its way to the client.
//!
//! What would act on the API's origin is taken out by the guard, as from every answer of an agent;
//! here is what depends on where the agent appears to be.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::base::Base;

/// Headers that this node and its like speak with begin like this; nobody else may say them.
const OURS: &str = "x-a2al-";

/// Whether a header is one that only nodes say.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(OURS)
}

/// Makes the headers those of an answer from `base`.
pub(super) fn rewrite(headers: &mut HeaderMap, base: &Base) {
    let ours: Vec<HeaderName> = headers
        .keys()
        .filter(|name| is_ours(name))
        .cloned()
        .collect();
    for name in ours {
        headers.remove(name);
    }
    let cookies: Vec<HeaderValue> = headers
        .get_all(header::SET_COOKIE)
        .iter()
        .filter_map(|cookie| confined(cookie, base))
        .collect();
    headers.remove(header::SET_COOKIE);
    for cookie in cookies {
        headers.append(header::SET_COOKIE, cookie);
    }
}

/// The cookie as one of the agent alone: without a domain, which would share it with the hosts
/// beside, and below the agent's own path. `None` for what is no text.
fn confined(cookie: &HeaderValue, base: &Base) -> Option<HeaderValue> {
    let text = cookie.to_str().ok()?;
    let mut parts = text.split(';');
    let mut kept = parts.next()?.to_owned();
    let mut path = None;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        let name = name.trim();
        if name.eq_ignore_ascii_case("path") {
            path = Some(value.trim());
        } else if !name.eq_ignore_ascii_case("domain") {
            kept.push(';');
            kept.push_str(part);
        }
    }
    // A path that is none means the place of the request, which is below the prefix in any case.
    let path = path.filter(|path| path.starts_with('/'));
    if let Some(path) = path {
        kept.push_str("; Path=");
        kept.push_str(&base.prefix);
        kept.push_str(path);
    } else if !base.prefix.is_empty() {
        kept.push_str("; Path=");
        kept.push_str(&base.prefix);
        kept.push('/');
    }
    HeaderValue::try_from(kept).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base(prefix: &str) -> Base {
        Base {
            host: "h".to_owned(),
            prefix: prefix.to_owned(),
        }
    }

    #[test]
    fn a_cookie_is_the_agents_alone() {
        for (given, on_host, on_path) in [
            ("a=1", "a=1", "a=1; Path=/aid/x/"),
            ("a=1; Path=/", "a=1; Path=/", "a=1; Path=/aid/x/"),
            (
                "a=1; HttpOnly; Domain=aid.localhost; PATH=/y; Secure",
                "a=1; HttpOnly; Secure; Path=/y",
                "a=1; HttpOnly; Secure; Path=/aid/x/y",
            ),
            (
                "a=b=c;domain=localhost; SameSite=None",
                "a=b=c; SameSite=None",
                "a=b=c; SameSite=None; Path=/aid/x/",
            ),
            ("a=1; path=y", "a=1", "a=1; Path=/aid/x/"),
            ("a=1; path=/y; path=z", "a=1", "a=1; Path=/aid/x/"),
        ] {
            let given = HeaderValue::from_static(given);
            assert_eq!(confined(&given, &base("")).unwrap(), on_host);
            assert_eq!(confined(&given, &base("/aid/x")).unwrap(), on_path);
        }
    }

    #[test]
    fn every_cookie_stays_and_no_agent_speaks_for_a_node() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("set-cookie", "a=1"),
            ("x-a2al-card-signatures", "verified"),
            ("set-cookie", "b=2; Domain=h"),
            ("x-other", "1"),
        ] {
            headers.append(name, HeaderValue::from_static(value));
        }
        rewrite(&mut headers, &base(""));
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(headers.len(), 3);
    }
}
