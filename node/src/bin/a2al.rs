// SPDX-License-Identifier: MPL-2.0
//! The command line.

use std::process::ExitCode;

use a2al_node::cli;

fn main() -> ExitCode {
    cli::main()
}
