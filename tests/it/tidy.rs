// SPDX-License-Identifier: MPL-2.0
//! What the compiler and the linter do not check about the source tree.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::harness::Daemon;

/// Most lines of code in one file; what follows the first inline test module does not count.
const MAX_CODE_LINES: usize = 500;

/// Directories with sources of ours. Generated code is in one that is left out.
const SOURCES: [&str; 7] = [
    "proto",
    "protocol",
    "node",
    "mcp",
    "bootstrap",
    "tests",
    "docker",
];

/// One file of the tree.
struct Source {
    path: String,
    text: String,
}

impl Source {
    /// The lines before the first inline test module.
    fn code(&self) -> impl Iterator<Item = &str> {
        self.text
            .lines()
            .take_while(|line| line.trim() != "#[cfg(test)]")
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the workspace")
        .to_owned()
}

/// Every Rust file of ours that a person wrote.
fn sources() -> Vec<Source> {
    let root = root();
    let mut directories = SOURCES.map(|name| root.join(name)).to_vec();
    let mut found = Vec::new();
    while let Some(directory) = directories.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for path in entries.map(|entry| entry.expect("our own tree").path()) {
            let is_generated = path
                .file_name()
                .is_some_and(|name| name == "generated" || name == "target");
            if path.is_dir() && !is_generated {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("our own tree");
                let path = path
                    .strip_prefix(&root)
                    .expect("below the root")
                    .display()
                    .to_string();
                found.push(Source { path, text });
            }
        }
    }
    assert!(found.len() > 30, "the tree was found");
    found
}

/// Fails with every source that `fault` finds something in.
#[track_caller]
fn none(rule: &str, fault: impl Fn(&Source) -> Option<String>) {
    let faults = sources()
        .iter()
        .filter_map(|source| Some(format!("{}: {}", source.path, fault(source)?)))
        .collect::<Vec<_>>();
    assert!(faults.is_empty(), "{rule}:\n{}", faults.join("\n"));
}

/// The first line that holds one of `words`, with its number.
fn line_with(source: &Source, words: &[&str]) -> Option<String> {
    let mut lines = source.text.lines().enumerate();
    let (number, line) = lines.find(|(_, line)| words.iter().any(|word| line.contains(word)))?;
    Some(format!("{}: {}", number + 1, line.trim()))
}

#[test]
fn no_file_is_too_long() {
    none("files stay short", |source| {
        let lines = source.code().count();
        (lines > MAX_CODE_LINES).then(|| format!("{lines} lines of code"))
    });
}

#[test]
fn every_file_names_its_licence_first() {
    none("the first line is the licence", |source| {
        let is_named = source
            .text
            .starts_with("// SPDX-License-Identifier: MPL-2.0\n");
        (!is_named).then(|| "no SPDX line".to_owned())
    });
}

#[test]
fn modules_are_files_beside_their_directories() {
    none("foo.rs and foo/, never mod.rs", |source| {
        source
            .path
            .ends_with("/mod.rs")
            .then(|| "rename it".to_owned())
    });
}

#[test]
fn nothing_is_left_to_do() {
    // Joined here, or this file would be the one that has them.
    let words = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("HA", "CK"),
    ];
    none("no notes to ourselves", |source| line_with(source, &words));
}

#[test]
fn types_are_named_for_what_they_are() {
    let empty = ["Manager", "Util", "Helper", "Data", "Info"];
    none("no empty words in type names", |source| {
        let declared = source.code().filter_map(|line| {
            let line = line
                .trim()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            let name = line
                .strip_prefix("struct ")
                .or_else(|| line.strip_prefix("enum "))?;
            name.split(|letter: char| !letter.is_alphanumeric()).next()
        });
        let mut faults = declared.filter(|name| empty.iter().any(|word| name.ends_with(word)));
        faults.next().map(|name| format!("{name} says nothing"))
    });
}

#[test]
fn the_pure_half_of_the_protocol_knows_no_network_and_no_clock() {
    let gated = modules_of_the_network_half();
    assert!(
        gated.contains("network") && gated.contains("behaviour"),
        "{gated:?}"
    );
    let words = [
        "tokio::",
        "libp2p::",
        "SystemTime::now",
        "Instant::now",
        "std::fs",
        "std::net::",
    ];
    none("records and addresses are pure", |source| {
        let inner = source.path.strip_prefix("protocol/src/")?;
        let module = inner.split(['/', '.']).next()?;
        let is_pure = module != "lib" && !gated.contains(module);
        is_pure.then(|| line_with(source, &words)).flatten()
    });
}

