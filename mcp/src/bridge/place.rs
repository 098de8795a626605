// SPDX-License-Identifier: MPL-2.0
//! Where a server is.

use std::error::Error;
use std::fmt;
use std::future::ready;

use futures::future::BoxFuture;

/// Where a server is, and what it wants to be shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Address {
    /// The URL of its MCP endpoint.
    pub url: String,
    /// A bearer token.
    pub token: Option<String>,
}

impl fmt::Debug for Address {
    /// Shows no token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("url", &self.url)
            .finish_non_exhaustive()
    }
}

/// An address, or why there is none.
pub type Located = Result<Address, Box<dyn Error + Send + Sync>>;

/// Tells where the server is, before each message to it.
pub trait Locate: fmt::Debug + Send + Sync {
    /// Where it is now.
    fn locate(&self) -> BoxFuture<'_, Located>;
}

/// A server that stays where it is.
impl Locate for Address {
    fn locate(&self) -> BoxFuture<'_, Located> {
        Box::pin(ready(Ok(self.clone())))
    }
}
