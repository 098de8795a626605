// SPDX-License-Identifier: MPL-2.0
//! Visits: a person opens a page in a window of its own, wherever the link stands.

use axum::http::{HeaderMap, HeaderName, Method};

use super::sole;

/// Says what a browser does with the answer.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Says what a browser makes of the answer.
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Whether nothing is asked for but to read.
pub(super) fn is_reading(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

/// Whether a person goes to a page, in a window of its own.
pub(super) fn is_visit(method: &Method, headers: &HeaderMap) -> bool {
    let (mode, dest) = (
        sole(headers, &SEC_FETCH_MODE),
        sole(headers, &SEC_FETCH_DEST),
    );
    is_reading(method) && mode == Some("navigate") && dest == Some("document")
}
