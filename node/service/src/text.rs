// SPDX-License-Identifier: MPL-2.0
//! Text that strangers wrote, made fit to be shown.
//!
//! Names, briefs and tags come from whoever published them. On their way to a person or a language
//! model they are cut to a length, and what is not seen but has an effect is taken out: control
//! characters, which steer terminals; bidirectional controls, which show another text than there
//! is; zero-width, tag and variation characters, which hide text or make two names look alike; and
//! piles of combining marks. Line breaks and tabs become spaces. What remains is text to be shown,
//! never an instruction. Records themselves keep the bytes that were signed, and names are matched
//! by these.

mod marks;

use a2al_protocol::record::meta::{Meta, Value};

/// Longest name that is shown, of an agent, a service, a tag or a protocol, in characters. Ours.
pub const MAX_NAME_CHARS: usize = 64;

/// Longest brief that is shown, in characters. Source: the longest in an entry of the reference.
pub const MAX_BRIEF_CHARS: usize = 140;

/// Longest text in free-form values that is shown, in characters. Ours: entries have 512 bytes.
pub const MAX_VALUE_CHARS: usize = 512;

/// Most tags, protocols and the like that are shown of one list. Ours.
pub const MAX_LISTED: usize = 32;

/// Most free-form values that are shown of one entry, nested ones included. Ours.
const MAX_VALUES: usize = 64;

/// Combining marks that may follow each other. Ours: real scripts use up to three.
const MAX_MARKS: usize = 3;

/// What is shown in the place of the part that was cut off.
const CUT: char = '…';

/// `text` on one line, with at most `max` characters.
pub fn line(text: &str, max: usize) -> String {
    let mut shown = String::with_capacity(text.len().min(max));
    let (mut marks, mut count, mut is_after_space) = (0, 0, true);
    for letter in text.chars() {
        let letter = if is_break(letter) { ' ' } else { letter };
        let (is_mark, is_space) = (marks::is_mark(letter), letter.is_whitespace());
        let is_one_too_many = (is_mark && marks == MAX_MARKS) || (is_space && is_after_space);
        if is_unseen(letter) || is_one_too_many {
            continue;
        }
        if count == max {
            shown.pop();
            shown.push(CUT);
            return shown;
        }
        shown.push(letter);
        count += 1;
        marks = if is_mark { marks + 1 } else { 0 };
        is_after_space = is_space;
    }
    shown.truncate(shown.trim_end().len());
    shown
}

