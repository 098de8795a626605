// SPDX-License-Identifier: MPL-2.0
//! What a model is shown of an agent's answer.

use std::borrow::Cow;

use a2al_protocol::Aid;
use a2al_service::model::{FetchAnswer, Headers};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use encoding_rs::{Encoding, UTF_8};
use serde_json::Value;

use super::{Fetched, Remote};
use crate::limits::{MAX_DEPTH, MAX_HEADERS_LEN, MAX_TYPE_LEN};
use crate::untrusted::{beginning, cleaned, cleaned_json};

/// What a model is shown of `answer`, which `sender` gave: at most `most` bytes of content.
pub(super) fn fetched(sender: Aid, answer: &FetchAnswer, most: usize) -> Fetched {
    let bytes = BASE64_STANDARD
        .decode(&answer.body)
        .expect("the service wrote it as base64");
    let kind = header(&answer.headers, "Content-Type").unwrap_or_default();
    let kind = beginning(kind, MAX_TYPE_LEN);
    let mut notes = Notes::default();
    let headers = notes.headers(&answer.headers);
    if answer.truncated {
        notes.say("the answer was longer than 4 MiB and ends there");
    }
    let (r#type, hidden) = cleaned(kind);
    notes.hidden += hidden;
    let mut remote = Remote {
        sender,
        verified: true,
        headers,
        r#type,
        text: None,
        json: None,
        body: None,
    };
    notes.content(&mut remote, answer, kind, &bytes, most);
    Fetched {
        status: answer.status,
        untrusted: remote,
        why: None,
        note: notes.finished(),
        is_relayed: answer.is_relayed,
    }
}

/// What a model is told about the content.
#[derive(Default)]
struct Notes {
    lines: Vec<String>,
    hidden: usize,
}

impl Notes {
    fn say(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    /// The headers that fit, without invisible characters.
    fn headers(&mut self, headers: &Headers) -> Headers {
        let mut room = MAX_HEADERS_LEN;
        let mut fits = |name: &String, values: &Vec<String>| {
            let len = name.len() + values.iter().map(String::len).sum::<usize>();
            let fits = len <= room;
            room -= if fits { len } else { 0 };
            fits
        };
        let mut kept = Headers::new();
        for (name, values) in headers.iter().filter(|(name, values)| fits(name, values)) {
            let values = values.iter().map(|value| {
                let (value, hidden) = cleaned(value);
                self.hidden += hidden;
                value
            });
            kept.insert(name.clone(), values.collect());
        }
        if kept.len() < headers.len() {
            let left_out = headers.len() - kept.len();
            self.say(format!("{left_out} headers were left out, being too long"));
        }
        kept
    }

    /// Puts `bytes` where they belong.
    fn content(
        &mut self,
        remote: &mut Remote,
        answer: &FetchAnswer,
        kind: &str,
        bytes: &[u8],
        most: usize,
    ) {
        if bytes.is_empty() {
            return;
        }
        let Some(text) = self.text(answer, kind, bytes) else {
            let kept = &bytes[..bytes.len().min(most)];
            self.cut(kept.len(), bytes.len());
            remote.body = Some(BASE64_STANDARD.encode(kept));
            return;
        };
        if is_json(kind) && text.len() <= most {
            match json(&text) {
                Ok(value) => {
                    let (value, hidden) = cleaned_json(value);
                    self.hidden += hidden;
                    remote.json = Some(value);
                    return;
                }
                Err(problem) => self.say(problem),
            }
        }
        let kept = beginning(&text, most);
        self.cut(kept.len(), text.len());
        let (kept, hidden) = cleaned(kept);
        self.hidden += hidden;
        remote.text = Some(kept);
    }

    /// The content as text, if it is one: by its type, or where that is not said, by its bytes.
    fn text<'a>(
        &mut self,
        answer: &FetchAnswer,
        kind: &str,
        bytes: &'a [u8],
    ) -> Option<Cow<'a, str>> {
        let coding = header(&answer.headers, "Content-Encoding").unwrap_or("identity");
        if !coding.trim().eq_ignore_ascii_case("identity") {
            self.say("the content is compressed, as the header Content-Encoding says");
            return None;
        }
        let charset = parameter(kind, "charset");
        let encoding = charset.and_then(|label| Encoding::for_label(label.as_bytes()));
        if essence(kind).is_empty() {
            return std::str::from_utf8(bytes).ok().map(Cow::Borrowed);
        }
        if !is_textual(kind) && encoding.is_none() {
            return None;
        }
        let (text, _, is_lossy) = encoding.unwrap_or(UTF_8).decode(bytes);
        // One that was cut off may end within a character.
        if is_lossy && !answer.truncated {
            self.say("it is not text in the charset that it should be in");
            return None;
        }
        Some(text)
    }

    fn cut(&mut self, kept: usize, all: usize) {
        if kept < all {
            self.say(format!(
                "only the first {kept} of {all} bytes are here; ask for more with max_bytes, or for a part with the header Range"
            ));
        }
    }

    fn finished(mut self) -> Option<String> {
        if self.hidden > 0 {
            self.say(format!(
                "{} invisible characters were left out",
                self.hidden
            ));
        }
        Some(self.lines.join("; ")).filter(|note| !note.is_empty())
    }
}

