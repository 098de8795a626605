// SPDX-License-Identifier: MPL-2.0
//! Reading notes: no more at a time than a context bears, and none that is lost on the way.

use serde_json::{Value, json};

use crate::harness::{Mcp, Pair};

/// Sends `texts` from the agent of `pair` to itself.
async fn send(mcp: &mut Mcp, pair: &Pair, texts: &[impl AsRef<str>]) {
    for text in texts {
        let note = json!({ "aid": pair.aid, "recipient": pair.aid, "text": text.as_ref() });
        let sent = mcp.done("a2al_mailbox_send", note).await;
        assert_eq!(sent["status"], "delivered", "{sent}");
    }
}

fn texts(notes: &Value) -> Vec<&str> {
    let messages = notes["messages"].as_array().expect("a list").iter();
    let texts = messages.map(|note| note["untrusted"]["text"].as_str());
    texts.map(|text| text.expect("a text")).collect()
}

#[tokio::test]
async fn an_answer_holds_no_more_than_a_context_bears() {
    let pair = Pair::start().await;
    let all = json!({ "mcp_toolsets": "all" });
    pair.host().api.patch("/config", all).await.ok();
    let mut mcp = Mcp::over_http(&pair.host().api);
    mcp.open("2025-11-25").await;
    let long = "x".repeat(30_000);
    send(&mut mcp, &pair, &[&long; 5]).await;
    let one = json!({ "aid": pair.aid });
    let inbox = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read",
        "params": { "uri": format!("a2al://inbox/{}", pair.aid) } });
    let read = mcp.ask(inbox).await["result"]["contents"][0]["text"].clone();
    let read = serde_json::from_str(read.as_str().expect("a text")).expect("JSON");
    let listed = mcp.done("a2al_mailbox_list", one.clone()).await;
    for (what, notes) in [("resource", read), ("list", listed)] {
        assert_eq!(texts(&notes), [&long; 2], "{what}");
        assert_eq!(notes["remaining"], 3, "{what}");
    }
    for (count, remaining) in [(2, 3), (2, 1), (1, 0), (0, 0)] {
        let notes = mcp.done("a2al_mailbox_poll", one.clone()).await;
        assert_eq!(texts(&notes).len(), count);
        assert_eq!(notes["remaining"], remaining);
    }
}
