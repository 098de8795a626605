// SPDX-License-Identifier: MPL-2.0
//! The daemon's configuration.

use serde_json::{Map, Value};

use crate::cli::args::Config;
use crate::cli::{Context, Failure};
use crate::config::{Patch, Patched, Settings};

pub(super) async fn run(context: &Context, command: Config) -> Result<(), Failure> {
    match command {
        Config::Get { key: None } => all(context).await,
        Config::Get { key: Some(key) } => one(context, &key).await,
        Config::Set { key, value } => set(context, key, &value).await,
    }
}

async fn all(context: &Context) -> Result<(), Failure> {
    let settings: Map<String, Value> = context.client.get("/config").await?;
    context.print.data(&settings, |settings| {
        let lines = settings
            .iter()
            .map(|(key, value)| format!("{key} = {value}"));
        lines.collect::<Vec<_>>().join("\n")
    });
    Ok(())
}

async fn one(context: &Context, key: &str) -> Result<(), Failure> {
    let value = current(context, key).await?;
    context.print.data(&value, |value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    Ok(())
}

async fn set(context: &Context, key: String, text: &str) -> Result<(), Failure> {
    let current = current(context, &key).await?;
    if !Patch::has(&key) {
        return Err(Failure::FixedSetting(key));
    }
    let value = like(&current, text).ok_or_else(|| Failure::BadValue {
        key: key.clone(),
        value: text.to_owned(),
    })?;
    let patch = Map::from_iter([(key.clone(), value)]);
    let patched: Patched = context.client.patch("/config", &patch).await?;
    context.print.data(&patched, |_| String::new());
    let when = match key.as_str() {
        "disable_relay" => "; calls heed it at once, places on relays when a2ald is restarted",
        _ if patched.restart_required.is_empty() => "",
        _ => "; restart a2ald to use it",
    };
    context.print.note(format_args!("{key} changed{when}"));
    Ok(())
}

async fn current(context: &Context, key: &str) -> Result<Value, Failure> {
    let mut settings: Map<String, Value> = context.client.get("/config").await?;
    settings
        .remove(key)
        .or_else(|| left_out(key))
        .ok_or_else(|| Failure::NoSetting(key.to_owned()))
}

/// The value of a key that the daemon shows only where it differs from the default, which is then
/// the empty value of its type.
fn left_out(key: &str) -> Option<Value> {
    let schema = schemars::schema_for!(Settings).to_value();
    match schema["properties"][key]["type"].as_str()? {
        "boolean" => Some(Value::Bool(false)),
        "array" => Some(Value::Array(Vec::new())),
        "string" => Some(Value::String(String::new())),
        _ => None,
    }
}

/// `text` as a value of the type `current` has.
fn like(current: &Value, text: &str) -> Option<Value> {
    match current {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Array(_) if !text.trim_start().starts_with('[') => {
            let entries = text
                .split(',')
                .map(str::trim)
                .filter(|entry| !entry.is_empty());
            Some(entries.map(Value::from).collect())
        }
        _ => serde_json::from_str(text).ok(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_that_is_left_out_has_the_empty_value_of_its_type() {
        assert_eq!(left_out("disable_relay"), Some(json!(false)));
        assert_eq!(left_out("log_debug_components"), Some(json!([])));
        assert_eq!(left_out("files_root"), Some(json!("")));
        assert_eq!(left_out("no_such_setting"), None);
    }

    #[test]
    fn a_value_takes_the_type_of_the_one_it_replaces() {
        assert_eq!(like(&json!("x"), "12"), Some(json!("12")));
        assert_eq!(like(&json!([]), "a, b"), Some(json!(["a", "b"])));
        assert_eq!(like(&json!([]), "[]"), Some(json!([])));
        assert_eq!(like(&json!(true), "false"), Some(json!(false)));
        assert_eq!(like(&json!(true), "maybe"), None);
    }
}
