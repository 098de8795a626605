// SPDX-License-Identifier: MPL-2.0
//! Why a use case fails, and how that is told to clients.

mod input;

use std::io;
use std::sync::Arc;

use a2al_protocol::mailbox::SealError;
use a2al_protocol::network;
use a2al_protocol::private_files::FileError;

pub use crate::providers::Failures;
pub use input::Input;

use crate::store;

/// Why a use case failed.
///
/// `Display` is the text clients see. Existing clients compare its beginning, so it only ever grows
/// at the end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong as it stands.
    #[error(transparent)]
    Input(#[from] Input),
    /// No such agent on this node.
    #[error("not found")]
    NotFound,
    /// No stream to a service has that port.
    #[error("session not found")]
    SessionNotFound,
    /// The address is hosted with another operational key whose delegation is not older.
    #[error("aid is registered with another operational key")]
    KeyConflict,
    /// No key is kept here for that address, or no wallet has signed for it yet.
    #[error(
        "no key is kept here for this aid: it is registered already, was deleted and can be restored, or was made elsewhere"
    )]
    NoKeptKey,
    /// No master key waits here for that address.
    #[error("no master key waits here for this aid")]
    NoMasterKey,
    /// As many keys wait to be registered or backed up as this node keeps.
    #[error("too many keys wait to be registered or backed up: at most {0}")]
    TooManyKept(usize),
    /// A file with a key cannot be used.
    #[error("a file with a key cannot be used")]
    KeyFile(#[source] FileError),
    /// The key sent along is not the agent's.
    #[error("operational key mismatch")]
    KeyMismatch,
    /// A record would be longer than any node takes.
    #[error(
        "payload too large: {len} bytes, and signature and delegation have to fit into {max} with it"
    )]
    RecordTooLarge {
        /// Length of the payload in bytes.
        len: usize,
        /// Longest possible record in bytes.
        max: usize,
    },
    /// The delegation has ended, so nothing can be signed for the agent any more.
    #[error("publish failed: the delegation has expired")]
    DelegationExpired,
    /// The node has no address to publish yet.
    #[error("publish failed: no address to advertise yet")]
    NoAdvertisedAddress,
    /// The node has no address to publish: nobody can dial it, and it keeps no place on relays.
    #[error(
        "publish failed: no address to advertise: nobody can dial this node, and it was started with disable_relay"
    )]
    NoAddressWithoutRelays,
    /// The owner has delegated to another key since, and that one has published.
    #[error("publish failed: a newer delegation of the agent is in use")]
    Superseded,
    /// The network did not take the record.
    #[error("publish failed: {0}")]
    Publish(#[source] network::Error),
    /// Nobody knows a valid endpoint record of the agent.
    #[error("resolve failed: no endpoint record found")]
    Unresolved,
    /// The lookup could ask nobody: the node has no peers.
    #[error("resolve failed: not connected to the network")]
    NotConnected,
    /// The lookup itself failed.
    #[error("resolve failed: {0}")]
    Lookup(#[source] network::Error),
    /// The call found no endpoint record of its target.
    #[error(transparent)]
    TargetUnresolved(Box<Self>),
    /// The agent to call as is not hosted here.
    #[error("connect failed: local_aid is not registered here")]
    CallerNotHosted,
    /// The target could not be reached, or did not prove to be the agent.
    #[error("connect failed: {0}")]
    Connect(#[source] network::CallError),
    /// The target is reached through a relay only, and the call must not use one.
    #[error("relay_required: the agent is reached through a relay only")]
    RelayRequired,
    /// The same as [`Connect`](Self::Connect), in the words that clients of tunnels know.
    #[error("quic connect failed: {0}")]
    TunnelConnect(#[source] network::CallError),
    /// No tunnel of this node has that id.
    #[error("tunnel not found")]
    TunnelNotFound,
    /// Another program, or another tunnel, listens on the port.
    #[error("port_in_use: another program listens on 127.0.0.1:{0}")]
    PortInUse(u16),
    /// As many tunnels are open as this node keeps.
    #[error("too many tunnels: at most {0}")]
    TooManyTunnels(usize),
    /// The system gives no further port.
    #[error("no port to listen on")]
    Listen(#[source] io::Error),
    /// The target's node has no room for the call.
    #[error("connect failed: the agent is busy")]
    Busy,
    /// The agent is reachable but its service is not.
    #[error("inbound unreachable")]
    InboundUnreachable,
    /// The service broke off before it had answered.
    #[error("inbound unreachable: the service broke off")]
    NoAnswer(#[source] hyper::Error),
    /// The agent has no service.
    #[error("no inbound")]
    NoInbound,
    /// The agent does not let this caller in.
    #[error("access denied")]
    AccessDenied,
    /// The recipient's operational key cannot be found out, so nothing can be sealed for it.
    #[error("mailbox send failed: {0}")]
    NoteUnresolved(#[source] Box<Self>),
    /// The body of a note is too long.
    #[error("mailbox send failed: the body has {len} bytes, and at most {max} are carried")]
    NoteTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest in bytes.
        max: usize,
    },
    /// Nothing can be sealed to the recipient's key.
    #[error("mailbox send failed: {0}")]
    NoteNotSealed(#[source] SealError),
    /// The agent has as many notes under way as this node keeps.
    #[error("mailbox send failed: too many notes are under way")]
    OutboxFull,
    /// No note of that name is under way.
    #[error("note not found")]
    NoteNotFound,
    /// As many clients follow events as this node serves.
    #[error("too many clients follow events: at most {0}")]
    TooManyEventClients(usize),
    /// The service took too long.
    #[error("fetch timed out")]
    FetchTimeout,
    /// The search itself failed.
    #[error("search failed: {0}")]
    Search(#[source] network::Error),
    /// The search could ask nobody: the node has no peers.
    #[error("search failed: not connected to the network")]
    SearchNotConnected,
    /// Nobody offers the service, or nobody who fits the filter.
    #[error("no provider: no agent offers the service")]
    NoProvider,
    /// Every provider of the service that was tried failed.
    #[error("call failed: {0}")]
    ProvidersFailed(Failures),
    /// The disk is full or cannot be written. Nothing was changed.
    #[error("the state cannot be saved: the disk is full or cannot be written")]
    StorageFull(#[source] Arc<rusqlite::Error>),
    /// The state could not be saved for another reason. Nothing was changed.
    #[error("the state cannot be saved")]
    Storage(#[source] Arc<rusqlite::Error>),
    /// The node is shutting down.
    #[error("the node is stopping")]
    Stopped,
}

/// How an [`Error`] appears on the wire.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Wire {
    /// HTTP status.
    pub http: u16,
    /// Name for programs, `snake_case`, never changed once given.
    pub code: &'static str,
    /// Whether the same call may succeed later without any change.
    pub retryable: bool,
}

impl Wire {
    const fn refused(http: u16, code: &'static str) -> Self {
        Self {
            http,
            code,
            retryable: false,
        }
    }

    const fn later(http: u16, code: &'static str) -> Self {
        Self {
            http,
            code,
            retryable: true,
        }
    }
}

impl Error {
    /// How this error appears on the wire. The one table: REST, MCP and the command line all read
    /// it.
    pub fn wire(&self) -> Wire {
        match self {
            Self::Input(input) => Wire::refused(400, input.code()),
            Self::NotFound => Wire::refused(404, "not_found"),
            Self::NoKeptKey => Wire::refused(404, "no_kept_key"),
            Self::NoMasterKey => Wire::refused(404, "no_master_key"),
            Self::TooManyKept(_) => Wire::refused(409, "too_many_kept_keys"),
            Self::SessionNotFound => Wire::refused(404, "session_not_found"),
            Self::KeyConflict => Wire::refused(409, "key_conflict"),
            Self::KeyMismatch => Wire::refused(403, "key_mismatch"),
            Self::RecordTooLarge { .. } => Wire::refused(413, "payload_too_large"),
            Self::DelegationExpired => Wire::refused(409, "delegation_expired"),
            Self::Superseded => Wire::refused(409, "superseded"),
            Self::NoAddressWithoutRelays => Wire::refused(500, "no_address"),
            Self::NoAdvertisedAddress | Self::Publish(_) => Wire::later(500, "publish_failed"),
            Self::Unresolved => Wire::later(404, "resolve_failed"),
            Self::Lookup(_) => Wire::later(504, "resolve_failed"),
            Self::NotConnected | Self::SearchNotConnected => Wire::later(503, "not_connected"),
            Self::TargetUnresolved(cause) | Self::NoteUnresolved(cause)
                if matches!(**cause, Self::NotConnected) =>
            {
                cause.wire()
            }
            Self::TargetUnresolved(_) => Wire::later(502, "resolve_failed"),
            Self::CallerNotHosted => Wire::refused(502, "caller_not_registered"),
            Self::TunnelNotFound => Wire::refused(404, "tunnel_not_found"),
            Self::PortInUse(_) => Wire::refused(409, "port_in_use"),
            Self::TooManyTunnels(_) => Wire::later(503, "too_many_tunnels"),
            Self::Listen(_) => Wire::later(500, "listen_failed"),
            Self::Connect(_) | Self::TunnelConnect(_) => Wire::later(502, "connect_failed"),
            Self::RelayRequired => Wire::refused(412, "relay_required"),
            Self::Busy => Wire::later(503, "busy"),
            Self::InboundUnreachable | Self::NoAnswer(_) => Wire::later(502, "inbound_unreachable"),
            Self::NoInbound => Wire::refused(503, "no_inbound"),
            Self::AccessDenied => Wire::refused(403, "access_denied"),
            Self::NoteUnresolved(_) => Wire::later(502, "recipient_unknown"),
            Self::NoteTooLong { .. } => Wire::refused(413, "body_too_long"),
            Self::NoteNotSealed(_) => Wire::refused(502, "not_sealed"),
            Self::OutboxFull => Wire::later(503, "outbox_full"),
            Self::NoteNotFound => Wire::refused(404, "note_not_found"),
            Self::TooManyEventClients(_) => Wire::later(503, "too_many_clients"),
            Self::FetchTimeout => Wire::later(504, "timeout"),
            Self::Search(_) => Wire::later(504, "search_failed"),
            Self::NoProvider => Wire::later(404, "no_provider"),
            Self::ProvidersFailed(failures) if failures.may_have_acted() => {
                Wire::refused(502, "providers_failed")
            }
            Self::ProvidersFailed(_) => Wire::later(502, "providers_failed"),
            Self::StorageFull(_) => Wire::later(507, "storage_full"),
            Self::Storage(_) | Self::KeyFile(_) => Wire::refused(500, "storage_failed"),
            Self::Stopped => Wire::later(503, "stopping"),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Missing => Self::NotFound,
            store::Error::Conflict => Self::KeyConflict,
            store::Error::TooManyServices => Input::TooManyServices.into(),
            store::Error::Full => Self::OutboxFull,
            store::Error::Database(error) if is_disk(&error) => Self::StorageFull(error),
            store::Error::Database(error) => Self::Storage(error),
            store::Error::Closed => Self::Stopped,
        }
    }
}

/// Whether the disk is at fault, so that the same change may succeed once it is mended.
fn is_disk(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, DiskFull, ReadOnly, SystemIoFailure};
    matches!(
        error.sqlite_error_code(),
        Some(CannotOpen | DiskFull | ReadOnly | SystemIoFailure)
    )
}

#[cfg(test)]
mod tests {
    use a2al_protocol::network::CallError;

    use super::*;

    #[test]
    fn texts_begin_as_existing_clients_expect() {
        let lookup = || Error::Lookup(network::Error::Timeout);
        for (error, http, text) in [
            (Error::from(Input::Aid), 400, "bad aid"),
            (Error::NotFound, 404, "not found"),
            (Error::KeyMismatch, 403, "operational key mismatch"),
            (Error::NoAdvertisedAddress, 500, "publish failed"),
            (Error::NoAddressWithoutRelays, 500, "publish failed"),
            (Error::Unresolved, 404, "resolve failed"),
            (Error::NotConnected, 503, "resolve failed: not connected"),
            (
                Error::TargetUnresolved(Box::new(Error::NotConnected)),
                503,
                "resolve failed: not connected",
            ),
            (lookup(), 504, "resolve failed: the network"),
            (
                Error::TargetUnresolved(Box::new(lookup())),
                502,
                "resolve failed: the network",
            ),
            (Error::CallerNotHosted, 502, "connect failed"),
            (
                Error::Connect(CallError::Unreachable),
                502,
                "connect failed",
            ),
            (
                Error::TunnelConnect(CallError::Unreachable),
                502,
                "quic connect failed",
            ),
            (Error::TunnelNotFound, 404, "tunnel not found"),
            (Error::PortInUse(1), 409, "port_in_use"),
            (Error::RelayRequired, 412, "relay_required"),
            (
                Error::NoteUnresolved(Box::new(Error::Unresolved)),
                502,
                "mailbox send failed",
            ),
            (
                Error::NoteTooLong { len: 2, max: 1 },
                413,
                "mailbox send failed",
            ),
            (Error::InboundUnreachable, 502, "inbound unreachable"),
            (Error::NoInbound, 503, "no inbound"),
            (Error::AccessDenied, 403, "access denied"),
        ] {
            assert_eq!(error.wire().http, http, "{error}");
            assert!(error.to_string().starts_with(text), "{error}");
        }
    }

    #[test]
    fn a_full_disk_is_told_apart_from_a_bug() {
        let sqlite = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let wire = |code| Error::from(store::Error::from(sqlite(code))).wire();
        assert_eq!(wire(rusqlite::ffi::SQLITE_FULL).http, 507);
        assert_eq!(wire(rusqlite::ffi::SQLITE_READONLY).http, 507);
        assert_eq!(wire(rusqlite::ffi::SQLITE_MISUSE).http, 500);
    }
}
