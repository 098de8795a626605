// SPDX-License-Identifier: MPL-2.0
//! The hosts we know: where each keeps its MCP servers, and how it writes one.

use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use directories::BaseDirs;
use serde_json::{Value, json};

use super::Error;
use super::edit::Section;

/// A program that talks to MCP servers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Client {
    /// All that are found
    Auto,
    /// Claude Code
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// Cursor
    Cursor,
    /// Visual Studio Code
    Vscode,
    /// Windsurf
    Windsurf,
    /// Codex CLI
    Codex,
    /// Gemini CLI
    Gemini,
    /// Zed
    Zed,
}

/// All of them.
const ALL: [Client; 8] = [
    Client::ClaudeCode,
    Client::ClaudeDesktop,
    Client::Cursor,
    Client::Vscode,
    Client::Windsurf,
    Client::Codex,
    Client::Gemini,
    Client::Zed,
];

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "every host",
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Cursor => "Cursor",
            Self::Vscode => "VS Code",
            Self::Windsurf => "Windsurf",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Zed => "Zed",
        })
    }
}

/// The hosts on this machine: those whose directory is there.
pub(super) fn found() -> Result<Vec<Client>, Error> {
    let mut found = Vec::new();
    for client in ALL {
        let file = client.config_file()?;
        // Claude Code keeps its file in the home directory itself.
        let mark = match client {
            Client::ClaudeCode => file.clone(),
            _ => file.parent().map(ToOwned::to_owned).unwrap_or_default(),
        };
        if mark.exists() {
            found.push(client);
        }
    }
    Ok(found)
}

impl Client {
    /// Its configuration file, as far as MCP goes.
    pub(super) fn config_file(self) -> Result<PathBuf, Error> {
        let dirs = BaseDirs::new().ok_or(Error::NoHome)?;
        let (home, config) = (dirs.home_dir(), dirs.config_dir());
        Ok(match self {
            Self::Auto | Self::ClaudeCode => home.join(".claude.json"),
            Self::ClaudeDesktop => config.join("Claude").join("claude_desktop_config.json"),
            Self::Cursor => home.join(".cursor").join("mcp.json"),
            Self::Vscode => config.join("Code").join("User").join("mcp.json"),
            Self::Windsurf => home
                .join(".codeium")
                .join("windsurf")
                .join("mcp_config.json"),
            Self::Codex => home.join(".codex").join("config.toml"),
            Self::Gemini => home.join(".gemini").join("settings.json"),
            Self::Zed if cfg!(windows) => config.join("Zed").join("settings.json"),
            Self::Zed => home.join(".config").join("zed").join("settings.json"),
        })
    }

    /// Where in that file its servers are.
    pub(super) fn section(self) -> Section {
        match self {
            Self::Vscode => Section::Json("servers"),
            Self::Zed => Section::Json("context_servers"),
            Self::Codex => Section::Toml("mcp_servers"),
            _ => Section::Json("mcpServers"),
        }
    }

    /// A server at `url`, as this host writes it; `None` if it takes none.
    pub(super) fn http_entry(self, url: &str) -> Option<Value> {
        Some(match self {
            Self::ClaudeDesktop => return None,
            Self::ClaudeCode | Self::Vscode => json!({ "type": "http", "url": url }),
            Self::Windsurf => json!({ "serverUrl": url }),
            Self::Gemini => json!({ "httpUrl": url }),
            Self::Auto | Self::Cursor | Self::Codex | Self::Zed => json!({ "url": url }),
        })
    }

    /// A server that the host starts itself, given its command and arguments.
    pub(super) fn stdio_entry(self, mut started: Value) -> Value {
        match self {
            Self::ClaudeCode | Self::Vscode => started["type"] = json!("stdio"),
            Self::Zed => started["source"] = json!("custom"),
            _ => {}
        }
        started
    }
}
