// SPDX-License-Identifier: MPL-2.0
//! Whether the bytes that a caller sends to a plain service are HTTP/1.
//!
//! A service that takes `X-A2AL-Caller-AID` for the truth must not get it from the caller, so HTTP
//! is told apart from everything else by its first line, as the most lenient servers read it. What
//! is not HTTP passes at once; only the beginning of what may become a request line is held.

/// Methods that are waited for: what starts like a request with one of these is held until the
/// line ends. Another method is recognised when its line arrives in one piece.
const METHODS: [&[u8]; 16] = [
    b"GET ",
    b"HEAD ",
    b"POST ",
    b"PUT ",
    b"DELETE ",
    b"OPTIONS ",
    b"PATCH ",
    b"TRACE ",
    b"CONNECT ",
    b"PROPFIND ",
    b"PROPPATCH ",
    b"MKCOL ",
    b"COPY ",
    b"MOVE ",
    b"LOCK ",
    b"REPORT ",
];

/// What header names of ours begin with; servers that make variables of them take `_` for `-`.
const OWN_PREFIX: &[u8] = b"x-a2al-";

/// Bytes of the line that are remembered at its beginning, to know the method by.
const START_LEN: usize = 16;

/// Bytes of the last word that are remembered, to know the version by.
const WORD_LEN: usize = 8;

/// What is to be done with what has arrived and was not passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Verdict {
    /// Wait for more, for a moment.
    Hold,
    /// Pass it on, and go on watching.
    Pass,
    /// Pass it on and whatever follows: this is not HTTP/1.
    Raw,
    /// Treat the stream as HTTP from its first byte; nothing but empty lines was passed on.
    Http,
    /// End the stream: a part of an HTTP request was passed on before it was known for one.
    Cut,
}

/// Reads the first line of a stream as it arrives.
#[derive(Debug, Default)]
pub(super) struct FirstLine {
    stage: Stage,
    /// The first bytes of the line.
    start: Vec<u8>,
    /// Words that have begun.
    words: usize,
    /// The first bytes of the word that began last.
    word: Vec<u8>,
    is_in_word: bool,
    /// A part of the line was passed on.
    has_passed: bool,
}

#[derive(Debug, Default)]
enum Stage {
    /// Before or within the first line.
    #[default]
    Line,
    /// What may be a request of HTTP/0.9 was passed on, and some servers read headers even then.
    Headers {
        /// How far the line at hand agrees with [`OWN_PREFIX`]; `None` if it is another line.
        matched: Option<usize>,
        /// Nothing of the line at hand has arrived.
        is_empty: bool,
    },
    /// Not HTTP.
    Raw,
}

impl FirstLine {
    /// Takes in the bytes that arrived next. `has_answered`: the service has sent something, so
    /// this is not the beginning of HTTP, and nobody is to be kept waiting.
    pub(super) fn take(&mut self, bytes: &[u8], has_answered: bool) -> Verdict {
        for &byte in bytes {
            match self.step(byte) {
                None => {}
                Some(Verdict::Http) if has_answered || self.has_passed => return Verdict::Cut,
                Some(verdict) => return verdict,
            }
        }
        if !has_answered && !self.has_passed && self.may_be_request() {
            return Verdict::Hold;
        }
        self.pass();
        Verdict::Pass
    }

    /// Notes that what was held is passed on after all.
    pub(super) fn pass(&mut self) {
        self.has_passed |= !self.start.is_empty();
    }

    fn step(&mut self, byte: u8) -> Option<Verdict> {
        match &mut self.stage {
            Stage::Raw => Some(Verdict::Raw),
            Stage::Headers { matched, is_empty } => {
                if byte == b'\n' && std::mem::replace(is_empty, true) {
                    self.stage = Stage::Raw;
                    return Some(Verdict::Raw);
                }
                *is_empty &= matches!(byte, b'\r' | b'\n');
                *matched = agree(*matched, byte);
                (*matched == Some(OWN_PREFIX.len())).then_some(Verdict::Cut)
            }
            Stage::Line => self.read(byte),
        }
    }

