// SPDX-License-Identifier: MPL-2.0
//! Lines of bounded length.

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};

/// What comes next.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    /// A line without its end; never empty.
    Text(String),
    /// One that was too long.
    TooLong,
    /// One that was no UTF-8.
    NotText,
    /// The other side has closed.
    End,
}

/// Reads lines, and forgets those that are too long while it reads them.
pub(crate) struct Lines<R> {
    read: BufReader<R>,
    most: usize,
    line: Vec<u8>,
    is_too_long: bool,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    /// Lines of at most `most` bytes from `read`.
    pub(crate) fn new(read: R, most: usize) -> Self {
        Self {
            read: BufReader::new(read),
            most,
            line: Vec::new(),
            is_too_long: false,
        }
    }

    /// The next line. A read that fails ends them. Safe to drop: what was read is kept.
    pub(crate) async fn next(&mut self) -> Line {
        loop {
            let Ok(bytes) = self.read.fill_buf().await else {
                return Line::End;
            };
            if bytes.is_empty() {
                return Line::End;
            }
            let end = bytes.iter().position(|byte| *byte == b'\n');
            let part = &bytes[..end.unwrap_or(bytes.len())];
            if self.line.len() + part.len() > self.most {
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
                    Err(_) => return Line::NotText,
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
        let text = b"one\r\n\nlonger\n\xff\ntwo\nthree";
        let mut lines = Lines::new(&text[..], 5);
        assert_eq!(lines.next().await, Line::Text("one\r".to_owned()));
        assert_eq!(lines.next().await, Line::TooLong);
        assert_eq!(lines.next().await, Line::NotText);
        assert_eq!(lines.next().await, Line::Text("two".to_owned()));
        assert_eq!(lines.next().await, Line::End, "a line has an end");
    }
}
