// SPDX-License-Identifier: MPL-2.0
//! The grammar of the command line.

mod discovery;
mod mcp;

use std::path::PathBuf;

use a2al_protocol::Aid;
use clap::{Args as Group, Parser, Subcommand};
use clap_complete::Shell;

pub(super) use discovery::{
    Call, CardSource, EntryOptions, FilterOptions, Publish, Search, Unpublish,
};
pub(super) use mcp::{Expose, McpConnect};

/// Talks to a running a2ald.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 daemon not running, 4 not found, 5 unreachable,
/// 6 timed out, 7 not allowed, 8 conflict.
#[derive(Debug, Parser)]
#[command(name = "a2al", version, propagate_version = true)]
pub struct Args {
    /// Options of every command.
    #[command(flatten)]
    pub(super) globals: Globals,
    /// The command.
    #[command(subcommand)]
    pub(super) command: Command,
}

/// Options of every command.
#[derive(Debug, Group)]
pub(super) struct Globals {
    /// The daemon's API
    #[arg(
        long,
        global = true,
        env = "A2AL_API",
        default_value = "http://127.0.0.1:2121"
    )]
    pub(super) api: String,
    /// The token of the API, where it needs one
    #[arg(long, global = true, env = "A2AL_TOKEN", hide_env_values = true)]
    pub(super) token: Option<String>,
    /// Print the API's JSON instead of lines for people
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Print no remarks, only data and errors
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// How the node is doing, and how another one joins it
    Status,
    /// The connected peers, and the path to each
    Peers,
    /// What is wrong, in plain words, and what would help
    ///
    /// Ends with 0 when all is well and with 1 when something needs attention. Notes do not count:
    /// they say what works and could be better.
    Doctor {
        /// An agent to look for, connect to, and explain the path to
        aid: Option<Aid>,
    },
    /// Make an identity, host its agent here and publish it, in one step
    Register(Register),
    /// Make keys without storing anything, and back up those that the daemon keeps
    #[command(subcommand)]
    Identity(Identity),
    /// The agents this node hosts
    #[command(subcommand)]
    Agents(Agents),
    /// Offer a service, so that others find the agent by it; or publish where an agent is reached
    Publish(Publish),
    /// Offer a service no longer
    Unpublish(Unpublish),
    /// Who offers a service
    Search(Search),
    /// Send a request to whoever offers a service best
    Call(Call),
    /// Where an agent is reached
    Resolve {
        /// The agent
        aid: Aid,
    },
    /// All that is published about an agent: what it says about itself, its services, its records
    Info {
        /// The agent
        aid: Aid,
    },
    /// GET a path of an agent's service
    Get(Get),
    /// POST to a path of an agent's service
    Post(Post),
    /// Open a port for one TCP connection to an agent's service, and print where
    Connect(Connect),
    /// Ports of this machine that lead to agents' services
    #[command(subcommand)]
    Tunnel(Tunnel),
    /// Connect stdin and stdout to an agent's service
    ///
    /// Usable as a proxy command of ssh. The end of stdin is passed on; the command ends when the
    /// service closes the connection.
    Nc(Connect),
    /// Notes between agents, read by their recipient when it wakes
    #[command(subcommand)]
    Note(Note),
    /// Be the MCP server of a remote agent, on stdin and stdout, for a host to start
    McpConnect(McpConnect),
    /// Let agents elsewhere use an MCP server of this machine, until Ctrl-C
    ///
    /// CMD is a server that speaks over stdin and stdout. Each client gets a process of its own. The
    /// server is reached at an agent, a new one unless --aid names one, which is put back as it was
    /// at the end.
    Expose(Expose),
    /// The services of this node's agents
    #[command(subcommand)]
    Inbound(Inbound),
    /// The daemon's configuration
    #[command(subcommand)]
    Config(Config),
    /// Versions of this program and of the daemon
    Version,
    /// A completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
}

