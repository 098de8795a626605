// SPDX-License-Identifier: MPL-2.0
//! Endpoint payloads: how an agent is reached.

use super::PayloadError;
use crate::{
    cbor::{self, Writer},
    limits::{
        MAX_ENDPOINT_ADDRESS_LEN, MAX_ENDPOINT_ADDRESSES, MAX_ENDPOINT_SIGNAL_LEN,
        MAX_ENDPOINT_SIGNALS, MAX_ENDPOINT_TURN_LEN, MAX_ENDPOINT_TURNS,
    },
};

/// The payload of a record of kind [`ENDPOINT`](super::RecordKind::ENDPOINT).
///
/// Signalling and TURN servers, which records of the reference may name, are checked and left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Where the agent is reached, best first; multiaddrs as text, in our network.
    pub addresses: Vec<String>,
    /// What kind of NAT is in the way.
    pub nat: NatType,
}

/// What kind of NAT stands between an agent and the public network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NatType {
    /// Not known (yet).
    #[default]
    Unknown,
    /// None, or one that lets everybody in: full cone.
    Public,
    /// One that lets in hosts that were contacted before.
    Restricted,
    /// One that lets in hosts and ports that were contacted before.
    PortRestricted,
    /// One that uses a new port for every destination.
    Symmetric,
}

impl NatType {
    /// The number of this type in payloads.
    pub const fn code(self) -> u8 {
        match self {
            Self::Unknown => 0,
            Self::Public => 1,
            Self::Restricted => 2,
            Self::PortRestricted => 3,
            Self::Symmetric => 4,
        }
    }

    const fn of_code(code: u8) -> Option<Self> {
        match code {
            0 => Some(Self::Unknown),
            1 => Some(Self::Public),
            2 => Some(Self::Restricted),
            3 => Some(Self::PortRestricted),
            4 => Some(Self::Symmetric),
            _ => None,
        }
    }
}

impl Endpoint {
    /// Whether it says that the agent is not to be reached any more.
    pub fn is_withdrawn(&self) -> bool {
        self.addresses.is_empty()
    }

    /// Reads the payload of an endpoint record.
    ///
    /// # Errors
    /// [`PayloadError::Malformed`], [`PayloadError::NatType`] or [`PayloadError::List`].
    pub fn decode(payload: &[u8]) -> Result<Self, PayloadError> {
        let mut addresses = None;
        let mut nat = 0;
        let (mut signals, mut turns) = (Vec::new(), Vec::new());
        let mut signal = String::new();
        cbor::read_map(payload, |key, value| {
            match key {
                1 => addresses = value.texts()?,
                2 => nat = value.uint()?,
                3 => signal = value.text()?,
                4 => turns = value.texts()?.unwrap_or_default(),
                5 => signals = value.texts()?.unwrap_or_default(),
                _ => value.skip()?,
            }
            Ok(())
        })?;
        check_list(&[signal], 1, MAX_ENDPOINT_SIGNAL_LEN)?;
        check_list(&turns, MAX_ENDPOINT_TURNS, MAX_ENDPOINT_TURN_LEN)?;
        check_list(&signals, MAX_ENDPOINT_SIGNALS, MAX_ENDPOINT_SIGNAL_LEN)?;
        let nat = NatType::of_code(nat).ok_or(PayloadError::NatType)?;
        Ok(Self {
            addresses: addresses.unwrap_or_default(),
            nat,
        })
    }

    /// The payload of an endpoint record that says this.
    ///
    /// # Errors
    /// [`PayloadError::List`] with more than [`MAX_ENDPOINT_ADDRESSES`] addresses or one longer than
    /// [`MAX_ENDPOINT_ADDRESS_LEN`].
    pub fn encode(&self) -> Result<Vec<u8>, PayloadError> {
        check_list(
            &self.addresses,
            MAX_ENDPOINT_ADDRESSES,
            MAX_ENDPOINT_ADDRESS_LEN,
        )?;
        let mut writer = Writer::new();
        writer
            .map(2)
            .uint(1)
            .texts(&self.addresses)
            .uint(2)
            .uint(self.nat.code().into());
        Ok(writer.finish())
    }
}

fn check_list(texts: &[String], max: usize, max_len: usize) -> Result<(), PayloadError> {
    if texts.len() > max || texts.iter().any(|text| text.len() > max_len) {
        return Err(PayloadError::List);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_of_our_own_payloads_are_exact() {
        let endpoint = |count, len| Endpoint {
            addresses: vec!["x".repeat(len); count],
            nat: NatType::Symmetric,
        };
        let largest = endpoint(MAX_ENDPOINT_ADDRESSES, MAX_ENDPOINT_ADDRESS_LEN);
        assert_eq!(Endpoint::decode(&largest.encode().unwrap()), Ok(largest));
        assert!(endpoint(MAX_ENDPOINT_ADDRESSES + 1, 1).encode().is_err());
        assert!(endpoint(1, MAX_ENDPOINT_ADDRESS_LEN + 1).encode().is_err());
    }

    #[test]
    fn no_addresses_is_a_withdrawal() {
        let withdrawn = Endpoint::default();
        assert_eq!(withdrawn.encode().unwrap(), [0xa2, 0x01, 0x80, 0x02, 0x00]);
        assert!(withdrawn.is_withdrawn());
        assert!(
            Endpoint::decode(&[0xa1, 0x01, 0xf6])
                .unwrap()
                .is_withdrawn()
        );
    }
}
