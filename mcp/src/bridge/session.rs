// SPDX-License-Identifier: MPL-2.0
//! A session with a server, and what it takes to open it again.

use reqwest::Response;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::json;

use super::message::Message;
use crate::limits::MAX_WATCHED;

pub(super) const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// What the server and the client have agreed on.
#[derive(Debug, Default)]
pub(super) struct Session {
    pub(super) id: Option<HeaderValue>,
    pub(super) version: Option<String>,
    /// The message that opened it.
    opening: Option<String>,
    /// The requests that hold for the rest of it.
    lasting: Vec<Lasting>,
}

/// A request that holds for the rest of a session.
#[derive(Clone, Debug)]
pub(super) struct Lasting {
    pub(super) request: Message,
    /// The resource that is watched, if it is that.
    pub(super) watched: Option<String>,
}

impl Session {
    /// The session that the answer to `message` opens.
    pub(super) fn opened(message: &Message, response: &Response) -> Self {
        Self {
            id: response.headers().get(SESSION).cloned(),
            version: None,
            opening: Some(message.text().to_owned()),
            lasting: Vec::new(),
        }
    }

    /// What every request in it shows.
    pub(super) fn headers(&self) -> HeaderMap {
        self.headers_with(self.id.as_ref())
    }

    /// The same, with another id.
    pub(super) fn headers_with(&self, id: Option<&HeaderValue>) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Some(id) = id {
            headers.insert(SESSION, id.clone());
        }
        let version = self.version.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(version)) = version {
            headers.insert(VERSION, version);
        }
        headers
    }

    /// The message to open it again with, unless that was done since `refused` was its id.
    pub(super) fn opening_after(&self, refused: &HeaderValue) -> Option<String> {
        let is_refused = self.id.as_ref() == Some(refused);
        self.opening.clone().filter(|_| is_refused)
    }

    /// What was asked for and still holds.
    pub(super) fn lasting(&self) -> Vec<Lasting> {
        self.lasting.clone()
    }

    /// Remembers what `request`, which was granted, changes for the rest of the session.
    pub(super) fn granted(&mut self, request: &Message) {
        let watched = request.resource().map(ToOwned::to_owned);
        let is_lasting = match (request.method(), &watched) {
            (Some("resources/subscribe"), Some(_)) | (Some("logging/setLevel"), None) => true,
            (Some("resources/unsubscribe"), Some(_)) => false,
            _ => return,
        };
        self.lasting.retain(|lasting| lasting.watched != watched);
        if is_lasting && self.lasting.len() <= MAX_WATCHED {
            let request = request.clone();
            self.lasting.push(Lasting { request, watched });
        }
    }
}

impl Lasting {
    /// The notice that the watched resource may have changed meanwhile.
    pub(super) fn notice(&self) -> Option<String> {
        let uri = self.watched.as_ref()?;
        let method = "notifications/resources/updated";
        let notice = json!({ "jsonrpc": "2.0", "method": method, "params": { "uri": uri } });
        Some(notice.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_known_until_it_is_taken_back() {
        let mut session = Session::default();
        let mut granted = |method: &str, uri: &str| {
            let request =
                json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": { "uri": uri } });
            session.granted(&Message::read(request.to_string()).unwrap());
            let watched = session.lasting().into_iter().map(|lasting| lasting.watched);
            watched.flatten().collect::<Vec<_>>()
        };
        assert_eq!(granted("resources/subscribe", "a"), ["a"]);
        assert_eq!(granted("resources/subscribe", "b"), ["a", "b"]);
        assert_eq!(granted("resources/subscribe", "a"), ["b", "a"]);
        assert_eq!(granted("resources/read", "c"), ["b", "a"]);
        assert_eq!(granted("resources/unsubscribe", "b"), ["a"]);
        for n in 0..2 * MAX_WATCHED {
            assert!(granted("resources/subscribe", &n.to_string()).len() <= MAX_WATCHED + 1);
        }
    }
}
