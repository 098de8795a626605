// SPDX-License-Identifier: MPL-2.0
//! What routes take from a request: addresses from the path, leniently read JSON from the body.

use a2al_protocol::Aid;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use super::Problem;

/// The agent named in the path. Anything but a valid address is answered 400 `bad aid`.
#[derive(Clone, Copy, Debug, IntoParams)]
#[into_params(names("aid"), parameter_in = Path)]
pub(super) struct InPath(
    /// The agent's address.
    #[param(value_type = String)]
    pub(super) Aid,
);

impl<S: Send + Sync> FromRequestParts<S> for InPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let text = Path::<String>::from_request_parts(parts, state).await;
        let aid = text.ok().and_then(|Path(text)| text.parse().ok());
        aid.map(Self)
            .ok_or_else(|| Problem::new(StatusCode::BAD_REQUEST, "bad aid", "bad_aid"))
    }
}

/// An agent and one of its services. The name is whatever follows in the path, slashes included.
#[derive(Clone, Debug, IntoParams)]
#[into_params(names("aid", "name"), parameter_in = Path)]
pub(super) struct ServiceInPath(
    /// The agent's address.
    #[param(value_type = String)]
    pub(super) Aid,
    /// Name of the service.
    pub(super) String,
);

impl<S: Send + Sync> FromRequestParts<S> for ServiceInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |text, code| Problem::new(StatusCode::BAD_REQUEST, text, code);
        let path = Path::<(String, String)>::from_request_parts(parts, state).await;
        let Path((aid, name)) = path.map_err(|_| bad("bad service", "bad_service"))?;
        let aid = aid.parse().map_err(|_| bad("bad aid", "bad_aid"))?;
        Ok(Self(aid, name))
    }
}

/// A JSON body, read as existing clients may send it: unknown fields and whatever follows the
/// first value are ignored; nothing and `null` are the empty object.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        // The body is in memory and within its limit: `conventions::enforce` saw to it.
        let body = request
            .into_body()
            .collect()
            .await
            .map_err(|_| invalid("broke off"))?;
        parse(&body.to_bytes()).map(Self).map_err(invalid)
    }
}

fn invalid(detail: impl std::fmt::Display) -> Problem {
    Problem::new(
        StatusCode::BAD_REQUEST,
        format!("invalid json: {detail}"),
        "invalid_json",
    )
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> serde_json::Result<T> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    // serde would take a list for the object's fields in order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(serde::de::Error::custom("expected an object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    match Option::deserialize(&mut deserializer)? {
        Some(value) => Ok(value),
        None => serde_json::from_str("{}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    #[serde(default)]
    struct Example {
        name: String,
    }

    #[test]
    fn existing_clients_are_read_leniently() {
        let named = Example {
            name: "a".to_owned(),
        };
        for body in [
            r#"{"name":"a"}"#,
            r#"{"name":"a","x":[1]}"#,
            r#"{"name":"a"}}garbage"#,
        ] {
            assert_eq!(parse::<Example>(body.as_bytes()).unwrap(), named, "{body}");
        }
        for body in ["null", "{}", " null x", "", " "] {
            assert_eq!(
                parse::<Example>(body.as_bytes()).unwrap(),
                Example::default(),
                "{body}"
            );
        }
    }

    #[test]
    fn what_is_not_the_object_is_refused() {
        for body in ["[]x", "3", r#"{"name":1}"#, r#"{"name":"a""#, "{", "\u{0}"] {
            assert!(parse::<Example>(body.as_bytes()).is_err(), "{body}");
        }
    }
}
