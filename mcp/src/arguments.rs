// SPDX-License-Identifier: MPL-2.0
//! How the arguments of a tool are read: a bad one is named, so that a model can mend it.

use std::borrow::Cow;

use a2al_service::model::plainly;
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
        let argument = named(&path, &problem)
            .or_else(|| mistyped(&schema, &given))
            .or_else(|| found_out::<T>(&problem, &given));
        let argument = argument.unwrap_or("arguments").to_owned();
        let problem = plainly(&problem);
        BadArgument { argument, problem }
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

/// The argument that a problem names: where the path leads, or what the text says is missing.
fn named<'a>(path: &'a str, problem: &'a str) -> Option<&'a str> {
    let mut parts = path.split(['.', '[']);
    let named = parts.find(|part| !part.is_empty() && *part != "?");
    named.or_else(|| missing(problem))
}

fn missing(problem: &str) -> Option<&str> {
    let quoted = problem.strip_prefix("missing field `")?;
    quoted.split('`').next()
}

/// The first argument whose value is not one that the schema allows.
fn mistyped<'a>(schema: &JsonObject, given: &'a JsonObject) -> Option<&'a str> {
    let mut given = given.iter();
    let mistyped = given.find(|(name, value)| {
        let schema = &schema["properties"][name.as_str()];
        let is_of_type = schema.get("type").is_none_or(|kind| is_of(kind, value));
        !is_of_type || !is_in_range(schema, value)
    });
    mistyped.map(|(name, _)| name.as_str())
}

/// The argument without which there is another problem or none, for structures that are put
/// together from others: `serde` does not tell there where it was.
fn found_out<'a, T: DeserializeOwned>(problem: &str, given: &'a JsonObject) -> Option<&'a str> {
    let problem_of = |given: JsonObject| {
        let read = serde_json::from_value::<T>(Value::Object(given));
        read.err().map(|error| error.to_string())
    };
    let is_optional_culprit = |name: &&String| {
        let mut without = given.clone();
        without.remove(*name);
        problem_of(without).is_none_or(|other| other != problem && missing(&other).is_none())
    };
    let is_culprit_alone = |name: &&String| {
        let alone = given
            .get(*name)
            .cloned()
            .map(|value| ((*name).clone(), value));
        problem_of(alone.into_iter().collect()).as_deref() == Some(problem)
    };
    let found = given.keys().find(is_optional_culprit);
    let found = found.or_else(|| given.keys().find(is_culprit_alone));
    found.map(String::as_str)
}

fn is_in_range(schema: &Value, value: &Value) -> bool {
    let Some(number) = value.as_f64() else {
        return true;
    };
    let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
    // Of these the schema says no more than the name.
    let is_u32 = schema
        .get("format")
        .is_some_and(|format| format == "uint32");
    let most = bound("maximum").or(is_u32.then_some(f64::from(u32::MAX)));
    bound("minimum").is_none_or(|least| least <= number) && most.is_none_or(|most| number <= most)
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
    use std::collections::BTreeMap;

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
        kind: u8,
        names: Vec<String>,
        headers: BTreeMap<String, Vec<String>>,
    }

    /// All of its parts are parts of others.
    #[expect(dead_code, reason = "only whether it can be read is looked at")]
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Together {
        #[serde(flatten)]
        example: Example,
        #[serde(flatten)]
        needed: Needed,
    }

    #[expect(dead_code, reason = "only whether it can be read is looked at")]
    #[derive(Debug, Deserialize, JsonSchema)]
    struct Needed {
        ttl: u32,
    }

    const AID: &str = "a0eb165e6d5d1de7c44e0228e8efe48e4d05f6479a";

    fn read<T: DeserializeOwned + JsonSchema + 'static>(given: Value) -> Result<T, BadArgument> {
        let Value::Object(given) = given else {
            panic!("an object")
        };
        super::read(given)
    }

    #[test]
    fn what_is_left_out_or_null_is_the_default() {
        let example: Example = read(json!({ "aid": AID, "count": null, "names": null })).unwrap();
        assert_eq!(example.aid.to_string().to_lowercase(), AID);
        assert!(example.more.count.is_none() && example.more.names.is_empty());
        let example: Example = read(json!({ "aid": AID, "count": 2, "names": ["x"] })).unwrap();
        assert_eq!(example.more.count, Some(2));
    }

    #[test]
    fn a_bad_argument_is_named() {
        for (given, name, problem) in [
            (json!({}), "aid", "missing field"),
            (json!({ "aid": "a0" }), "aid", ""),
            (json!({ "aid": 7 }), "aid", "invalid type"),
            (
                json!({ "aid": AID, "count": "2" }),
                "count",
                "a whole number",
            ),
            (json!({ "aid": AID, "names": "x" }), "names", "a list"),
            (
                json!({ "aid": AID, "name": "x" }),
                "name",
                "unknown argument",
            ),
        ] {
            let bad = read::<Example>(given.clone()).unwrap_err();
            assert_eq!(bad.argument, name, "{given}: {bad:?}");
            assert!(bad.problem.contains(problem), "{bad:?}");
            assert_eq!(
                BadArgument::from_error(&read::<Example>(given).unwrap_err().into_error()),
                Some(bad)
            );
        }
    }

    #[test]
    fn a_bad_argument_of_a_part_is_named() {
        let good = json!({ "aid": AID, "ttl": 5, "count": 1, "headers": { "a": ["b"] } });
        read::<Together>(good.clone()).unwrap();
        for (name, value) in [
            ("aid", json!("zz")),
            ("aid", json!(7)),
            ("ttl", json!(-5)),
            ("ttl", json!("5")),
            ("ttl", json!(1u64 << 40)),
            ("kind", json!(300)),
            ("headers", json!({ "a": 5 })),
            ("names", json!([1])),
        ] {
            let mut given = good.clone();
            given[name] = value;
            let bad = read::<Together>(given.clone()).unwrap_err();
            assert_eq!(bad.argument, name, "{given}: {bad:?}");
        }
        let bad = read::<Together>(json!({ "aid": "zz" })).unwrap_err();
        assert_eq!(bad.argument, "aid");
    }
}
