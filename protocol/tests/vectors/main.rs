// SPDX-License-Identifier: MPL-2.0
//! Every address, proof and record in the vectors of the reference, release 0.3.5, against this
//! implementation.
//!
//! Where we decide otherwise on purpose, the entry and the reason are listed beside the test; a
//! difference that is not listed fails, and so does a listed one that is none any more.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod aid_parse;
mod delegation_cases;
mod identities;
mod mailbox;
mod records;
mod store;

use std::{collections::BTreeMap, fmt::Debug, io::Write as _, sync::LazyLock};

use a2al_protocol::UnixSeconds;
use serde_json::Value;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../tests/vectors/reference-0.3.5.json"
    );
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
});

/// What was checked of one section of the vectors, and where we differ on purpose.
struct Section {
    name: &'static str,
    checked: usize,
    /// Entry → why we decide otherwise; what has been met is taken out.
    expected: BTreeMap<&'static str, &'static str>,
    met: Vec<String>,
}

impl Section {
    fn new(name: &'static str, deviations: &[(&'static str, &'static str)]) -> Self {
        let expected = deviations.iter().copied().collect();
        Self {
            name,
            checked: 0,
            expected,
            met: Vec::new(),
        }
    }

    /// Counts an entry and compares what the reference made of it with what we do.
    fn compare<T: PartialEq + Debug>(&mut self, entry: &str, reference: &T, ours: &T) {
        self.checked += 1;
        if reference != ours {
            let reason = self.expected.remove(entry).unwrap_or_else(|| {
                panic!(
                    "{}: {entry}: the reference has {reference:?}, we have {ours:?}",
                    self.name
                )
            });
            self.met.push(format!(
                "{entry}: {reason} (reference {reference:?}, ours {ours:?})"
            ));
        }
    }

    fn finish(self) {
        let Self {
            name,
            checked,
            expected,
            met,
        } = self;
        assert!(checked > 0, "{name}: nothing was checked");
        assert!(
            expected.is_empty(),
            "{name}: no deviation any more: {expected:?}"
        );
        say(&format!(
            "vectors: {name}: {checked} checked, {} deliberate deviations",
            met.len()
        ));
        for deviation in met {
            say(&format!("vectors: {name}: {deviation}"));
        }
    }
}

/// Prints a line that a reader of the test run should see: the runner withholds what the print macros write.
fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}

/// The entries of a section that is a list.
fn entries(section: &str) -> &'static [Value] {
    VECTORS[section].as_array().unwrap()
}

fn text<'v>(entry: &'v Value, key: &str) -> &'v str {
    entry[key]
        .as_str()
        .unwrap_or_else(|| panic!("{key} is no text"))
}

fn bytes(entry: &Value, key: &str) -> Vec<u8> {
    hex::decode(text(entry, key)).unwrap()
}

fn number(entry: &Value, key: &str) -> u64 {
    entry[key]
        .as_u64()
        .unwrap_or_else(|| panic!("{key} is no number"))
}

fn flag(entry: &Value, key: &str) -> bool {
    entry[key]
        .as_bool()
        .unwrap_or_else(|| panic!("{key} is no flag"))
}

/// The clock to verify an entry with.
fn clock(entry: &Value) -> UnixSeconds {
    UnixSeconds(number(entry, "at"))
}
