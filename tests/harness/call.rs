// SPDX-License-Identifier: MPL-2.0
//! One request to the API, with every header that its guard looks at.

use super::{Daemon, RawAnswer, raw_request};

/// One request, header by header. `{here}` in a value stands for the API's own host and port, `{port}` for the port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) method: &'a str,
    pub(crate) path: &'a str,
    pub(crate) host: Option<&'a str>,
    pub(crate) origin: Option<&'a str>,
    pub(crate) site: Option<&'a str>,
    pub(crate) mode: Option<&'a str>,
    pub(crate) dest: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) body: &'a str,
}

impl Default for Call<'_> {
    fn default() -> Self {
        Self {
            method: "GET",
            path: "/health",
            host: Some("{here}"),
            origin: None,
            site: None,
            mode: None,
            dest: None,
            content_type: Some("application/json"),
            authorization: None,
            body: "",
        }
    }
}

impl Call<'_> {
    /// The request as bytes for the API at `here`.
    fn bytes(&self, here: &str) -> Vec<u8> {
        let port = here.rsplit(':').next().expect("host and port");
        let headers = [
            ("Host", self.host),
            ("Origin", self.origin),
            ("Sec-Fetch-Site", self.site),
            ("Sec-Fetch-Mode", self.mode),
            ("Sec-Fetch-Dest", self.dest),
            ("Content-Type", self.content_type),
            ("Authorization", self.authorization),
        ];
        let mut text = format!("{} {} HTTP/1.1\r\n", self.method, self.path);
        for (name, value) in headers {
            if let Some(value) = value {
                let value = value.replace("{here}", here).replace("{port}", port);
                text.extend([name, ": ", &value, "\r\n"]);
            }
        }
        let Self { body, .. } = self;
        let len = body.len();
        format!("{text}Content-Length: {len}\r\nConnection: close\r\n\r\n{body}").into_bytes()
    }

    /// Sends the request to the API of `daemon`.
    pub(crate) async fn send(&self, daemon: &Daemon) -> RawAnswer {
        let here = daemon.api.authority();
        raw_request(here, &self.bytes(here)).await
    }

    /// The request in one line, for failure messages.
    pub(crate) fn shown(&self) -> String {
        let Self {
            method,
            path,
            host,
            origin,
            site,
            mode,
            dest,
            ..
        } = self;
        format!(
            "{method} {path} Host {host:?} Origin {origin:?} Sec-Fetch {site:?} {mode:?} {dest:?}"
        )
    }
}