/// The modules that the protocol crate has only with its feature `net`.
fn modules_of_the_network_half() -> BTreeSet<String> {
    let path = root().join("protocol/src/lib.rs");
    let text = std::fs::read_to_string(path).expect("our own tree");
    let gated = text.split("#[cfg(feature = \"net\")]").skip(1);
    let first_line = |part: &str| {
        part.trim_start()
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let named = |line: String| line.rsplit("mod ").next().map(|name| name.replace(';', ""));
    gated.map(first_line).filter_map(named).collect()
}

#[test]
fn http_stays_above_the_use_cases() {
    none("nothing below the service knows HTTP or JSON", |source| {
        let is_below = ["proto/src", "protocol/src"]
            .iter()
            .any(|part| source.path.starts_with(part));
        let words = ["axum", "hyper::", "serde_json", "reqwest"];
        let in_code = Source {
            path: source.path.clone(),
            text: source.code().collect::<Vec<_>>().join("\n"),
        };
        is_below.then(|| line_with(&in_code, &words)).flatten()
    });
    none("routes are above the service", |source| {
        let is_service = source.path.starts_with("node/service/src");
        is_service
            .then(|| line_with(source, &["axum", "clap::", "rmcp"]))
            .flatten()
    });
}

#[test]
fn only_the_network_half_names_libp2p() {
    none("libp2p stays inside", |source| {
        let is_inside = ["protocol/", "tests/"]
            .iter()
            .any(|part| source.path.starts_with(part));
        (!is_inside)
            .then(|| line_with(source, &["libp2p::"]))
            .flatten()
    });
}

#[tokio::test]
async fn every_route_is_described_and_in_the_readme() {
    let daemon = Daemon::alone().await;
    let described = daemon.api.get("/openapi.json").await.ok();
    let paths = described["paths"].as_object().expect("an OpenAPI document");
    assert!(paths.len() > 15, "{:?}", paths.keys());
    let mut names = BTreeSet::new();
    for (path, operations) in paths {
        for (method, operation) in operations.as_object().expect("operations by method") {
            let says = |name: &str| {
                operation[name]
                    .as_str()
                    .is_some_and(|text| !text.is_empty())
            };
            assert!(
                says("summary") || says("description"),
                "{method} {path} is not described"
            );
            let name = operation["operationId"]
                .as_str()
                .expect("every operation has a name");
            assert!(names.insert(name.to_owned()), "{name} names two operations");
            assert!(
                operation["responses"].is_object(),
                "{method} {path} has no answers"
            );
        }
    }
    let gateway = paths["/aid/{aid}/{path}"].as_object();
    let methods = gateway.map(|by_method| by_method.keys().collect::<Vec<_>>());
    let every = ["delete", "get", "patch", "post", "put"];
    assert!(methods.is_some_and(|methods| methods == every));
    let readme = std::fs::read_to_string(root().join("README.md")).expect("a README");
    let missing = paths
        .keys()
        .filter(|path| !readme.contains(path.as_str()))
        .collect::<Vec<_>>();
    assert!(missing.is_empty(), "not in README.md: {missing:?}");
}

#[tokio::test]
async fn headers_are_described_as_lists_of_texts() {
    let daemon = Daemon::alone().await;
    let described = daemon.api.get("/openapi.json").await.ok();
    let schemas = &described["components"]["schemas"];
    for name in ["Fetch", "FetchAnswer"] {
        let headers = &schemas[name]["properties"]["headers"];
        let values = &headers["additionalProperties"];
        assert_eq!(values["type"], "array", "{name}: {headers}");
        assert_eq!(values["items"]["type"], "string", "{name}: {headers}");
    }
    for name in ["Status", "AgentList"] {
        let pending = &schemas[name]["properties"]["pending"];
        let values = &pending["additionalProperties"]["$ref"];
        assert_eq!(values, "#/components/schemas/Pending", "{name}: {pending}");
    }
}

#[test]
fn the_tree_has_what_readers_look_for() {
    let root = root();
    for name in [
        "README.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "deny.toml",
        ".justfile",
        ".ci/run",
    ] {
        assert!(root.join(name).is_file(), "{name} is missing");
    }
    let changes = std::fs::read_to_string(root.join("CHANGELOG.md")).expect("a changelog");
    assert!(
        changes.contains("## [Unreleased]"),
        "the changelog has no open section"
    );
    let licence = std::fs::read_to_string(root.join("LICENSE")).expect("a licence");
    assert!(
        licence.starts_with("Mozilla Public License Version 2.0") && licence.contains("Exhibit B")
    );
}
