// SPDX-License-Identifier: MPL-2.0
//! What HTTP has to know about a message.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::Value;

/// Names the revision of the protocol in a stateless request.
const VERSION_KEY: &str = "io.modelcontextprotocol/protocolVersion";

/// A message of the client.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    text: String,
    parsed: Value,
}

/// A line that is no message, and what its sender is answered.
#[derive(Debug, PartialEq)]
pub(crate) struct Unreadable {
    /// The id of the request that it may be; null where none can be read.
    pub(super) id: Value,
    /// The code, by JSON-RPC.
    pub(super) code: i32,
    /// What is wrong.
    pub(super) text: &'static str,
}

/// The id of a request, where the rest of it cannot be read.
#[derive(Deserialize)]
struct Numbered {
    #[serde(default)]
    id: Value,
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
    /// Reads a line.
    pub(crate) fn read(text: String) -> Result<Self, Unreadable> {
        let parsed = parsed(&text)?;
        match problem(&parsed) {
            None => Ok(Self { text, parsed }),
            Some(text) => Err(Unreadable::message(&parsed["id"], text)),
        }
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
            (Some("notifications/initialized"), Value::Null) => Kind::Initialized,
            (Some("notifications/cancelled"), Value::Null) => {
                Kind::Cancelled(self.parsed["params"]["requestId"].to_string())
            }
            (Some(_), Value::Null) | (None, _) => Kind::Other,
            (Some("initialize"), _) => Kind::Initialize,
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

    /// The resource that it is about.
    pub(super) fn resource(&self) -> Option<&str> {
        self.parsed["params"]["uri"].as_str()
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

impl Unreadable {
    /// Text that is no JSON.
    pub(super) fn json() -> Self {
        Self {
            id: Value::Null,
            code: -32700,
            text: "the line is no JSON",
        }
    }

    /// JSON that is no message; `id` is answered if it is one.
    pub(super) fn message(id: &Value, text: &'static str) -> Self {
        let id = if is_id(id) { id.clone() } else { Value::Null };
        let code = -32600;
        Self { id, code, text }
    }
}

fn parsed(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|_| {
        // What is passed over may be as deep as it likes.
        match serde_json::from_str::<Numbered>(text) {
            Ok(numbered) => Unreadable::message(&numbered.id, "the message is nested too deep"),
            Err(_) => Unreadable::json(),
        }
    })
}

/// What keeps `parsed` from being a message.
fn problem(parsed: &Value) -> Option<&'static str> {
    let Some(fields) = parsed.as_object() else {
        return Some(if parsed.is_array() {
            "batches are not part of this revision; send each message on a line of its own"
        } else {
            "a message is an object"
        });
    };
    let id = fields.get("id");
    match fields.get("method") {
        Some(Value::String(_)) if id.is_none_or(is_id) => None,
        Some(Value::String(_)) => Some("the id of a request is a text or a number"),
        Some(_) => Some("the method is no text"),
        None if fields.contains_key("result") || fields.contains_key("error") => None,
        None => Some("the message is neither a request nor an answer"),
    }
}

fn is_id(value: &Value) -> bool {
    value.is_string() || value.is_number()
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
        ] {
            assert_eq!(message(text).kind(), kind, "{text}");
        }
    }

    #[test]
    fn what_is_no_message_is_answered_all_the_same() {
        let deep = format!(
            r#"{{"params":{}{},"id":7,"method":"x"}}"#,
            "[".repeat(500),
            "]".repeat(500)
        );
        for (line, id, code) in [
            ("{", Value::Null, -32700),
            ("x", Value::Null, -32700),
            ("1", Value::Null, -32600),
            ("[]", Value::Null, -32600),
            (r#"[{"id":1,"method":"ping"}]"#, Value::Null, -32600),
            (r#"{"id":null,"method":"ping"}"#, Value::Null, -32600),
            (r#"{"id":{},"method":"ping"}"#, Value::Null, -32600),
            (r#"{"id":1,"method":2}"#, 1.into(), -32600),
            (r#"{"id":"a"}"#, "a".into(), -32600),
            (&deep, 7.into(), -32600),
        ] {
            let answered = Message::read(line.to_owned()).unwrap_err();
            assert_eq!((answered.id, answered.code), (id, code), "{line}");
        }
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
