// SPDX-License-Identifier: MPL-2.0
//! What HTTP has to know about a message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

/// Names the revision of the protocol in a stateless request.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// A message of the client.
#[derive(Debug)]
pub(crate) struct Message {
    text: String,
    parsed: Value,
}

/// What a message is, as far as it matters here.
#[derive(Debug, PartialEq)]
pub(crate) enum Kind {
    /// Opens a session.
    Initialize,
    /// Ends the opening.
    Initialized,
    /// Calls off the request with this id.
    Cancelled(String),
    /// Any other request.
    Request,
    /// Answers and notices.
    Other,
}

impl From<Value> for Message {
    fn from(parsed: Value) -> Self {
        Self {
            text: parsed.to_string(),
            parsed,
        }
    }
}

impl Message {
    /// Reads a line; `None` if it is no JSON.
    pub(crate) fn read(text: String) -> Option<Self> {
        let parsed = serde_json::from_str(&text).ok()?;
        Some(Self { text, parsed })
    }

    /// The line as it came.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The message itself.
    pub(crate) fn value(&self) -> &Value {
        &self.parsed
    }

    pub(crate) fn kind(&self) -> Kind {
        match (self.method(), self.id()) {
            (Some("initialize"), _) => Kind::Initialize,
            (Some("notifications/initialized"), _) => Kind::Initialized,
            (Some("notifications/cancelled"), _) => {
                Kind::Cancelled(self.parsed["params"]["requestId"].to_string())
            }
            (Some(_), Value::Null) | (None, _) => Kind::Other,
            (Some(_), _) => Kind::Request,
        }
    }

    /// Its id; null if it has none.
    pub(crate) fn id(&self) -> &Value {
        &self.parsed["id"]
    }

    pub(crate) fn method(&self) -> Option<&str> {
        self.parsed["method"].as_str()
    }

    /// Whether somebody waits for an answer to it.
    pub(crate) fn wants_answer(&self) -> bool {
        matches!(self.kind(), Kind::Initialize | Kind::Request)
    }

    /// The revision that a stateless request names.
    pub(crate) fn version(&self) -> Option<&str> {
        self.parsed["params"]["_meta"][VERSION_KEY].as_str()
    }

    /// Whether it stands for itself, without a session.
    pub(crate) fn is_stateless(&self) -> bool {
        self.version().is_some()
    }

    /// What the header `Mcp-Name` says of it.
    pub(crate) fn name(&self) -> Option<String> {
        let key = match self.method()? {
            "tools/call" | "prompts/get" => "name",
            "resources/read" => "uri",
            "tasks/get" | "tasks/update" | "tasks/cancel" => "taskId",
            _ => return None,
        };
        Some(as_header(self.parsed["params"][key].as_str()?))
    }
}

/// A text as a header can carry it.
fn as_header(text: &str) -> String {
    let is_plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) && text.trim() == text;
    if is_plain && !text.starts_with("=?base64?") {
        return text.to_owned();
    }
    format!("=?base64?{}?=", BASE64_STANDARD.encode(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::read(text.to_owned()).unwrap()
    }

    #[test]
    fn kinds_are_told_apart() {
        for (text, kind) in [
            (r#"{"id":1,"method":"initialize"}"#, Kind::Initialize),
            (
                r#"{"method":"notifications/initialized"}"#,
                Kind::Initialized,
            ),
            (
                r#"{"method":"notifications/cancelled","params":{"requestId":"a"}}"#,
                Kind::Cancelled("\"a\"".to_owned()),
            ),
            (r#"{"id":"x","method":"tools/list"}"#, Kind::Request),
            (r#"{"id":1,"result":{}}"#, Kind::Other),
            (r#"{"method":"notifications/progress"}"#, Kind::Other),
            ("[]", Kind::Other),
        ] {
            assert_eq!(message(text).kind(), kind, "{text}");
        }
        assert!(Message::read("{".to_owned()).is_none());
    }

    #[test]
    fn headers_say_what_the_body_says() {
        let call = r#"{"id":1,"method":"tools/call","params":{"name":"ü","_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#;
        let call = message(call);
        assert!(call.is_stateless());
        assert_eq!(call.name().as_deref(), Some("=?base64?w7w=?="));
        let read =
            message(r#"{"id":1,"method":"resources/read","params":{"uri":"a2al://status"}}"#);
        assert_eq!(read.name().as_deref(), Some("a2al://status"));
        assert!(!read.is_stateless());
        assert_eq!(message(r#"{"id":1,"method":"tools/list"}"#).name(), None);
    }
}
