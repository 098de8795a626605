// SPDX-License-Identifier: MPL-2.0
//! Which protocol a substream speaks, seen from our own answers in its negotiation.

use libp2p::relay::HOP_PROTOCOL_NAME;

/// A length in front of a message: an unsigned varint.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Length {
    value: usize,
    shift: u32,
}

impl Length {
    /// Adds a byte. Returns the length with its last one; longer ones than any message of ours saturate.
    pub(super) fn push(&mut self, byte: u8) -> Option<usize> {
        let bits = usize::from(byte & 0x7f);
        self.value = match self.shift {
            0..28 => self.value | bits << self.shift,
            _ => usize::MAX,
        };
        self.shift += 7;
        (byte & 0x80 == 0).then_some(self.value)
    }
}

/// What a substream turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accepted {
    /// The protocol by which others use this node as a relay.
    Hop,
    /// Something else.
    Other,
}

/// Follows what we write while a peer proposes protocols (multistream-select): our header, any number of `na` and `ls` answers, and at
/// last the name of what we accept. Every message has its length in front and a line end behind; an `ls` answer alone has more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Negotiation {
    has_said_header: bool,
    length: Length,
    message: Option<Line>,
}

/// A message as far as it has been written.
#[derive(Clone, Copy, Debug)]
struct Line {
    len: usize,
    position: usize,
    /// Whether it starts like the name of a protocol and is a single line.
    is_name: bool,
    /// Whether it is that of the relay protocol.
    is_hop: bool,
}

impl Negotiation {
    /// Takes in what was written. Returns what was accepted, with the last byte of that.
    pub(super) fn on_written(&mut self, bytes: &[u8]) -> Option<Accepted> {
        bytes.iter().find_map(|byte| self.push(*byte))
    }

    fn push(&mut self, byte: u8) -> Option<Accepted> {
        let Some(line) = &mut self.message else {
            let len = self.length.push(byte)?;
            self.length = Length::default();
            self.message = (len > 0).then_some(Line::new(len));
            return None;
        };
        line.push(byte);
        if line.position < line.len {
            return None;
        }
        let line = self.message.take()?;
        if !self.has_said_header {
            self.has_said_header = true;
            return None;
        }
        match (line.is_name, line.is_hop) {
            (true, true) => Some(Accepted::Hop),
            (true, false) => Some(Accepted::Other),
            (false, _) => None,
        }
    }
}

impl Line {
    fn new(len: usize) -> Self {
        Self {
            len,
            position: 0,
            is_name: true,
            is_hop: len == HOP_PROTOCOL_NAME.as_ref().len() + 1,
        }
    }

    fn push(&mut self, byte: u8) {
        let is_last = self.position + 1 == self.len;
        self.is_name &= (byte == b'\n') == is_last && (self.position > 0 || byte == b'/');
        if !is_last {
            let expected = HOP_PROTOCOL_NAME
                .as_ref()
                .as_bytes()
                .get(self.position)
                .copied();
            self.is_hop &= expected == Some(byte);
        }
        self.position += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"\x13/multistream/1.0.0\n";

    fn message(text: &[u8]) -> Vec<u8> {
        let len = u8::try_from(text.len()).unwrap();
        assert!(len < 0x80);
        [&[len], text].concat()
    }

    fn accepted(said: &[&[u8]], chunk: usize) -> Option<Accepted> {
        let mut negotiation = Negotiation::default();
        let said = said.concat();
        let mut chunks = said.chunks(chunk);
        let found = chunks.find_map(|chunk| negotiation.on_written(chunk));
        assert_eq!(chunks.next(), None, "found before the end");
        found
    }

    #[test]
    fn the_protocol_is_known_with_the_last_byte_of_our_answer() {
        let hop = message(b"/libp2p/circuit/relay/0.2.0/hop\n");
        let (near, longer) = (
            message(b"/libp2p/circuit/relay/0.2.0/hot\n"),
            message(b"/libp2p/circuit/relay/0.2.0/hop2\n"),
        );
        let na = message(b"na\n");
        for chunk in [1, 2, 7, 1000] {
            assert_eq!(accepted(&[HEADER, &hop], chunk), Some(Accepted::Hop));
            assert_eq!(
                accepted(&[HEADER, &na, &na, &hop], chunk),
                Some(Accepted::Hop)
            );
            assert_eq!(
                accepted(&[HEADER, &na, &near], chunk),
                Some(Accepted::Other)
            );
            assert_eq!(accepted(&[HEADER, &longer], chunk), Some(Accepted::Other));
            assert_eq!(accepted(&[HEADER, &na], chunk), None);
            assert_eq!(accepted(&[HEADER, &hop[..hop.len() - 1]], chunk), None);
        }
    }

    #[test]
    fn a_list_of_protocols_is_no_answer_though_it_may_begin_like_one() {
        // A name of 46 bytes has the length `/` (47), its line end included.
        let name = [b"/".as_slice(), &[b'a'; 45], b"\n"].concat();
        let list = message(&[&message(&name)[..], b"\n"].concat());
        assert_eq!(list[1], b'/');
        let hop = message(b"/libp2p/circuit/relay/0.2.0/hop\n");
        let listed_hop = message(&[&hop[..], b"\n"].concat());
        assert_eq!(accepted(&[HEADER, &list, &listed_hop], 3), None);
        assert_eq!(accepted(&[HEADER, &list, &hop], 3), Some(Accepted::Hop));
    }
}
