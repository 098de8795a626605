// SPDX-License-Identifier: MPL-2.0
//! The configuration: defaults, then `config.toml`, then the environment, then flags.
//!
//! [`Settings`] is what was written, [`Config`] what the daemon runs with: every address parsed,
//! every combination checked, nothing optional left. [`Store`] keeps the settings of a running
//! daemon and writes changes back to the file.

mod addresses;
mod check;
mod file;
mod patch;
mod relaying;
mod settings;
mod sources;
mod store;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use a2al_mcp::Toolsets;
use a2al_protocol::network::{self, Bootstrap, Multiaddr, RelayServer};
use a2al_protocol::private_files::{FileError, ensure_file};
use toml::Table;

pub use addresses::{AddressError, Host};
pub use check::Invalid;
pub use patch::{Patch, Patched};
pub use relaying::Relaying;
pub use settings::{LogFormat, Settings, TurnServer, Update, Wake};
pub use sources::{Environment, Flags, Origin, ProcessEnvironment};
pub use store::{PatchError, Store};

use crate::guard::Access;
use crate::logging;
use check::Problem;
use sources::{Sources, line_at};

/// Everything the daemon runs with.
#[expect(
    clippy::struct_excessive_bools,
    reason = "one field per switch of the file"
)]
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the REST API listens.
    pub api_addr: SocketAddr,
    /// Who may call it.
    pub access: Access,
    /// Where the network listens.
    pub listen: Vec<Multiaddr>,
    /// Nodes to join the network through.
    pub bootstrap: Vec<Bootstrap>,
    /// A host to advertise besides those the node finds.
    pub fallback_host: Option<Host>,
    /// Whether the router is asked to forward ports (UPnP).
    pub upnp: bool,
    /// Whether nodes are looked for on the local network (mDNS).
    pub mdns: bool,
    /// Whether services of agents may be on other machines.
    pub allow_lan_services: bool,
    /// Whether relayed paths are used.
    pub use_relays: bool,
    /// Whether others may use this node as a relay.
    pub relay_server: RelayServer,
    /// The directory of the node's key, when it is not `keys` in the data directory.
    pub key_dir: Option<PathBuf>,
    /// Whether published endpoints are renewed by themselves.
    pub auto_publish: bool,
    /// The MCP tools that assistants are shown.
    pub mcp_toolsets: Toolsets,
    /// What is logged, and how.
    pub log: logging::Config,
}

/// A configuration as it was found at start.
#[derive(Debug)]
pub struct Loaded {
    /// What to run with.
    pub config: Config,
    /// What was written.
    pub settings: Settings,
    /// The file it is kept in.
    pub file: PathBuf,
    /// What was passed over, to be said once the log runs.
    pub warnings: Vec<Warning>,
    /// What a file that does not exist yet is to hold.
    first: Option<Table>,
}

impl Loaded {
    /// Writes the file if there is none yet. One in `data_dir` is made private.
    ///
    /// # Errors
    /// When the file cannot be written, or others could change it.
    pub fn settle(&self, data_dir: &Path) -> Result<(), FileError> {
        match &self.first {
            Some(said) => file::create(&self.file, said),
            None if self.file.starts_with(data_dir) => ensure_file(&self.file),
            None => Ok(()),
        }
    }
}

