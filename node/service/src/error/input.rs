// SPDX-License-Identifier: MPL-2.0
//! Requests that are wrong as they stand.

use a2al_protocol::delegation;
use a2al_protocol::limits::MAX_SERVICES_PER_AGENT;

use crate::discover::MAX_SEARCH_LIMIT;

/// What is wrong with a request. Always answered as 400.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Input {
    /// The address in the path or body does not parse.
    #[error("bad aid")]
    Aid,
    /// `local_aid` does not parse.
    #[error("bad local_aid")]
    LocalAid,
    /// `local_aid` is no agent of this node.
    #[error("bad local_aid: not registered on this node")]
    LocalAidNotHosted,
    /// The port is none, or not one that this program may use.
    #[error("bad local_port")]
    LocalPort,
    /// The time is negative, and not -1.
    #[error("bad idle_timeout_sec: give seconds, 0 for the usual time or -1 for no end")]
    IdleTimeout,
    /// `agent` is not an Ethereum address.
    #[error("bad agent")]
    Agent,
    /// The proof is not hexadecimal.
    #[error("bad delegation_proof_hex")]
    ProofHex,
    /// The proof does not decode.
    #[error("delegation parse: {0}")]
    ProofParse(#[source] delegation::Error),
    /// The proof does not hold.
    #[error("delegation verify: {0}")]
    ProofVerify(#[source] delegation::Error),
    /// The proof is for another operational key than the one sent along.
    #[error("delegation verify: the proof is for another operational key")]
    ProofOfOtherKey,
    /// It is not said whom to register.
    #[error(
        "bad registration: give operational_private_key_hex and delegation_proof_hex, or only the aid of an identity whose keys are kept here"
    )]
    Registration,
    /// The operational key does not parse.
    #[error("bad operational_private_key_hex")]
    OperationalKey,
    /// Neither or both forms of the operational private key are given.
    #[error(
        "operational key: provide exactly one of operational_private_key_hex or operational_private_key_seed_hex"
    )]
    OnePrivateKey,
    /// One form of the operational private key does not parse, in a wallet call.
    #[error("bad operational key")]
    WalletOperationalKey,
    /// Neither or both of public key and seed are given.
    #[error(
        "provide exactly one of operational_public_key_hex or operational_private_key_seed_hex"
    )]
    OneKeyMaterial,
    /// Public key or seed does not parse.
    #[error("bad operational key material")]
    KeyMaterial,
    /// The node's own address is always hosted and cannot be an agent too.
    #[error("cannot register node identity as agent")]
    RegisterNode,
    /// The node's own address cannot be deleted.
    #[error("cannot delete node identity")]
    DeleteNode,
    /// The service has a path.
    #[error("service_tcp cannot contain a path — use host:port or https://host:port")]
    ServicePath,
    /// The service is not a host and a port.
    #[error("bad service_tcp — use host:port or https://host:port")]
    ServiceAddress,
    /// The service is this daemon's own interface, which would hand it to every caller.
    #[error("service_tcp cannot be the daemon's own API address")]
    ServiceIsApi,
    /// The service is another port of this daemon.
    #[error("service_tcp cannot be a port of the daemon itself")]
    ServiceIsOwn,
    /// The service is link-local, multicast or unspecified.
    #[error("service_tcp cannot be a link-local, multicast or unspecified address")]
    ServiceNever,
    /// The service is on another machine.
    #[error(
        "service_tcp is on another machine; allow_lan_services in the configuration would allow that"
    )]
    ServiceElsewhere,
    /// The port is not a number from 1 to 65535.
    #[error("invalid port")]
    Port,
    /// The wallet's signature is not 65 bytes of hexadecimal.
    #[error("bad eth_signature_hex")]
    WalletSignature,
    /// The signature is not one of the wallet over these terms.
    #[error("signature verify failed")]
    SignatureVerify,
    /// The Ethereum key does not parse.
    #[error("bad ethereum_private_key_hex")]
    EthereumKey,
    /// The Paralism key does not parse.
    #[error("bad paralism_private_key_hex")]
    ParalismKey,
    /// There is no such kind of wallet.
    #[error("unsupported chain")]
    Chain,
    /// The kind of record is reserved or not a number.
    #[error("bad type")]
    RecordType,
    /// The kind of record may not be published freely.
    #[error("rec_type must be 0x02-0x0f")]
    FreeRecordType,
    /// A record needs an end.
    #[error("ttl required")]
    Ttl,
    /// The record would live too long.
    #[error("ttl too long: at most {max} seconds")]
    TtlTooLong {
        /// Longest life of a record in seconds.
        max: u32,
    },
    /// The record's content is not base64.
    #[error("invalid payload_base64")]
    Payload,
    /// No service is named.
    #[error("services required")]
    NoServices,
    /// A service has no name, or one that no client can put into a path.
    #[error("service register failed: a name is empty, \".\" or \"..\"")]
    ServiceName,
    /// The name of a service looks different from what it is.
    #[error(
        "service register failed: a name has characters that are not seen, or a space at an end or beside another"
    )]
    ServiceNameUnseen,
    /// The name of a service reads as a pattern of names.
    #[error("service register failed: a name ends with *, which stands for many names in a search")]
    ServiceNamePattern,
    /// The agent would be registered for too many services.
    #[error("service register failed: an agent has at most {MAX_SERVICES_PER_AGENT} services")]
    TooManyServices,
    /// The brief of an entry does not fit.
    #[error("service register failed: brief has {len} characters, at most {max}")]
    BriefTooLong {
        /// Its length in characters.
        len: usize,
        /// The longest that is taken.
        max: usize,
    },
    /// An entry does not fit.
    #[error(
        "service register failed: the entry is too long for its {max} bytes; {longest} alone has {len}"
    )]
    EntryTooLong {
        /// What takes up most of it.
        longest: &'static str,
        /// How many bytes of it.
        len: usize,
        /// The longest entry, in bytes.
        max: usize,
    },
    /// Free-form values are nested more deeply than any node reads.
    #[error("meta is nested too deeply")]
    MetaDepth,
    /// The profile does not fit.
    #[error("profile too long: it has to fit into {max} bytes")]
    ProfileTooLong {
        /// The longest profile, in bytes.
        max: usize,
    },
    /// The hash of the agent card is no SHA-256.
    #[error("bad card_hash")]
    CardHash,
    /// A search is for too many services at once.
    #[error("too many services: at most {max} in one search")]
    TooManySearched {
        /// The most that are searched for at once.
        max: usize,
    },
    /// The limit of a search is none.
    #[error("bad limit: 1 to {MAX_SEARCH_LIMIT}")]
    Limit,
    /// The cursor was never given out, is not the newest of its search, or its search is over.
    #[error("bad cursor: unknown or expired; search again without one")]
    Cursor,
    /// The cursor belongs to another search.
    #[error("bad cursor: it continues a search for other services or with another filter")]
    CursorOfOtherSearch,
    /// A call names a category or nothing.
    #[error("bad service: name one service")]
    CalledService,
    /// The HTTP method has characters that no method has.
    #[error("bad method")]
    Method,
    /// The path has characters that no path has.
    #[error("bad path")]
    Path,
    /// A header has characters that no header has, or there are too many.
    #[error("bad headers")]
    Header,
    /// The body is not base64.
    #[error("bad body_base64")]
    Body,
    /// A note needs somebody to read it.
    #[error("recipient required")]
    RecipientRequired,
    /// The body of a note is not base64.
    #[error("invalid body_base64")]
    NoteBody,
    /// The name of a note is not 64 hexadecimal digits.
    #[error("bad message_id")]
    MessageId,
}

