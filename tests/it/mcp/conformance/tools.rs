// SPDX-License-Identifier: MPL-2.0
//! The tools of the fixtures, and those among them that do something.
#![expect(
    deprecated,
    reason = "the older revision has log messages and sampling"
)]

use std::sync::Arc;

use a2al_mcp::{Mcp, Toolsets};
use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ErrorData, LoggingLevel,
    LoggingMessageNotificationParam, ProgressNotificationParam, ProtocolVersion,
    SamplingCapability, Tool,
};
use rmcp::service::{RequestContext, ServiceError};
use rmcp::{RoleServer, object};
use serde_json::{Value, json};

/// All of them.
pub(super) const NAMES: [&str; 24] = [
    "test_simple_text",
    "test_image_content",
    "test_audio_content",
    "test_embedded_resource",
    "test_multiple_content_types",
    "test_error_handling",
    "test_tool_with_logging",
    "test_logging_tool",
    "test_tool_with_progress",
    "test_sampling",
    "test_elicitation",
    "test_elicitation_sep1034_defaults",
    "test_elicitation_sep1330_enums",
    "test_missing_capability",
    "test_streaming_elicitation",
    "test_trigger_tool_change",
    "test_input_required_result_elicitation",
    "test_input_required_result_sampling",
    "test_input_required_result_list_roots",
    "test_input_required_result_request_state",
    "test_input_required_result_multiple_inputs",
    "test_input_required_result_multi_round",
    "test_input_required_result_tampered_state",
    "test_input_required_result_capabilities",
];

pub(super) fn list() -> impl Iterator<Item = Tool> {
    let schema = Arc::new(object!({ "type": "object" }));
    let tool = move |name| Tool::new(name, "A fixture of the conformance suite", schema.clone());
    NAMES.into_iter().map(tool)
}

/// Calls a tool that does something, and returns what came of it.
pub(super) async fn call(
    mcp: &Mcp,
    request: &CallToolRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<String, ErrorData> {
    let argument = |name: &str| {
        let given = request.arguments.as_ref().and_then(|given| given.get(name));
        given.cloned().unwrap_or_default()
    };
    let done = match &*request.name {
        "test_tool_with_progress" => progress(context).await,
        "test_tool_with_logging" | "test_logging_tool" => log(context).await,
        "test_sampling" => sample(context, &argument("prompt")).await,
        "test_elicitation" => elicit(context, &argument("message"), user()).await,
        "test_elicitation_sep1034_defaults" => elicit(context, &json!("Who?"), defaults()).await,
        "test_elicitation_sep1330_enums" => elicit(context, &json!("Which?"), enums()).await,
        "test_trigger_tool_change" => {
            // More tools and again as many as before: a change that whoever listens is told of.
            mcp.set_toolsets("all".parse().expect("toolsets"));
            mcp.set_toolsets(Toolsets::default());
            Ok("Tools have come and gone".to_owned())
        }
        _ => return sampling_is_declared(context),
    };
    done.map_err(|error| ErrorData::internal_error(error.to_string(), None))
}

fn sampling_is_declared(context: &RequestContext<RoleServer>) -> Result<String, ErrorData> {
    let declared = context.client_capabilities().unwrap_or_default();
    if declared.sampling.is_some() {
        return Ok("The client can sample".to_owned());
    }
    let mut needed = ClientCapabilities::default();
    needed.sampling = Some(SamplingCapability::default());
    Err(ErrorData::missing_required_client_capability(needed))
}

async fn progress(context: &RequestContext<RoleServer>) -> Result<String, ServiceError> {
    if let Some(token) = context.meta.get_progress_token() {
        for progress in [0.0, 50.0, 100.0] {
            let progress = ProgressNotificationParam::new(token.clone(), progress);
            let progress = progress.with_total(100.0);
            context.peer.notify_progress(progress).await?;
        }
    }
    Ok("Progress was made".to_owned())
}

async fn log(context: &RequestContext<RoleServer>) -> Result<String, ServiceError> {
    let version = context.protocol_version();
    let has_session = version.is_some_and(|version| version < ProtocolVersion::V_2026_07_28);
    if has_session || context.meta.log_level().is_some() {
        for said in ["started", "processing data", "completed"] {
            let said = json!(format!("Tool execution: {said}"));
            let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, said);
            context.peer.notify_logging_message(message).await?;
        }
    }
    Ok("It was logged".to_owned())
}

async fn sample(
    context: &RequestContext<RoleServer>,
    prompt: &Value,
) -> Result<String, ServiceError> {
    let content = json!({ "type": "text", "text": prompt });
    let message = json!({ "role": "user", "content": content });
    let request = json!({ "messages": [message], "maxTokens": 100 });
    let request = serde_json::from_value(request).expect("a request of the protocol");
    let answer = context.peer.create_message(request).await?;
    Ok(format!("LLM response: {}", json!(answer)))
}

async fn elicit(
    context: &RequestContext<RoleServer>,
    message: &Value,
    schema: Value,
) -> Result<String, ServiceError> {
    let request = json!({ "mode": "form", "message": message, "requestedSchema": schema });
    let request = serde_json::from_value(request).expect("a request of the protocol");
    let answer = context.peer.create_elicitation(request).await?;
    Ok(format!("User response: {}", json!(answer)))
}

fn user() -> Value {
    json!({ "type": "object", "required": ["username", "email"], "properties": {
        "username": { "type": "string", "description": "User's response" },
        "email": { "type": "string", "description": "User's email address" },
    }})
}

/// A default of every type.
fn defaults() -> Value {
    json!({ "type": "object", "properties": {
        "name": { "type": "string", "default": "John Doe" },
        "age": { "type": "integer", "default": 30 },
        "score": { "type": "number", "default": 95.5 },
        "status": { "type": "string", "enum": ["active", "inactive", "pending"], "default": "active" },
        "verified": { "type": "boolean", "default": true },
    }})
}

/// A choice written in every way.
fn enums() -> Value {
    let titled = json!([
        { "const": "value1", "title": "First" },
        { "const": "value2", "title": "Second" },
        { "const": "value3", "title": "Third" },
    ]);
    let untitled = json!({ "type": "string", "enum": ["option1", "option2", "option3"] });
    json!({ "type": "object", "properties": {
        "untitledSingle": untitled,
        "titledSingle": { "type": "string", "oneOf": titled },
        "legacyEnum": { "type": "string", "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"] },
        "untitledMulti": { "type": "array", "items": untitled },
        "titledMulti": { "type": "array", "items": { "anyOf": titled } },
    }})
}
