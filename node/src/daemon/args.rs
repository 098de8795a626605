// SPDX-License-Identifier: MPL-2.0
//! The command line of `a2ald`.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::argv::with_two_dashes;
use crate::config::Flags;
use crate::hosts;

/// A node of the A2AL network: hosts agents, publishes where they are reached, finds others.
///
/// Flags win over the environment (`A2AL_*`), which wins over `config.toml`. Long flags may be
/// written with one dash.
#[derive(Debug, Parser)]
#[command(
    name = "a2ald",
    version,
    args_override_self = true,
    args_conflicts_with_subcommands = true
)]
pub struct Args {
    /// Directory for keys, state and configuration [default: a2al in the user's config directory]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file [default: config.toml in the data directory]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where the REST API listens [default: 127.0.0.1:2121]
    #[arg(long, value_name = "HOST:PORT")]
    api_addr: Option<String>,
    /// Where the network listens, QUIC and TCP alike: HOST:PORT, :PORT or a comma list of
    /// multiaddrs [default: :4121]
    #[arg(long, value_name = "ADDR")]
    listen: Option<String>,
    /// Peers to join through, besides the configured ones: a comma list of multiaddrs or HOST:PORT
    #[arg(long, value_name = "LIST")]
    bootstrap: Option<String>,
    /// A host to advertise besides the addresses the node finds itself
    #[arg(long, value_name = "HOST")]
    fallback_host: Option<String>,
    /// Serve MCP on stdin and stdout until stdin closes. Where a daemon runs on the data directory
    /// already, its tools are served; else this process is the node
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    mcp_stdio: Option<bool>,
    /// The MCP tools assistants are shown: a comma list of core, records, web3 and admin, or all
    /// [default: core]
    #[arg(long, value_name = "LIST")]
    mcp_toolsets: Option<String>,
    /// Accepted for compatibility: there is no page to open yet
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    no_open_browser: Option<bool>,
    #[command(subcommand)]
    command: Option<Command>,
}

/// What else `a2ald` can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Run two nodes in this process, let one reach an agent of the other, and show each step
    Demo,
    /// Put this node into the configuration of programs that talk to MCP servers
    #[command(subcommand)]
    Mcp(hosts::Command),
}

impl Args {
    /// Reads the command line of this process; a wrong one ends it with exit code 2.
    pub fn from_command_line() -> Self {
        Self::parse_from(with_two_dashes(std::env::args_os()))
    }

    /// The subcommand, if there is one.
    pub fn command(&self) -> Option<&Command> {
        self.command.as_ref()
    }

    /// Whether MCP is served on stdin and stdout.
    pub fn is_stdio(&self) -> bool {
        self.mcp_stdio == Some(true)
    }

    /// What the flags say about the configuration.
    pub fn into_flags(self) -> Flags {
        let Self {
            data_dir,
            config,
            api_addr,
            listen,
            bootstrap,
            fallback_host,
            mcp_toolsets,
            ..
        } = self;
        Flags {
            data_dir,
            config,
            api_addr,
            listen,
            bootstrap,
            fallback_host,
            mcp_toolsets,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::error::ErrorKind;

    use super::*;

    fn parse(args: &[&str]) -> Result<Args, ErrorKind> {
        let args = ["a2ald"].iter().chain(args).map(Into::into);
        Args::try_parse_from(with_two_dashes(args)).map_err(|error| error.kind())
    }

    #[test]
    fn go_spellings_are_read() {
        let flags = parse(&[
            "-listen",
            ":1",
            "--api-addr=127.0.0.1:2",
            "-no-open-browser",
        ]);
        let flags = flags.unwrap().into_flags();
        assert_eq!(flags.listen.as_deref(), Some(":1"));
        assert_eq!(flags.api_addr.as_deref(), Some("127.0.0.1:2"));
        assert!(parse(&["-no-open-browser=false", "-listen=:1", "-listen=:2"]).is_ok());
        let demo = parse(&["demo"]).unwrap();
        assert!(matches!(demo.command(), Some(Command::Demo)));
        let print = parse(&["mcp", "print", "-transport", "stdio", "-bare"]).unwrap();
        assert!(matches!(print.command(), Some(Command::Mcp(_))));
    }

    #[test]
    fn what_is_not_known_is_a_usage_error() {
        assert_eq!(
            parse(&["-nonsense"]).unwrap_err(),
            ErrorKind::UnknownArgument
        );
        assert_eq!(parse(&["--listen"]).unwrap_err(), ErrorKind::InvalidValue);
        assert_eq!(
            parse(&["version"]).unwrap_err(),
            ErrorKind::InvalidSubcommand
        );
    }
}
