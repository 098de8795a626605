// SPDX-License-Identifier: MPL-2.0
//! A client of a daemon's REST API that shows the whole answer when it is not the expected one.

use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder};
use serde_json::Value;

/// Longest wait for one answer; a fetch may take up to 60 s by the API's own rule.
const CALL_TIMEOUT: Duration = Duration::from_secs(90);

/// The API of one daemon.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    client: Client,
}

/// One answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) call: String,
    pub(crate) status: u16,
    pub(crate) content_type: String,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) text: String,
}

impl Api {
    /// A client of the daemon whose API answers at `base`, such as `http://127.0.0.1:2121`.
    pub(crate) fn new(base: &str) -> Self {
        let client = Client::builder().no_proxy().timeout(CALL_TIMEOUT).build();
        Self {
            base: base.to_owned(),
            client: client.expect("a plain HTTP client"),
        }
    }

    /// The address that was given to [`Api::new`].
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// Host and port alone.
    pub(crate) fn authority(&self) -> &str {
        self.base.trim_start_matches("http://")
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(&Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(&Method::POST, path, Some(body.to_string())).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send(&Method::PATCH, path, Some(body.to_string()))
            .await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(&Method::DELETE, path, Some(String::new())).await
    }

    /// Sends `body` as it is, declared as JSON.
    pub(crate) async fn post_text(&self, path: &str, body: impl Into<String>) -> Answer {
        self.send(&Method::POST, path, Some(body.into())).await
    }

    /// Like [`Api::post`], but a broken connection is `None`: the daemon may be killed at any moment.
    pub(crate) async fn try_post(&self, path: &str, body: Value) -> Option<Answer> {
        self.try_send(&Method::POST, path, Some(body.to_string()))
            .await
            .ok()
    }

    /// Like [`Api::patch`], but a broken connection is `None`.
    pub(crate) async fn try_patch(&self, path: &str, body: Value) -> Option<Answer> {
        self.try_send(&Method::PATCH, path, Some(body.to_string()))
            .await
            .ok()
    }

    /// Like [`Api::delete`], but a broken connection is `None`.
    pub(crate) async fn try_delete(&self, path: &str) -> Option<Answer> {
        self.try_send(&Method::DELETE, path, Some(String::new()))
            .await
            .ok()
    }

    /// Like [`Api::get`], but a broken connection is `None`.
    pub(crate) async fn try_get(&self, path: &str) -> Option<Answer> {
        self.try_send(&Method::GET, path, None).await.ok()
    }

    /// A request to be completed by the caller.
    pub(crate) fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        self.client
            .request(method.clone(), format!("{}{path}", self.base))
    }

    async fn send(&self, method: &Method, path: &str, body: Option<String>) -> Answer {
        match self.try_send(method, path, body).await {
            Ok(answer) => answer,
            Err(error) => panic!("{method} {path}: {error:?}"),
        }
    }

    async fn try_send(
        &self,
        method: &Method,
        path: &str,
        body: Option<String>,
    ) -> reqwest::Result<Answer> {
        let mut request = self.request(method, path);
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body);
        }
        Answer::read(format!("{method} {path}"), request.send().await?).await
    }
}

impl Answer {
    /// Reads `response` to its end.
    pub(crate) async fn read(call: String, response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        let content_type = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        Ok(Self {
            call,
            status,
            content_type,
            headers,
            text: response.text().await?,
        })
    }

    /// The body of a successful answer.
    #[track_caller]
    pub(crate) fn ok(self) -> Value {
        assert_eq!(self.status, 200, "{}: {}", self.call, self.text);
        assert_eq!(self.content_type, "application/json", "{}", self.call);
        assert!(self.text.ends_with('\n'), "{}: no line end", self.call);
        self.json()
    }

    /// The body, whatever the status.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        match serde_json::from_str(&self.text) {
            Ok(value) => value,
            Err(error) => panic!("{}: {} {:?}: {error}", self.call, self.status, self.text),
        }
    }

    /// Checks that the daemon refused the call with `status` and `text`, to which it may have added words after `: `.
    #[track_caller]
    pub(crate) fn refused(self, status: u16, text: &str) {
        let Self {
            call,
            status: got,
            text: body,
            ..
        } = &self;
        assert_eq!(*got, status, "{call}: {body}");
        assert_eq!(self.content_type, "application/json", "{call}: {body}");
        let error = self.json();
        let told = error["error"].as_str().unwrap_or_default();
        let fits = told == text || told.starts_with(&format!("{text}: "));
        assert!(fits, "{call}: told {told:?} instead of {text:?}");
        let code = error["code"].as_str().unwrap_or_default();
        let is_code =
            |letter: char| letter.is_ascii_lowercase() || letter == '_' || letter.is_ascii_digit();
        assert!(
            !code.is_empty() && code.chars().all(is_code),
            "{call}: {body}"
        );
        assert!(error["retryable"].is_boolean(), "{call}: {body}");
    }
}
