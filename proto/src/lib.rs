// SPDX-License-Identifier: MPL-2.0
//! Wire messages of the A2AL libp2p protocols.
