// SPDX-License-Identifier: MPL-2.0
//! From an HTTP response to what the client gets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName};

use crate::model::{FetchAnswer, Headers};

/// Longest body handed back, in bytes; the rest is cut off. Source: the reference's fetch.
const MAX_BODY_LEN: usize = 4 * 1024 * 1024;

/// Reads the body up to the limit. Its connection can carry another request if nothing was cut off.
///
/// # Errors
/// When the connection breaks before that.
pub(super) async fn read(response: Response<Incoming>) -> Result<FetchAnswer, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::with_capacity(expected_len(&body));
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else {
            continue;
        };
        let room = MAX_BODY_LEN - bytes.len();
        if data.len() > room {
            bytes.extend_from_slice(&data[..room]);
            return Ok(answer(head.status.as_u16(), &head.headers, &bytes, true));
        }
        bytes.extend_from_slice(&data);
    }
    Ok(answer(head.status.as_u16(), &head.headers, &bytes, false))
}

fn expected_len(body: &Incoming) -> usize {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    announced.min(MAX_BODY_LEN)
}

fn answer(status: u16, headers: &HeaderMap, body: &[u8], truncated: bool) -> FetchAnswer {
    FetchAnswer {
        status,
        headers: outward(headers),
        body: BASE64_STANDARD.encode(body),
        truncated,
        is_relayed: false,
    }
}

/// The headers under the names Go gives them, which existing clients look for. Those about the
/// connection stay here.
fn outward(headers: &HeaderMap) -> Headers {
    let mut named = Headers::new();
    for (name, value) in headers {
        if *name == header::CONNECTION || *name == header::TRANSFER_ENCODING || name == "keep-alive"
        {
            continue;
        }
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        named.entry(canonical(name)).or_default().push(value);
    }
    named
}

/// `content-type` as `Content-Type`.
fn canonical(name: &HeaderName) -> String {
    let mut at_start = true;
    let capitalise = |letter: char| {
        let written = if at_start {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        at_start = letter == '-';
        written
    };
    name.as_str().chars().map(capitalise).collect()
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn header_names_are_capitalised_and_values_kept_apart() {
        let mut headers = HeaderMap::new();
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("x-mcp-id", HeaderValue::from_static("7"));
        headers.append("connection", HeaderValue::from_static("close"));
        let outward = outward(&headers);
        assert_eq!(outward["Set-Cookie"], ["a=1", "b=2"]);
        assert_eq!(outward["X-Mcp-Id"], ["7"]);
        assert_eq!(outward.len(), 2);
    }
}
