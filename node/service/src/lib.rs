// SPDX-License-Identifier: MPL-2.0
//! The use cases of an A2AL node, with no knowledge of HTTP routes, MCP or the command line.
