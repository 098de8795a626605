// SPDX-License-Identifier: MPL-2.0
//! How commands speak: data to stdout, remarks to stderr.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{self, IsTerminal as _};

use serde::Serialize;

use super::args::Globals;
use crate::output;

/// The two ways a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printer {
    json: bool,
    quiet: bool,
}

impl Printer {
    pub(super) fn new(globals: &Globals) -> Self {
        Self {
            json: globals.json,
            quiet: globals.quiet,
        }
    }

    /// Whether JSON was asked for.
    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// Prints `value` as JSON if that was asked for, else the lines `text` makes of it.
    pub(super) fn data<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        if self.json {
            output::data(json(value));
        } else {
            lines(&text(value));
        }
    }

    /// Prints the same, where nobody else has it.
    ///
    /// # Errors
    /// What the system said; then it may be there in part.
    pub(super) fn delivered<T: Serialize>(
        self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> io::Result<()> {
        let text = if self.json { json(value) } else { text(value) };
        if text.is_empty() {
            return Ok(());
        }
        output::delivered(text)
    }

    /// Prints `bytes` of somebody else's, or `value` as JSON if that was asked for. A terminal shows
    /// them as [`harmless`] text; whatever else reads them gets them as they are.
    pub(super) fn bytes<T: Serialize>(self, value: &T, bytes: &[u8]) {
        if self.json {
            output::data(json(value));
        } else {
            output::raw(&fit(bytes, io::stdout().is_terminal()));
        }
    }

    /// Says `remark`, unless `--quiet`.
    pub(super) fn note(self, remark: impl Display) {
        if !self.quiet {
            output::note(remark);
        }
    }
}

/// `bytes` as they may be written, to a terminal or elsewhere.
fn fit(bytes: &[u8], is_terminal: bool) -> Cow<'_, [u8]> {
    if is_terminal {
        let text = String::from_utf8_lossy(bytes);
        Cow::Owned(harmless(&text).into_bytes())
    } else {
        Cow::Borrowed(bytes)
    }
}

fn lines(text: &str) {
    if !text.is_empty() {
        output::data(text);
    }
}

fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).expect("answers are plain values with text keys")
}

/// One `name  value` line a field, values below each other.
pub(super) fn fields(fields: &[(&str, &dyn Display)]) -> String {
    let width = fields
        .iter()
        .map(|(name, _)| name.len())
        .max()
        .unwrap_or_default();
    let lines = fields
        .iter()
        .map(|(name, value)| format!("{name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Rows under a heading, columns below each other; nothing without rows.
pub(super) fn table<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let heading = heading.map(ToOwned::to_owned);
    let all: Vec<_> = std::iter::once(&heading).chain(rows).collect();
    let width = |column: usize| {
        all.iter()
            .map(|row| row[column].chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &&[String; N]| {
        let cells = row
            .iter()
            .zip(widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    all.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `text` of somebody else's, with a replacement in the place of every character that could do more
/// on a terminal than be seen: control characters but line ends and tabs, and those that change the
/// direction of writing, take no room, or carry hidden words.
pub(super) fn harmless(text: &str) -> String {
    let shown = |letter: char| match letter {
        '\n' | '\t' => letter,
        '\u{ad}'
        | '\u{61c}'
        | '\u{180e}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff9}'..='\u{fffb}'
        | '\u{e0000}'..='\u{e0fff}' => char::REPLACEMENT_CHARACTER,
        letter if letter.is_control() => char::REPLACEMENT_CHARACTER,
        letter => letter,
    };
    text.replace("\r\n", "\n").chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_what_can_be_seen_reaches_the_terminal() {
        let hostile = "a\u{1b}[2J\r\n\tb\rc\u{202e}d\u{9b}e\u{e0041}f\u{200d}";
        let shown = "a\u{fffd}[2J\n\tb\u{fffd}c\u{fffd}d\u{fffd}e\u{fffd}f\u{fffd}";
        assert_eq!(harmless(hostile), shown);
        assert_eq!(
            &*fit(b"\x1b[2J\xff", true),
            "\u{fffd}[2J\u{fffd}".as_bytes()
        );
        assert_eq!(&*fit(b"\x1b[2J\xff", false), b"\x1b[2J\xff");
        assert_eq!(harmless("grüße, 你好 🙂"), "grüße, 你好 🙂");
    }

    #[test]
    fn columns_stand_below_each_other() {
        let rows = [
            ["a".to_owned(), "bbb".to_owned()],
            ["cc".to_owned(), String::new()],
        ];
        assert_eq!(table(["X", "Y"], &rows), "X   Y\na   bbb\ncc");
        assert_eq!(fields(&[("a", &1), ("long", &2)]), "a     1\nlong  2");
    }
}