fn essence(kind: &str) -> &str {
    kind.split(';').next().unwrap_or_default().trim()
}

fn parameter<'a>(kind: &'a str, name: &str) -> Option<&'a str> {
    let parameters = kind
        .split(';')
        .skip(1)
        .filter_map(|part| part.split_once('='));
    let mut named = parameters.filter(|(found, _)| found.trim().eq_ignore_ascii_case(name));
    named
        .next()
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// `text` parsed, or why it is better read as it is.
fn json(text: &str) -> Result<Value, &'static str> {
    let looks = Looks::of(text);
    if looks.depth > MAX_DEPTH {
        return Err("it is nested deeper than many programs read, and not parsed");
    }
    let value = serde_json::from_str(text).map_err(|_| "it says that it is JSON, but is not")?;
    if looks.has_long_numbers {
        return Err("it has numbers of more than 64 bits, and is not parsed");
    }
    Ok(value)
}

/// What is seen of JSON without parsing it.
#[derive(Default)]
struct Looks {
    /// How deep arrays and objects are nested.
    depth: usize,
    /// Whether a whole number needs more than 64 bits.
    has_long_numbers: bool,
}

impl Looks {
    fn of(text: &str) -> Self {
        let (mut looks, mut depth) = (Self::default(), 0_usize);
        let mut rest = text;
        while let Some(at) = rest.find(|letter: char| "[{]}\"-0123456789".contains(letter)) {
            rest = &rest[at..];
            let mut len = 1;
            match rest.as_bytes()[0] {
                b'"' => len = string_len(rest),
                b'[' | b'{' => depth += 1,
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {
                    let end = rest.find(|letter: char| !"+-.eE0123456789".contains(letter));
                    len = end.unwrap_or(rest.len());
                    looks.has_long_numbers |= is_long(&rest[..len]);
                }
            }
            looks.depth = looks.depth.max(depth);
            rest = &rest[len..];
        }
        looks
    }
}

