// SPDX-License-Identifier: MPL-2.0
//! One entry put into a configuration file, with every other byte left as it is: order, comments,
//! indentation, ends of lines. Of an entry that is there, only what says how the node is reached
//! changes.

use serde_json::Value;
use toml_edit::{DocumentMut, InlineTable, Item, Table, TableLike};

use super::json::{Object, strings};

/// What an entry says how a server is reached, in all the words of all hosts. The rest is the user's.
const OURS: [&str; 7] = [
    "command",
    "args",
    "url",
    "serverUrl",
    "httpUrl",
    "type",
    "source",
];

/// Where entries are in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// An object in the root of a JSON file, which may have comments.
    Json(&'static str),
    /// A table in a TOML file.
    Toml(&'static str),
}

/// Why a file has no place for an entry.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Unfit {
    /// It is not of that form.
    Foreign,
    /// It has this key twice, and hosts do not agree which one counts.
    Twice(String),
}

/// The file with `entry` under `name` in `section`.
pub(super) fn with_entry(
    text: &str,
    section: Section,
    name: &str,
    entry: &Value,
) -> Result<String, Unfit> {
    let (mark, plain, has_returns) = plain(text);
    let edited = match section {
        Section::Json(section) => with_json(&plain, section, name, entry)?,
        Section::Toml(section) => with_toml(&plain, section, name, entry).ok_or(Unfit::Foreign)?,
    };
    let edited = if has_returns {
        edited.replace('\n', "\r\n")
    } else {
        edited
    };
    Ok(format!("{mark}{edited}"))
}

/// The arguments that the entry under `name` has, if it has some.
pub(super) fn arguments(text: &str, section: Section, name: &str) -> Option<Vec<String>> {
    let (_, text, _) = plain(text);
    match section {
        Section::Json(section) => {
            let mut object = Object::root(&text)?;
            for key in [section, name] {
                object = Object::at(&text, object.member(key).ok()??.value.start)?;
            }
            strings(&text, object.member("args").ok()??.value)
        }
        Section::Toml(section) => {
            let document: DocumentMut = text.parse().ok()?;
            let entry = document.get(section)?.get(name)?;
            texts(entry.get("args")?.as_value()?)
        }
    }
}

/// An entry alone, as TOML.
pub(super) fn toml_section(name: &str, entry: &Value) -> String {
    with_toml("", "mcp_servers", name, entry).unwrap_or_default()
}

/// A text without the mark of its encoding and, if all its lines end so, without carriage returns.
fn plain(text: &str) -> (&str, String, bool) {
    let rest = text.trim_start_matches('\u{feff}');
    let mark = &text[..text.len() - rest.len()];
    let returns = rest.matches("\r\n").count();
    let has_returns = returns > 0 && returns == rest.matches('\n').count();
    let plain = if has_returns {
        rest.replace("\r\n", "\n")
    } else {
        rest.to_owned()
    };
    (mark, plain, has_returns)
}

fn with_toml(text: &str, section: &str, name: &str, entry: &Value) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let servers = document.entry(section).or_insert_with(|| {
        let mut servers = Table::new();
        servers.set_implicit(true);
        Item::Table(servers)
    });
    let is_inline = servers.is_inline_table();
    let servers = servers.as_table_like_mut()?;
    if !servers.contains_key(name) {
        servers.insert(
            name,
            if is_inline {
                Item::Value(InlineTable::new().into())
            } else {
                Item::Table(Table::new())
            },
        );
    }
    let table = servers.get_mut(name)?.as_table_like_mut()?;
    let fields = entry.as_object()?;
    for key in OURS.iter().filter(|key| !fields.contains_key(**key)) {
        table.remove(key);
    }
    for (key, value) in fields {
        let value: toml::Value = toml::Value::try_from(value).ok()?;
        set(table, key, value.to_string().parse().ok()?);
    }
    Some(document.to_string())
}

/// Gives `key` this value, and leaves what is around it.
fn set(table: &mut dyn TableLike, key: &str, mut value: toml_edit::Value) {
    match table.get_mut(key).and_then(Item::as_value_mut) {
        Some(old) if is_same(old, &value) => {}
        Some(old) => {
            *value.decor_mut() = old.decor().clone();
            *old = value;
        }
        None => drop(table.insert(key, Item::Value(value))),
    }
}

fn is_same(old: &toml_edit::Value, new: &toml_edit::Value) -> bool {
    match (old.as_str(), new.as_str()) {
        (None, None) => texts(old).is_some() && texts(old) == texts(new),
        (old, new) => old == new,
    }
}

