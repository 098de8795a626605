// SPDX-License-Identifier: MPL-2.0
//! From settings to what the daemon runs with: each value read, each combination allowed.

use std::net::SocketAddr;
use std::path::PathBuf;

use a2al_mcp::UnknownToolset;
use a2al_protocol::network::{Bootstrap, Multiaddr};

use super::addresses::{self, AddressError, Host};
use super::{Config, Settings, Warning};
use crate::guard::Access;
use crate::logging;

/// A value that cannot be used, by its key.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {problem}")]
pub struct Invalid {
    pub(super) key: &'static str,
    pub(super) problem: Problem,
}

/// What is wrong with a value.
#[derive(Debug, thiserror::Error)]
pub(super) enum Problem {
    #[error("{value:?}: {problem}")]
    Address {
        value: String,
        problem: AddressError,
    },
    #[error("listening on {0} lets other machines call; set api_token first")]
    TokenRequired(SocketAddr),
    #[error("asks for a token that is not there; set api_token first")]
    NoToken,
    #[error("only visible ASCII characters can be sent in a header")]
    TokenCharacters,
    #[error("not a log level or filter")]
    LogFilter,
    #[error(transparent)]
    Toolsets(UnknownToolset),
}

impl Config {
    /// Turns settings into what the daemon runs with, passing over bootstrap entries that cannot
    /// be dialled.
    ///
    /// # Errors
    /// The first value that cannot be used.
    pub fn new(settings: &Settings) -> Result<(Self, Vec<Warning>), Invalid> {
        let key_dir = PathBuf::from(&settings.key_dir);
        let (bootstrap, warnings) = bootstrap(&settings.bootstrap);
        let config = Self {
            api_addr: api_addr(settings)?,
            access: access(settings)?,
            listen: listen(settings)?,
            bootstrap,
            fallback_host: fallback_host(&settings.fallback_host)?,
            upnp: !settings.disable_upnp,
            mdns: settings.mdns,
            allow_lan_services: settings.allow_lan_services,
            use_relays: !settings.disable_relay,
            relay_server: settings.relay_server.into(),
            key_dir: Some(key_dir).filter(|dir| !dir.as_os_str().is_empty()),
            auto_publish: settings.auto_publish,
            mcp_toolsets: settings
                .mcp_toolsets
                .parse()
                .map_err(|problem| invalid("mcp_toolsets", Problem::Toolsets(problem)))?,
            log: logging::Config::new(settings)
                .map_err(|_| invalid("log_level", Problem::LogFilter))?,
        };
        Ok((config, warnings))
    }
}

fn invalid(key: &'static str, problem: Problem) -> Invalid {
    Invalid { key, problem }
}

fn address(key: &'static str, value: &str, problem: AddressError) -> Invalid {
    invalid(
        key,
        Problem::Address {
            value: value.to_owned(),
            problem,
        },
    )
}

fn listen(settings: &Settings) -> Result<Vec<Multiaddr>, Invalid> {
    let Settings {
        listen_addr,
        quic_listen_addr,
        ..
    } = settings;
    let addrs = addresses::listen(listen_addr)
        .map_err(|problem| address("listen_addr", listen_addr, problem))?;
    if quic_listen_addr.is_empty() {
        return Ok(addrs);
    }
    let quic = addresses::listen(quic_listen_addr)
        .map_err(|problem| address("quic_listen_addr", quic_listen_addr, problem))?;
    Ok(addresses::with_quic(addrs, quic))
}

fn api_addr(settings: &Settings) -> Result<SocketAddr, Invalid> {
    let addr = addresses::socket(&settings.api_addr)
        .map_err(|problem| address("api_addr", &settings.api_addr, problem))?;
    if addr.ip().is_loopback() || !settings.api_token.is_empty() {
        Ok(addr)
    } else {
        Err(invalid("api_addr", Problem::TokenRequired(addr)))
    }
}

fn access(settings: &Settings) -> Result<Access, Invalid> {
    if settings.require_local_token && settings.api_token.is_empty() {
        return Err(invalid("require_local_token", Problem::NoToken));
    }
    if settings
        .api_token
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
    {
        Ok(Access::new(
            &settings.api_token,
            settings.require_local_token,
        ))
    } else {
        Err(invalid("api_token", Problem::TokenCharacters))
    }
}

fn fallback_host(text: &str) -> Result<Option<Host>, Invalid> {
    let host = Some(text)
        .filter(|text| !text.is_empty())
        .map(str::parse)
        .transpose();
    host.map_err(|problem| address("fallback_host", text, problem))
}

fn bootstrap(list: &[String]) -> (Vec<Bootstrap>, Vec<Warning>) {
    let (mut nodes, mut warnings) = (Vec::new(), Vec::new());
    for entry in list {
        match entry.parse() {
            Ok(node) => nodes.push(node),
            Err(problem) => warnings.push(Warning::Bootstrap {
                entry: entry.clone(),
                problem,
            }),
        }
    }
    (nodes, warnings)
}