    fn read(&mut self, byte: u8) -> Option<Verdict> {
        if matches!(byte, b'\r' | b'\n') {
            // Servers skip empty lines.
            return (self.words > 0).then(|| self.end(byte)).flatten();
        }
        if self.start.len() < START_LEN {
            self.start.push(byte);
        }
        if is_space(byte) {
            self.is_in_word = false;
        } else if self.words <= 1 && !is_method(byte) && (self.words == 0 || self.is_in_word) {
            self.stage = Stage::Raw;
            return Some(Verdict::Raw);
        } else {
            if !self.is_in_word {
                self.words += 1;
                self.word.clear();
                self.is_in_word = true;
            }
            if self.word.len() < WORD_LEN {
                self.word.push(byte);
            }
        }
        None
    }

    /// The verdict on a whole line; `None` if more is to be watched.
    fn end(&mut self, byte: u8) -> Option<Verdict> {
        let is_versioned = self.words > 1
            && self
                .word
                .get(..5)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"HTTP/"));
        if is_versioned && !self.is_http2() {
            return Some(Verdict::Http);
        }
        if self.words == 2 {
            let (matched, is_empty) = (Some(0), byte == b'\n');
            self.stage = Stage::Headers { matched, is_empty };
            return None;
        }
        self.stage = Stage::Raw;
        Some(Verdict::Raw)
    }

    /// Whether the line opens HTTP/2, which has no header lines.
    fn is_http2(&self) -> bool {
        self.start == b"PRI * HTTP/2.0"
    }

    /// Whether what has arrived may become a request line with one of [`METHODS`].
    fn may_be_request(&self) -> bool {
        matches!(self.stage, Stage::Line)
            && !self.start.is_empty()
            && METHODS.iter().any(|method| {
                let len = method.len().min(self.start.len());
                method[..len] == self.start[..len]
            })
    }
}

/// How far a line agrees with [`OWN_PREFIX`] after `byte`.
fn agree(matched: Option<usize>, byte: u8) -> Option<usize> {
    if matches!(byte, b'\r' | b'\n') {
        return Some(0);
    }
    let matched = matched?;
    let byte = if byte == b'_' {
        b'-'
    } else {
        byte.to_ascii_lowercase()
    };
    (OWN_PREFIX.get(matched) == Some(&byte)).then_some(matched + 1)
}

/// What some server takes for the space between two words.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | 0x0b | 0x0c | 0x1c..=0x1f | 0x85 | 0xa0)
}

