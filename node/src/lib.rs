// SPDX-License-Identifier: MPL-2.0
//! The A2AL daemon a2ald and its command line a2al.
