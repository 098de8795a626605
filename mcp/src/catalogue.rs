// SPDX-License-Identifier: MPL-2.0
//! All tools, by toolset, with schemas cut down to what a model needs.

use std::sync::{Arc, LazyLock};

use rmcp::handler::server::router::tool::{ToolRoute, ToolRouter};
use rmcp::model::{JsonObject, Tool};
use serde_json::{Map, Value, json};

use crate::server::Server;
use crate::tools;
use crate::toolsets::{Toolset, Toolsets};

/// The tools of this crate; they are the same for every node.
pub(crate) static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(Catalogue::new);

/// One tool.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) set: Toolset,
    pub(crate) route: ToolRoute<Server>,
}

/// All tools, ordered by toolset and name.
#[derive(Debug)]
pub(crate) struct Catalogue(Vec<Entry>);

impl Catalogue {
    fn new() -> Self {
        let mut entries = Vec::new();
        for (set, router) in tools::routers() {
            entries.extend(routes(set, router));
        }
        entries.sort_by(|one, other| {
            let key = |entry: &Entry| (entry.set, entry.route.attr.name.clone());
            key(one).cmp(&key(other))
        });
        Self(entries)
    }

    /// The tools of `shown`.
    pub(crate) fn list(&self, shown: Toolsets) -> Vec<Tool> {
        let entries = self.0.iter().filter(|entry| shown.has(entry.set));
        entries.map(|entry| entry.route.attr.clone()).collect()
    }

    /// The tool of that name, whether it is shown or not.
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.0.iter().find(|entry| entry.route.name() == name)
    }
}

fn routes(set: Toolset, router: ToolRouter<Server>) -> impl Iterator<Item = Entry> {
    router.into_iter().map(move |mut route| {
        let tool = &mut route.attr;
        // Doc comments break their lines; a model needs no such breaks.
        tool.description = tool
            .description
            .take()
            .map(|text| text.replace('\n', " ").into());
        tool.input_schema = Arc::new(input(&tool.input_schema));
        tool.output_schema = tool
            .output_schema
            .take()
            .map(|schema| Arc::new(output(&schema)));
        Entry { set, route }
    })
}

/// An input schema: every argument described, none but those.
fn input(schema: &JsonObject) -> JsonObject {
    let mut schema = inlined(schema);
    strip(&mut schema, &["$schema", "title", "format"]);
    if let Some(arguments) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        arguments.values_mut().for_each(without_null);
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.insert("additionalProperties".to_owned(), json!(false));
    schema
}

/// Most fields of an answer that is a list, with what is said about it.
const MOST_BESIDE_A_LIST: usize = 4;

/// An output schema: names and types alone, and of objects within objects not even the names. What
/// fields mean is said by their names and by the texts of results; more would double the room that
/// tools take.
fn output(schema: &JsonObject) -> JsonObject {
    let mut schema = inlined(schema);
    let unneeded = [
        "$schema",
        "title",
        "description",
        "format",
        "minimum",
        "maximum",
        "default",
        "examples",
        "required",
    ];
    strip(&mut schema, &unneeded);
    if let Some(fields) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        // The parts of an answer that a model reads: what strangers wrote, and a list that is all
        // of the answer.
        let is_list = fields.len() <= MOST_BESIDE_A_LIST;
        for (name, field) in fields {
            if name != "untrusted" {
                flatten(field, is_list);
            }
        }
    }
    let mut schema = Value::Object(schema);
    join_words(&mut schema);
    without_plain_items(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    }
}

/// Takes out what is within objects; of a list, if `keeps_items`, only what is within its items.
fn flatten(field: &mut Value, keeps_items: bool) {
    let Some(schema) = field.as_object_mut() else {
        return;
    };
    schema.remove("properties");
    schema.remove("additionalProperties");
    let items = schema.get_mut("items").and_then(Value::as_object_mut);
    match items.and_then(|items| items.get_mut("properties")) {
        Some(Value::Object(fields)) if keeps_items => {
            for (name, field) in fields {
                if name != "untrusted" {
                    flatten(field, false);
                }
            }
        }
        Some(_) => drop(schema.remove("items")),
        None => {}
    }
    if schema.remove("anyOf").is_some() {
        schema.insert("type".to_owned(), json!(["object", "null"]));
    }
}

/// Does not say what a list is of where that is a type alone.
fn without_plain_items(schema: &mut Value) {
    let Some(schema) = schema.as_object_mut() else {
        return;
    };
    if let Some(items) = schema.get_mut("items") {
        without_plain_items(items);
        if items.get("properties").is_none() {
            schema.remove("items");
        }
    }
    let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
    for field in fields.into_iter().flat_map(Map::values_mut) {
        without_plain_items(field);
    }
}

/// Writes a choice of words (`oneOf` with a `const` each, as described words are) as an `enum`.
fn join_words(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let words = fields
                .get("oneOf")
                .and_then(Value::as_array)
                .map(|choices| {
                    let words = choices.iter().map(|choice| choice.get("const").cloned());
                    words.collect::<Option<Vec<_>>>()
                });
            if let Some(Some(words)) = words {
                fields.remove("oneOf");
                fields.insert("enum".to_owned(), Value::Array(words));
            }
            fields.values_mut().for_each(join_words);
        }
        Value::Array(items) => items.iter_mut().for_each(join_words),
        _ => {}
    }
}

