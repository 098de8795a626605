// SPDX-License-Identifier: MPL-2.0
//! `a2ald mcp`: puts this node into the configuration of the programs that talk to MCP servers.

mod clients;
mod edit;
mod file;
mod json;

use std::io;
use std::path::PathBuf;

use a2al_protocol::private_files::FileError;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

pub use clients::Client;

use edit::{Section, Unfit};

use crate::config::{Environment, ProcessEnvironment};
use crate::output;

/// The name of the entry.
const NAME: &str = "a2al";

/// Has the daemon serve MCP on stdin and stdout.
const STDIO: &str = "--mcp-stdio";

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
    /// The data directory, for stdio [default: that of the environment, or of the entry that is
    /// there, or a2al in the user's config directory]
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
    #[error("{} is not what {client} writes; add the entry by hand: `a2ald mcp print --transport stdio` shows it", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        client: Client,
    },
    /// The file says something twice, of which only one counts, and hosts do not agree which.
    #[error("{} has {key:?} twice; remove one of them", path.display())]
    Twice {
        /// The file.
        path: PathBuf,
        /// What it has twice.
        key: String,
    },
    /// Somebody else has written the file at the same time.
    #[error("{} was changed meanwhile and is left as it is; try again", .0.display())]
    Changed(PathBuf),
    /// Some of several hosts were not configured; why, has been said.
    #[error("{failed} of {all} hosts have no entry")]
    Incomplete {
        /// How many were not.
        failed: usize,
        /// How many there are.
        all: usize,
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
/// [`Error`]; nothing is written then, except for hosts that were named as done.
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
    if let [client] = clients[..] {
        return add_to(client, asked);
    }
    let mut failed = 0;
    for client in &clients {
        if let Err(error) = add_to(*client, asked) {
            output::note(format_args!("{client}: {}", output::one_line(&error)));
            failed += 1;
        }
    }
    match failed {
        0 => Ok(()),
        failed => Err(Error::Incomplete {
            failed,
            all: clients.len(),
        }),
    }
}

fn add_to(client: Client, asked: &Add) -> Result<(), Error> {
    let path = match &asked.config {
        Some(path) => path.clone(),
        None => client.config_file()?,
    };
    let old = file::read(&path)?;
    let text = old.as_deref().unwrap_or_default();
    let section = client.section();
    let entry = match asked.transport {
        Transport::Http => client
            .http_entry(&url(&asked.target))
            .ok_or(Error::StdioOnly(client))?,
        Transport::Stdio => client.stdio_entry(started_as_before(&asked.target, text, section)?),
    };
    let new = edit::with_entry(text, section, NAME, &entry).map_err(|unfit| match unfit {
        Unfit::Foreign => Error::Foreign {
            path: path.clone(),
            client,
        },
        Unfit::Twice(key) => Error::Twice {
            path: path.clone(),
            key,
        },
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
        file::replace(&path, old.as_deref(), &new)?;
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
    started_with(target, Vec::new())
}

/// The same, with the arguments that the host's entry has already.
fn started_as_before(target: &Target, text: &str, section: Section) -> Result<Value, Error> {
    let before = edit::arguments(text, section, NAME).unwrap_or_default();
    let is_ours = before.iter().any(|arg| arg == STDIO);
    started_with(target, if is_ours { before } else { Vec::new() })
}

fn started_with(target: &Target, mut args: Vec<String>) -> Result<Value, Error> {
    let program = std::env::current_exe().map_err(Error::Program)?;
    if args.is_empty() {
        args.push(STDIO.to_owned());
    }
    let said = ProcessEnvironment
        .get("A2AL_DATA_DIR")
        .filter(|dir| !dir.is_empty());
    if let Some(dir) = target.data_dir.clone().or(said.map(PathBuf::from)) {
        let dir = std::path::absolute(&dir).map_err(FileError::io(&dir))?;
        set_option(&mut args, "--data-dir", dir.display().to_string());
    }
    Ok(json!({ "command": program.display().to_string(), "args": args }))
}

/// Gives the option `name` this value, in whatever way it was written before.
fn set_option(args: &mut Vec<String>, name: &str, value: String) {
    let joined = format!("{name}=");
    let is_it = |arg: &String| arg == name || arg.starts_with(&joined);
    match args.iter().position(is_it) {
        Some(at) if args[at] == name && at + 1 < args.len() => args[at + 1] = value,
        Some(at) if args[at] != name => args[at] = joined + &value,
        Some(_) => args.push(value),
        None => args.extend([name.to_owned(), value]),
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).expect("an entry is plain values")
}
