// SPDX-License-Identifier: MPL-2.0
//! JSON as it stands in a text, comments and commas at the end of lists included.

use serde_json::Value;

use super::edit::Unfit;

/// The bytes of a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Span {
    /// The text with `new` in this place.
    pub(super) fn replaced(self, text: &str, new: &str) -> String {
        format!("{}{new}{}", &text[..self.start], &text[self.end..])
    }

    /// The text without what is in this place, without the spaces behind it, and without the line if
    /// nothing else is on it.
    fn cut(self, text: &str) -> String {
        let rest = text[self.end..].trim_start_matches([' ', '\t']);
        let line = text[..self.start].rfind('\n').map_or(0, |end| end + 1);
        let is_alone = line > 0 && text[line..self.start].trim().is_empty();
        let next = rest.strip_prefix('\r').unwrap_or(rest).strip_prefix('\n');
        match next.filter(|_| is_alone) {
            Some(next) => format!("{}{next}", &text[..line]),
            None => format!("{}{rest}", &text[..self.start]),
        }
    }

    /// Whether `value` is here already.
    pub(super) fn is(self, text: &str, value: &Value) -> bool {
        let list = value.as_array().and_then(|list| {
            let list = list.iter().map(|text| text.as_str().map(ToOwned::to_owned));
            list.collect::<Option<Vec<_>>>()
        });
        match list {
            Some(list) => strings(text, self) == Some(list),
            None => serde_json::from_str(&text[self.start..self.end])
                .is_ok_and(|old: Value| old == *value),
        }
    }
}

/// A list of texts.
pub(super) fn strings(text: &str, list: Span) -> Option<Vec<String>> {
    let mut scanner = Scanner::at(text, list.start);
    scanner.eat(b'[')?;
    let mut strings = Vec::new();
    loop {
        scanner.space();
        if scanner.eat(b']').is_some() {
            return Some(strings);
        }
        let string = scanner.string()?;
        strings.push(serde_json::from_str(&text[string.start..string.end]).ok()?);
        scanner.space();
        if scanner.eat(b',').is_none() && scanner.peek() != Some(b']') {
            return None;
        }
    }
}

/// An object as it stands in a text.
#[derive(Debug)]
pub(super) struct Object {
    /// Behind its brace.
    inside: usize,
    members: Vec<Member>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub(super) struct Member {
    key: String,
    /// Where the key begins.
    start: usize,
    pub(super) value: Span,
}

impl Object {
    /// The object that the text is.
    pub(super) fn root(text: &str) -> Option<Self> {
        let mut scanner = Scanner::at(text, 0);
        scanner.space();
        let whole = scanner.value()?;
        scanner.space();
        let is_all = scanner.at == text.len();
        Self::at(text, whole.start).filter(|_| is_all)
    }

    /// The object that begins at `start`.
    pub(super) fn at(text: &str, start: usize) -> Option<Self> {
        let mut scanner = Scanner::at(text, start);
        scanner.eat(b'{')?;
        let inside = scanner.at;
        let mut members = Vec::new();
        loop {
            scanner.space();
            if scanner.eat(b'}').is_some() {
                return Some(Self { inside, members });
            }
            let name = scanner.string()?;
            let key = serde_json::from_str(&text[name.start..name.end]).ok()?;
            scanner.space();
            scanner.eat(b':')?;
            scanner.space();
            members.push(Member {
                key,
                start: name.start,
                value: scanner.value()?,
            });
            scanner.space();
            if scanner.eat(b',').is_none() && scanner.peek() != Some(b'}') {
                return None;
            }
        }
    }

