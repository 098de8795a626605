// SPDX-License-Identifier: MPL-2.0
//! The commands, a file per topic.

mod agents;
mod config;
mod connect;
mod doctor;
mod expose;
mod fetch;
mod identity;
mod inbound;
mod lookup;
mod mcp;
mod nc;
mod note;
mod peers;
mod publish;
mod register;
mod search;
mod status;
mod tunnel;

use a2al_protocol::Aid;
use a2al_service::model::AgentList;
use clap::CommandFactory;
use clap_complete::Shell;

use super::Context;
use super::args::{Args, Command};
use super::failure::Failure;
use crate::output;

/// Runs `command`.
pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::Status => status::show(context).await,
        Command::Peers => peers::list(context).await,
        Command::Doctor { aid } => doctor::run(context, aid).await,
        Command::Register(args) => register::run(context, args).await,
        Command::Identity(command) => identity::run(context, command).await,
        Command::Agents(command) => agents::run(context, command).await,
        Command::Publish(args) => publish::publish(context, args).await,
        Command::Unpublish(args) => publish::unpublish(context, args).await,
        Command::Search(args) => search::search(context, args).await,
        Command::Call(args) => search::call(context, args).await,
        Command::Resolve { aid } => lookup::resolve(context, aid).await,
        Command::Info { aid } => lookup::info(context, aid).await,
        Command::Get(args) => fetch::get(context, args).await,
        Command::Post(args) => fetch::post(context, args).await,
        Command::Connect(args) => connect::run(context, args).await,
        Command::Tunnel(command) => tunnel::run(context, command).await,
        Command::Nc(args) => nc::run(context, args).await,
        Command::Note(command) => note::run(context, command).await,
        Command::McpConnect(args) => mcp::connect(context, args).await,
        Command::Expose(args) => expose::run(context, args).await,
        Command::Inbound(command) => inbound::run(context, command).await,
        Command::Config(command) => config::run(context, command).await,
        Command::Version => status::version(context).await,
        Command::Completions { shell } => {
            completions(shell);
            Ok(())
        }
    }
}

fn completions(shell: Shell) {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "a2al", &mut script);
    output::raw(&script);
}

/// The agent of a node that hosts one.
async fn only_agent(context: &Context) -> Result<Aid, Failure> {
    let list: AgentList = context.client.get("/agents").await?;
    match &list.agents[..] {
        [agent] => Ok(agent.aid),
        agents => Err(Failure::WhichAgent {
            agents: agents.iter().map(|agent| agent.aid.to_string()).collect(),
        }),
    }
}
