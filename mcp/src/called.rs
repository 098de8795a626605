// SPDX-License-Identifier: MPL-2.0
//! What comes of a single call of a tool, without the protocol around it.

use rmcp::model::{ErrorData, JsonObject, ServerResult};

use crate::receipts::Receipts;

/// What a tool answered.
#[derive(Debug)]
pub struct Called {
    /// Its structured content.
    pub content: JsonObject,
    /// To be told when the caller has it.
    pub receipts: Receipts,
}

/// Why [`Mcp::call`](crate::Mcp::call) gave nothing back.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// There is no such tool.
    #[error("{0}")]
    UnknownTool(String),
    /// An argument cannot be used.
    #[error("{message}")]
    BadArgument {
        /// What is wrong with it, for people.
        message: String,
        /// What to do next.
        next: Option<String>,
        /// Its name.
        argument: Option<String>,
    },
    /// The tool did not do it.
    #[error("{message}")]
    Failed {
        /// What went wrong, for people.
        message: String,
        /// The same for programs.
        code: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// What to do next.
        next: Option<String>,
        /// The argument at fault, where one is.
        argument: Option<String>,
    },
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopping,
}

/// The structured content of an answer.
pub(crate) fn outcome(answered: Result<ServerResult, ErrorData>) -> Result<JsonObject, CallError> {
    let result = match answered {
        Ok(ServerResult::CallToolResult(result)) => result,
        Ok(_) => return Err(CallError::Stopping),
        Err(error) => return Err(CallError::UnknownTool(error.message.into_owned())),
    };
    let content = match result.structured_content {
        Some(serde_json::Value::Object(content)) => content,
        _ => JsonObject::new(),
    };
    if result.is_error != Some(true) {
        return Ok(content);
    }
    let text = |name: &str| {
        content
            .get(name)
            .and_then(|value| value.as_str())
            .unwrap_or_default()
            .to_owned()
    };
    let said = |name: &str| Some(text(name)).filter(|text| !text.is_empty());
    let (next, argument) = (said("next"), said("argument"));
    if text("code") == "bad_argument" {
        return Err(CallError::BadArgument {
            message: text("message"),
            next,
            argument,
        });
    }
    Err(CallError::Failed {
        next,
        argument,
        message: text("message"),
        code: text("code"),
        retryable: content.get("retryable").is_some_and(|value| value == true),
    })
}
