// SPDX-License-Identifier: MPL-2.0
//! What routes take from a request: addresses from the path, leniently read JSON from the body.

use a2al_protocol::Aid;
use a2al_service::model::plainly;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use http_body_util::BodyExt;
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

/// The value, or what is wrong with it, and in which field where that can be told.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = if bytes.trim_ascii().is_empty() {
        b"{}"
    } else {
        bytes
    };
    // serde would take a list for the object's fields in order.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err("expected an object".to_owned());
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let read = serde_path_to_error::deserialize(&mut deserializer);
    match read.map_err(|error| told(&error))? {
        Some(value) => Ok(value),
        None => serde_json::from_str("{}").map_err(|error| plainly(&error.to_string())),
    }
}

fn told(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    let field = error.path().to_string();
    let problem = plainly(&error.inner().to_string());
    // The body itself is `.`, and a place that is not known `?`.
    if field == "." || field.contains('?') {
        problem
    } else {
        format!("`{field}`: {problem}")
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

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

    #[test]
    fn the_field_at_fault_is_named() {
        for (body, said) in [
            ("3", "invalid type: integer `3`, expected an object"),
            (
                r#"{"name":1}"#,
                "`name`: invalid type: integer `1`, expected a string",
            ),
        ] {
            let problem = parse::<Example>(body.as_bytes()).unwrap_err();
            assert!(problem.starts_with(said), "{problem}");
        }
    }
}
