// SPDX-License-Identifier: MPL-2.0
//! `a2ald mcp`: puts this node into the configuration of the programs that talk to MCP servers.

mod clients;
mod edit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use a2al_protocol::private_files::{FileError, write_atomically};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

pub use clients::Client;

use crate::output;

/// The name of the entry.
const NAME: &str = "a2al";

/// What `a2ald mcp` does.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Print the entry for a host's configuration
    Print(Print),
    /// Write the entry into the configuration of the hosts on this machine
    Add(Add),
}

/// How a host reaches the node.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Transport {
    /// Over HTTP, while a daemon runs.
    Http,
    /// The host starts `a2ald --mcp-stdio`.
    Stdio,
}

/// How an entry is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Format {
    /// As most hosts want it.
    Json,
    /// As Codex wants it.
    Toml,
}

/// Where the node is.
#[derive(Args, Clone, Debug)]
pub struct Target {
    /// The daemon's API, for http
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:2121")]
    api_addr: String,
    /// The data directory, for stdio [default: a2al in the user's config directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// `a2ald mcp print`.
#[derive(Args, Clone, Debug)]
pub struct Print {
    /// How the host reaches the node
    #[arg(long, value_enum, default_value_t = Transport::Http)]
    transport: Transport,
    /// How the entry is written
    #[arg(long, value_enum, default_value_t = Format::Json)]
    format: Format,
    /// Leave out what goes around the entry
    #[arg(long)]
    bare: bool,
    #[command(flatten)]
    target: Target,
}

/// `a2ald mcp add`.
#[derive(Args, Clone, Debug)]
pub struct Add {
    /// The host; auto means all that are found
    #[arg(long, value_enum, default_value_t = Client::Auto)]
    client: Client,
    /// The host's configuration file, where it is not at its usual place
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How the host reaches the node; stdio needs no running daemon
    #[arg(long, value_enum, default_value_t = Transport::Stdio)]
    transport: Transport,
    /// Show what would be written, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    target: Target,
}

/// Why a host was not configured.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No home directory is known.
    #[error("no home directory; give --config")]
    NoHome,
    /// There is no host on this machine.
    #[error("no MCP host is found on this machine; name one with --client")]
    NoClient,
    /// A file was named, but not whose it is.
    #[error("name the host that {} belongs to with --client", .0.display())]
    WhoseFile(PathBuf),
    /// The host can only start its servers itself.
    #[error("{0} takes stdio servers only")]
    StdioOnly(Client),
    /// The file has no place for the entry.
    #[error("{} is not what {client} writes; add the entry by hand: a2ald mcp print", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        client: Client,
    },
    /// The file cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
    /// The path of this program is unknown.
    #[error("cannot tell where this program is")]
    Program(#[source] io::Error),
}

/// Runs `command`.
///
/// # Errors
/// [`Error`]; nothing is written then, except for hosts that were named as done before.
pub fn run(command: &Command) -> Result<(), Error> {
    match command {
        Command::Print(print) => self::print(print),
        Command::Add(add) => self::add(add),
    }
}

fn print(asked: &Print) -> Result<(), Error> {
    let entry = match asked.transport {
        Transport::Http => json!({ "url": url(&asked.target) }),
        Transport::Stdio => started(&asked.target)?,
    };
    match asked.format {
        Format::Toml => output::data(edit::toml_section(NAME, &entry).trim_end()),
        Format::Json if asked.bare => output::data(pretty(&entry)),
        Format::Json => output::data(pretty(&json!({ "mcpServers": { NAME: entry } }))),
    }
    if asked.transport == Transport::Http {
        output::note(
            "the host reaches it while a2ald runs; --transport stdio has the host start it",
        );
    }
    Ok(())
}

fn add(asked: &Add) -> Result<(), Error> {
    let clients = match (asked.client, &asked.config) {
        (Client::Auto, Some(path)) => return Err(Error::WhoseFile(path.clone())),
        (Client::Auto, None) => clients::found()?,
        (client, _) => vec![client],
    };
    if clients.is_empty() {
        return Err(Error::NoClient);
    }
    for client in clients {
        add_to(client, asked)?;
    }
    Ok(())
}

fn add_to(client: Client, asked: &Add) -> Result<(), Error> {
    let path = match &asked.config {
        Some(path) => path.clone(),
        None => client.config_file()?,
    };
    let entry = match asked.transport {
        Transport::Http => client
            .http_entry(&url(&asked.target))
            .ok_or(Error::StdioOnly(client))?,
        Transport::Stdio => client.stdio_entry(started(&asked.target)?),
    };
    let old = read(&path)?;
    let new = edit::with_entry(
        old.as_deref().unwrap_or_default(),
        client.section(),
        NAME,
        &entry,
    );
    let new = new.ok_or_else(|| Error::Foreign {
        path: path.clone(),
        client,
    })?;
    if old.as_deref() == Some(new.as_str()) {
        output::note(format_args!(
            "{client}: {} has the entry already",
            path.display()
        ));
    } else if asked.dry_run {
        output::note(format_args!("{client}: {} would become", path.display()));
        output::data(new.trim_end());
    } else {
        write(&path, old.as_deref(), &new)?;
        output::note(format_args!(
            "{client}: {} has the entry; restart {client}",
            path.display()
        ));
    }
    Ok(())
}

fn url(target: &Target) -> String {
    format!("http://{}/mcp/", target.api_addr)
}

/// How a host starts the node.
fn started(target: &Target) -> Result<Value, Error> {
    let program = std::env::current_exe().map_err(Error::Program)?;
    let mut args = vec!["--mcp-stdio".to_owned()];
    if let Some(dir) = &target.data_dir {
        let dir = std::path::absolute(dir).map_err(FileError::io(dir))?;
        args.extend(["--data-dir".to_owned(), dir.display().to_string()]);
    }
    Ok(json!({ "command": program.display().to_string(), "args": args }))
}

fn read(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(FileError::io(path)(error).into()),
    }
}

/// Writes `new`, and what was there before beside it as `.bak`.
fn write(path: &Path, old: Option<&str>, new: &str) -> Result<(), Error> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(FileError::io(dir))?;
    }
    if let Some(old) = old {
        let mut backup = path.as_os_str().to_owned();
        backup.push(".bak");
        write_atomically(Path::new(&backup), old.as_bytes())?;
    }
    // A link stays one: some people keep their settings elsewhere.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    Ok(write_atomically(&path, new.as_bytes())?)
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("an entry is plain values")
}
