// SPDX-License-Identifier: MPL-2.0
//! JSON Schemas cut down to what a model needs, in the few words that all hosts know.

use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// An input schema: every argument described, none but those.
pub(super) fn input(schema: &JsonObject) -> JsonObject {
    let mut schema = inlined(schema);
    strip(&mut schema, &["$schema", "title", "format"]);
    if let Some(arguments) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        arguments.values_mut().for_each(without_null);
    }
    schema.entry("properties").or_insert_with(|| json!({}));
    schema.insert("additionalProperties".to_owned(), json!(false));
    with_one_type_each(schema)
}

/// Most fields of an answer that is a list, with what is said about it.
const MOST_BESIDE_A_LIST: usize = 4;

/// An output schema: names and types alone, and of objects within objects not even the names. What
/// fields mean is said by their names and by the texts of results; more would double the room that
/// tools take.
pub(super) fn output(schema: &JsonObject) -> JsonObject {
    let mut schema = Value::Object(inlined(schema));
    drop_null_where_optional(&mut schema);
    let Value::Object(mut schema) = schema else {
        return JsonObject::new();
    };
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
        "additionalProperties",
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
        Value::Object(schema) => with_one_type_each(schema),
        _ => JsonObject::new(),
    }
}

/// Every type of JSON.
const TYPES: [&str; 6] = ["object", "array", "string", "number", "boolean", "null"];

/// The schema with a list of types written as a choice of schemas with one type each, and with no
/// field that may be anything without saying so: some hosts refuse either.
fn with_one_type_each(mut schema: JsonObject) -> JsonObject {
    let each = |inner: &mut JsonObject| *inner = with_one_type_each(std::mem::take(inner));
    for (keyword, value) in &mut schema {
        match value {
            Value::Object(fields) if keyword == "properties" => {
                for field in fields.values_mut() {
                    if *field == json!({}) || *field == json!(true) {
                        *field = json!({ "type": TYPES });
                    }
                    field.as_object_mut().map(each);
                }
            }
            Value::Object(inner) => each(inner),
            Value::Array(items) => items
                .iter_mut()
                .filter_map(Value::as_object_mut)
                .for_each(each),
            _ => {}
        }
    }
    let Some(Value::Array(types)) = schema.get("type").cloned() else {
        return schema;
    };
    schema.remove("type");
    choice(&types, schema)
}

/// A choice of `types`; all that `schema` says of its values holds for each but `null`.
fn choice(types: &[Value], mut schema: JsonObject) -> JsonObject {
    let mut chosen = JsonObject::new();
    if let Some(description) = schema.remove("description") {
        chosen.insert("description".to_owned(), description);
    }
    let schemas = types.iter().map(|of_type| {
        let mut one = JsonObject::from_iter([("type".to_owned(), of_type.clone())]);
        if of_type != "null" {
            one.extend(schema.clone());
        }
        Value::Object(one)
    });
    chosen.insert("anyOf".to_owned(), schemas.collect());
    chosen
}

/// Takes out what is within objects; of a list, if `keeps_items`, only what is within its items.
fn flatten(field: &mut Value, keeps_items: bool) {
    let Some(schema) = field.as_object_mut() else {
        return;
    };
    schema.remove("properties");
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
    if fields.get("additionalProperties") == Some(&json!(true)) {
        fields.remove("additionalProperties");
    }
    if let Some(Value::String(text)) = fields.get_mut("description") {
        // Comments break their lines; a model needs no such breaks.
        *text = text.replace('\n', " ");
    }
    // That a count is not negative goes without saying.
    if fields.get("minimum") == Some(&json!(0)) {
        fields.remove("minimum");
    }
    // Nor that it is nothing when it is left out.
    if fields.get("default") == Some(&json!("")) {
        fields.remove("default");
    }
    drop_null(fields);
    if let Some(inner) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        inner.values_mut().for_each(without_null);
    }
}

/// Takes `null` out of the types of fields that may be left out: without a value, they are.
fn drop_null_where_optional(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            let required = fields.get("required").cloned().unwrap_or_default();
            let is_required = |name: &str| {
                let required = required.as_array().into_iter().flatten();
                required.into_iter().any(|other| other == name)
            };
            if let Some(Value::Object(properties)) = fields.get_mut("properties") {
                let optional = properties.iter_mut().filter(|(name, _)| !is_required(name));
                let optional = optional.filter_map(|(_, field)| field.as_object_mut());
                optional.for_each(drop_null);
            }
            fields.values_mut().for_each(drop_null_where_optional);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_null_where_optional),
        _ => {}
    }
}

/// Takes `null` out of the types that a schema allows.
fn drop_null(fields: &mut JsonObject) {
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
}

#[cfg(test)]
mod tests {
    use rmcp::handler::server::tool::schema_for_output;
    use schemars::JsonSchema;

    use super::*;

    #[derive(JsonSchema, serde::Serialize)]
    struct Example {
        /// What it is.
        one: Option<Inner>,
        /// Another.
        title: Option<String>,
        many: Vec<Inner>,
        any: Option<Value>,
    }

    #[derive(JsonSchema, serde::Serialize)]
    struct Inner {
        /// A number.
        count: u32,
        /// Words.
        words: Option<Vec<String>>,
        /// What may be left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        unsaid: Option<String>,
    }

    #[test]
    fn an_input_schema_keeps_what_a_model_needs() {
        let schema = serde_json::to_value(schemars::schema_for!(Example)).unwrap();
        let schema = Value::Object(input(schema.as_object().unwrap()));
        let arguments = &schema["properties"];
        assert_eq!(arguments["title"]["type"], "string");
        assert_eq!(arguments["title"]["description"], "Another.");
        assert_eq!(arguments["one"]["type"], "object");
        assert_eq!(arguments["one"]["description"], "What it is.");
        assert_eq!(arguments["one"]["properties"]["words"]["type"], "array");
        assert_eq!(
            arguments["many"]["items"]["properties"]["count"]["type"],
            "integer"
        );
        assert_eq!(schema["additionalProperties"], false);
        assert!(!schema.to_string().contains('$'), "{schema}");
    }

    #[test]
    fn an_output_schema_is_types_alone() {
        let schema = Value::Object(output(&schema_for_output::<Example>()));
        assert!(!schema.to_string().contains("description"), "{schema}");
        assert_eq!(
            schema["properties"]["title"],
            json!({ "anyOf": [{ "type": "string" }, { "type": "null" }] })
        );
        let item = &schema["properties"]["many"]["items"]["properties"];
        assert_eq!(item["count"]["type"], "integer");
        assert_eq!(item["unsaid"], json!({ "type": "string" }));
        assert_eq!(item["words"]["anyOf"][0], json!({ "type": "array" }));
        let anything = &schema["properties"]["any"]["anyOf"];
        assert_eq!(anything.as_array().map(Vec::len), Some(TYPES.len()));
        assert!(
            schema["properties"]["one"].get("properties").is_none(),
            "{schema}"
        );
    }
}
