// SPDX-License-Identifier: MPL-2.0
//! The daemon's API, as a client sees it.

use std::time::Duration;

use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::args::Globals;
use super::failure::Failure;
use crate::rest::ProblemBody;

/// How long a daemon on the same machine may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long a call may take; the daemon's own limit for the longest, a fetch, is 60 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(65);

/// A daemon that can be called.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    api: Url,
    token: Option<String>,
}

impl Client {
    pub(super) fn new(globals: &Globals) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Self {
            http,
            api: api_url(&globals.api)?,
            token: globals.token.clone(),
        })
    }

    /// GETs `path`.
    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.answer(self.request(&Method::GET, path), &Method::GET, path)
            .await
    }

    /// DELETEs `path`.
    pub(super) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let request = self.request(&Method::DELETE, path);
        self.answer(request, &Method::DELETE, path).await
    }

    /// DELETEs `path`, whose answer is empty.
    pub(super) async fn delete_silently(&self, path: &str) -> Result<(), Failure> {
        let request = self.request(&Method::DELETE, path);
        self.success(request, &Method::DELETE, path).await.map(drop)
    }

    /// POSTs to `path`, whose answer is empty.
    pub(super) async fn post_silently(&self, path: &str) -> Result<(), Failure> {
        let request = self.request(&Method::POST, path);
        self.success(request, &Method::POST, path).await.map(drop)
    }

    /// POSTs `body` to `path`; `()` where the route takes none.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.request(&Method::POST, path).json(body);
        self.answer(request, &Method::POST, path).await
    }

    /// Changes `path`, by PATCH, with `body`.
    pub(super) async fn patch<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let request = self.request(&Method::PATCH, path).json(body);
        self.answer(request, &Method::PATCH, path).await
    }

    fn request(&self, method: &Method, path: &str) -> RequestBuilder {
        let mut url = self.api.clone();
        url.set_path(path);
        // The API wants the content type on every call that may change something.
        let request = self
            .http
            .request(method.clone(), url)
            .header(CONTENT_TYPE, "application/json");
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    async fn answer<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        method: &Method,
        path: &str,
    ) -> Result<T, Failure> {
        let response = self.success(request, method, path).await?;
        response.json().await.map_err(|error| self.no_answer(error))
    }

    async fn success(
        &self,
        request: RequestBuilder,
        method: &Method,
        path: &str,
    ) -> Result<Response, Failure> {
        let response = request
            .send()
            .await
            .map_err(|error| self.no_answer(error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let what = format!("{method} {path}");
        let problem = self.problem(response).await?;
        Err(Failure::Refused {
            what,
            status,
            problem,
        })
    }

    async fn problem(&self, response: Response) -> Result<ProblemBody, Failure> {
        response.json().await.map_err(|error| self.no_answer(error))
    }

    fn no_answer(&self, source: reqwest::Error) -> Failure {
        let api = self.api.as_str().trim_end_matches('/').to_owned();
        match () {
            () if source.is_timeout() => Failure::Timeout { api },
            () if source.is_connect() => Failure::NotRunning { api },
            () => Failure::NotOurs { api, source },
        }
    }
}

fn api_url(text: &str) -> Result<Url, Failure> {
    let full = if text.contains("://") {
        text.to_owned()
    } else {
        format!("http://{text}")
    };
    let url = full
        .parse()
        .ok()
        .filter(|url: &Url| url.has_host() && url.scheme() == "http");
    url.ok_or_else(|| Failure::BadApi {
        api: text.to_owned(),
    })
}
