// SPDX-License-Identifier: MPL-2.0
//! Where the configuration comes from: file, environment and flags, in rising order of rank.

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::{Error, Relaying, Settings};

/// What the flags of one start say; `None` where a flag was not given.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--data-dir`
    pub data_dir: Option<PathBuf>,
    /// `--config`
    pub config: Option<PathBuf>,
    /// `--api-addr`
    pub api_addr: Option<String>,
    /// `--listen`
    pub listen: Option<String>,
    /// `--bootstrap`
    pub bootstrap: Option<String>,
    /// `--fallback-host`
    pub fallback_host: Option<String>,
    /// `--mcp-toolsets`
    pub mcp_toolsets: Option<String>,
}

/// The environment, so that a test can bring its own.
pub trait Environment {
    /// The value of `name`, if it is set.
    fn get(&self, name: &str) -> Option<OsString>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn get(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

/// Where a value was said.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// In the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The key.
        key: &'static str,
    },
    /// In this environment variable.
    Environment(&'static str),
    /// With this flag.
    Flag(&'static str),
    /// Nowhere: it is the default of this key.
    Default(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, key } => write!(f, "{}:{line}: {key}", path.display()),
            Self::Environment(name) | Self::Flag(name) | Self::Default(name) => f.write_str(name),
        }
    }
}

/// A variable and the key it sets.
struct Variable {
    name: &'static str,
    key: &'static str,
    read: fn(&str) -> Result<Value, &'static str>,
}

const fn text(name: &'static str, key: &'static str) -> Variable {
    Variable {
        name,
        key,
        read: |text| Ok(Value::String(text.to_owned())),
    }
}

const fn switch(name: &'static str, key: &'static str) -> Variable {
    Variable {
        name,
        key,
        read: boolean,
    }
}

/// The variables of the reference daemon, and of the settings that are ours alone; `A2AL_DATA_DIR`
/// is read apart, it says where the file is.
const VARIABLES: [Variable; 14] = [
    text("A2AL_LISTEN_ADDR", "listen_addr"),
    text("A2AL_API_ADDR", "api_addr"),
    text("A2AL_API_TOKEN", "api_token"),
    text("A2AL_FALLBACK_HOST", "fallback_host"),
    switch("A2AL_DISABLE_UPNP", "disable_upnp"),
    text("A2AL_ICE_SIGNAL_URL", "ice_signal_url"),
    text("A2AL_SIGNAL_LISTEN_ADDR", "signal_listen_addr"),
    switch("A2AL_AUTO_PUBLISH", "auto_publish"),
    switch("A2AL_BEACON_MODE", "beacon_mode"),
    switch("A2AL_DISABLE_RELAY", "disable_relay"),
    Variable {
        name: "A2AL_RELAY_SERVER",
        key: "relay_server",
        read: relaying,
    },
    switch("A2AL_MDNS", "mdns"),
    switch("A2AL_ALLOW_LAN_SERVICES", "allow_lan_services"),
    text("A2AL_MCP_TOOLSETS", "mcp_toolsets"),
];

/// The keys a flag sets, and the flag.
const FLAG_KEYS: [(&str, &str); 5] = [
    ("listen_addr", "--listen"),
    ("api_addr", "--api-addr"),
    ("bootstrap", "--bootstrap"),
    ("fallback_host", "--fallback-host"),
    ("mcp_toolsets", "--mcp-toolsets"),
];

/// What every source says, unmerged.
#[derive(Debug)]
pub(super) struct Sources {
    path: PathBuf,
    text: String,
    file: Table,
    environment: Table,
    flags: Table,
}

impl Sources {
    /// Reads all of them; `text` is the content of the file at `path`.
    pub(super) fn read(
        path: &Path,
        text: String,
        environment: &impl Environment,
        flags: &Flags,
    ) -> Result<Self, Error> {
        let syntax = |source| Error::syntax(path, &text, source);
        toml::from_str::<Settings>(&text).map_err(syntax)?;
        let file = toml::from_str(&text).map_err(syntax)?;
        Ok(Self {
            path: path.to_owned(),
            file,
            environment: environment_table(environment)?,
            flags: flag_table(flags),
            text,
        })
    }

    /// The settings all sources agree on, the higher ones winning. `bootstrap` adds up.
    pub(super) fn merged(&self) -> Settings {
        let mut merged = self.file.clone();
        merged.extend(self.said_at_start());
        let mut settings =
            Settings::deserialize(merged).expect("every layer has been checked against the keys");
        settings.bootstrap = self.bootstrap();
        settings
    }

