// SPDX-License-Identifier: MPL-2.0
//! A2A agent cards: where an agent says it is reached becomes where the client reaches it.
//!
//! A card names URLs of the service's own machine. A client that took them at their word would
//! leave the network with its second request. So they are rewritten, in A2A 1.0
//! (`supportedInterfaces[].url`) and 0.3 (`url`, `additionalInterfaces[].url`). A signature of the
//! card cannot hold afterwards: it is taken out, and a header says so.

mod body;
mod url;

use std::time::Duration;

use a2al_protocol::Aid;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use serde_json::Value;
use tokio::time::timeout;

use super::base::Base;
use crate::rest::Problem;
use body::{Gathered, gather};

/// Paths of agent cards: of A2A 1.0, and of before 0.3.
const PATHS: [&str; 2] = ["/.well-known/agent-card.json", "/.well-known/agent.json"];

/// Longest card that is rewritten, in bytes; a longer one is passed on as it is.
const MAX_LEN: usize = 1024 * 1024;

/// How long a card may take to arrive once its head is there.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Tells that a card was rewritten, and so carries no signatures any more.
const CARD: HeaderName = HeaderName::from_static("x-a2al-card");

/// Headers about the bytes of the answer, which do not hold for the rewritten ones.
const ABOUT_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    header::ETAG,
    header::ACCEPT_RANGES,
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Whether the request asks for an agent card.
pub(super) fn is_asked_for(request: &Request) -> bool {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    reads
        && PATHS
            .iter()
            .any(|path| request.uri().path().ends_with(path))
}

/// Asks for the whole card, as plain text.
pub(super) fn ask_plainly(headers: &mut HeaderMap) {
    for name in [header::IF_NONE_MATCH, header::IF_RANGE, header::RANGE] {
        headers.remove(name);
    }
    let plain = HeaderValue::from_static("identity");
    headers.insert(header::ACCEPT_ENCODING, plain);
}

/// The answer with the URLs of the card it holds, if it does hold one, leading through `base`.
///
/// # Errors
/// When the card does not arrive.
pub(super) async fn rewrite(
    mut answer: Response,
    aid: Aid,
    base: &Base,
    is_head: bool,
) -> Result<Response, Problem> {
    if !may_be_card(&answer) {
        return Ok(answer);
    }
    if is_head {
        // Neither is that of the card that `GET` would bring.
        answer.headers_mut().remove(header::CONTENT_LENGTH);
        answer.headers_mut().remove(header::ETAG);
        return Ok(answer);
    }
    let (mut head, body) = answer.into_parts();
    let gathered = timeout(TIMEOUT, gather(body, MAX_LEN)).await;
    let bytes = match gathered.map_err(|_| late())?.map_err(|_| broken())? {
        Gathered::Whole(bytes) => bytes,
        Gathered::TooLong(body) => return Ok(Response::from_parts(head, body)),
    };
    let Some(rewritten) = rewritten(&bytes, aid, base) else {
        return Ok(Response::from_parts(head, Body::from(bytes)));
    };
    for name in ABOUT_THE_BYTES {
        head.headers.remove(name);
    }
    head.headers.insert(CARD, rewritten.note);
    Ok(Response::from_parts(head, Body::from(rewritten.bytes)))
}

/// Whether the head is one of a JSON text that we can read.
fn may_be_card(answer: &Response) -> bool {
    let headers = answer.headers();
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next());
    let kind = kind.unwrap_or_default().trim().to_ascii_lowercase();
    let is_json = kind == "application/json" || kind.ends_with("+json");
    let coding = headers.get(header::CONTENT_ENCODING);
    answer.status() == StatusCode::OK && is_json && coding.is_none_or(|coding| coding == "identity")
}

/// A card with other URLs.
struct Rewritten {
    bytes: Bytes,
    /// What the client is told about it.
    note: HeaderValue,
}

/// The card in `bytes` with its URLs below `base`; `None` if there is nothing to change.
fn rewritten(bytes: &[u8], aid: Aid, base: &Base) -> Option<Rewritten> {
    let mut card: Value = serde_json::from_slice(bytes).ok()?;
    let fields = card.as_object_mut()?;
    let mut has_changed = false;
    let mut lead_here = |field: Option<&mut Value>| {
        has_changed |= field.is_some_and(|field| url::replace(field, aid, base));
    };
    if !names_grpc(fields.get("preferredTransport")) {
        lead_here(fields.get_mut("url"));
    }
    for list in ["supportedInterfaces", "additionalInterfaces"] {
        let interfaces = fields.get_mut(list).and_then(Value::as_array_mut);
        for interface in interfaces.into_iter().flatten() {
            // gRPC needs HTTP/2, which does not pass here.
            let is_grpc =
                ["protocolBinding", "transport"].map(|name| names_grpc(interface.get(name)));
            if !is_grpc.contains(&true) {
                lead_here(interface.get_mut("url"));
            }
        }
    }
    if !has_changed {
        return None;
    }
    let note = match fields.remove("signatures") {
        Some(_) => HeaderValue::from_static("rewritten, signatures removed"),
        None => HeaderValue::from_static("rewritten"),
    };
    let bytes = serde_json::to_vec(&card).ok()?.into();
    Some(Rewritten { bytes, note })
}

fn names_grpc(transport: Option<&Value>) -> bool {
    let transport = transport.and_then(Value::as_str);
    transport.is_some_and(|name| name.eq_ignore_ascii_case("grpc"))
}

fn late() -> Problem {
    Problem::new(
        StatusCode::GATEWAY_TIMEOUT,
        "the agent card did not arrive in time",
        "timeout",
    )
}

fn broken() -> Problem {
    Problem::new(
        StatusCode::BAD_GATEWAY,
        "inbound unreachable: the agent card broke off",
        "inbound_unreachable",
    )
}

#[cfg(test)]
mod tests;