/// A list of texts.
fn texts(value: &toml_edit::Value) -> Option<Vec<String>> {
    let list = value.as_array()?.iter();
    list.map(|text| text.as_str().map(ToOwned::to_owned))
        .collect()
}

fn with_json(text: &str, section: &str, name: &str, entry: &Value) -> Result<String, Unfit> {
    if text.trim().is_empty() {
        let whole = serde_json::json!({ section: { name: entry } });
        return Ok(format!("{}\n", written(&whole, "")));
    }
    let root = Object::root(text).ok_or(Unfit::Foreign)?;
    let Some(servers) = root.member(section)? else {
        let inner = format!("{{\n    \"{name}\": {}\n  }}", written(entry, "    "));
        return Ok(root.with_member(text, section, &inner, "  "));
    };
    let servers = Object::at(text, servers.value.start).ok_or(Unfit::Foreign)?;
    let Some(old) = servers.member(name)? else {
        return Ok(servers.with_member(text, name, &written(entry, "    "), "    "));
    };
    let start = old.value.start;
    if Object::at(text, start).is_none() {
        return Ok(old.value.replaced(text, &written(entry, "    ")));
    }
    with_fields(text, start, entry)
}

/// The text with the fields of `entry` in the object at `start`.
fn with_fields(text: &str, start: usize, entry: &Value) -> Result<String, Unfit> {
    let fields = entry.as_object().ok_or(Unfit::Foreign)?;
    let mut text = text.to_owned();
    // Each change moves what follows, but not the beginning of the object.
    let at = |text: &str| Object::at(text, start).ok_or(Unfit::Foreign);
    for (key, value) in fields {
        let object = at(&text)?;
        let new = written(value, "      ");
        match object.member(key)? {
            None => text = object.with_member(&text, key, &new, "      "),
            Some(old) if old.value.is(&text, value) => {}
            Some(old) => text = old.value.replaced(&text, &new),
        }
    }
    for key in OURS.iter().filter(|key| !fields.contains_key(**key)) {
        let object = at(&text)?;
        if object.member(key)?.is_some() {
            text = object.without_member(&text, key);
        }
    }
    Ok(text)
}

