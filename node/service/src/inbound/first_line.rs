// SPDX-License-Identifier: MPL-2.0
//! Whether the bytes that a caller sends to a plain service are HTTP/1.
//!
//! A service that takes `X-A2AL-Caller-AID` for the truth must not get it from the caller, so HTTP
//! is told apart from everything else by its first line, as the most lenient servers read it. What
//! is not HTTP passes at once; only the beginning of what may become a request line is held. Where
//! some server may still take what passes for requests, a line that begins like a header of ours
//! ends the stream.

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

/// What header names of ours begin with, as [`fold`] has it.
pub(super) const OWN_PREFIX: &[u8] = b"x-a2al-";

/// What opens HTTP/2, which has no header lines.
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a word begins with that makes its line a request.
const VERSION: &[u8] = b"HTTP/";

/// Bytes of a stream after which nobody reads it as HTTP any more, unless its first line passed for a request.
///
/// Servers give up a request whose lines take 8 KiB to 64 KiB, the most generous at 1 MiB.
const MAX_HEAD: usize = 1024 * 1024;

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
    /// End the stream: a part of an HTTP request was passed on before it was known for one, or a
    /// header of ours would be.
    Cut,
}

/// Reads the first line of a stream as it arrives, and header lines that may follow.
#[derive(Debug)]
pub(super) struct FirstLine {
    stage: Stage,
    /// How far the line at hand agrees with [`OWN_PREFIX`]; `None` if it is another line.
    matched: Option<usize>,
    /// The first bytes of the stream from its first line on, as many as [`HTTP2_PREFACE`] has.
    start: Vec<u8>,
    words: Words,
    /// Bytes that have arrived.
    seen: usize,
    /// A part of the line was passed on.
    has_passed: bool,
}

/// The words of the first line.
#[derive(Debug)]
struct Words {
    /// Those that have begun.
    count: usize,
    /// The first bytes of the one that began last, as many as [`VERSION`] has.
    last: Vec<u8>,
    /// The last one has not ended.
    is_open: bool,
    /// The first one may be a method.
    is_method: bool,
    /// Another one begins with [`VERSION`].
    is_versioned: bool,
}

#[derive(Debug)]
enum Stage {
    /// Before or within the first line.
    Line,
    /// The first line was passed on; some servers read headers whatever it was.
    Headers {
        /// The line may have been a request for a server that then reads further ones.
        is_endless: bool,
        /// Nothing of the line at hand has arrived.
        is_empty: bool,
    },
    /// Not HTTP.
    Raw,
}

impl Default for FirstLine {
    fn default() -> Self {
        Self {
            stage: Stage::Line,
            matched: Some(0),
            start: Vec::new(),
            words: Words {
                count: 0,
                last: Vec::new(),
                is_open: false,
                is_method: true,
                is_versioned: false,
            },
            seen: 0,
            has_passed: false,
        }
    }
}

impl FirstLine {
    /// Takes in the bytes that arrived next. `has_answered`: the service has sent something, so
    /// this is not the beginning of HTTP, and nobody is to be kept waiting.
    pub(super) fn take(&mut self, bytes: &[u8], has_answered: bool) -> Verdict {
        let mut rest = bytes;
        while let [byte, after @ ..] = rest {
            match self.step(*byte) {
                None => {}
                Some(Verdict::Http) if has_answered || self.has_passed => return Verdict::Cut,
                Some(verdict) => return verdict,
            }
            rest = after;
            if self.is_word_indifferent() {
                let len = rest.iter().take_while(|byte| !is_space(**byte)).count();
                rest = &rest[len..];
            }
        }
        if !has_answered && !self.has_passed && self.may_be_request() {
            return Verdict::Hold;
        }
        self.seen = self.seen.saturating_add(bytes.len());
        if self.seen > MAX_HEAD && !self.is_endless() {
            return self.let_pass();
        }
        self.pass();
        Verdict::Pass
    }

    /// Notes that what was held is passed on after all.
    pub(super) fn pass(&mut self) {
        self.has_passed |= !self.start.is_empty();
    }

    fn step(&mut self, byte: u8) -> Option<Verdict> {
        if matches!(self.stage, Stage::Raw) {
            return Some(Verdict::Raw);
        }
        self.matched = agree(self.matched, byte);
        if self.matched == Some(OWN_PREFIX.len()) {
            return Some(Verdict::Cut);
        }
        let is_end = matches!(byte, b'\r' | b'\n');
        if matches!(self.stage, Stage::Line) && self.words.count == 0 && is_end {
            // Servers skip empty lines.
            return None;
        }
        if self.start.len() < HTTP2_PREFACE.len() {
            self.start.push(byte);
            if self.start == HTTP2_PREFACE {
                return Some(self.let_pass());
            }
        }
        match &mut self.stage {
            Stage::Headers {
                is_endless,
                is_empty,
            } => {
                let ends_empty = byte == b'\n' && *is_empty;
                *is_empty = byte == b'\n' || byte == b'\r' && *is_empty;
                (ends_empty && !*is_endless).then(|| self.let_pass())
            }
            _ if is_end => self.end(byte),
            _ => {
                self.words.take(byte);
                None
            }
        }
    }