/// Something in the configuration that has no effect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Warning {
    /// Keys no version of the daemon knows.
    #[error("{file}: unknown keys are ignored: {keys}", file = file.display(), keys = keys.join(", "))]
    UnknownKeys {
        /// The file.
        file: PathBuf,
        /// The keys.
        keys: Vec<String>,
    },
    /// An entry of the bootstrap list that cannot be dialled.
    #[error("bootstrap entry {entry:?} is ignored: {problem}")]
    Bootstrap {
        /// The entry.
        entry: String,
        /// What is wrong with it.
        problem: network::AddressError,
    },
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No place for the data directory is known.
    #[error("no home directory; give --data-dir")]
    NoHome,
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not TOML, or a key has a value of the wrong type.
    #[error("{path}:{line}: {problem}", path = path.display(), problem = source.message())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What the parser said.
        source: Box<toml::de::Error>,
    },
    /// A variable is not UTF-8.
    #[error("{name}: not UTF-8")]
    EnvironmentText {
        /// The variable.
        name: &'static str,
    },
    /// A variable has none of the values it may have.
    #[error("{name}: expected {expected}")]
    EnvironmentValue {
        /// The variable.
        name: &'static str,
        /// What it may be.
        expected: &'static str,
    },
    /// A value cannot be used.
    #[error("{origin}: {problem}", problem = invalid.problem)]
    Invalid {
        /// Where it was said.
        origin: Origin,
        /// The value.
        invalid: Invalid,
    },
}

impl Error {
    /// Whether a flag was given what it does not take, as clap would have found.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Invalid {
                origin: Origin::Flag(_),
                invalid,
            } => matches!(
                invalid.problem,
                Problem::Address { .. } | Problem::Toolsets(_)
            ),
            _ => false,
        }
    }

    fn syntax(path: &Path, text: &str, source: toml::de::Error) -> Self {
        let line = source.span().map_or(1, |span| line_at(text, span.start));
        Self::Syntax {
            path: path.to_owned(),
            line,
            source: Box::new(source),
        }
    }
}

/// Finds the directory a daemon started with `flags` keeps its files in.
///
/// # Errors
/// [`Error::NoHome`] when nothing says where.
pub fn data_dir(flags: &Flags, environment: &impl Environment) -> Result<PathBuf, Error> {
    let said = flags.data_dir.clone().or_else(|| {
        environment
            .get("A2AL_DATA_DIR")
            .filter(|dir| !dir.is_empty())
            .map(PathBuf::from)
    });
    let own = || Some(directories::BaseDirs::new()?.config_dir().join("a2al"));
    absolute(&said.or_else(own).ok_or(Error::NoHome)?)
}

fn absolute(path: &Path) -> Result<PathBuf, Error> {
    std::path::absolute(path).map_err(|source| FileError::io(path)(source).into())
}

/// Reads all sources and changes nothing.
///
/// # Errors
/// See [`Error`]; a value is named with the file and line, variable or flag it came from.
pub fn load(
    data_dir: &Path,
    flags: &Flags,
    environment: &impl Environment,
) -> Result<Loaded, Error> {
    let path = flags
        .config
        .clone()
        .unwrap_or_else(|| data_dir.join("config.toml"));
    let path = absolute(&path)?;
    let text = file::read(&path)?;
    let is_new = text.is_none();
    let sources = Sources::read(&path, text.unwrap_or_default(), environment, flags)?;
    let settings = sources.merged();
    let (config, mut warnings) = checked(&sources, &settings)?;
    let keys = sources.unknown_keys();
    if !keys.is_empty() {
        warnings.push(Warning::UnknownKeys {
            file: path.clone(),
            keys,
        });
    }
    let first = is_new.then(|| sources.said_at_start());
    Ok(Loaded {
        config,
        settings,
        file: path,
        warnings,
        first,
    })
}

/// Checks what is in effect, and also what the file says and something else overrides: the next
/// start may be without the flag.
fn checked(sources: &Sources, settings: &Settings) -> Result<(Config, Vec<Warning>), Error> {
    let checked = Config::new(settings).map_err(|invalid| Error::Invalid {
        origin: sources.origin(invalid.key),
        invalid,
    })?;
    match Config::new(&sources.in_file()) {
        Err(invalid) if !matches!(invalid.problem, Problem::TokenRequired(_)) => {
            Err(Error::Invalid {
                origin: sources.origin_in_file(invalid.key),
                invalid,
            })
        }
        _ => Ok(checked),
    }
}

#[cfg(test)]
mod tests;
