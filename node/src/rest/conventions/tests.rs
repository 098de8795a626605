// SPDX-License-Identifier: MPL-2.0
//! The conventions around a router of their own, without a node behind it.

use axum::Router;
use axum::http::Request as HttpRequest;
use axum::middleware::from_fn;
use axum::routing::{get, post};
use serde_json::Value;
use tower::Service as _;
use tower_http::catch_panic::CatchPanicLayer;

use super::*;

fn router() -> Router {
    Router::new()
        .route("/both", get(|| async { "got" }).post(|| async { "posted" }))
        .route("/panics", post(|| async { panic!("on purpose") }))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn(enforce))
        .layer(CatchPanicLayer::custom(panicked))
}

async fn ask(method: &str, path: &str, kind: Option<&str>, body: Body) -> Response {
    let mut request = HttpRequest::builder().method(method).uri(path);
    if let Some(kind) = kind {
        request = request.header("content-type", kind);
    }
    let Ok(response) = router().call(request.body(body).unwrap()).await;
    response
}

async fn error(response: Response) -> (u16, String) {
    assert_eq!(response.headers()["content-type"], "application/json");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert!(body.ends_with(b"\n"));
    let body: Value = serde_json::from_slice(&body).unwrap();
    (status, body["error"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn errors_are_json_whoever_makes_them() {
    let json = Some("application/json");
    let unknown = error(ask("GET", "/nowhere", None, Body::empty()).await).await;
    assert_eq!(unknown, (404, "404 page not found".to_owned()));
    let panicked = error(ask("POST", "/panics", json, Body::empty()).await).await;
    assert_eq!(panicked, (500, "internal error".to_owned()));
    for method in ["PUT", "OPTIONS"] {
        let wrong = ask(method, "/both", json, Body::empty()).await;
        let allow = wrong.headers()["allow"].to_str().unwrap().to_owned();
        assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
        assert_eq!(error(wrong).await, (405, "Method Not Allowed".to_owned()));
    }
}

#[tokio::test]
async fn head_is_answered_where_get_is() {
    let response = ask("HEAD", "/both", None, Body::empty()).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert!(
        response
            .into_body()
            .collect()
            .await
            .unwrap()
            .to_bytes()
            .is_empty()
    );
}

#[tokio::test]
async fn what_may_change_something_says_it_is_json() {
    for kind in [None, Some("text/plain"), Some("Application/json"), Some("")] {
        for path in ["/both", "/nowhere"] {
            let (status, _) = error(ask("POST", path, kind, Body::empty()).await).await;
            assert_eq!(status, 415, "{path} {kind:?}");
        }
    }
    for kind in ["application/json", "application/json; charset=utf-8"] {
        let response = ask("POST", "/both", Some(kind), Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(
        error(ask("POST", "/aid/x", None, Body::empty()).await)
            .await
            .0,
        404
    );
}

#[tokio::test]
async fn a_body_ends_at_one_mebibyte() {
    let json = Some("application/json");
    let chunked = |len: usize| {
        let chunk = |_| Ok::<_, std::io::Error>(vec![b' '; 1024]);
        let chunks = (0..len.div_ceil(1024)).map(chunk);
        Body::from_stream(futures::stream::iter(chunks))
    };
    assert_eq!(
        ask("POST", "/both", json, Body::from(vec![0; MAX_BODY]))
            .await
            .status(),
        200
    );
    assert_eq!(
        ask("POST", "/both", json, chunked(MAX_BODY)).await.status(),
        200
    );
    for body in [Body::from(vec![0; MAX_BODY + 1]), chunked(MAX_BODY + 1)] {
        let (status, _) = error(ask("POST", "/both", json, body).await).await;
        assert_eq!(status, 413);
    }
}
