// SPDX-License-Identifier: MPL-2.0
//! What the user bytes of an agent stream are.

use a2al_proto::v1;

/// What a stream carries, as its caller declares it.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Content {
    /// Anything: the service gets the bytes as they are.
    #[default]
    Bytes,
    /// HTTP/1.1, requests from the caller: the callee's node tells the service who calls.
    Http,
    /// Notes for the agent's mailbox, see [`Client::deliver`](crate::network::Client::deliver). They never go to its service.
    Notes,
}

impl From<Content> for v1::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::Bytes => Self::Bytes,
            Content::Http => Self::Http,
            Content::Notes => Self::Notes,
        }
    }
}

impl From<v1::Content> for Content {
    fn from(content: v1::Content) -> Self {
        match content {
            v1::Content::Bytes => Self::Bytes,
            v1::Content::Http => Self::Http,
            v1::Content::Notes => Self::Notes,
        }
    }
}
