// SPDX-License-Identifier: MPL-2.0
//! The real programs on loopback, chapter by chapter.

mod harness;

#[path = "it/agents.rs"]
mod agents;
#[path = "it/backup.rs"]
mod backup;
#[path = "it/browser.rs"]
mod browser;
#[path = "it/cli.rs"]
mod cli;
#[path = "it/conventions.rs"]
mod conventions;
#[path = "it/crash.rs"]
mod crash;
#[path = "it/crowds.rs"]
mod crowds;
#[path = "it/demo.rs"]
mod demo;
#[path = "it/discovery.rs"]
mod discovery;
#[path = "it/disk.rs"]
mod disk;
#[path = "it/fetch.rs"]
mod fetch;
#[path = "it/forged.rs"]
mod forged;
#[path = "it/gateway.rs"]
mod gateway;
#[path = "it/guard.rs"]
mod guard;
#[path = "it/impostor.rs"]
mod impostor;
#[path = "it/inbound.rs"]
mod inbound;
#[path = "it/kept.rs"]
mod kept;
#[path = "it/mailbox.rs"]
mod mailbox;
#[path = "it/mcp.rs"]
mod mcp;
#[path = "it/network.rs"]
mod network;
#[path = "it/programs.rs"]
mod programs;
#[path = "it/publishing.rs"]
mod publishing;
#[path = "it/reach.rs"]
mod reach;
#[path = "it/records.rs"]
mod records;
#[path = "it/remote.rs"]
mod remote;
#[path = "it/secrets.rs"]
mod secrets;
#[path = "it/services.rs"]
mod services;
#[path = "it/sessions.rs"]
mod sessions;
#[path = "it/startup.rs"]
mod startup;
#[path = "it/status.rs"]
mod status;
#[path = "it/targets.rs"]
mod targets;
#[path = "it/tidy.rs"]
mod tidy;
#[path = "it/tunnel_cli.rs"]
mod tunnel_cli;
#[path = "it/tunnels.rs"]
mod tunnels;
#[path = "it/wallet.rs"]
mod wallet;