/// Length of the string that `text` begins with, quotes included.
fn string_len(text: &str) -> usize {
    let mut is_escaped = true;
    let end = text.bytes().position(|byte| {
        let ends = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 1)
}

fn is_long(number: &str) -> bool {
    let is_whole = !number.contains(['.', 'e', 'E']);
    is_whole && number.parse::<i64>().is_err() && number.parse::<u64>().is_err()
}

fn is_json(kind: &str) -> bool {
    let essence = essence(kind).to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

fn is_textual(kind: &str) -> bool {
    let essence = essence(kind).to_ascii_lowercase();
    let textual = [
        "application/ecmascript",
        "application/javascript",
        "application/toml",
        "application/x-ndjson",
        "application/x-www-form-urlencoded",
        "application/xml",
        "application/yaml",
    ];
    is_json(kind)
        || essence.starts_with("text/")
        || essence.ends_with("+xml")
        || textual.contains(&essence.as_str())
}

fn header<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.get(name)?.first().map(String::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fetched(kind: &str, body: &[u8], most: usize) -> Fetched {
        fetched_with(&[("Content-Type", kind)], body, most)
    }

    fn fetched_with(headers: &[(&str, &str)], body: &[u8], most: usize) -> Fetched {
        let headers = headers.iter();
        let headers = headers.map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]));
        let answer = FetchAnswer {
            status: 200,
            headers: headers.collect(),
            body: BASE64_STANDARD.encode(body),
            truncated: false,
            is_relayed: false,
        };
        let sender = "a0eb165e6d5d1de7c44e0228e8efe48e4d05f6479a"
            .parse()
            .unwrap();
        super::fetched(sender, &answer, most)
    }

    #[test]
    fn texts_are_read_in_their_charset() {
        for (kind, body, text) in [
            ("text/plain", "grün".as_bytes(), "grün"),
            ("text/plain; charset=ISO-8859-1", b"gr\xfcn", "grün"),
            ("text/html; charset=\"windows-1252\"", b"\x80", "€"),
            ("application/xhtml+xml", b"<p/>", "<p/>"),
            ("text/plain; charset=utf-16le", b"a\0b\0", "ab"),
            ("", b"no type", "no type"),
        ] {
            let fetched = fetched(kind, body, 100);
            assert_eq!(fetched.untrusted.text.as_deref(), Some(text), "{kind}");
            assert!(fetched.note.is_none(), "{kind}");
        }
    }

    #[test]
    fn json_is_parsed_and_bytes_are_base64() {
        let fetched_json = fetched("application/problem+json", b"{\"a\":[1]}", 100);
        assert_eq!(fetched_json.untrusted.json, Some(json!({ "a": [1] })));
        let broken = fetched("application/json", b"{", 100);
        assert_eq!(broken.untrusted.text.as_deref(), Some("{"));
        assert!(broken.note.unwrap().contains("JSON"));
        for kind in ["image/png", ""] {
            let bytes = fetched(kind, &[0xff, 0], 100);
            assert_eq!(bytes.untrusted.body.as_deref(), Some("/wA="));
        }
        let nothing = fetched("text/plain", b"", 100).untrusted;
        assert!(nothing.text.is_none() && nothing.json.is_none() && nothing.body.is_none());
    }

    #[test]
    fn what_is_cut_or_hidden_is_said() {
        let cut = fetched("text/plain", "grün".as_bytes(), 3);
        assert_eq!(cut.untrusted.text.as_deref(), Some("gr"));
        assert!(cut.note.unwrap().contains("first 2 of 5 bytes"));
        let long = fetched("application/json", b"[1,2,3]", 4);
        assert_eq!(long.untrusted.text.as_deref(), Some("[1,2"));
        let hidden = fetched("text/plain", "a\u{200b}b".as_bytes(), 100);
        assert_eq!(hidden.untrusted.text.as_deref(), Some("ab"));
        assert!(hidden.note.unwrap().contains("1 invisible"));
    }

    #[test]
    fn json_that_would_break_or_lose_something_is_text() {
        let nested = |depth| format!("{}\"[\\\"{{\"{}", "[".repeat(depth), "]".repeat(depth));
        let deepest = fetched("application/json", nested(MAX_DEPTH).as_bytes(), 1000);
        assert!(deepest.untrusted.json.is_some() && deepest.note.is_none());
        for depth in [MAX_DEPTH + 1, 127, 400] {
            let deep = fetched("application/json", nested(depth).as_bytes(), 1000);
            assert_eq!(deep.untrusted.text, Some(nested(depth)));
            assert!(deep.note.unwrap().contains("nested"));
        }
        for (number, is_kept) in [
            ("18446744073709551615", true),
            ("-9223372036854775808", true),
            ("1.5e300", true),
            ("\"99999999999999999999\"", true),
            ("18446744073709551616", false),
            ("-9223372036854775809", false),
        ] {
            let body = format!("{{\"a\":{number}}}");
            let untrusted = fetched("application/json", body.as_bytes(), 1000).untrusted;
            assert_eq!(untrusted.json.is_some(), is_kept, "{number}");
            assert_eq!(untrusted.text.is_none(), is_kept, "{number}");
        }
    }

    #[test]
    fn what_is_no_text_as_it_is_stays_bytes() {
        let gzip = [("Content-Encoding", "gzip"), ("Content-Type", "text/plain")];
        let latin = [("Content-Type", "text/plain; charset=utf-8")];
        for (headers, said) in [(&gzip[..], "compressed"), (&latin[..], "charset")] {
            let bytes = fetched_with(headers, b"gr\xfcn", 100);
            assert_eq!(bytes.untrusted.body.as_deref(), Some("Z3L8bg=="));
            assert!(bytes.untrusted.text.is_none());
            assert!(bytes.note.unwrap().contains(said));
        }
        let identity = [
            ("Content-Encoding", "identity"),
            ("Content-Type", "text/plain"),
        ];
        let text = fetched_with(&identity, b"x", 100).untrusted.text;
        assert_eq!(text.as_deref(), Some("x"));
    }

    #[test]
    fn headers_have_bounded_room() {
        let long = "x".repeat(MAX_HEADERS_LEN);
        let kind = format!("text/{long}");
        let headers = [("A", long.as_str()), ("B", "b"), ("Content-Type", &kind)];
        let fetched = fetched_with(&headers, b"y", 10);
        let kept: Vec<_> = fetched.untrusted.headers.keys().collect();
        assert_eq!(kept, ["B"]);
        assert_eq!(fetched.untrusted.r#type.len(), MAX_TYPE_LEN);
        assert_eq!(fetched.untrusted.text.as_deref(), Some("y"));
        assert!(fetched.note.unwrap().contains("2 headers"));
    }
}
