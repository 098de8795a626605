// SPDX-License-Identifier: MPL-2.0
//! Lines of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

use crate::limits::MAX_BRIDGED_LEN;

/// What comes next.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// A line without its end; never empty.
    Text(String),
    /// One that was too long.
    TooLong,
    /// One that is no UTF-8.
    NoText,
    /// The other side has closed.
    End,
}

/// Reads lines, and forgets those that are too long while it reads them.
pub(super) struct Lines<R> {
    read: BufReader<R>,
    line: Vec<u8>,
    is_too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(read: R) -> Self {
        Self {
            read: BufReader::new(read),
            line: Vec::new(),
            is_too_long: false,
        }
    }

    /// The next line. A read that fails ends them.
    pub(super) async fn next(&mut self) -> Line {
        loop {
            let Ok(bytes) = self.read.fill_buf().await else {
                return Line::End;
            };
            if bytes.is_empty() {
                return Line::End;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > MAX_BRIDGED_LEN {
                self.is_too_long = true;
                self.line = Vec::new();
            }
            if !self.is_too_long {
                self.line.extend_from_slice(part);
            }
            let read = part.len() + usize::from(end.is_some());
            self.read.consume(read);
            if end.is_some() {
                let line = std::mem::take(&mut self.line);
                if std::mem::take(&mut self.is_too_long) {
                    return Line::TooLong;
                }
                match String::from_utf8(line) {
                    Ok(text) if text.trim().is_empty() => {}
                    Ok(text) => return Line::Text(text),
                    Err(_) => return Line::NoText,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_line_that_is_too_long_is_left_out() {
        let long = "x".repeat(MAX_BRIDGED_LEN + 1);
        let text = format!("one\r\n\n{long}\ntwo\nthree");
        let mut lines = Lines::new(text.as_bytes());
        assert_eq!(lines.next().await, Line::Text("one\r".to_owned()));
        assert_eq!(lines.next().await, Line::TooLong);
        assert_eq!(lines.next().await, Line::Text("two".to_owned()));
        assert_eq!(lines.next().await, Line::End, "a line has an end");
    }
}