/// The schema with every reference replaced by what it leads to: some hosts follow none.
fn inlined(schema: &JsonObject) -> JsonObject {
    let mut schema = schema.clone();
    let definitions = schema.remove("$defs").unwrap_or_default();
    let mut schema = Value::Object(schema);
    inline(&mut schema, &definitions);
    match schema {
        Value::Object(schema) => schema,
        _ => JsonObject::new(),
    }
}

fn inline(schema: &mut Value, definitions: &Value) {
    match schema {
        Value::Object(fields) => {
            let target = fields.remove("$ref");
            let target = target.as_ref().and_then(Value::as_str);
            let target = target.and_then(|path| definitions.get(path.rsplit('/').next()?));
            for (name, value) in target.and_then(Value::as_object).into_iter().flatten() {
                // What is said at the reference is nearer than what is said at the definition.
                fields.entry(name).or_insert_with(|| value.clone());
            }
            fields
                .values_mut()
                .for_each(|value| inline(value, definitions));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| inline(item, definitions)),
        _ => {}
    }
}

/// Takes `keywords` out, at every depth; names of fields are no keywords.
fn strip(schema: &mut JsonObject, keywords: &[&str]) {
    for keyword in keywords {
        schema.remove(*keyword);
    }
    for (keyword, value) in schema.iter_mut() {
        match value {
            Value::Object(fields) if keyword == "properties" => {
                let schemas = fields.values_mut().filter_map(Value::as_object_mut);
                schemas.for_each(|schema| strip(schema, keywords));
            }
            Value::Object(schema) => strip(schema, keywords),
            Value::Array(items) if keyword != "enum" && keyword != "required" => {
                let schemas = items.iter_mut().filter_map(Value::as_object_mut);
                schemas.for_each(|schema| strip(schema, keywords));
            }
            _ => {}
        }
    }
}

/// An optional argument without `null` among its types: it can be left out, and some hosts know
/// arguments of one type only. (`null` is still taken.)
fn without_null(argument: &mut Value) {
    let Some(fields) = argument.as_object_mut() else {
        return;
    };
    if let Some(Value::String(text)) = fields.get_mut("description") {
        // Comments break their lines; a model needs no such breaks.
        *text = text.replace('\n', " ");
    }
    // That a count is not negative goes without saying.
    if fields.get("minimum") == Some(&json!(0)) {
        fields.remove("minimum");
    }
    if fields.get("default") == Some(&Value::Null) {
        fields.remove("default");
    }
    if let Some(Value::Array(kinds)) = fields.get_mut("type") {
        kinds.retain(|kind| kind != "null");
        if let [only] = &kinds[..] {
            let only = only.clone();
            fields.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(mut choices)) = fields.remove("anyOf") {
        choices.retain(|choice| choice["type"] != "null");
        match &choices[..] {
            [Value::Object(only)] => {
                for (name, value) in only {
                    fields.entry(name).or_insert_with(|| value.clone());
                }
            }
            _ => drop(fields.insert("anyOf".to_owned(), Value::Array(choices))),
        }
    }
    // Last, because a choice of one has just brought its fields along.
    if let Some(inner) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        inner.values_mut().for_each(without_null);
    }
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Example {
        /// What it is.
        one: Option<Inner>,
        /// Another.
        title: Option<String>,
        many: Vec<Inner>,
    }

    #[derive(JsonSchema)]
    #[expect(dead_code, reason = "only its schema is looked at")]
    struct Inner {
        /// A number.
        count: u32,
    }

    fn schema() -> JsonObject {
        let schema = serde_json::to_value(schemars::schema_for!(Example)).unwrap();
        schema.as_object().unwrap().clone()
    }

    #[test]
    fn an_input_schema_keeps_what_a_model_needs() {
        let schema = Value::Object(input(&schema()));
        let arguments = &schema["properties"];
        assert_eq!(arguments["title"]["type"], "string");
        assert_eq!(arguments["title"]["description"], "Another.");
        assert_eq!(arguments["one"]["type"], "object");
        assert_eq!(arguments["one"]["description"], "What it is.");
        assert_eq!(
            arguments["many"]["items"]["properties"]["count"]["type"],
            "integer"
        );
        assert_eq!(schema["additionalProperties"], false);
        assert!(!schema.to_string().contains('$'), "{schema}");
    }

    #[test]
    fn an_output_schema_is_types_alone() {
        let schema = Value::Object(output(&schema()));
        assert!(!schema.to_string().contains("description"), "{schema}");
        assert_eq!(
            schema["properties"]["title"]["type"],
            json!(["string", "null"])
        );
        assert_eq!(
            schema["properties"]["many"]["items"]["properties"]["count"]["type"],
            "integer"
        );
        assert!(
            schema["properties"]["one"].get("properties").is_none(),
            "{schema}"
        );
    }
}
