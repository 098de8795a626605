// SPDX-License-Identifier: MPL-2.0
//! The daemon.

use std::process::ExitCode;
use std::time::Duration;

use a2al_node::daemon::{self, Args, Command};
use a2al_node::{demo, hosts, output};
use tokio::runtime::Runtime;

/// How long blocking work may hold up the end of the process.
const LAST_WORK: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let args = Args::from_command_line();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(format_args!("a2ald: {}", output::one_line(error.as_ref())));
            exit_code(&error)
        }
    }
}

/// 2 where the command line is at fault, as clap has it.
fn exit_code(error: &anyhow::Error) -> ExitCode {
    match error.downcast_ref() {
        Some(daemon::Error::Config(error)) if error.is_usage() => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}

fn run(args: Args) -> anyhow::Result<()> {
    let runtime = Runtime::new()?;
    let ended = match args.command() {
        Some(Command::Mcp(command)) => hosts::run(command).map_err(Into::into),
        Some(Command::Demo) => runtime.block_on(demo::run()).map_err(Into::into),
        None if args.is_stdio() => runtime
            .block_on(daemon::run_stdio(&args.into_flags()))
            .map_err(Into::into),
        None => runtime
            .block_on(daemon::run(&args.into_flags()))
            .map_err(Into::into),
    };
    runtime.shutdown_timeout(LAST_WORK);
    ended
}
