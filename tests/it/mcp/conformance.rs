// SPDX-License-Identifier: MPL-2.0
//! What the authors of MCP check servers with: their conformance suite, and the linter in their Inspector.

#[path = "conformance/contents.rs"]
mod contents;
#[path = "conformance/fixtures.rs"]
mod fixtures;
#[path = "conformance/questions.rs"]
mod questions;
#[path = "conformance/stack.rs"]
mod stack;
#[path = "conformance/suite.rs"]
mod suite;
#[path = "conformance/tools.rs"]
mod tools;

use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Daemon, Process, Setup, say};
use stack::Stack;
use suite::INSPECTOR;

/// The revisions that the suite knows, with the number of scenarios that each requires of a server.
const REQUIRED: [(&str, usize); 2] = [("2025-11-25", 30), ("2026-07-28", 37)];

/// Scenarios that ask for nothing but what every server has, by revision.
const WITHOUT_FIXTURES: [(&str, &[&str]); 2] = [
    (
        "2025-11-25",
        &[
            "server-initialize",
            "server-session-lifecycle",
            "ping",
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "prompts-list",
            "dns-rebinding-protection",
        ],
    ),
    (
        "2026-07-28",
        &[
            "tools-list",
            "server-sse-multiple-streams",
            "resources-list",
            "sep-2164-resource-not-found",
            "prompts-list",
            "caching",
            "input-required-result-unsupported-methods",
            "http-header-validation",
            "dns-rebinding-protection",
        ],
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn all_that_a_revision_requires_is_there() {
    let test = "all_that_a_revision_requires_is_there";
    if suite::SUITE.command(test).is_none() {
        return;
    }
    let stack = Stack::start().await;
    for (revision, count) in REQUIRED {
        let report = suite::run(test, &stack.url, revision).await;
        let report = report.expect("it was there before").required();
        let (scenarios, checks) = report.passes();
        assert!(report.conforms, "{revision}");
        say(&format!(
            "mcp conformance {revision} with fixtures {scenarios}/{count} scenarios, {checks} checks"
        ));
        assert_eq!(scenarios, count, "scenarios of {revision}");
    }
    stack.stop().await;
}

#[tokio::test]
async fn the_daemon_passes_where_no_fixture_is_asked_for() {
    let test = "the_daemon_passes_where_no_fixture_is_asked_for";
    let daemon = Daemon::alone().await;
    let url = format!("{}/mcp", daemon.api.base());
    for (revision, names) in WITHOUT_FIXTURES {
        let Some(report) = suite::run(test, &url, revision).await else {
            return;
        };
        let (scenarios, checks) = report.of(names).passes();
        say(&format!(
            "mcp conformance {revision} a2ald {scenarios} scenarios, {checks} checks"
        ));
    }
}

/// Lists tools with the Inspector, which reaches the server as `target` says, and returns how many there are. Panics if
/// its linter finds anything.
async fn linted(mut inspector: Command, target: &[&str]) -> usize {
    let home = TempDir::with_prefix("a2al-inspector-").expect("a temporary directory");
    inspector.env("HOME", home.path()).arg("--cli").args(target);
    inspector.args(["--method", "tools/list", "--strict", "--format", "json"]);
    let ended = Process::start(inspector).ended(suite::DEADLINE).await;
    assert_eq!(ended.code(), Some(0), "{target:?}: {}", ended.stderr);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("one line of JSON");
    let found = &answer["schemaFindings"];
    assert!(found.is_null(), "{target:?}: {found:#}");
    answer["result"]["tools"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn the_inspector_finds_nothing_in_the_tools() {
    let test = "the_inspector_finds_nothing_in_the_tools";
    for (toolsets, least) in [("core", 15), ("all", 30)] {
        let flags = ["--mcp-toolsets", toolsets];
        let own = Setup::new().with(&flags).with(&["--mcp-stdio"]);
        let stdio = own.command();
        let stdio = std::iter::once(stdio.get_program()).chain(stdio.get_args());
        let stdio = stdio.map(|arg| arg.to_str().expect("text"));
        let stdio = stdio.collect::<Vec<_>>();
        let Some(inspector) = INSPECTOR.command(test) else {
            return;
        };
        let tools = linted(inspector, &stdio).await;
        let daemon = Setup::new().with(&flags).start().await;
        let url = format!("{}/mcp", daemon.api.base());
        for era in ["legacy", "modern"] {
            let inspector = INSPECTOR.command(test).expect("it was there before");
            let same = linted(inspector, &[&url, "--protocol-era", era]).await;
            assert_eq!(same, tools, "{era}");
        }
        assert!(tools >= least, "{toolsets}: {tools}");
        say(&format!(
            "mcp inspector {toolsets:4} {tools} tools, 0 errors, 0 warnings"
        ));
    }
}
