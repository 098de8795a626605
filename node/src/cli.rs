// SPDX-License-Identifier: MPL-2.0
//! `a2al`: the command line, a client of the daemon's REST API.
//!
//! What a command finds goes to stdout, as lines for people or, with `--json`, as the API's own
//! objects. What it has to say goes to stderr, and its exit code tells what kind of failure it
//! was; [`Failure`] has the table.

mod args;
mod client;
mod commands;
mod doctor;
mod failure;
mod files;
mod print;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Builder;

pub use args::Args;
pub use failure::Failure;

use crate::output::{note, unwritten};
use client::Client;
use print::Printer;

/// Runs the command of this process's command line.
pub fn main() -> ExitCode {
    let ended = run(Args::parse()).and_then(|()| match unwritten() {
        Some(error) => Err(Failure::Unwritten(error)),
        None => Ok(()),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            note(format_args!("error: {failure}"));
            if let Some(hint) = failure.hint() {
                note(format_args!("hint: {hint}"));
            }
            ExitCode::from(failure.exit_code())
        }
    }
}

fn run(args: Args) -> Result<(), Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let context = Context {
        client: Client::new(&args.globals)?,
        print: Printer::new(&args.globals),
    };
    let ended = runtime.block_on(commands::run(&context, args.command));
    // A read of stdin that nobody waits for any more must not hold up the end.
    runtime.shutdown_background();
    ended
}

/// What every command works with.
#[derive(Debug)]
struct Context {
    client: Client,
    print: Printer,
}
