// SPDX-License-Identifier: MPL-2.0
//! Fixtures that always answer the same, as the suite describes them.

use rmcp::model::{
    CallToolResult, ContentBlock, GetPromptResult, JsonObject, Prompt, ReadResourceResult,
    Resource, ResourceTemplate,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// A picture of one pixel.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/// A sound of no samples.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA=";

fn read<T: DeserializeOwned>(fixture: Value) -> T {
    serde_json::from_value(fixture).expect("fixtures are of the protocol")
}

/// A result that is a text.
pub(super) fn text(text: &str) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

/// What the tool answers, if it is one that does nothing else.
pub(super) fn of_tool(name: &str) -> Option<CallToolResult> {
    let resource = |uri: &str, kind: &str, text: &str| {
        let resource = json!({ "uri": uri, "mimeType": kind, "text": text });
        json!({ "type": "resource", "resource": resource })
    };
    let image = json!({ "type": "image", "data": PNG, "mimeType": "image/png" });
    let content = match name {
        "test_simple_text" => return Some(text("This is a simple text response for testing.")),
        "test_error_handling" => {
            let problem = "This tool intentionally returns an error for testing";
            return Some(CallToolResult::error(vec![ContentBlock::text(problem)]));
        }
        "test_image_content" => json!([image]),
        "test_audio_content" => json!([{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }]),
        "test_embedded_resource" => json!([resource(
            "test://embedded-resource",
            "text/plain",
            "This is an embedded resource content."
        )]),
        "test_multiple_content_types" => json!([
            { "type": "text", "text": "Multiple content types test:" },
            image,
            resource(
                "test://mixed-content-resource",
                "application/json",
                r#"{"test":"data","value":123}"#
            ),
        ]),
        _ => return None,
    };
    Some(CallToolResult::success(read(content)))
}

pub(super) fn prompts() -> Vec<Prompt> {
    let argument = |name: &str| json!({ "name": name, "description": name, "required": true });
    read(json!([
        { "name": "test_simple_prompt", "description": "One message" },
        { "name": "test_prompt_with_arguments", "description": "A message made of its arguments",
          "arguments": [argument("arg1"), argument("arg2")] },
        { "name": "test_prompt_with_embedded_resource", "description": "A resource within",
          "arguments": [argument("resourceUri")] },
        { "name": "test_prompt_with_image", "description": "A picture within" },
        { "name": "test_input_required_result_prompt", "description": "Asks before it answers" },
    ]))
}

/// The prompt, with `given` put in.
pub(super) fn of_prompt(name: &str, given: &JsonObject) -> Option<GetPromptResult> {
    let given = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default();
    let text = |text: &str| json!({ "type": "text", "text": text });
    let contents = match name {
        "test_simple_prompt" => vec![text("This is a simple prompt for testing.")],
        "test_prompt_with_arguments" => {
            let (one, other) = (given("arg1"), given("arg2"));
            let made = format!("Prompt with arguments: arg1='{one}', arg2='{other}'");
            vec![text(&made)]
        }
        "test_prompt_with_embedded_resource" => vec![
            json!({ "type": "resource", "resource": {
                "uri": given("resourceUri"), "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            }}),
            text("Please process the embedded resource above."),
        ],
        "test_prompt_with_image" => vec![
            json!({ "type": "image", "data": PNG, "mimeType": "image/png" }),
            text("Please analyze the image above."),
        ],
        "test_input_required_result_prompt" => vec![text("The context is known.")],
        _ => return None,
    };
    let messages = contents.into_iter();
    let messages = messages.map(|content| json!({ "role": "user", "content": content }));
    Some(GetPromptResult::new(read(messages.collect())))
}

pub(super) fn resources() -> Vec<Resource> {
    read(json!([
        { "uri": "test://static-text", "name": "text", "mimeType": "text/plain" },
        { "uri": "test://static-binary", "name": "binary", "mimeType": "image/png" },
    ]))
}

pub(super) fn templates() -> Vec<ResourceTemplate> {
    read(json!([{ "uriTemplate": "test://template/{id}/data", "name": "by id" }]))
}

pub(super) fn of_resource(uri: &str) -> Option<ReadResourceResult> {
    let of_template = uri
        .strip_prefix("test://template/")
        .and_then(|rest| rest.strip_suffix("/data"));
    let content = match (uri, of_template) {
        ("test://static-text", _) => json!({ "uri": uri, "mimeType": "text/plain",
            "text": "This is the content of the static text resource." }),
        ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        (_, Some(id)) => {
            let data =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        }
        _ => return None,
    };
    Some(ReadResourceResult::new(read(json!([content]))))
}
