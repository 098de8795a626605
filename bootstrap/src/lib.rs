// SPDX-License-Identifier: MPL-2.0
//! A node without agents that others start from.
