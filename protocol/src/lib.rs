// SPDX-License-Identifier: MPL-2.0
//! What A2AL is: addresses, proofs, records, and the libp2p network that carries them.
