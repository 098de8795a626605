// SPDX-License-Identifier: MPL-2.0
//! Cards of both shapes, and what is none.

use serde_json::json;

use super::*;

const AID: &str = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";

fn base() -> Base {
    Base {
        host: "localhost:2121".to_owned(),
        prefix: format!("/aid/{AID}"),
    }
}

fn changed(card: &Value) -> Option<(Value, HeaderValue)> {
    let bytes = serde_json::to_vec(card).unwrap();
    let Rewritten { bytes, note } = rewritten(&bytes, AID.parse().unwrap(), &base())?;
    Some((serde_json::from_slice(&bytes).unwrap(), note))
}

#[test]
fn a_card_of_either_version_leads_through_the_gateway() {
    let through = |path: &str| base().url(path);
    let card = json!({
        "name": "n",
        "url": "http://10.0.0.1:80/rpc",
        "preferredTransport": "JSONRPC",
        "additionalInterfaces": [
            {"url": "http://10.0.0.1:80/rest?v=1", "transport": "HTTP+JSON"},
            {"url": "http://10.0.0.1:81", "transport": "GRPC"},
        ],
        "supportedInterfaces": [
            {"url": "https://h/a", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"},
            {"url": "https://h:443/b", "protocolBinding": "grpc"},
            {"url": 7}, "text",
        ],
        "provider": {"url": "https://provider.example"},
        "documentationUrl": "https://docs.example",
        "signatures": [{"protected": "x", "signature": "y"}],
    });
    let (new, note) = changed(&card).unwrap();
    assert_eq!(note, "rewritten, signatures removed");
    let mut expected = card.clone();
    expected["url"] = json!(through("/rpc"));
    expected["additionalInterfaces"][0]["url"] = json!(through("/rest?v=1"));
    expected["supportedInterfaces"][0]["url"] = json!(through("/a"));
    expected.as_object_mut().unwrap().remove("signatures");
    assert_eq!(new, expected);
    assert!(changed(&new).is_none(), "nothing is left to do");
}

#[test]
fn a_card_that_leads_here_keeps_its_signatures() {
    let card = json!({ "url": base().url("/rpc"), "signatures": [{}] });
    assert!(changed(&card).is_none());
    for none in [json!([]), json!("text"), json!({"name": "n"}), json!(null)] {
        assert!(changed(&none).is_none(), "{none}");
    }
    let broken = rewritten(b"{\"url\":", AID.parse().unwrap(), &base());
    assert!(broken.is_none());
}

#[tokio::test]
async fn what_is_no_readable_card_passes_untouched() {
    let body = br#"{"url":"http://h/x"}"#;
    for (name, value) in [("content-type", "text/html"), ("content-encoding", "gzip")] {
        let answer = Response::builder()
            .header("content-type", "application/json")
            .header("etag", "\"1\"");
        let mut answer = answer.body(Body::from(&body[..])).unwrap();
        answer
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
        let passed = rewrite(answer, AID.parse().unwrap(), &base(), false).await;
        let passed = passed.unwrap();
        assert_eq!(passed.headers()["etag"], "\"1\"");
        let bytes = axum::body::to_bytes(passed.into_body(), MAX_LEN).await;
        assert_eq!(bytes.unwrap(), &body[..]);
    }
}
