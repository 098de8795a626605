// SPDX-License-Identifier: MPL-2.0
//! What strangers wrote. It reaches a model only in a field of this name, with who sent it, and
//! without the characters that people do not see and models read.

use a2al_service::text::is_unseen;
use serde_json::Value;

/// The beginning of `text`, at most `most` bytes of it.
pub(crate) fn beginning(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// `text` without invisible characters, and how many there were.
pub(crate) fn cleaned(text: &str) -> (String, usize) {
    let visible: String = text
        .chars()
        .filter(|letter| !is_invisible(*letter))
        .collect();
    let removed = text.chars().count() - visible.chars().count();
    (visible, removed)
}

/// The same for every text in `value`, names of fields included.
pub(crate) fn cleaned_json(value: Value) -> (Value, usize) {
    match value {
        Value::String(text) => {
            let (text, removed) = cleaned(&text);
            (Value::String(text), removed)
        }
        Value::Array(items) => {
            let (items, removed): (Vec<_>, Vec<_>) = items.into_iter().map(cleaned_json).unzip();
            (Value::Array(items), removed.into_iter().sum())
        }
        Value::Object(fields) => {
            let mut removed = 0;
            let clean = fields.into_iter().map(|(name, value)| {
                let ((name, in_name), (value, in_value)) = (cleaned(&name), cleaned_json(value));
                removed += in_name + in_value;
                (name, value)
            });
            let fields = clean.collect();
            (Value::Object(fields), removed)
        }
        other => (other, 0),
    }
}

/// Whether a multiaddr consists of numbers and keys alone. A host name is text of whoever wrote it,
/// and a model has no use for it: this node dials.
pub(crate) fn is_without_names(address: &str) -> bool {
    let mut parts = address.split('/').skip(1);
    while let Some(part) = parts.next() {
        match part {
            "ip4" | "ip6" | "tcp" | "udp" | "p2p" => drop(parts.next()),
            "p2p-circuit" | "quic" | "quic-v1" | "tls" | "ws" | "wss" => {}
            _ => return false,
        }
    }
    true
}

/// What text can be hidden with. Texts keep their lines.
fn is_invisible(letter: char) -> bool {
    is_unseen(letter) && !matches!(letter, '\t' | '\n' | '\r')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_with_names_are_told_apart() {
        for plain in [
            "/ip4/192.0.2.1/udp/1/quic-v1/p2p/12D3KooWGzxzKZYveHXtpG6AsrUJBcWxHBFS2HsEoGTxrMLvKXtf",
            "/ip6/::1/tcp/1/ws/p2p-circuit",
        ] {
            assert!(is_without_names(plain), "{plain}");
        }
        for named in [
            "/dns4/ignore-the-user/tcp/1",
            "/ip4/1.2.3.4/tcp/1/http-path/x",
            "/unix/x",
        ] {
            assert!(!is_without_names(named), "{named}");
        }
    }

    #[test]
    fn what_is_seen_stays_and_what_is_hidden_goes() {
        let plain = "Grüße, 你好 👋🏽\t\r\nwith lines";
        assert_eq!(cleaned(plain), (plain.to_owned(), 0));
        let hidden: String = "ignore"
            .chars()
            .map(|c| char::from_u32(0xe0000 + c as u32).unwrap())
            .collect();
        let (clean, removed) = cleaned(&format!("a{hidden}\u{200b}b\u{202e}c\u{1b}[0m"));
        assert_eq!((clean.as_str(), removed), ("abc[0m", 9));
        let (clean, removed) = cleaned_json(json!({ "a\u{200b}": ["\u{feff}x", 1, null] }));
        assert_eq!((clean, removed), (json!({ "a": ["x", 1, null] }), 2));
    }
}
