// SPDX-License-Identifier: MPL-2.0
//! Why a message was not passed on, as the client is told.

use std::error::Error;

use reqwest::StatusCode;

use crate::untrusted::{beginning, cleaned};

/// Longest part of a refusal that is handed on, in bytes.
const REFUSAL_LEN: usize = 120;

/// Why a message was not passed on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("there is no MCP server to pass this on to: {0}")]
    Nowhere(Box<dyn Error + Send + Sync>),
    #[error("the MCP server at {url} cannot be reached")]
    Unreachable {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the MCP server answered {status}{}", said(text))]
    Refused { status: StatusCode, text: String },
    #[error("the MCP server did not answer in time")]
    Late,
    #[error("the MCP server broke off its answer")]
    BrokenOff,
    #[error("the MCP server sent a message that is too long")]
    TooLong,
}

/// The beginning of what a stranger said, on one line and without what people do not see.
fn said(text: &str) -> String {
    let (text, _) = cleaned(&text.replace(['\n', '\r', '\t'], " "));
    match beginning(text.trim(), REFUSAL_LEN) {
        "" => String::new(),
        text => format!(" and said {text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_short_and_holds_nothing_hidden() {
        let text = format!("\u{1b}[31m\u{202e}no\r\nway \"{}", "x".repeat(500));
        let status = StatusCode::FORBIDDEN;
        let told = Problem::Refused { status, text }.to_string();
        let beginning = "the MCP server answered 403 Forbidden and said \"[31mno  way \\\"xxx";
        assert!(told.starts_with(beginning), "{told}");
        assert!(told.len() < 200, "{told}");
        let text = String::new();
        let told = Problem::Refused { status, text }.to_string();
        assert_eq!(told, "the MCP server answered 403 Forbidden");
    }
}