    /// What environment and flags say, for a file that is written for the first time.
    pub(super) fn said_at_start(&self) -> Table {
        let mut said = self.environment.clone();
        said.extend(self.flags.clone());
        said
    }

    /// The keys of the file that mean nothing to any daemon.
    pub(super) fn unknown_keys(&self) -> Vec<String> {
        let known = known_keys();
        self.file
            .keys()
            .filter(|key| !known.contains(key))
            .cloned()
            .collect()
    }

    /// The settings as the file alone has them.
    pub(super) fn in_file(&self) -> Settings {
        Settings::deserialize(self.file.clone())
            .expect("the file has been checked against the keys")
    }

    /// Where the file has `key`.
    pub(super) fn origin_in_file(&self, key: &'static str) -> Origin {
        match line_of_key(&self.text, key) {
            Some(line) => Origin::File {
                path: self.path.clone(),
                line,
                key,
            },
            None => Origin::Default(key),
        }
    }

    /// Where the value of `key` in effect comes from.
    pub(super) fn origin(&self, key: &'static str) -> Origin {
        let flag = FLAG_KEYS.iter().find(|(set, _)| *set == key);
        let variable = VARIABLES.iter().find(|variable| variable.key == key);
        match (flag, variable) {
            (Some((_, flag)), _) if self.flags.contains_key(key) => Origin::Flag(flag),
            (_, Some(variable)) if self.environment.contains_key(key) => {
                Origin::Environment(variable.name)
            }
            _ => self.origin_in_file(key),
        }
    }

    fn bootstrap(&self) -> Vec<String> {
        let mut list: Vec<String> = Vec::new();
        for table in [&self.file, &self.flags] {
            let entries = table
                .get("bootstrap")
                .and_then(Value::as_array)
                .into_iter()
                .flatten();
            for entry in entries.filter_map(Value::as_str) {
                if !list.iter().any(|known| known == entry) {
                    list.push(entry.to_owned());
                }
            }
        }
        list
    }
}

fn environment_table(environment: &impl Environment) -> Result<Table, Error> {
    let mut table = Table::new();
    for variable in &VARIABLES {
        let Some(value) = environment
            .get(variable.name)
            .filter(|value| !value.is_empty())
        else {
            continue;
        };
        let text = value.to_str().ok_or(Error::EnvironmentText {
            name: variable.name,
        })?;
        let value = (variable.read)(text).map_err(|expected| Error::EnvironmentValue {
            name: variable.name,
            expected,
        })?;
        table.insert(variable.key.to_owned(), value);
    }
    Ok(table)
}

fn boolean(text: &str) -> Result<Value, &'static str> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true.into()),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false.into()),
        _ => Err("true or false"),
    }
}

fn relaying(text: &str) -> Result<Value, &'static str> {
    let known: Option<Relaying> = text.parse().ok();
    known
        .map(|known| known.as_str().into())
        .ok_or(Relaying::EXPECTED)
}

fn flag_table(flags: &Flags) -> Table {
    let mut table = Table::new();
    let texts = [
        ("listen_addr", &flags.listen),
        ("api_addr", &flags.api_addr),
        ("fallback_host", &flags.fallback_host),
        ("mcp_toolsets", &flags.mcp_toolsets),
    ];
    for (key, value) in texts {
        if let Some(value) = value {
            table.insert(key.to_owned(), Value::String(value.clone()));
        }
    }
    if let Some(list) = &flags.bootstrap {
        let entries = list
            .split(',')
            .map(str::trim)
            .filter(|entry| !entry.is_empty());
        let list = entries
            .map(|entry| Value::String(entry.to_owned()))
            .collect();
        table.insert("bootstrap".to_owned(), Value::Array(list));
    }
    table
}

fn known_keys() -> Vec<String> {
    let schema = schemars::schema_for!(Settings);
    let keys = schema.get("properties").and_then(|keys| keys.as_object());
    keys.map(|keys| keys.keys().cloned().collect())
        .unwrap_or_default()
}

/// The line, counted from 1, on which the top-level `key` stands.
fn line_of_key(text: &str, key: &str) -> Option<usize> {
    let document = toml_edit::Document::parse(text).ok()?;
    let (key, _) = document.as_table().get_key_value(key)?;
    Some(line_at(text, key.span()?.start))
}

/// The line, counted from 1, of the byte at `offset`.
pub(super) fn line_at(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}