#[derive(Debug, Group)]
pub(super) struct Register {
    /// Host an identity that was made for an assistant and whose keys the daemon keeps, instead of
    /// a new one
    #[arg(long, conflicts_with_all = ["ethereum", "save_master"])]
    pub(super) aid: Option<Aid>,
    /// Use an Ethereum wallet as the master key
    #[arg(long)]
    pub(super) ethereum: bool,
    /// The private key of a wallet you have, hexadecimal; - reads it from stdin, which keeps it out
    /// of the list of processes. Without it a new wallet is made
    #[arg(
        long,
        value_name = "HEX",
        requires = "ethereum",
        conflicts_with = "save_master"
    )]
    pub(super) eth_key: Option<String>,
    /// The agent's local service: host:port, http://host:port or https://host:port
    #[arg(long, value_name = "ADDR")]
    pub(super) service_tcp: Option<String>,
    /// Write the master key to this new file, readable by you only, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(super) save_master: Option<PathBuf>,
    /// Do not publish yet
    #[arg(long)]
    pub(super) no_publish: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Identity {
    /// With an Ed25519 master key
    New,
    /// With an Ethereum wallet
    NewEth,
    /// Identities whose keys the daemon keeps
    List,
    /// Save the master key of a kept identity, and wipe it from the daemon
    Backup {
        /// The identity
        aid: Aid,
        /// Write the key to this new file, readable by you only, instead of showing it
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Agents {
    /// Make an identity and host its agent, unpublished
    New(NewAgent),
    /// The same with a new Ethereum wallet
    NewEth(NewAgent),
    /// All agents
    List {
        /// Those that were deleted and can be restored
        #[arg(long)]
        deleted: bool,
    },
    /// One agent
    Get {
        /// The agent
        aid: Aid,
    },
    /// Change an agent's service
    Update {
        /// The agent
        aid: Aid,
        /// The new service; empty unbinds it
        #[arg(long, value_name = "ADDR")]
        service_tcp: String,
    },
    /// Delete an agent and withdraw its record; `restore` undoes it for 30 days
    Del {
        /// The agent
        aid: Aid,
    },
    /// Host a deleted agent again
    Restore {
        /// The agent
        aid: Aid,
    },
    /// Publish where an agent is reached
    Publish {
        /// The agent
        aid: Aid,
    },
    /// Say that an agent is alive
    Heartbeat {
        /// The agent
        aid: Aid,
    },
    /// Print an agent's credentials, for another node to import
    Export {
        /// The agent
        aid: Aid,
        /// Write them to this new file, readable by you only
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// Host an exported agent
    Import {
        /// The exported file; - reads stdin
        file: PathBuf,
    },
    /// Whether an agent's service answers, and what was published for it
    Probe {
        /// The agent
        aid: Aid,
    },
}

#[derive(Debug, Group)]
pub(super) struct NewAgent {
    /// The agent's local service: host:port, http://host:port or https://host:port
    #[arg(long, value_name = "ADDR")]
    pub(super) service_tcp: Option<String>,
    /// Write the master key to this new file, readable by you only, instead of showing it
    #[arg(long, value_name = "FILE")]
    pub(super) save_master: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(super) struct Get {
    /// The agent
    pub(super) aid: Aid,
    /// The path, with its query
    #[arg(default_value = "/")]
    pub(super) path: String,
    #[command(flatten)]
    pub(super) options: RequestOptions,
}

#[derive(Debug, Group)]
pub(super) struct Post {
    /// The agent
    pub(super) aid: Aid,
    /// The path, with its query
    #[arg(default_value = "/")]
    pub(super) path: String,
    /// The body; @FILE reads a file, @- reads stdin
    #[arg(short, long, default_value = "")]
    pub(super) data: String,
    #[command(flatten)]
    pub(super) options: RequestOptions,
}

#[derive(Debug, Group)]
pub(super) struct RequestOptions {
    /// A header of the request; may be repeated
    #[arg(long = "header", short = 'H', value_name = "NAME: VALUE")]
    pub(super) headers: Vec<String>,
    /// The agent of this node to call as, instead of the node itself
    #[arg(long, value_name = "AID")]
    pub(super) local_aid: Option<Aid>,
    /// Take no relayed path
    #[arg(long)]
    pub(super) disable_relay: bool,
}

#[derive(Debug, Group)]
pub(super) struct Connect {
    /// The agent
    pub(super) aid: Aid,
    #[command(flatten)]
    pub(super) options: CallOptions,
}

#[derive(Clone, Copy, Debug, Group)]
pub(super) struct CallOptions {
    /// The agent of this node to call as, instead of the node itself
    #[arg(long, value_name = "AID")]
    pub(super) local_aid: Option<Aid>,
    /// Take no relayed path
    #[arg(long)]
    pub(super) disable_relay: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum Tunnel {
    /// Open a tunnel, and print where programs connect
    Open {
        /// The agent
        aid: Aid,
        /// The port to listen on; a free one when absent
        #[arg(long, value_name = "PORT")]
        local_port: Option<u16>,
        /// Close the tunnel after so many seconds without a connection; -1 keeps it open
        #[arg(
            long,
            value_name = "SECS",
            default_value_t = 360,
            allow_negative_numbers = true,
            value_parser = clap::value_parser!(i64).range(-1..)
        )]
        idle_timeout: i64,
        #[command(flatten)]
        options: CallOptions,
    },
    /// The open tunnels
    List,
    /// One tunnel, and what it has carried
    Status {
        /// The tunnel
        id: String,
        /// Go on showing it, until it is closed or Ctrl-C
        #[arg(long)]
        watch: bool,
    },
    /// Close a tunnel and cut its connections
    Close {
        /// The tunnel
        id: String,
    },
    /// Close a tunnel, and look its agent up again before the next call
    Reset {
        /// The tunnel
        id: String,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Note {
    /// Send a note, and print how far it has come and its name
    ///
    /// `delivered`: the agent's node has it. `stored`: other nodes keep it until the agent wakes.
    /// `queued`: only this node has it so far. In each case it is safe on a disk, and is tried
    /// again until it has arrived or its time is over.
    Send(SendArgs),
    /// The notes that wait for an agent of this node; they stay
    List {
        /// The agent; may be left out where there is one only
        #[arg(long)]
        aid: Option<Aid>,
    },
    /// Take the notes that wait for an agent of this node
    ///
    /// Notes that are no text are taken with --out or --json only; without, all stay.
    Poll {
        /// The agent; may be left out where there is one only
        #[arg(long)]
        aid: Option<Aid>,
        /// Save what each note says in this directory, in a file of the note's name
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
    /// The notes of an agent of this node that are on their way
    Outbox {
        /// The agent; may be left out where there is one only
        #[arg(long)]
        aid: Option<Aid>,
        /// Give up this note; the beginning of its name is enough. What other nodes keep of it may
        /// still arrive
        #[arg(long, value_name = "NOTE")]
        cancel: Option<String>,
    },
}

#[derive(Debug, Group)]
pub(super) struct SendArgs {
    /// The agent that is to read it
    #[arg(value_name = "AID")]
    pub(super) recipient: Aid,
    /// What it says, at most 64 KiB; - reads stdin
    pub(super) text: Option<String>,
    /// The file that holds what it says
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    pub(super) file: Option<PathBuf>,
    /// What kind of note it is, 0 to 255; 3 is text
    #[arg(long = "type", value_name = "N", default_value_t = 3)]
    pub(super) msg_type: u8,
    /// The agent of this node that writes; may be left out where there is one only
    #[arg(long, value_name = "MINE")]
    pub(super) aid: Option<Aid>,
    /// Seconds after which it is not delivered any more; a week when absent
    #[arg(long, value_name = "SECS", value_parser = clap::value_parser!(u64).range(..=604_800))]
    pub(super) ttl: Option<u64>,
}

#[derive(Debug, Subcommand)]
pub(super) enum Inbound {
    /// Say where an agent's service listens
    Bind {
        /// The service: host:port, http://host:port or https://host:port
        #[arg(long, value_name = "HOST:PORT")]
        addr: String,
        /// The agent; may be left out where there is one only
        aid: Option<Aid>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum Config {
    /// All settings, or one
    Get {
        /// The setting
        key: Option<String>,
    },
    /// Change a setting
    Set {
        /// The setting
        key: String,
        /// Its new value; a list is written with commas
        value: String,
    },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn an_address_is_checked_while_it_is_read() {
        let error = Args::try_parse_from(["a2al", "resolve", "nonsense"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
    }
}