/// The name of a service on one line, with at most `max` characters of it. What is not seen, or looks
/// like a space, is written as an escape such as `\u{200b}`: two names that differ never look alike
/// for that.
pub fn name(text: &str, max: usize) -> String {
    let (mut shown, mut piled) = (String::new(), 0);
    for (at, letter) in text.chars().enumerate() {
        if at == max {
            shown.push(CUT);
            break;
        }
        piled = if marks::is_mark(letter) { piled + 1 } else { 0 };
        let is_odd_space = letter.is_whitespace() && letter != ' ';
        if is_unseen(letter) || is_odd_space || piled > MAX_MARKS {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Whether all of a name is seen as it is: nothing in it is unseen, and no space stands at an end,
/// beside another one, or is of another kind than U+0020.
pub fn is_plain(name: &str) -> bool {
    let has_odd_space = name.chars().any(|one| one.is_whitespace() && one != ' ');
    !has_odd_space && line(name, usize::MAX) == name
}

/// A list of names, such as tags; what is empty afterwards is left out.
pub fn lines(texts: &[String]) -> Vec<String> {
    let shown = texts.iter().map(|text| line(text, MAX_NAME_CHARS));
    shown
        .filter(|text| !text.is_empty())
        .take(MAX_LISTED)
        .collect()
}

/// Free-form values, keys included. Of two keys that look alike afterwards one is shown.
pub fn values(meta: &Meta) -> Meta {
    let mut left = MAX_VALUES;
    map(meta, &mut left)
}

fn map(meta: &Meta, left: &mut usize) -> Meta {
    let mut shown = Meta::new();
    for (key, given) in meta {
        let Some(given) = value(given, left) else {
            break;
        };
        shown.insert(line(key, MAX_NAME_CHARS), given);
    }
    shown
}

/// `given` fit to be shown, as long as there is room; it takes up one of what is `left`.
fn value(given: &Value, left: &mut usize) -> Option<Value> {
    *left = left.checked_sub(1)?;
    Some(match given {
        Value::Text(text) => Value::Text(line(text, MAX_VALUE_CHARS)),
        Value::Array(values) => {
            let mut shown = Vec::new();
            for given in values {
                let Some(given) = value(given, left) else {
                    break;
                };
                shown.push(given);
            }
            Value::Array(shown)
        }
        Value::Map(meta) => Value::Map(map(meta, left)),
        plain => plain.clone(),
    })
}

/// What begins a new line or moves along on one.
fn is_break(letter: char) -> bool {
    matches!(
        letter,
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// What has no look of its own: controls, what Unicode lists as default-ignorable (bidirectional,
/// zero-width, tag, filler and variation characters), annotations, and noncharacters.
pub fn is_unseen(letter: char) -> bool {
    letter.is_control()
        || u32::from(letter) & 0xfffe == 0xfffe
        || matches!(letter,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fdd0}'..='\u{fdef}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_seen_is_taken_out() {
        for (nasty, shown) in [
            ("plain", "plain"),
            ("Übersetzer für Überall", "Übersetzer für Überall"),
            ("日本語 العربية हिन्दी", "日本語 العربية हिन्दी"),
            ("\u{1b}[31mred\u{1b}[0m", "[31mred[0m"),
            ("\u{1b}]0;title\u{7}x", "]0;titlex"),
            ("\u{9b}31mred", "31mred"),
            ("a\0b\u{8}c\u{7f}", "abc"),
            ("one\r\ntwo\n\n\tthree", "one two three"),
            ("a\u{2028}b\u{2029}c\u{85}d", "a b c d"),
            ("\u{202e}gpj.exe", "gpj.exe"),
            ("a\u{2066}b\u{2069}c\u{200f}d\u{61c}e", "abcde"),
            ("pay\u{200b}pal\u{200d}\u{2060}\u{feff}", "paypal"),
            (
                "a\u{ad}b\u{34f}c\u{115f}d\u{3164}e\u{ffa0}f\u{2800}",
                "abcdef",
            ),
            ("hi\u{e0001}\u{e0069}\u{e0067}\u{e007f}", "hi"),
            ("x\u{fe0f}\u{e0100}\u{e01ef}", "x"),
            ("\u{fff9}a\u{fffa}b\u{fffb}", "ab"),
            ("\u{fdd0}\u{ffff}\u{10fffe}", ""),
            ("  spaced \u{200b} out  ", "spaced out"),
            ("e\u{301}", "e\u{301}"),
        ] {
            assert_eq!(line(nasty, 100), shown, "{nasty:?}");
        }
    }

    #[test]
    fn names_hide_nothing() {
        for (given, shown) in [
            ("lang.translate", "lang.translate"),
            ("Bad Name/é", "Bad Name/é"),
            ("lang.\u{200b}x", "lang.\\u{200b}x"),
            ("a\u{a0}b\n", "a\\u{a0}b\\u{a}"),
            ("\u{e0041}\u{202e}", "\\u{e0041}\\u{202e}"),
        ] {
            assert_eq!(name(given, 100), shown);
            assert_eq!(is_plain(given), given == shown, "{given:?}");
        }
        assert_eq!(name("abcdef", 5), "abcde…");
        for odd in [" ", " a", "a ", "a  b", "a\u{3000}b", "a\tb"] {
            assert!(!is_plain(odd), "{odd:?}");
        }
    }

    #[test]
    fn piles_of_marks_are_cut_down() {
        let pile = format!("Z{}o", "\u{335}".repeat(50));
        assert_eq!(line(&pile, 100), "Z\u{335}\u{335}\u{335}o");
        let between = format!("Z{}o", "\u{335}\u{200b}".repeat(50));
        assert_eq!(line(&between, 100), "Z\u{335}\u{335}\u{335}o");
        for mark in ['\u{64e}', '\u{5b0}', '\u{e49}', '\u{20dd}', '\u{1e8d0}'] {
            let pile = format!("a{}b", mark.to_string().repeat(50));
            assert_eq!(line(&pile, 100).chars().count(), 5, "{mark:?}");
        }
    }

    #[test]
    fn what_is_too_long_says_so() {
        assert_eq!(line("abcde", 5), "abcde");
        assert_eq!(line("abcdef", 5), "abcd…");
        assert_eq!(line(&"é".repeat(1000), 140).chars().count(), 140);
        assert_eq!(line("ab\u{200b}\u{200b}\u{200b}", 2), "ab");
        let many = vec!["tag".to_owned(); 1000];
        assert_eq!(lines(&many).len(), MAX_LISTED);
        assert!(lines(&["\u{200b}".to_owned()]).is_empty());
    }

    #[test]
    fn nested_values_are_cleaned_as_well() {
        let meta: Meta = serde_json::from_str(
            r#"{"a\u0000":"x\u202ey","list":["\u200bz",1,null,true,{"k\n":"v\u001b"}]}"#,
        )
        .unwrap();
        let shown = serde_json::to_string(&values(&meta)).unwrap();
        assert_eq!(shown, r#"{"a":"xy","list":["z",1,null,true,{"k":"v"}]}"#);
    }

    #[test]
    fn only_so_many_values_are_shown() {
        let many = (0..1000).map(|at| (at.to_string(), Value::Null)).collect();
        assert_eq!(values(&many).len(), MAX_VALUES);
        let list = Value::Array(vec![Value::Bool(true); 1000]);
        let shown = values(&Meta::from([("k".to_owned(), list)]));
        assert!(matches!(&shown["k"], Value::Array(shown) if shown.len() == MAX_VALUES - 1));
    }
}
