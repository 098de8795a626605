// SPDX-License-Identifier: MPL-2.0
//! What a browser is told about an answer, whoever gave it.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::rest::backup;

/// Where the paths of agents begin on the API's host.
const AGENT_PATHS: &str = "/aid/";

/// Says who may embed an answer.
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// Says that an origin stays apart from the others of its site.
const AGENT_CLUSTER: HeaderName = HeaderName::from_static("origin-agent-cluster");

/// Headers that act on more than the answer they came with: on the origin, its neighbours, or what
/// the browser does later. Answers of agents come without them.
const BEYOND_THE_ANSWER: [HeaderName; 8] = [
    HeaderName::from_static("alt-svc"),
    HeaderName::from_static("clear-site-data"),
    HeaderName::from_static("expect-ct"),
    HeaderName::from_static("nel"),
    HeaderName::from_static("public-key-pins"),
    HeaderName::from_static("public-key-pins-report-only"),
    HeaderName::from_static("report-to"),
    HeaderName::from_static("strict-transport-security"),
];

/// Headers with which an answer on the API's host would act on its origin or speak for it.
const OF_AN_ORIGIN: [HeaderName; 5] = [
    HeaderName::from_static("content-security-policy-report-only"),
    AGENT_CLUSTER,
    HeaderName::from_static("reporting-endpoints"),
    HeaderName::from_static("service-worker-allowed"),
    HeaderName::from_static("timing-allow-origin"),
];

/// Headers with which an answer opens itself to pages of other origins begin like this.
const CORS: &str = "access-control-";

/// Where an answer appears to come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// The API.
    Api,
    /// A page of the API's own.
    Page,
    /// An agent, under a path of the API's host.
    AgentPath,
    /// An agent, on its own host.
    AgentHost,
}

impl Place {
    /// The place of a request for `path`.
    pub(super) fn of(has_agent_host: bool, path: &str) -> Self {
        match has_agent_host {
            true => Self::AgentHost,
            false if path.starts_with(AGENT_PATHS) => Self::AgentPath,
            false if path.starts_with(backup::PAGES) => Self::Page,
            false => Self::Api,
        }
    }

    /// Sets what protects the API, and takes out what would weaken it.
    pub(super) fn secure(self, headers: &mut HeaderMap) {
        const API: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'";
        // A sandbox without exceptions: no script, no form, an origin that is nobody's.
        const SANDBOX: &str = "sandbox; default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
        if matches!(self, Self::AgentPath | Self::AgentHost) {
            remove(headers, &BEYOND_THE_ANSWER);
        }
        match self {
            Self::Api => set_own(headers, HeaderValue::from_static(API)),
            Self::Page => set_own(headers, backup::POLICY.clone()),
            Self::AgentPath => {
                remove(headers, &OF_AN_ORIGIN);
                remove_cors(headers);
                set_own(headers, HeaderValue::from_static(SANDBOX));
            }
            Self::AgentHost => {
                // Besides the agent's own policy: both hold.
                let policy = HeaderValue::from_static("frame-ancestors 'self'");
                headers.append(header::CONTENT_SECURITY_POLICY, policy);
                // Neighbouring agents are one site to a browser. Their pages can neither embed each
                // other's answers nor be made one origin.
                headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
                headers.insert(AGENT_CLUSTER, HeaderValue::from_static("?1"));
            }
        }
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

fn remove_cors(headers: &mut HeaderMap) {
    let names: Vec<HeaderName> = headers.keys().cloned().collect();
    for name in names.iter().filter(|name| name.as_str().starts_with(CORS)) {
        headers.remove(name);
    }
}

fn set_own(headers: &mut HeaderMap, policy: HeaderValue) {
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (RESOURCE_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostile() -> HeaderMap {
        let mut headers = HeaderMap::new();
        let own = [
            ("content-security-policy", "default-src *"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("content-type", "text/html"),
        ];
        for (name, value) in own {
            headers.append(name, HeaderValue::from_static(value));
        }
        for name in BEYOND_THE_ANSWER.iter().chain(&OF_AN_ORIGIN) {
            headers.append(name, HeaderValue::from_static("x"));
        }
        headers
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        let values = headers.get_all(name).iter();
        values
            .map(|value| value.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn an_agent_cannot_speak_for_the_origin_of_the_api() {
        let mut headers = hostile();
        Place::of(false, "/aid/x/").secure(&mut headers);
        let policy = values(&headers, "content-security-policy");
        assert!(
            policy.len() == 1 && policy[0].starts_with("sandbox; default-src 'none'"),
            "{policy:?}"
        );
        assert_eq!(headers[RESOURCE_POLICY], "same-origin");
        assert_eq!(headers["content-type"], "text/html");
        assert_eq!(headers.len(), 6, "{headers:?}");
    }

    #[test]
    fn an_agent_speaks_for_its_own_origin_and_no_further() {
        let mut headers = hostile();
        Place::of(true, "/aid/x/").secure(&mut headers);
        let policy = values(&headers, "content-security-policy");
        assert_eq!(policy, ["default-src *", "frame-ancestors 'self'"]);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers[RESOURCE_POLICY], "same-origin");
        assert_eq!(headers[AGENT_CLUSTER], "?1");
        assert!(!headers.contains_key("clear-site-data"), "{headers:?}");
        assert!(!headers.contains_key("alt-svc"), "{headers:?}");
    }
}
