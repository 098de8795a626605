// SPDX-License-Identifier: MPL-2.0
//! One HTTP request to another agent's service, and its answer.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// HTTP headers: each name with all its values.
pub type Headers = BTreeMap<String, Vec<String>>;

/// An HTTP request to send to an agent's service.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, Serialize, ToSchema)]
#[serde(default)]
pub struct Fetch {
    /// Method, in any case; `GET` when absent.
    #[schema(example = "GET")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path and query; a leading `/` is added when missing.
    #[schema(example = "/v1/items?limit=10")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Headers. Each value is a list. Names that HTTP does not allow and headers about the
    /// connection are left out.
    #[schema(value_type = BTreeMap<String, Vec<String>>, example = json!({"Accept": ["application/json"]}))]
    #[schemars(example = BTreeMap::from([("Accept", ["text/html"])]))]
    #[serde(
        deserialize_with = "null_as_none",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    pub headers: Headers,
    /// Body, base64.
    #[schema(example = "eyJhIjoxfQ==")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_base64: Option<String>,
    /// Agent on this node to call as; the node itself when absent or empty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_aid: Option<String>,
    /// True to take no relayed path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disable_relay: Option<bool>,
}

/// What the service answered.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize, ToSchema)]
pub struct FetchAnswer {
    /// HTTP status of the service. Redirects are handed back, not followed.
    #[schema(example = 200)]
    pub status: u16,
    /// Headers of the service, names capitalised as in `Content-Type`.
    #[schema(value_type = BTreeMap<String, Vec<String>>, example = json!({"Content-Type": ["application/json"]}))]
    pub headers: Headers,
    /// Body, base64; at most 4 MiB of it.
    #[schema(example = "eyJhIjoxfQ==")]
    pub body: String,
    /// True when the body was longer and is cut; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// True when request and answer passed through a relay; absent otherwise.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_relayed: bool,
}

/// `null` means no headers, as it does to existing servers.
fn null_as_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Headers, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_may_be_left_out_or_null() {
        for json in [
            "{}",
            r#"{"method":null,"path":null,"headers":null,"body_base64":null,"local_aid":null,"disable_relay":null}"#,
            r#"{"access_token":"not known here"}"#,
        ] {
            let request: Fetch = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&request).unwrap(), "{}");
        }
    }

    #[test]
    fn header_values_have_to_be_lists() {
        assert!(serde_json::from_str::<Fetch>(r#"{"headers":{"a":"b"}}"#).is_err());
        let request: Fetch = serde_json::from_str(r#"{"headers":{"a":["b","c"]}}"#).unwrap();
        assert_eq!(request.headers["a"], ["b", "c"]);
    }

    #[test]
    fn only_a_cut_answer_says_so() {
        let mut answer = FetchAnswer {
            status: 200,
            headers: Headers::new(),
            body: String::new(),
            truncated: false,
            is_relayed: false,
        };
        let whole = serde_json::to_string(&answer).unwrap();
        assert_eq!(whole, r#"{"status":200,"headers":{},"body":""}"#);
        answer.truncated = true;
        assert!(
            serde_json::to_string(&answer)
                .unwrap()
                .ends_with(r#""truncated":true}"#)
        );
    }
}
