// SPDX-License-Identifier: MPL-2.0
//! What a tool answers: structured content and a short text, or what went wrong and what to do.

use a2al_service::{Error, Input};
use rmcp::ErrorData;
use rmcp::handler::server::tool::IntoCallToolResult;
use rmcp::model::{CallToolResponse, CallToolResult, ContentBlock};
use serde::Serialize;

use crate::arguments::BadArgument;

/// A value that also reads as a text, for hosts that show a model nothing else.
pub(crate) trait Readable: Serialize {
    /// The text: everything a model needs to go on.
    fn text(&self) -> String;
}

/// A successful answer. `rmcp` finds the output schema of a tool by this name.
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T: Readable> IntoCallToolResult for Json<T> {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let mut result = CallToolResult::success(vec![ContentBlock::text(self.0.text())]);
        result.structured_content = Some(value(&self.0)?);
        Ok(result.into())
    }
}

/// Why a tool did not do it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// Name for programs; the same as in the REST API.
    pub(crate) code: &'static str,
    /// What went wrong.
    pub(crate) message: String,
    /// Whether the same call may succeed later.
    pub(crate) retryable: bool,
    /// What to do next.
    pub(crate) next: String,
    /// The argument that is at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) argument: Option<String>,
}

impl Failure {
    /// A failure that no repetition will mend.
    pub(crate) fn new(code: &'static str, message: impl Into<String>, next: &str) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: false,
            next: next.to_owned(),
            argument: None,
        }
    }

    /// The same, but a later call may succeed.
    pub(crate) fn but_later(mut self) -> Self {
        self.retryable = true;
        self
    }

    /// The same, of a call that may have been carried out and must not be twice.
    pub(crate) fn perhaps_done(mut self) -> Self {
        self.retryable = false;
        "it may have been done all the same: check before you call again"
            .clone_into(&mut self.next);
        self
    }

    /// The same, with the argument that is at fault.
    pub(crate) fn about(mut self, argument: impl Into<String>) -> Self {
        self.argument = Some(argument.into());
        self
    }

    /// The same; where it has that code, `argument` is at fault.
    pub(crate) fn about_if(self, code: &str, argument: &str) -> Self {
        if self.code == code {
            self.about(argument)
        } else {
            self
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let wire = error.wire();
        let argument = part_of_entry(&error).or_else(|| argument(wire.code));
        Self {
            code: wire.code,
            message: error.to_string(),
            retryable: wire.retryable,
            next: next(wire.code, wire.retryable).to_owned(),
            argument: argument.map(ToOwned::to_owned),
        }
    }
}

impl From<BadArgument> for Failure {
    fn from(bad: BadArgument) -> Self {
        let is_named = bad.problem.contains(&format!("`{}`", bad.argument));
        let message = if is_named {
            bad.problem
        } else {
            format!("argument `{}`: {}", bad.argument, bad.problem)
        };
        let next = "correct that argument as the tool's schema describes it and call again";
        Self::new("bad_argument", message, next).about(bad.argument)
    }
}

impl IntoCallToolResult for Failure {
    fn into_call_tool_result(self) -> Result<CallToolResponse, ErrorData> {
        let text = format!("{} ({}). Next: {}.", self.message, self.code, self.next);
        let mut result = CallToolResult::error(vec![ContentBlock::text(text)]);
        result.structured_content = Some(value(&self)?);
        Ok(result.into())
    }
}

fn value(value: &impl Serialize) -> Result<serde_json::Value, ErrorData> {
    serde_json::to_value(value)
        .map_err(|_| ErrorData::internal_error("an answer that is no JSON", None))
}