/// A value over several lines, the further ones indented.
fn written(value: &Value, indent: &str) -> String {
    let text = serde_json::to_string_pretty(value).expect("an entry is plain values");
    text.replace('\n', &format!("\n{indent}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn edited(text: &str) -> String {
        let entry = json!({ "command": "/bin/a2ald", "args": ["--mcp-stdio"] });
        with_entry(text, Section::Json("mcpServers"), "a2al", &entry).unwrap()
    }

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    #[test]
    fn an_entry_goes_into_whatever_is_there() {
        for text in [
            "",
            "{}",
            "{\n}\n",
            r#"{"a": [1, {"mcpServers": {}}], "b": "}\"{"}"#,
            r#"{"mcpServers": {}}"#,
            "{\n  \"mcpServers\": {\n    \"other\": {\"url\": \"x\"}\n  },\n  \"z\": -1.5e3\n}\n",
            r#"{"mcpServers": {"a2al": {"url": "old"}, "b": null}}"#,
        ] {
            let mut expected = if text.is_empty() {
                json!({})
            } else {
                parsed(text)
            };
            expected["mcpServers"]["a2al"] =
                json!({ "command": "/bin/a2ald", "args": ["--mcp-stdio"] });
            let once = edited(text);
            assert_eq!(parsed(&once), expected, "{once}");
            assert_eq!(edited(&once), once, "it is there already");
        }
    }

    #[test]
    fn every_other_byte_stays() {
        let text = "// mine\n{\n  /* {\"mcpServers\" */\n  \"z\": 1, // last\n  \"mcpServers\": {\n    \"b\": {\"x\": [1,]},\n  },\n}\n";
        let edited = edited(text);
        let (before, after) = text.split_once("\"mcpServers\": {\n").unwrap();
        assert!(
            edited.starts_with(before) && edited.ends_with(after),
            "{edited}"
        );
    }

    #[test]
    fn what_the_user_has_put_into_an_entry_stays() {
        let text = "{\"mcpServers\": {\"a2al\": {\n  // mine\n  \"url\": \"x\",\n  \"env\": {\"A2AL_TOKEN\": \"t\"}, // secret\n  \"args\": [\"--mcp-stdio\", // so\n  ],\n  \"disabled\": true,\n  \"type\": \"http\"\n}}}";
        let edited = edited(text);
        for kept in [
            "// mine",
            "\"env\": {\"A2AL_TOKEN\": \"t\"}, // secret\n",
            "[\"--mcp-stdio\", // so\n  ]",
            "\"disabled\": true",
            "\"command\": \"/bin/a2ald\"",
        ] {
            assert!(edited.contains(kept), "{kept}: {edited}");
        }
        assert!(
            !edited.contains("url") && !edited.contains("http"),
            "{edited}"
        );
        let section = Section::Json("mcpServers");
        assert_eq!(
            arguments(&edited, section, "a2al").unwrap(),
            ["--mcp-stdio"]
        );

        let text = "# mine\n[mcp_servers.a2al] # here\nurl = \"x\"\ncommand = \"old\" # why\nstartup_timeout_sec = 9\nargs = [\"--mcp-stdio\", \"-v\"]\n[mcp_servers.a2al.env]\nA2AL_TOKEN = \"t\"\n";
        let entry = json!({ "command": "a2ald", "args": ["--mcp-stdio", "-v"] });
        let section = Section::Toml("mcp_servers");
        let edited = with_entry(text, section, "a2al", &entry).unwrap();
        let expected = text
            .replace("url = \"x\"\n", "")
            .replace("\"old\"", "\"a2ald\"");
        assert_eq!(edited, expected);
        assert_eq!(
            arguments(&edited, section, "a2al").unwrap(),
            ["--mcp-stdio", "-v"]
        );
        let inline = "mcp_servers = { a2al = { command = \"old\", env = { A = \"b\" } } }\n";
        let edited = with_entry(inline, section, "a2al", &entry).unwrap();
        let table: toml::Table = edited.parse().unwrap();
        assert_eq!(table["mcp_servers"]["a2al"]["env"]["A"].as_str(), Some("b"));
    }

    #[test]
    fn marks_and_ends_of_lines_stay() {
        let entry = json!({ "command": "a2ald" });
        for (text, section) in [
            ("{\n  \"a\": 1\n}\n", Section::Json("mcpServers")),
            ("# mine\na = 1\n", Section::Toml("mcp_servers")),
        ] {
            let plain = with_entry(text, section, "a2al", &entry).unwrap();
            let returns = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            let edited = with_entry(&returns, section, "a2al", &entry).unwrap();
            assert_eq!(edited, format!("\u{feff}{}", plain.replace('\n', "\r\n")));
        }
    }

    #[test]
    fn a_key_that_is_there_twice_is_not_chosen_from() {
        let entry = json!({ "command": "a2ald" });
        for (text, key) in [
            (r#"{"mcpServers": {}, "mcpServers": {}}"#, "mcpServers"),
            (r#"{"mcpServers": {"a2al": {}, "a2al": {}}}"#, "a2al"),
            (
                r#"{"mcpServers": {"a2al": {"command": 1, "command": 2}}}"#,
                "command",
            ),
        ] {
            let edited = with_entry(text, Section::Json("mcpServers"), "a2al", &entry);
            assert_eq!(edited, Err(Unfit::Twice(key.to_owned())));
        }
    }

    #[test]
    fn what_is_no_configuration_is_left_alone() {
        for text in [
            "[]",
            "{",
            "{\"a\" 1}",
            "{\"mcpServers\": []}",
            "{\"a\": }",
            "{\"a\":1 \"b\":2}",
            "\"x\"",
            "{]",
            "{} {}",
        ] {
            let entry = json!({});
            assert_eq!(
                with_entry(text, Section::Json("mcpServers"), "a2al", &entry),
                Err(Unfit::Foreign),
                "{text}"
            );
        }
    }

    #[test]
    fn toml_keeps_its_comments() {
        let text = "# mine\nmodel = \"x\"\n\n[mcp_servers.b]\nurl = \"y\"\n";
        let entry = json!({ "command": "a2ald", "args": ["--mcp-stdio"] });
        let edited = with_entry(text, Section::Toml("mcp_servers"), "a2al", &entry).unwrap();
        assert!(edited.starts_with(text), "{edited}");
        let table: toml::Table = edited.parse().unwrap();
        assert_eq!(
            table["mcp_servers"]["a2al"]["command"].as_str(),
            Some("a2ald")
        );
        assert!(toml_section("a2al", &entry).starts_with("[mcp_servers.a2al]\n"));
        let unread = with_entry("x = [", Section::Toml("m"), "a", &entry);
        assert_eq!(unread, Err(Unfit::Foreign));
    }
}
