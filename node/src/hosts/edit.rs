// SPDX-License-Identifier: MPL-2.0
//! One entry put into a configuration file, with every other byte left as it is: order, comments,
//! indentation.

use serde_json::Value;
use toml_edit::{DocumentMut, Item, Table};

/// Where entries are in a file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Section {
    /// An object in the root of a JSON file, which may have comments.
    Json(&'static str),
    /// A table in a TOML file.
    Toml(&'static str),
}

/// The file with `entry` under `name` in `section`; `None` if it is not of that form.
pub(super) fn with_entry(
    text: &str,
    section: Section,
    name: &str,
    entry: &Value,
) -> Option<String> {
    match section {
        Section::Json(section) => with_json(text, section, name, entry),
        Section::Toml(section) => with_toml(text, section, name, entry),
    }
}

/// An entry alone, as TOML.
pub(super) fn toml_section(name: &str, entry: &Value) -> String {
    with_toml("", "mcp_servers", name, entry).unwrap_or_default()
}

fn with_toml(text: &str, section: &str, name: &str, entry: &Value) -> Option<String> {
    let mut document: DocumentMut = text.parse().ok()?;
    let mut table = Table::new();
    for (key, value) in entry.as_object()? {
        let value: toml::Value = toml::Value::try_from(value).ok()?;
        table.insert(key, Item::Value(value.to_string().parse().ok()?));
    }
    let servers = document.entry(section).or_insert_with(|| {
        let mut servers = Table::new();
        servers.set_implicit(true);
        Item::Table(servers)
    });
    servers.as_table_mut()?.insert(name, Item::Table(table));
    Some(document.to_string())
}

fn with_json(text: &str, section: &str, name: &str, entry: &Value) -> Option<String> {
    if text.trim().is_empty() {
        let whole = serde_json::json!({ section: { name: entry } });
        return serde_json::to_string_pretty(&whole)
            .ok()
            .map(|text| text + "\n");
    }
    let root = Object::at(text, Scanner::new(text).value_start()?)?;
    let written = |indent: &str| written(entry, indent);
    let Some(servers) = root.member(section) else {
        let inner = format!("{{\n    \"{name}\": {}\n  }}", written("    ")?);
        return Some(root.with_member(text, section, &inner, "  "));
    };
    let servers = Object::at(text, servers.start)?;
    Some(match servers.member(name) {
        Some(old) => {
            let new = written("    ")?;
            format!("{}{new}{}", &text[..old.start], &text[old.end..])
        }
        None => servers.with_member(text, name, &written("    ")?, "    "),
    })
}

/// The entry over several lines, the further ones indented.
fn written(entry: &Value, indent: &str) -> Option<String> {
    let text = serde_json::to_string_pretty(entry).ok()?;
    Some(text.replace('\n', &format!("\n{indent}")))
}

/// The bytes of a value.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
}

/// An object as it stands in a text.
#[derive(Debug)]
struct Object {
    /// Behind its brace.
    inside: usize,
    members: Vec<(String, Span)>,
}

impl Object {
    /// The object that begins at `start`.
    fn at(text: &str, start: usize) -> Option<Self> {
        let mut scanner = Scanner {
            text: text.as_bytes(),
            at: start,
        };
        scanner.eat(b'{')?;
        let inside = scanner.at;
        let mut members = Vec::new();
        loop {
            scanner.space();
            if scanner.eat(b'}').is_some() {
                return Some(Self { inside, members });
            }
            let key = scanner.string()?;
            let key = serde_json::from_str(&text[key.start..key.end]).ok()?;
            scanner.space();
            scanner.eat(b':')?;
            scanner.space();
            members.push((key, scanner.value()?));
            scanner.space();
            if scanner.eat(b',').is_none() && scanner.peek() != Some(b'}') {
                return None;
            }
        }
    }

    fn member(&self, name: &str) -> Option<Span> {
        let found = self.members.iter().find(|(key, _)| key == name);
        found.map(|(_, span)| *span)
    }

    /// The text with a further member, in front of the others.
    fn with_member(&self, text: &str, name: &str, value: &str, indent: &str) -> String {
        let (before, after) = text.split_at(self.inside);
        let outer = &indent[2..];
        let end = if self.members.is_empty() {
            format!("\n{outer}")
        } else {
            ",".to_owned()
        };
        let after = if self.members.is_empty() {
            after.trim_start()
        } else {
            after
        };
        format!("{before}\n{indent}\"{name}\": {value}{end}{after}")
    }
}

/// Walks over JSON, comments and commas at the end of lists included.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            text: text.as_bytes(),
            at: 0,
        }
    }

    /// Where the first value begins.
    fn value_start(mut self) -> Option<usize> {
        self.space();
        self.peek().map(|_| self.at)
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            } else if rest.starts_with(b"\xef\xbb\xbf") {
                self.at += 3;
            } else if rest.starts_with(b"//") {
                self.at += rest
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
                self.at += end.map_or(rest.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }

    fn string(&mut self) -> Option<Span> {
        let start = self.at;
        self.eat(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(Span {
            start,
            end: self.at,
        })
    }

    /// Any value; objects and lists as a whole.
    fn value(&mut self) -> Option<Span> {
        let start = self.at;
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                _ if open > 0 => self.at += 1,
                _ => self.word(),
            }
            if open == 0 {
                return (self.at > start).then_some(Span {
                    start,
                    end: self.at,
                });
            }
            self.space();
        }
    }

    /// A number, or true, false or null.
    fn word(&mut self) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
    }
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
        ] {
            let entry = json!({});
            assert_eq!(
                with_entry(text, Section::Json("mcpServers"), "a2al", &entry),
                None,
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
        assert_eq!(with_entry("x = [", Section::Toml("m"), "a", &entry), None);
    }
}