/// What to do about a failure of the service, by its code.
fn next(code: &str, retryable: bool) -> &'static str {
    match code {
        "bad_aid" | "bad_agent" => "give a full address, as a2al_agents_list or its owner shows it",
        "not_found" => "see a2al_agents_list for the agents of this node",
        "bad_local_aid" | "caller_not_registered" => {
            "leave local_aid out, or give an agent of this node (a2al_agents_list)"
        }
        "no_kept_key" => {
            "a2al_agents_list shows whether it is here already: publish it, or bind its service with a2al_agent_patch; a deleted one comes back by `a2al agents restore AID`; only a new agent needs a2al_identity_generate"
        }
        "too_many_kept_keys" => "ask the owner to back up the waiting keys: a2al identity list",
        "key_conflict" => "the agent is hosted with another key already: work with it as it is",
        "services_required" | "bad_service" => {
            "give names such as lang.translate, exactly as they were registered"
        }
        "recipient_unknown" => {
            "check the recipient's address; its agent has to be published to get notes"
        }
        "body_too_long" => "send less: a note has at most 64 KiB",
        "outbox_full" => "wait until notes have been delivered",
        "no_provider" => "look with a2al_discover who offers it, or ask again later",
        "providers_failed" => "see the message; try again, or call one by remote_aid",
        "bad_cursor" => "search again without cursor",
        "entry_too_long" | "profile_too_long" => "say less: a shorter brief, fewer tags, less meta",
        "bad_service_tcp" | "service_tcp_not_local" => {
            "give host:port of a service on this machine, such as 127.0.0.1:8080"
        }
        "resolve_failed" => {
            "check the address; the agent may be offline or unpublished: ask its owner, try later"
        }
        "not_connected" => "see a2al_status: the node knows no other node yet; try in a minute",
        "connect_failed" => "the agent's node cannot be reached now: try again in a minute",
        "relay_required" => "call again without disable_relay",
        "inbound_unreachable" => "the agent is there but its service is down: tell its owner",
        "no_inbound" => "the agent has no service to call; its owner has to bind one",
        "access_denied" => "the agent does not let this caller in: ask its owner",
        "tunnel_not_found" => "see a2al_tunnel_list for the open tunnels",
        "port_in_use" => "choose another local_port, or leave it out",
        "too_many_tunnels" => "close a tunnel with a2al_tunnel_close first",
        "payload_too_large" => "send less",
        "delegation_expired" => "ask the owner for a new delegation, signed with the master key",
        "publish_failed" => "see a2al_status; the node goes on trying by itself",
        "timeout" => "try again; the service may be slow",
        "storage_full" => "tell the owner that the disk is full",
        _ if retryable => "try again in a moment",
        _ => "correct the call as the message says, or tell the user",
    }
}

/// The argument that makes an entry for a service too long, where that is what failed.
fn part_of_entry(error: &Error) -> Option<&'static str> {
    match error {
        Error::Input(Input::BriefTooLong { .. }) => Some("brief"),
        Error::Input(Input::EntryTooLong { longest, .. }) => Some(match *longest {
            "the name of the service" => "services",
            named_alike => named_alike,
        }),
        _ => None,
    }
}

/// The argument a failure of the service is about, where its code says so.
fn argument(code: &str) -> Option<&'static str> {
    Some(match code {
        "not_found" => "aid",
        "bad_local_aid" | "caller_not_registered" => "local_aid",
        "tunnel_not_found" => "tunnel_id",
        "bad_local_port" | "port_in_use" => "local_port",
        "bad_idle_timeout" => "idle_timeout_sec",
        "bad_service_tcp" | "service_tcp_not_local" => "service_tcp",
        "services_required" | "too_many_services" => "services",
        "bad_service" => "service",
        "recipient_required" | "recipient_unknown" => "recipient",
        "bad_limit" => "limit",
        "bad_cursor" => "cursor",
        "bad_card_hash" => "card_hash",
        "bad_method" => "method",
        "bad_path" => "path",
        "bad_headers" => "headers",
        "bad_body" | "body_too_long" => "body_base64",
        "bad_payload" => "payload_base64",
        "bad_ttl" => "ttl",
        "bad_record_type" => "rec_type",
        "bad_delegation" => "delegation_proof_hex",
        "bad_signature" => "eth_signature_hex",
        "bad_agent" => "agent",
        _ => return None,
    })
}
