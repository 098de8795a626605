// SPDX-License-Identifier: MPL-2.0
//! `GET /backup/{aid}`: the page on which an owner saves the master key of a kept identity.
//!
//! The same text for every address and every visitor. Its script asks for the key as any local
//! caller does, and only when the owner presses a button.

use std::sync::LazyLock;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::App;

/// Where the paths of pages begin.
pub(crate) const PAGES: &str = "/backup/";

/// The page, with its style and its script.
const PAGE: &str = include_str!("backup.html");

/// What the page may do: run its own script and style, which are named by their hashes, and call
/// the API that it comes from.
pub(crate) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let (style, script) = (hash_of("style"), hash_of("script"));
    let policy = format!(
        "default-src 'none'; style-src '{style}'; script-src '{script}'; connect-src 'self'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'none'; \
         require-trusted-types-for 'script'"
    );
    HeaderValue::try_from(policy).expect("hashes are ASCII")
});

/// The hash, as policies name it, of what the only element of that name holds.
fn hash_of(element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    let content = PAGE
        .split_once(&start)
        .and_then(|(_, rest)| rest.split_once(&end));
    let (content, _) = content.expect("the page has a style and a script");
    let hash = BASE64_STANDARD.encode(Sha256::digest(content));
    format!("sha256-{hash}")
}

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(backup_page))
}

/// The page on which the owner of a kept identity saves its master key. It needs no token; the
/// calls it makes do.
#[utoipa::path(get, path = "/backup/{aid}", tag = "identity", params(
    ("aid" = String, Path, description = "The identity's address; the page checks it."),
), responses(
    (status = 200, description = "The page.", content_type = "text/html", body = String),
))]
async fn backup_page() -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, PAGE)
}