/// What the name of a method may hold.
fn is_method(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The verdicts on `text` when it arrives byte by byte, up to the first that ends the watching,
    /// equal ones in a row told once.
    fn bytewise(text: &[u8]) -> Vec<Verdict> {
        let mut line = FirstLine::default();
        let mut told = Vec::new();
        for byte in text {
            told.push(line.take(&[*byte], false));
            if !matches!(told.last(), Some(Verdict::Hold | Verdict::Pass)) {
                break;
            }
        }
        told.dedup();
        told
    }

    fn at_once(text: &[u8]) -> Verdict {
        FirstLine::default().take(text, false)
    }

    #[test]
    fn a_request_is_known_by_its_first_line() {
        for text in [
            b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".as_slice(),
            b"POST /a?b HTTP/1.0\r\n",
            b"\r\n\r\nGET / HTTP/1.1\r\n",
            b"BREW /pot HTTP/1.1\r\n",
            b"get / http/1.1\n",
            b" \tGET\x0b/ HTTP/01.1\n",
            b"OPTIONS * HTTP/1.1\r",
            b"GET / a b HTTP/9\n",
            b"PRI / HTTP/2.0\r\n",
        ] {
            assert_eq!(at_once(text), Verdict::Http, "{text:?}");
        }
    }

    #[test]
    fn everything_else_passes_at_once() {
        for text in [
            b"\x16\x03\x01\x02\x00".as_slice(),
            b"SSH-2.0-OpenSSH_9.9\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"GET key\r\nPING\r\n",
            b"\0\0\0\x08\x04\xd2\x16\x2f",
            b"HELO there\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"{\"jsonrpc\":\"2.0\"}\n",
            b"OPTIONS rtsp://a RTSP/1.0\r\n",
            b"HTTP/1.1 200 OK\r\n",
        ] {
            let verdict = at_once(text);
            assert!(
                matches!(verdict, Verdict::Raw | Verdict::Pass),
                "{text:?}: {verdict:?}"
            );
        }
    }

    #[test]
    fn only_the_beginning_of_a_request_is_held() {
        assert_eq!(
            bytewise(b"GET / HTTP/1.1\r\n"),
            [Verdict::Hold, Verdict::Http]
        );
        assert_eq!(
            bytewise(b"POST is late\n"),
            [Verdict::Hold, Verdict::Raw],
            "until the line is known"
        );
        assert_eq!(
            bytewise(b"GEESE\n"),
            [Verdict::Hold, Verdict::Pass, Verdict::Raw]
        );
        for byte in 0..=u8::MAX {
            let is_held = at_once(&[byte]) == Verdict::Hold;
            assert_eq!(is_held, b"GHPDOTCMLR".contains(&byte), "{byte}");
        }
    }

    #[test]
    fn a_request_in_pieces_is_cut_once_a_piece_was_passed_on() {
        assert_eq!(
            bytewise(b"BREW / HTTP/1.1\r\n"),
            [Verdict::Pass, Verdict::Cut]
        );
        let mut line = FirstLine::default();
        assert_eq!(line.take(b"GET / HT", false), Verdict::Hold);
        line.pass();
        assert_eq!(line.take(b"TP", false), Verdict::Pass, "not held twice");
        assert_eq!(line.take(b"/1.1\r\nX-A2AL-", false), Verdict::Cut);
    }

    #[test]
    fn no_request_line_passes_however_it_is_cut_up() {
        for text in [
            "GET /a HTTP/1.1\r\n",
            "\r\nBREW /a HTTP/1.0\n",
            " get\t/a HTTP/1.1\r",
        ] {
            let text = text.as_bytes();
            for one in 0..text.len() {
                for two in one..text.len() {
                    for is_late in [false, true] {
                        let mut line = FirstLine::default();
                        let mut last = Verdict::Pass;
                        for piece in [&text[..one], &text[one..two], &text[two..]] {
                            last = line.take(piece, false);
                            if is_late && last == Verdict::Hold {
                                line.pass();
                            }
                        }
                        let is_caught = matches!(last, Verdict::Http | Verdict::Cut);
                        assert!(is_caught, "{one} {two} {is_late}: {last:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nobody_waits_after_the_service_has_spoken() {
        let mut line = FirstLine::default();
        assert_eq!(line.take(b"GET ", true), Verdict::Pass);
        assert_eq!(line.take(b"/ HTTP/1.1\r\n", true), Verdict::Cut);
    }

    #[test]
    fn empty_lines_are_not_held_and_spoil_nothing() {
        let mut line = FirstLine::default();
        assert_eq!(line.take(b"\r\n", false), Verdict::Pass);
        assert_eq!(line.take(b"GET / HTTP/1.1\r\n", false), Verdict::Http);
    }

    #[test]
    fn headers_behind_a_request_without_a_version_are_ours_alone() {
        for text in [
            b"GET /\r\nX-A2AL-Caller-AID: forged\r\n".as_slice(),
            b"GET /\nhost: a\nx_a2al_caller_aid: forged\n",
        ] {
            assert_eq!(at_once(text), Verdict::Cut, "{text:?}");
            assert_eq!(bytewise(text).last(), Some(&Verdict::Cut), "{text:?}");
        }
        let harmless = b"GET key\r\nSET x-a2al-caller 1\r\nGET x-a2al\r\n";
        assert_eq!(at_once(harmless), Verdict::Pass);
        let body = b"GET key\r\na: b\r\n\r\nx-a2al-: in a body";
        assert_eq!(at_once(body), Verdict::Raw);
    }

    #[test]
    fn a_long_first_line_takes_no_memory() {
        let mut line = FirstLine::default();
        for _ in 0..1000 {
            line.take(&[b'a'; 1000], false);
        }
        assert!(line.start.capacity() + line.word.capacity() <= 64);
        assert_eq!(line.take(b" / HTTP/1.1\n", false), Verdict::Cut);
    }
}
