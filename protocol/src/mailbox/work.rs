// SPDX-License-Identifier: MPL-2.0
//! Proofs of work: what a stranger's note costs while a mailbox is filling up.
//!
//! Argon2id with 2 MiB needs memory bandwidth, which a graphics card does not have a thousand times more of than a sender's machine.
//! The bits that are aimed at are part of what is hashed: luck with a cheap proof does not make a dear one.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use sha2::{Digest, Sha256};

use crate::{
    DhtKey, VerifiedRecord,
    limits::{MAX_WORK_BITS, MIN_WORK_BITS, WORK_MEMORY_KIB},
};

/// What separates these hashes from all others.
const DOMAIN: &[u8] = b"a2al-note-work\0";

/// Shows that somebody has tried about 2^`bits` hashes for one record at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Work {
    /// How many leading zero bits were aimed at.
    pub bits: u8,
    /// What makes the hash come out so.
    pub nonce: u64,
}

/// What a proof of work is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Challenge([u8; 32]);

impl Challenge {
    /// Work for keeping `record` at `place`. A record is named by its signature here.
    pub fn new(place: &DhtKey, record: &VerifiedRecord) -> Self {
        let digest = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(place.as_bytes())
            .chain_update(record.signature().as_bytes());
        Self(digest.finalize().into())
    }

    /// Checks a proof. Takes about a millisecond and 2 MiB.
    pub fn is_met_by(&self, work: Work) -> bool {
        is_aimed_right(work.bits) && Hasher::new().zeros(self, work) >= u32::from(work.bits)
    }

    /// Looks for a proof of so many bits until it is found or `is_wanted` says no.
    ///
    /// Takes about 2^`bits` milliseconds of one processor. Returns `None` at once for more than
    /// [`MAX_WORK_BITS`] or fewer than [`MIN_WORK_BITS`].
    pub fn solve(&self, bits: u8, mut is_wanted: impl FnMut() -> bool) -> Option<Work> {
        if !is_aimed_right(bits) {
            return None;
        }
        let mut hasher = Hasher::new();
        let tries = (0..).map(|nonce| Work { bits, nonce });
        tries
            .take_while(|_| is_wanted())
            .find(|work| hasher.zeros(self, *work) >= u32::from(bits))
    }
}

fn is_aimed_right(bits: u8) -> bool {
    (MIN_WORK_BITS..=MAX_WORK_BITS).contains(&bits)
}

/// How many bits a stranger's note must show where `held` of `capacity` places are taken; 0 for none.
///
/// None below half. Then [`MIN_WORK_BITS`], one more with each further 32nd of the capacity, up to [`MAX_WORK_BITS`].
pub fn demanded_bits(held: usize, capacity: usize) -> u8 {
    let Some(above) = held.checked_sub(capacity / 2) else {
        return 0;
    };
    let steps = above * 32 / capacity.max(1);
    let steps = u8::try_from(steps).unwrap_or(u8::MAX);
    MIN_WORK_BITS.saturating_add(steps).min(MAX_WORK_BITS)
}

/// Argon2id with its memory, which is used again for every try.
struct Hasher {
    argon: Argon2<'static>,
    memory: Vec<Block>,
}

impl Hasher {
    fn new() -> Self {
        let params = Params::new(WORK_MEMORY_KIB, 1, 1, Some(32)).expect("constants in range");
        let memory = vec![Block::default(); params.block_count()];
        Self {
            argon: Argon2::new(Algorithm::Argon2id, Version::V0x13, params),
            memory,
        }
    }

    /// Leading zero bits of the hash, up to 64.
    fn zeros(&mut self, challenge: &Challenge, work: Work) -> u32 {
        let mut password = challenge.0.to_vec();
        password.push(work.bits);
        let mut hash = [0; 32];
        self.argon
            .hash_password_into_with_memory(
                &password,
                &work.nonce.to_be_bytes(),
                &mut hash,
                &mut self.memory,
            )
            .expect("lengths within those of Argon2");
        let head = hash.first_chunk().expect("32 bytes hold 8");
        u64::from_be_bytes(*head).leading_zeros()
    }
}
