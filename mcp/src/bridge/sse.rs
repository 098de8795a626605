// SPDX-License-Identifier: MPL-2.0
//! Server-sent events, as far as MCP uses them: data and the id of the last event.

use crate::limits::MAX_BRIDGED_LEN;

/// Takes bytes apart into the data of events.
#[derive(Debug, Default)]
pub(super) struct Events {
    line: Vec<u8>,
    data: String,
    has_data: bool,
    /// The id of the newest event that had one.
    pub(super) last_id: Option<String>,
}

/// An event is too long.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Events {
    /// Takes further bytes and gives the data of each event that they end.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                events.extend(self.ended(&String::from_utf8_lossy(&line)));
            } else {
                self.line.push(*byte);
            }
            if self.line.len() + self.data.len() > MAX_BRIDGED_LEN {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn ended(&mut self, line: &str) -> Option<String> {
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.is_empty() {
            let data = std::mem::take(&mut self.data);
            let has_data = std::mem::take(&mut self.has_data);
            return Some(data).filter(|data| has_data && !data.is_empty());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                // A message is one line; a server that breaks it broke between tokens.
                self.data.push_str(value);
                self.has_data = true;
            }
            "id" => self.last_id = Some(value.to_owned()),
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_is_put_together_however_it_comes() {
        let stream = ": hi\r\nid: 7\r\ndata:\r\n\r\nevent: message\ndata: {\"a\":\ndata: 1}\n\ndata: {}\n\ndata: open";
        for size in [1, 3, 1000] {
            let mut events = Events::default();
            let found = stream
                .as_bytes()
                .chunks(size)
                .map(|bytes| events.take(bytes).unwrap());
            assert_eq!(found.flatten().collect::<Vec<_>>(), ["{\"a\":1}", "{}"]);
            assert_eq!(events.last_id.as_deref(), Some("7"));
        }
        let long = vec![b'x'; MAX_BRIDGED_LEN + 1];
        assert_eq!(Events::default().take(&long), Err(TooLong));
    }
}
