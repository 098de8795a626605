// SPDX-License-Identifier: MPL-2.0
//! What is wrong with JSON that is not what was asked for, in the words of JSON.

use std::borrow::Cow;

/// What `serde` says of a request that it cannot read, without the names of Rust's types.
pub fn plainly(problem: &str) -> String {
    // Where it was, which only the parser of JSON knows, stands at the end.
    let end = problem.rfind(" at line ").unwrap_or(problem.len());
    let (problem, place) = problem.split_at(end);
    let (found, expected) = match problem.rfind(", expected ") {
        Some(at) => problem.split_at(at),
        None => (problem, ""),
    };
    let found = match found {
        "invalid type: sequence" => "invalid type: list",
        "invalid type: map" => "invalid type: object",
        other => other,
    };
    let found = found.replacen("EOF while parsing", "it ends within", 1);
    match expected.strip_prefix(", expected ") {
        Some(kind) => format!("{found}, expected {}{place}", named(kind)),
        None => format!("{found}{place}"),
    }
}

/// A type of Rust as what it is in JSON; anything else as it is.
fn named(kind: &str) -> Cow<'_, str> {
    let up_to = |most: u64| format!("a whole number from 0 to {most}");
    match kind {
        "a sequence" => "a list".into(),
        "a map" => "an object".into(),
        "u8" => up_to(u8::MAX.into()).into(),
        "u16" => up_to(u16::MAX.into()).into(),
        "u32" => up_to(u32::MAX.into()).into(),
        "u64" | "usize" => "a whole number, 0 or more".into(),
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number".into(),
        "f32" | "f64" => "a number".into(),
        kind if kind.starts_with("struct ") => "an object".into(),
        kind => kind.into(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[expect(dead_code, reason = "only whether it can be read is looked at")]
    #[derive(Debug, Deserialize)]
    struct Example {
        count: Option<u16>,
        since: Option<u64>,
        offset: Option<i64>,
        names: Option<Vec<String>>,
        inner: Option<Inner>,
    }

    #[expect(dead_code, reason = "only whether it can be read is looked at")]
    #[derive(Debug, Deserialize)]
    struct Inner {
        name: String,
        other: String,
    }

    #[test]
    fn no_type_of_rust_is_named() {
        for (json, said) in [
            ("3", "invalid type: integer `3`, expected an object"),
            (
                r#"{"count":-1}"#,
                "integer `-1`, expected a whole number from 0 to 65535",
            ),
            (
                r#"{"since":"x"}"#,
                r#"string "x", expected a whole number, 0 or more"#,
            ),
            (
                r#"{"offset":0.5}"#,
                "floating point `0.5`, expected a whole number at line 1",
            ),
            (
                r#"{"names":"x"}"#,
                r#"string "x", expected a list at line 1"#,
            ),
            (r#"{"names":{}}"#, "invalid type: object, expected a list"),
            (r#"{"names":[[]]}"#, "invalid type: list, expected a string"),
            (r#"{"inner":["x"]}"#, "invalid length 1, expected an object"),
            (r#"{"inner":{}}"#, "missing field `name`"),
            (r#"{"names":["x"#, "it ends within a string at line 1"),
            (
                r#"{"count":"a, expected u8"}"#,
                r#""a, expected u8", expected a whole number"#,
            ),
        ] {
            let problem = serde_json::from_str::<Example>(json)
                .unwrap_err()
                .to_string();
            let plain = plainly(&problem);
            assert!(plain.contains(said), "{json}: {plain}");
        }
    }

    #[test]
    fn what_names_no_type_stays_as_it_is() {
        for problem in [
            "bad aid",
            "unknown field `tag`, expected `protocols` or `tags`",
            r#"invalid type: string "x at line 1", expected a string"#,
        ] {
            assert_eq!(plainly(problem), problem);
        }
    }
}
