// SPDX-License-Identifier: MPL-2.0
//! How the arguments of a tool are read: a bad one is named, so that a model can mend it.

use std::borrow::Cow;

use rmcp::ErrorData;
use rmcp::handler::server::common::{FromContextPart, schema_for_input};
use rmcp::handler::server::tool::ToolCallContext;
use rmcp::model::JsonObject;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// The arguments of a tool call. `rmcp` finds the input schema of a tool by this name.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub(crate) T);

/// The arguments of a tool that takes none.
#[derive(Debug, Deserialize, JsonSchema)]
pub(crate) struct Nothing {}

impl<T: JsonSchema> JsonSchema for Parameters<T> {
    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

impl<T, S> FromContextPart<ToolCallContext<'_, S>> for Parameters<T>
where
    T: DeserializeOwned + JsonSchema + 'static,
{
    fn from_context_part(context: &mut ToolCallContext<'_, S>) -> Result<Self, ErrorData> {
        let given = context.arguments.take().unwrap_or_default();
        read(given).map(Self).map_err(BadArgument::into_error)
    }
}

/// An argument that cannot be used.
#[derive(Debug, PartialEq)]
pub(crate) struct BadArgument {
    /// Its name.
    pub(crate) argument: String,
    /// What is wrong with it.
    pub(crate) problem: String,
}

impl BadArgument {
    /// What travels through `rmcp`, which has room for its own kind of error only.
    fn into_error(self) -> ErrorData {
        let data = json!({ "argument": self.argument });
        ErrorData::invalid_params(self.problem, Some(data))
    }

    /// Back from there.
    pub(crate) fn from_error(error: &ErrorData) -> Option<Self> {
        let argument = error.data.as_ref()?.get("argument")?.as_str()?;
        Some(Self {
            argument: argument.to_owned(),
            problem: error.message.to_string(),
        })
    }
}

fn read<T: DeserializeOwned + JsonSchema + 'static>(
    mut given: JsonObject,
) -> Result<T, BadArgument> {
    let schema = schema_for_input::<Parameters<T>>().expect("arguments are objects");
    given.retain(|_, value| !value.is_null());
    check_names(&schema, &given)?;
    serde_path_to_error::deserialize(Value::Object(given.clone())).map_err(|error| {
        let path = error.path().to_string();
        let problem = error.into_inner().to_string();
        BadArgument {
            argument: culprit(&path, &problem, &schema, &given),
            problem,
        }
    })
}

fn check_names(schema: &JsonObject, given: &JsonObject) -> Result<(), BadArgument> {
    let known = schema.get("properties").and_then(Value::as_object);
    let is_known = |name: &String| known.is_some_and(|known| known.contains_key(name));
    let Some(name) = given.keys().find(|name| !is_known(name)) else {
        return Ok(());
    };
    let known = known.into_iter().flat_map(JsonObject::keys);
    let known = known.map(String::as_str).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "none" } else { &known };
    Err(BadArgument {
        argument: name.clone(),
        problem: format!("unknown argument `{name}`; this tool takes: {known}"),
    })
}

/// The name of the argument that a problem is about: where the path leads, what the text names
/// (`missing field …`), or the first whose type is not the one of the schema.
fn culprit(path: &str, problem: &str, schema: &JsonObject, given: &JsonObject) -> String {
    let named = path
        .split(['.', '['])
        .find(|part| !part.is_empty() && *part != "?");
    let quoted = problem.strip_prefix("missing field `");
    let quoted = quoted.and_then(|rest| rest.split('`').next());
    let mistyped = given.iter().find(|(name, value)| {
        let kind = schema["properties"][name.as_str()].get("type");
        kind.is_some_and(|kind| !is_of(kind, value))
    });
    let found = named.or(quoted).or(mistyped.map(|(name, _)| name.as_str()));
    found.unwrap_or("arguments").to_owned()
}

/// Whether `value` is of the type, or one of the types, that a schema names.
fn is_of(kind: &Value, value: &Value) -> bool {
    let is = |kind: &Value| match kind.as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        Some("null") => value.is_null(),
        _ => true,
    };
    kind.as_array()
        .map_or_else(|| is(kind), |kinds| kinds.iter().any(is))
}

#[cfg(test)]
mod tests {
    use a2al_protocol::Aid;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    struct Example {
        #[schemars(with = "String")]
        aid: Aid,
        #[serde(flatten)]
        more: More,
    }

    #[derive(Debug, Default, Deserialize, JsonSchema)]
    #[serde(default)]
    struct More {
        count: Option<u32>,
        names: Vec<String>,
    }

    const AID: &str = "a0eb165e6d5d1de7c44e0228e8efe48e4d05f6479a";

    fn read(given: Value) -> Result<Example, BadArgument> {
        let Value::Object(given) = given else {
            panic!("an object")
        };
        super::read(given)
    }

    #[test]
    fn what_is_left_out_or_null_is_the_default() {
        let example = read(json!({ "aid": AID, "count": null, "names": null })).unwrap();
        assert_eq!(example.aid.to_string().to_lowercase(), AID);
        assert!(example.more.count.is_none() && example.more.names.is_empty());
        let example = read(json!({ "aid": AID, "count": 2, "names": ["x"] })).unwrap();
        assert_eq!(example.more.count, Some(2));
    }

    #[test]
    fn a_bad_argument_is_named() {
        for (given, name, problem) in [
            (json!({}), "aid", "missing field"),
            (json!({ "aid": "a0" }), "aid", ""),
            (json!({ "aid": 7 }), "aid", "invalid type"),
            (json!({ "aid": AID, "count": "2" }), "count", "invalid type"),
            (json!({ "aid": AID, "names": "x" }), "names", "invalid type"),
            (
                json!({ "aid": AID, "name": "x" }),
                "name",
                "unknown argument",
            ),
        ] {
            let bad = read(given.clone()).unwrap_err();
            assert_eq!(bad.argument, name, "{given}: {bad:?}");
            assert!(bad.problem.contains(problem), "{bad:?}");
            assert_eq!(
                BadArgument::from_error(&read(given).unwrap_err().into_error()),
                Some(bad)
            );
        }
    }
}