    /// Nothing more is to be watched.
    fn let_pass(&mut self) -> Verdict {
        self.stage = Stage::Raw;
        Verdict::Raw
    }

    /// The verdict on the first line at a byte that may be its end; `None` if more is to be
    /// watched. Only a line feed ends it for everybody: others take a carriage return for a space.
    fn end(&mut self, byte: u8) -> Option<Verdict> {
        let words = &mut self.words;
        words.is_open = false;
        if words.is_versioned && words.is_method && !HTTP2_PREFACE.starts_with(&self.start) {
            return Some(Verdict::Http);
        }
        if byte == b'\n' {
            // Servers ask for a version or not, and take any word for a method or not.
            self.stage = Stage::Headers {
                is_endless: words.is_versioned || words.is_method && words.count > 1,
                is_empty: true,
            };
        }
        None
    }

    /// Whether some server may read requests behind whatever else arrives.
    fn is_endless(&self) -> bool {
        matches!(
            self.stage,
            Stage::Headers {
                is_endless: true,
                ..
            }
        )
    }

    /// Whether the rest of the word at hand decides nothing.
    fn is_word_indifferent(&self) -> bool {
        let is_indifferent = match self.stage {
            Stage::Line => self.words.is_indifferent(),
            Stage::Headers { .. } => true,
            Stage::Raw => false,
        };
        is_indifferent && self.matched.is_none() && self.start.len() == HTTP2_PREFACE.len()
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

impl Words {
    fn take(&mut self, byte: u8) {
        if is_space(byte) {
            self.is_open = false;
            return;
        }
        if !self.is_open {
            self.is_open = true;
            self.count += 1;
            self.last.clear();
        }
        if self.count == 1 {
            self.is_method &= is_method(byte);
        } else if self.last.len() < VERSION.len() {
            self.last.push(byte);
            self.is_versioned |= self.last.eq_ignore_ascii_case(VERSION);
        }
    }

    /// Whether the rest of the word at hand decides nothing.
    fn is_indifferent(&self) -> bool {
        let is_known = if self.count == 1 {
            !self.is_method
        } else {
            self.last.len() == VERSION.len()
        };
        self.is_open && is_known
    }
}

/// What is left of a byte of a header's name where servers make variables of headers: some take
/// every byte that is neither a letter nor a digit for the same.
pub(super) fn fold(byte: u8) -> u8 {
    if byte.is_ascii_alphanumeric() {
        byte.to_ascii_lowercase()
    } else {
        b'-'
    }
}

/// How far a line agrees with [`OWN_PREFIX`] after `byte`.
fn agree(matched: Option<usize>, byte: u8) -> Option<usize> {
    match matched {
        _ if is_break(byte) => Some(0),
        Some(0) if is_space(byte) => Some(0),
        Some(len) if OWN_PREFIX.get(len) == Some(&fold(byte)) => Some(len + 1),
        _ => None,
    }
}

/// What some server takes for the end of a header line.
fn is_break(byte: u8) -> bool {
    matches!(byte, b'\r' | b'\n' | 0x0b | 0x0c | 0x1c..=0x1e | 0x85)
}

/// What some server takes for the space between two words.
fn is_space(byte: u8) -> bool {
    is_break(byte) || matches!(byte, b' ' | b'\t' | 0x1f | 0xa0)
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
            b"GET /cgi-bin/x HTTP/1.1 junk\r\n",
            b"GET / HTTP/1.1 junk more\n",
            b"GET\r/ HTTP/1.1\r\n",
            b"GET\r/\rhttp/1.1\n",
            b"GET /\rHTTP/1.1\r\n\r\n",
            b"GET HTTP/1.1\n",
            b"\rGET\x0c/\x1fHTTP/1.1\0\n",
            b"GET /\0 HTTP/1.1\n",
            b"PRI / HTTP/2.0\r\n",
            b"PRI * HTTP/2.0\n",
            b"PRI * HTTP/2.0\r/ HTTP/1.1\r\n",
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
            b"GET key\rGET http://a\r\n",
            b"\x16\x03\x01 \x08http/1.1\n",
            b"70:SERVER_PROTOCOL\0HTTP/1.1\0,\n",
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
            [Verdict::Hold, Verdict::Pass],
            "until the line is known"
        );
        assert_eq!(bytewise(b"GEESE\n"), [Verdict::Hold, Verdict::Pass]);
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
            "GET\r/a HTTP/1.1\r\n",
            "GET /a HTTP/1.1 junk\n",
            "GET /a\rHTTP/1.1\r",
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
    fn a_header_of_ours_passes_behind_no_first_line() {
        for first in [
            "GET /\r\n",
            "GET /\nhost: a\n",
            "GET /\r",
            "GET /\0 a b\n",
            "GET / ICE/1.0\r\n",
            "OPTIONS * RTSP/1.0\r\nCSeq: 1\n",
            "( / HTTP/1.1\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\nGET / HTTP/1.1\r\n",
            "PRI * HTTP/2.0\r\n",
            "one\n",
            "\0\n",
        ] {
            for own in [
                "X-A2AL-Caller-AID: forged",
                "x_a2al_caller_aid: forged",
                "X.A2AL.Caller.AID: forged",
                " \tX-A2AL-Caller-AID: forged",
                "a: b\rX-A2AL-Caller-AID: forged",
                "a: b\x0bX-A2AL-Caller-AID: forged",
            ] {
                let text = [first, own].concat();
                let text = text.as_bytes();
                assert_eq!(at_once(text), Verdict::Cut, "{text:?}");
                assert_eq!(bytewise(text).last(), Some(&Verdict::Cut), "{text:?}");
            }
        }
    }

    #[test]
    fn a_header_of_ours_passes_with_no_later_request() {
        for first in [
            "GET /\r\nConnection: keep-alive\r\n\r\n",
            "GET / ICE/1.0\n\nbody",
            "( / HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
        ] {
            let text = [first, "GET / HTTP/1.1\r\nX-A2AL-Caller-AID: forged\r\n"].concat();
            assert_eq!(at_once(text.as_bytes()), Verdict::Cut, "{text}");
            assert_eq!(bytewise(text.as_bytes()).last(), Some(&Verdict::Cut));
        }
    }

    #[test]
    fn what_is_like_a_header_of_ours_passes_elsewhere() {
        let harmless = b"GET key\r\nSET x-a2al-caller 1\r\nGET x-a2al\r\n";
        assert_eq!(at_once(harmless), Verdict::Pass);
        for text in [
            b"\x16\x03 a\n\n\nx-a2al-: b".as_slice(),
            b"*1\r\n\r\nx-a2al-: b",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\nx-a2al-: b",
        ] {
            assert_eq!(at_once(text), Verdict::Raw, "{text:?}");
        }
    }

    #[test]
    fn a_long_first_line_takes_no_memory() {
        let mut line = FirstLine::default();
        for _ in 0..1000 {
            line.take(&[b'a'; 1000], false);
        }
        assert!(line.start.capacity() + line.words.last.capacity() <= 64);
        assert_eq!(line.take(b" / HTTP/1.1\n", false), Verdict::Cut);
    }

    #[test]
    fn a_stream_is_watched_as_far_as_a_server_reads_a_head() {
        for first in ["a", "one\n", "GET key\n"] {
            let mut line = FirstLine::default();
            line.take(first.as_bytes(), false);
            line.pass();
            for _ in 0..MAX_HEAD / 1024 - 1 {
                assert_eq!(line.take(&[b'a'; 1024], false), Verdict::Pass);
            }
            let after = line.take(&[b'a'; 1024], false);
            let is_endless = first.starts_with("GET");
            assert_eq!(after == Verdict::Pass, is_endless, "{first:?}");
        }
    }

    #[test]
    fn what_is_skipped_changes_no_verdict() {
        let words = [
            "GET",
            "(",
            "/",
            "HTTP/1.1",
            "X-A2AL-A:",
            "aaaaaaaaaaaaaaaaaaaaaaaaa",
        ];
        let ends = [" ", "\r", "\n", "\r\n", "\n\n", "\x0b"];
        let mut number = 0_usize;
        for round in 0..5000 {
            let mut text = String::new();
            for _ in 0..=round % 7 {
                number = number.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
                text += words[(number >> 40) % words.len()];
                text += ends[(number >> 50) % ends.len()];
            }
            let text = text.as_bytes();
            let last = bytewise(text).pop().unwrap();
            let whole = at_once(text);
            let is_same = match last {
                Verdict::Cut => matches!(whole, Verdict::Cut | Verdict::Http),
                last => last == whole,
            };
            assert!(is_same, "{text:?}: {last:?} {whole:?}");
        }
    }
}