impl Input {
    /// Name for programs; see [`Wire::code`](crate::Wire::code).
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Aid => "bad_aid",
            Self::LocalAid | Self::LocalAidNotHosted => "bad_local_aid",
            Self::LocalPort => "bad_local_port",
            Self::IdleTimeout => "bad_idle_timeout",
            Self::Agent => "bad_agent",
            Self::Registration => "bad_registration",
            Self::ProofHex | Self::ProofParse(_) => "bad_delegation",
            Self::ProofVerify(_) | Self::ProofOfOtherKey => "delegation_refused",
            Self::OperationalKey
            | Self::OnePrivateKey
            | Self::WalletOperationalKey
            | Self::OneKeyMaterial
            | Self::KeyMaterial => "bad_operational_key",
            Self::RegisterNode | Self::DeleteNode => "node_identity",
            Self::ServicePath
            | Self::ServiceAddress
            | Self::ServiceIsApi
            | Self::ServiceIsOwn
            | Self::ServiceNever => "bad_service_tcp",
            Self::ServiceElsewhere => "service_tcp_not_local",
            Self::Port => "invalid_port",
            Self::WalletSignature | Self::SignatureVerify => "bad_signature",
            Self::EthereumKey | Self::ParalismKey => "bad_wallet_key",
            Self::Chain => "unsupported_chain",
            Self::RecordType | Self::FreeRecordType => "bad_record_type",
            Self::Ttl | Self::TtlTooLong { .. } => "bad_ttl",
            Self::Payload => "bad_payload",
            Self::NoServices => "services_required",
            Self::ServiceName
            | Self::ServiceNameUnseen
            | Self::ServiceNamePattern
            | Self::CalledService => "bad_service",
            Self::TooManyServices | Self::TooManySearched { .. } => "too_many_services",
            Self::BriefTooLong { .. } | Self::EntryTooLong { .. } => "entry_too_long",
            Self::ProfileTooLong { .. } => "profile_too_long",
            Self::MetaDepth => "bad_meta",
            Self::CardHash => "bad_card_hash",
            Self::Limit => "bad_limit",
            Self::Cursor | Self::CursorOfOtherSearch => "bad_cursor",
            Self::Method => "bad_method",
            Self::Path => "bad_path",
            Self::Header => "bad_headers",
            Self::Body | Self::NoteBody => "bad_body",
            Self::RecipientRequired => "recipient_required",
            Self::MessageId => "bad_message_id",
        }
    }
}
