// SPDX-License-Identifier: MPL-2.0
//! What names of services look like by convention.
//!
//! A name is `category.function` or `category.function-qualifier`, such as `lang.translate` or
//! `code.review-rust`. Any other name works as well: whoever asks for exactly those bytes finds it.
//! But nobody guesses it, and without a category it is not found by browsing. So a departure is
//! said. Refused are only names that pass for others: with what is not seen, or with a star at the
//! end.

use crate::error::Input;
use crate::text;

/// The categories of the convention. Source: the reference's list of service categories.
const CATEGORIES: [&str; 7] = ["lang", "gen", "sense", "data", "reason", "code", "tool"];

/// Refuses a name that passes for others.
pub(super) fn check(name: &str) -> Result<(), Input> {
    if !text::is_plain(name) {
        return Err(Input::ServiceNameUnseen);
    }
    if name.ends_with('*') {
        return Err(Input::ServiceNamePattern);
    }
    Ok(())
}

/// What is unusual about the name of a service, one sentence each; empty for a name by the
/// convention.
pub(super) fn remarks(name: &str) -> Vec<String> {
    let shown = text::name(name, text::MAX_NAME_CHARS);
    let mut remarks = Vec::new();
    let is_usual = |letter: char| {
        letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '.' | '-')
    };
    if !name.chars().all(is_usual) {
        remarks.push(format!(
            "{shown:?} has other characters than a-z, 0-9, '.' and '-': it is found by exactly this spelling only"
        ));
    }
    match name.split_once('.') {
        None => remarks.push(format!(
            "{shown:?} has no category; names are category.function, such as lang.translate"
        )),
        Some((category, function)) => {
            if !CATEGORIES.contains(&category) {
                let known = CATEGORIES.join(", ");
                remarks.push(format!(
                    "the category of {shown:?} is none of the usual ones: {known}"
                ));
            }
            if function.contains('.') {
                remarks.push(format!(
                    "{shown:?} has more than two levels; a qualifier follows '-'"
                ));
            }
            if function.split(['.', '-']).any(str::is_empty) {
                remarks.push(format!("{shown:?} has an empty part"));
            }
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_convention_need_no_remark() {
        for name in [
            "lang.translate",
            "code.review-rust",
            "data.x2",
            "tool.a-b-c",
        ] {
            assert_eq!(remarks(name), Vec::<String>::new(), "{name}");
        }
    }

    #[test]
    fn names_that_pass_for_others_are_refused() {
        for name in ["lang.translate", "Bad Name/é", "a*b", "日本語"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in [" ", "lang.\u{200b}translate", "a\n", "lang.translate "] {
            assert!(
                matches!(check(name), Err(Input::ServiceNameUnseen)),
                "{name:?}"
            );
        }
        for name in ["*", "lang.*", "lang*"] {
            assert!(
                matches!(check(name), Err(Input::ServiceNamePattern)),
                "{name}"
            );
        }
    }

    #[test]
    fn every_departure_is_said() {
        for (name, count) in [
            ("echo", 1),
            ("test.echo", 1),
            ("lang.", 1),
            ("lang.translate-", 1),
            ("lang.a.b", 1),
            ("Lang.translate", 2),
            ("Bad Name/é", 2),
            ("a.b.c.d", 2),
            ("x.Y..z", 4),
        ] {
            assert_eq!(remarks(name).len(), count, "{name}: {:?}", remarks(name));
        }
        let shown = remarks("a\u{202e}b");
        assert!(!shown[0].contains('\u{202e}'), "{shown:?}");
    }
}
