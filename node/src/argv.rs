// SPDX-License-Identifier: MPL-2.0
//! Go's flag syntax, turned into the one clap reads.
//!
//! Scripts written for the reference daemon use `-x v`, `--x v`, `-x=v` and `--x=v` alike. clap
//! knows the two-dash forms only, so a single dash before a long name becomes two.

use std::ffi::OsString;

/// The arguments with every `-name` spelled `--name`.
///
/// One-letter flags (`-h`, `-V`), negative numbers, a lone `-` and whatever follows `--` stay as
/// they are.
pub fn with_two_dashes(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut literal = false;
    args.into_iter()
        .map(|arg| {
            literal |= arg == "--";
            if literal { arg } else { spelled_long(arg) }
        })
        .collect()
}

fn spelled_long(arg: OsString) -> OsString {
    match arg.to_str().and_then(|text| text.strip_prefix('-')) {
        Some(name) if is_long_name(name) => OsString::from(format!("--{name}")),
        _ => arg,
    }
}

fn is_long_name(name: &str) -> bool {
    let name = name.split_once('=').map_or(name, |(name, _)| name);
    name.len() > 1 && name.starts_with(|first: char| first.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(args: &[&str]) -> Vec<String> {
        with_two_dashes(args.iter().map(OsString::from))
            .into_iter()
            .map(|arg| arg.into_string().unwrap())
            .collect()
    }

    #[test]
    fn all_four_spellings_become_one() {
        for spelling in [&["-listen", "v"], &["--listen", "v"]] {
            assert_eq!(rewritten(spelling), ["--listen", "v"]);
        }
        assert_eq!(rewritten(&["-listen=:1"]), ["--listen=:1"]);
        assert_eq!(rewritten(&["--listen=:1"]), ["--listen=:1"]);
    }

    #[test]
    fn short_flags_and_values_are_left_alone() {
        let untouched = ["-h", "-V", "-", "-1", "demo", "127.0.0.1:0", "a-b"];
        assert_eq!(rewritten(&untouched), untouched);
        assert_eq!(rewritten(&["--", "-listen"]), ["--", "-listen"]);
    }
}