    /// The member of this name, if there is one.
    pub(super) fn member(&self, name: &str) -> Result<Option<Member>, Unfit> {
        let mut found = self.members.iter().filter(|member| member.key == name);
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Unfit::Twice(name.to_owned())),
            (found, None) => Ok(found.cloned()),
        }
    }

    /// The text with a further member, in front of the others.
    pub(super) fn with_member(&self, text: &str, name: &str, value: &str, indent: &str) -> String {
        let (before, after) = text.split_at(self.inside);
        let outer = &indent[2..];
        let end = if self.members.is_empty() {
            format!("\n{outer}")
        } else {
            ",".to_owned()
        };
        let after = if self.members.is_empty() {
            after.trim_start()
        } else {
            after
        };
        format!("{before}\n{indent}\"{name}\": {value}{end}{after}")
    }

    /// The text without the member of this name, without one comma, and without the line if nothing
    /// else is on it.
    pub(super) fn without_member(&self, text: &str, name: &str) -> String {
        let Some(at) = self.members.iter().position(|member| member.key == name) else {
            return text.to_owned();
        };
        let member = &self.members[at];
        let before = at.checked_sub(1).map(|before| &self.members[before]);
        let (start, end) = (member.start, member.value.end);
        // From behind, so that what is in front stays where it is.
        if let Some(comma) = comma_after(text, end) {
            return Span { start, end }.cut(&comma.replaced(text, ""));
        }
        let without = Span { start, end }.cut(text);
        // It was the last one: the one in front of it needs its comma no more.
        match before.and_then(|before| comma_after(text, before.value.end)) {
            Some(comma) => comma.replaced(&without, ""),
            None => without,
        }
    }
}

/// The comma behind a value that ends at `end`, with or without comments between them.
fn comma_after(text: &str, end: usize) -> Option<Span> {
    let mut scanner = Scanner::at(text, end);
    scanner.space();
    let start = scanner.at;
    scanner.eat(b',')?;
    let end = scanner.at;
    Some(Span { start, end })
}

/// Walks over JSON.
struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Scanner<'a> {
    fn at(text: &'a str, at: usize) -> Self {
        let text = text.as_bytes();
        Self { text, at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn eat(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn space(&mut self) {
        loop {
            let rest = &self.text[self.at..];
            if rest.first().is_some_and(u8::is_ascii_whitespace) {
                self.at += 1;
            } else if rest.starts_with(b"\xef\xbb\xbf") {
                self.at += 3;
            } else if rest.starts_with(b"//") {
                self.at += rest
                    .iter()
                    .position(|byte| *byte == b'\n')
                    .unwrap_or(rest.len());
            } else if rest.starts_with(b"/*") {
                let end = rest.windows(2).skip(2).position(|pair| pair == b"*/");
                self.at += end.map_or(rest.len(), |end| end + 4);
            } else {
                return;
            }
        }
    }

    fn string(&mut self) -> Option<Span> {
        let start = self.at;
        self.eat(b'"')?;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        self.at += 1;
        Some(Span {
            start,
            end: self.at,
        })
    }

    /// Any value; objects and lists as a whole.
    fn value(&mut self) -> Option<Span> {
        let start = self.at;
        let mut open = 0_usize;
        loop {
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    open += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    open = open.checked_sub(1)?;
                    self.at += 1;
                }
                _ if open > 0 => self.at += 1,
                _ => self.word(),
            }
            if open == 0 {
                return (self.at > start).then_some(Span {
                    start,
                    end: self.at,
                });
            }
            self.space();
        }
    }

    /// A number, or true, false or null.
    fn word(&mut self) {
        let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        while self.peek().is_some_and(is_part) {
            self.at += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_goes_with_its_comma_and_nothing_else() {
        for (text, expected) in [
            (r#"{"url": "x"}"#, "{}"),
            (r#"{"url": "x", "b": 1}"#, r#"{"b": 1}"#),
            (r#"{"a": 1,"url": "x"}"#, r#"{"a": 1}"#),
            ("{\n  \"url\": \"x\",\n}", "{\n}"),
            (
                "{\n  \"url\": \"x\",\r\n\n  // of b\n  \"b\": 1\n}",
                "{\n\n  // of b\n  \"b\": 1\n}",
            ),
            (
                "{\n  \"url\": \"x\" /* , */, // old\n  \"b\": 1\n}",
                "{\n  /* , */ // old\n  \"b\": 1\n}",
            ),
            (
                "{\n  \"a\": 1, // of a,\n  // last\n  \"url\": \"x\" // old\n  // end\n}",
                "{\n  \"a\": 1 // of a,\n  // last\n  // old\n  // end\n}",
            ),
            (
                "{\n  \"a\": 1 // of a,\n  , \"url\": \"x\"\n}",
                "{\n  \"a\": 1 // of a,\n   \n}",
            ),
        ] {
            let object = Object::root(text).unwrap();
            let without = object.without_member(text, "url");
            assert_eq!(without, expected);
            assert!(Object::root(&without).is_some(), "{without}");
        }
    }
}
