// SPDX-License-Identifier: MPL-2.0
//! From what the client asked for to an HTTP request.

use std::fmt::Write as _;

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Uri};

use super::hops::remove_hop_by_hop;
use crate::error::Input;
use crate::model;

/// `Host` of a request to an agent, unless the caller names one. Source: the reference sends the
/// same.
const AGENT_HOST: HeaderValue = HeaderValue::from_static("a2al-agent");

/// `User-Agent` unless the caller names one. The reference sends that of its HTTP library.
const USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("a2ald/", env!("CARGO_PKG_VERSION")));

/// Builds the request. `host` is what goes into `Host` unless the caller names one.
///
/// # Errors
/// Names the part that HTTP cannot express.
pub(super) fn build(
    request: &model::Fetch,
    host: Option<&str>,
) -> Result<Request<Full<Bytes>>, Input> {
    let mut built = Request::new(body(request.body_base64.as_deref().unwrap_or_default())?);
    *built.method_mut() = method(request.method.as_deref().unwrap_or_default())?;
    *built.uri_mut() = target(request.path.as_deref().unwrap_or_default())?;
    let mut headers = headers(&request.headers)?;
    let host = host
        .and_then(|host| HeaderValue::from_str(host).ok())
        .unwrap_or(AGENT_HOST);
    headers.entry(header::HOST).or_insert(host);
    headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
    *built.headers_mut() = headers;
    Ok(built)
}

/// The method in capitals. `CONNECT` is refused: it would ask the service for a tunnel.
fn method(name: &str) -> Result<Method, Input> {
    if name.is_empty() {
        return Ok(Method::GET);
    }
    match Method::from_bytes(name.to_ascii_uppercase().as_bytes()) {
        Ok(Method::CONNECT) | Err(_) => Err(Input::Method),
        Ok(method) => Ok(method),
    }
}

/// The path as HTTP writes it: with a leading slash, and with what may not stand there
/// percent-encoded.
fn target(path: &str) -> Result<Uri, Input> {
    let mut target = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        target.push('/');
    }
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            // A fragment never goes over the wire; control characters would split the request.
            b'#' | 0..=0x1f | 0x7f => return Err(Input::Path),
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|b| b.filter(u8::is_ascii_hexdigit));
                let [Some(high), Some(low)] = digits else {
                    return Err(Input::Path);
                };
                target.extend(['%', char::from(high), char::from(low)]);
            }
            b' ' | b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' | 0x80.. => {
                write!(target, "%{byte:02X}").expect("a String takes everything");
            }
            _ => target.push(char::from(byte)),
        }
    }
    target.parse().map_err(|_| Input::Path)
}

/// The headers that may be passed on. Names that HTTP does not allow are left out.
fn headers(given: &model::Headers) -> Result<HeaderMap, Input> {
    let mut headers = HeaderMap::new();
    for (name, values) in given {
        let Ok(name) = HeaderName::from_bytes(name.as_bytes()) else {
            continue;
        };
        for value in values {
            let value = HeaderValue::from_str(value.trim()).map_err(|_| Input::Header)?;
            headers
                .try_append(&name, value)
                .map_err(|_| Input::Header)?;
        }
    }
    remove_hop_by_hop(&mut headers);
    // The body decides it.
    headers.remove(header::CONTENT_LENGTH);
    Ok(headers)
}

fn body(base64: &str) -> Result<Full<Bytes>, Input> {
    let bytes = crate::base64_body::read(base64).ok_or(Input::Body)?;
    Ok(Full::new(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetch() -> model::Fetch {
        model::Fetch::default()
    }

    #[test]
    fn an_empty_request_is_a_get_of_the_root() {
        let request = build(&fetch(), None).unwrap();
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.uri(), "/");
        assert_eq!(request.headers()[header::HOST], "a2al-agent");
        assert_eq!(request.headers().len(), 2);
    }

    #[test]
    fn methods_are_taken_in_any_case() {
        for (given, sent) in [("post", "POST"), ("PaTcH", "PATCH"), ("purge", "PURGE")] {
            assert_eq!(method(given).unwrap().as_str(), sent);
        }
        for bad in ["GE T", "a\nb", "é", "connect"] {
            assert!(matches!(method(bad), Err(Input::Method)), "{bad}");
        }
    }

    #[test]
    fn paths_are_written_as_http_wants_them() {
        for (given, sent) in [
            ("", "/"),
            ("a/b", "/a/b"),
            ("/a b?c=d e", "/a%20b?c=d%20e"),
            ("/%41%2f", "/%41%2f"),
            ("/é|", "/%C3%A9%7C"),
            ("//host/x", "//host/x"),
            ("http://h/x", "/http://h/x"),
        ] {
            assert_eq!(target(given).unwrap().to_string(), sent, "{given}");
        }
        for bad in ["/a\r\nX: y", "/\0", "/%zz", "/%4", "/a#b"] {
            assert!(matches!(target(bad), Err(Input::Path)), "{bad:?}");
        }
    }

    #[test]
    fn headers_about_the_connection_stay_here() {
        let mut request = fetch();
        for (name, value) in [
            ("connection", "close, X-Private"),
            ("x-private", "1"),
            ("Transfer-Encoding", "chunked"),
            ("content-length", "7"),
            ("bad name", "1"),
            ("X-Kept", "1"),
            ("HOST", "example.org"),
            ("user-agent", "mine"),
        ] {
            request
                .headers
                .insert(name.to_owned(), vec![value.to_owned()]);
        }
        let headers = build(&request, Some("127.0.0.1:80"))
            .unwrap()
            .into_parts()
            .0
            .headers;
        assert_eq!(headers["x-kept"], "1");
        assert_eq!(headers[header::HOST], "example.org");
        assert_eq!(headers[header::USER_AGENT], "mine");
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn header_values_cannot_split_the_request() {
        let mut request = fetch();
        request
            .headers
            .insert("x".to_owned(), vec!["a\r\nb: c".to_owned()]);
        assert!(matches!(build(&request, None), Err(Input::Header)));
    }

    #[test]
    fn a_bad_body_is_named() {
        let request = model::Fetch {
            body_base64: Some("%".to_owned()),
            ..fetch()
        };
        assert!(matches!(build(&request, None), Err(Input::Body)));
    }
}
