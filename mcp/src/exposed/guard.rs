// SPDX-License-Identifier: MPL-2.0
//! Who is let in: callers that mean this machine, and no pages of other sites.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use hyper::StatusCode;
use hyper::header::{HOST, HeaderMap, ORIGIN};

use super::http::Refusal;

/// The host that a fetch names where its caller named none.
const FETCHED: &str = "a2al-agent";

/// Compares hosts without their ports.
#[derive(Debug, Default)]
pub(super) struct Guard {
    /// Further hosts that may be named.
    known: Mutex<Vec<String>>,
}

impl Guard {
    pub(super) fn let_in(&self, host: &str) {
        // Nothing panics while the lock is held.
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.push(host.to_owned());
    }

    /// Lets a request in, or says why not.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let text = |name| headers.get(&name).map(|value| value.to_str().unwrap_or(""));
        let host = text(HOST).map(without_port).unwrap_or_default();
        if !is_loopback(host) && !self.knows(host) {
            return Err(forbidden("this host is not served here"));
        }
        let origin = text(ORIGIN).map(|origin| origin.split_once("://").unwrap_or_default().1);
        if origin.is_some_and(|origin| !is_loopback(without_port(origin))) {
            return Err(forbidden("pages of other sites are not let in"));
        }
        Ok(())
    }

    fn knows(&self, host: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = known.iter().map(String::as_str).chain([FETCHED]);
        known.any(|known| known.eq_ignore_ascii_case(host))
    }
}

fn forbidden(text: &'static str) -> Refusal {
    Refusal::new(StatusCode::FORBIDDEN, super::FAILED, text)
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    }
}

fn is_loopback(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_let_in_and_foreign_pages_are_not() {
        let guard = Guard::default();
        guard.let_in("A0eB");
        let is_let_in = |host: &str, origin: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, host.parse().unwrap());
            if !origin.is_empty() {
                headers.insert(ORIGIN, origin.parse().unwrap());
            }
            guard.check(&headers).is_ok()
        };
        for host in [
            "127.0.0.1:80",
            "localhost",
            "[::1]:8000",
            "a0eb",
            "a2al-agent",
        ] {
            assert!(is_let_in(host, ""), "{host}");
            assert!(is_let_in(host, "http://localhost:3000"), "{host}");
            for origin in ["https://a.example", "null", "http://a0eb"] {
                assert!(!is_let_in(host, origin), "{host} {origin}");
            }
        }
        for host in [
            "a.example",
            "a.example:80",
            "192.0.2.1",
            "127.0.0.1.a.example",
        ] {
            assert!(!is_let_in(host, ""), "{host}");
        }
        assert!(guard.check(&HeaderMap::new()).is_err());
    }
}
