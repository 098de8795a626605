// SPDX-License-Identifier: MPL-2.0
//! What the chapters measured, for the reader of the run and for a file.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Mutex;

use crate::harness::say;

/// Names the file that the tables are written to.
const FILE: &str = "A2AL_NAT_REPORT";

/// Names the number of repetitions.
const ROUNDS: &str = "A2AL_NAT_ROUNDS";

/// What the file says first.
const HEAD: &str = "# What stands between, and what it costs

Written by `just test-net`: the real programs, built without optimisations, in the NAT laboratory of `tests/lab`. Three public
nodes in three networks; agent (rows) and caller (columns) behind the named routers. Times in seconds.
";

/// The sections so far, by their place in the file and their title.
static SECTIONS: Mutex<BTreeMap<(u8, String), String>> = Mutex::new(BTreeMap::new());

/// How often each chapter repeats what it measures: once, or as often as the environment says.
pub(crate) fn rounds() -> usize {
    let said = std::env::var(ROUNDS).ok();
    let rounds = said.map(|text| text.parse().expect("a number of rounds"));
    rounds.unwrap_or(1).max(1)
}

/// Prints a section, and puts it at `place` in the file if there is to be one.
pub(crate) fn section(place: u8, title: &str, body: &str) {
    say(&format!("\n{title}\n\n{body}"));
    let Ok(path) = std::env::var(FILE) else {
        return;
    };
    let mut sections = SECTIONS.lock().expect("no test panics while it holds this");
    sections.insert((place, title.to_owned()), body.to_owned());
    let mut text = HEAD.to_owned();
    for ((_, title), body) in &*sections {
        write!(text, "\n## {title}\n\n{body}").expect("memory suffices");
    }
    std::fs::write(&path, text).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// A table in Markdown, aligned for the terminal.
#[derive(Debug, Default)]
pub(crate) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these words above its columns.
    pub(crate) fn new<T: ToString>(head: impl IntoIterator<Item = T>) -> Self {
        let mut table = Self::default();
        table.row(head);
        table
    }

    /// Adds a row.
    pub(crate) fn row<T: ToString>(&mut self, cells: impl IntoIterator<Item = T>) {
        let cells = cells.into_iter().map(|cell| cell.to_string());
        self.rows.push(cells.collect());
    }

    /// The table as text.
    pub(crate) fn text(&self) -> String {
        let columns = self.rows[0].len();
        let width = |column: usize| {
            let lengths = self.rows.iter().map(|row| row[column].chars().count());
            lengths.max().unwrap_or(0)
        };
        let widths = (0..columns).map(width).collect::<Vec<_>>();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            for (cell, &width) in row.iter().zip(&widths) {
                write!(text, "| {cell:<width$} ").expect("memory suffices");
            }
            text.push_str("|\n");
            if number == 0 {
                let lines = widths.iter().map(|&width| "-".repeat(width + 2));
                writeln!(text, "|{}|", lines.collect::<Vec<_>>().join("|"))
                    .expect("memory suffices");
            }
        }
        text
    }
}
