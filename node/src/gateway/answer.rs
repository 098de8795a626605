// SPDX-License-Identifier: MPL-2.0
//! The head of an agent's answer on its way to the client.
//!
//! What would act on the API's origin is taken out by the guard, as from every answer of an agent;
//! here is what depends on where the agent appears to be.

use a2al_protocol::Aid;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use super::base::{Base, own_path};

/// Headers that this node and its like speak with begin like this; nobody else may say them.
const OURS: &str = "x-a2al-";

/// Whether a header is one that only nodes say.
pub(super) fn is_ours(name: &HeaderName) -> bool {
    name.as_str().starts_with(OURS)
}

/// Headers that say where something is.
const PLACES: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

/// Makes the headers those of an answer of `aid` from `base`.
pub(super) fn rewrite(headers: &mut HeaderMap, aid: Aid, base: &Base) {
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
    for name in PLACES {
        let place = headers
            .get(&name)
            .and_then(|place| placed(place, aid, base));
        if let Some(place) = place {
            headers.insert(name, place);
        }
    }
}

/// A place of the agent's own as the client reaches it; `None` for what is elsewhere or depends on the request. The agent was called by
/// its address, so that is the host it names.
fn placed(place: &HeaderValue, aid: Aid, base: &Base) -> Option<HeaderValue> {
    let place = place.to_str().ok()?;
    let new = if place.starts_with('/') && !place.starts_with("//") {
        format!("{}{}", base.prefix, own_path(place, aid))
    } else {
        let (scheme, rest) = place.split_once("://")?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let is_http = ["http", "https"]
            .iter()
            .any(|http| scheme.eq_ignore_ascii_case(http));
        let authority: Authority = rest[..end].parse().ok().filter(|_| is_http)?;
        if !authority.host().eq_ignore_ascii_case(&aid.to_string()) {
            return None;
        }
        base.url(own_path(&rest[end..], aid))
    };
    HeaderValue::try_from(new).ok()
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

    const AID: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

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
    fn places_of_the_agent_are_where_the_client_reaches_it() {
        for (given, on_host, on_path) in [
            ("/x?a=1", "/x?a=1", "/aid/x/x?a=1"),
            ("/aid/AID/x", "/x", "/aid/x/x"),
            ("http://AID/x/", "http://h/x/", "http://h/aid/x/x/"),
            ("https://AID:8000/x#y", "http://h/x#y", "http://h/aid/x/x#y"),
        ] {
            let given = HeaderValue::try_from(given.replace("AID", AID)).unwrap();
            let aid = AID.parse().unwrap();
            assert_eq!(placed(&given, aid, &base("")).unwrap(), on_host);
            assert_eq!(placed(&given, aid, &base("/aid/x")).unwrap(), on_path);
        }
        for elsewhere in [
            "x",
            "?a=1",
            "//h/x",
            "http://example.org/",
            "mailto:AID",
            "",
        ] {
            let elsewhere = HeaderValue::from_static(elsewhere);
            let placed = placed(&elsewhere, AID.parse().unwrap(), &base("/aid/x"));
            assert_eq!(placed, None, "{elsewhere:?}");
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
        rewrite(&mut headers, AID.parse().unwrap(), &base(""));
        let cookies: Vec<_> = headers.get_all(header::SET_COOKIE).iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(headers.len(), 3);
    }
}
