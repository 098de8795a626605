// SPDX-License-Identifier: MPL-2.0
//! The official conformance suite of MCP, which checks a server scenario by scenario.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Process, Tool};

/// The suite, from the npm package `@modelcontextprotocol/conformance`.
pub(super) const SUITE: Tool = Tool::named(
    "the MCP conformance suite (npm)",
    "REQUIRE_CONFORMANCE",
    || script("conformance"),
    &["--version"],
);

/// The command line of the MCP Inspector, from the npm package `@modelcontextprotocol/inspector`.
pub(super) const INSPECTOR: Tool = Tool::named(
    "the MCP Inspector (npm)",
    "REQUIRE_CONFORMANCE",
    || script("mcp-inspector"),
    &["--version"],
);

/// Longest run of one of them. Either takes seconds.
pub(super) const DEADLINE: Duration = Duration::from_secs(120);

/// Length of the time at the end of a directory's name, with the dash before it.
const TIME_LEN: usize = "-2026-07-28T00-00-00-000Z".len();

/// A script of an npm package, run by the Node.js that is installed beside it.
fn script(name: &str) -> Command {
    let tools = std::env::var_os("A2AL_TEST_NODE_TOOLS").unwrap_or_default();
    let programs = PathBuf::from(tools).join("node_modules/.bin");
    let mut command = Command::new(programs.join("node"));
    command.arg(programs.join(name));
    command
}

/// What the suite found out about a server.
pub(super) struct Report {
    /// Whether the suite says that the server conforms to the revision.
    pub(super) conforms: bool,
    /// By the name of the scenario.
    verdicts: BTreeMap<String, Verdict>,
}

/// What came of one scenario.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Whether the revision requires it.
    is_required: bool,
    passed: usize,
    /// What was said of each check that failed, or that warns.
    faults: Vec<String>,
}

/// Runs all scenarios of `revision` against the server at `url`, or none after saying that `test` is skipped.
pub(super) async fn run(test: &str, url: &str, revision: &str) -> Option<Report> {
    let mut command = SUITE.command(test)?;
    let results = TempDir::with_prefix("a2al-conformance-").expect("a temporary directory");
    command.args(["server", "--url", url, "--requirements", revision, "-o"]);
    command.arg(results.path());
    let ended = Process::start(command).ended(DEADLINE).await;
    let unscored = ended.stdout.split("Not scored").nth(1);
    let unscored = unscored.unwrap_or_else(|| panic!("no report:\n{}", ended.stdout));
    let mut verdicts = BTreeMap::new();
    for entry in std::fs::read_dir(results.path()).expect("results") {
        let path = entry.expect("results").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.and_then(|name| name.strip_prefix("server-"));
        let name = name.and_then(|name| name.get(..name.len().checked_sub(TIME_LEN)?));
        let name = name.unwrap_or_else(|| panic!("{} is no result", path.display()));
        let is_required = !unscored.contains(&format!(" {name} ("));
        verdicts.insert(name.to_owned(), Verdict::read(&path, is_required));
    }
    Some(Report {
        conforms: ended.code() == Some(0),
        verdicts,
    })
}

impl Verdict {
    fn read(directory: &Path, is_required: bool) -> Self {
        let checks = std::fs::read(directory.join("checks.json")).expect("checks");
        let checks: Vec<Value> = serde_json::from_slice(&checks).expect("checks");
        let mut verdict = Self {
            is_required,
            ..Self::default()
        };
        for check in &checks {
            match check["status"].as_str() {
                Some("SUCCESS") => verdict.passed += 1,
                Some("INFO" | "SKIPPED") => {}
                _ => verdict.faults.push(format!(
                    "{} {}: {}",
                    check["status"], check["id"], check["errorMessage"]
                )),
            }
        }
        verdict
    }
}

impl Report {
    /// The report on the scenarios that the revision requires, and no others.
    pub(super) fn required(mut self) -> Self {
        self.verdicts.retain(|_, verdict| verdict.is_required);
        self
    }

    /// The report on `scenarios` and no others. Panics if one of them was not run.
    pub(super) fn of(mut self, scenarios: &[&str]) -> Self {
        self.verdicts
            .retain(|name, _| scenarios.contains(&name.as_str()));
        let found = self.verdicts.len();
        assert_eq!(found, scenarios.len(), "{:?}", self.verdicts.keys());
        self
    }

    /// How many scenarios there are, and how many checks in them passed. Panics unless all did, without a warning.
    #[track_caller]
    pub(super) fn passes(&self) -> (usize, usize) {
        let bad = self.verdicts.iter();
        let bad = bad.filter(|(_, verdict)| verdict.passed == 0 || !verdict.faults.is_empty());
        let bad = bad.map(|(name, verdict)| format!("{name}: {}", verdict.faults.join("\n    ")));
        let bad = bad.collect::<Vec<_>>().join("\n");
        assert!(bad.is_empty(), "not passed:\n{bad}");
        let passed = self.verdicts.values().map(|verdict| verdict.passed);
        (self.verdicts.len(), passed.sum())
    }
}
