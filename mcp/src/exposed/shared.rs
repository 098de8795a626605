// SPDX-License-Identifier: MPL-2.0
//! Requests without a session: many clients, one process, ids of our own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::Value;

use super::http::{self, Answer, Refusal};
use super::routes::SUBSCRIPTION;
use super::session::Session;
use crate::bridge::message::Message;

/// The next id.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// What the client calls a request.
#[derive(Debug)]
pub(super) struct Names {
    id: Value,
    token: Value,
}

/// Passes on a request. It is called off if its client leaves.
pub(super) async fn pass(session: Arc<Session>, request: &Message) -> Result<Answer, Refusal> {
    let (id, renamed, names) = rename(request);
    let messages = session.request(&renamed).await;
    let messages = messages.map_err(|refusal| refusal.to(request.id()))?;
    let messages = messages.or_else(move || session.call_off(&id));
    Ok(http::events(messages.under(names)))
}

/// Gives a request an id of our own, which is its progress token too if it has one.
fn rename(request: &Message) -> (Value, Message, Names) {
    let id = Value::from(NEXT.fetch_add(1, Ordering::Relaxed));
    let mut value = request.value().clone();
    let names = Names {
        id: std::mem::replace(&mut value["id"], id.clone()),
        token: match value.pointer_mut("/params/_meta/progressToken") {
            Some(token) => std::mem::replace(token, id.clone()),
            None => Value::Null,
        },
    };
    (id, Message::from(value), names)
}

impl Names {
    /// Puts the client's own names into a message for it.
    pub(super) fn put_back(&self, text: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(text) else {
            return text.to_owned();
        };
        if value.get("method").is_none() {
            value["id"] = self.id.clone();
        }
        for place in ["/params/_meta", "/result/_meta"] {
            let meta = value.pointer_mut(place);
            if let Some(id) = meta.and_then(|meta| meta.get_mut(SUBSCRIPTION)) {
                *id = self.id.clone();
            }
        }
        if let Some(token) = value.pointer_mut("/params/progressToken") {
            *token = self.token.clone();
        }
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_client_sees_its_own_names() {
        let request =
            json!({ "id": "a", "method": "m", "params": { "_meta": { "progressToken": 7 } } });
        let (id, renamed, names) = rename(&Message::from(request));
        assert_eq!(renamed.id(), &id);
        assert_eq!(renamed.value()["params"]["_meta"]["progressToken"], id);
        let put_back = |message: Value| -> Value {
            serde_json::from_str(&names.put_back(&message.to_string())).unwrap()
        };
        let answer = put_back(json!({ "id": id, "result": { "x": 1 } }));
        assert_eq!(answer, json!({ "id": "a", "result": { "x": 1 } }));
        let progress = put_back(json!({ "method": "p", "params": { "progressToken": id } }));
        assert_eq!(
            progress,
            json!({ "method": "p", "params": { "progressToken": 7 } })
        );
        let change =
            put_back(json!({ "method": "c", "params": { "_meta": { SUBSCRIPTION: id } } }));
        assert_eq!(change["params"]["_meta"][SUBSCRIPTION], "a");
    }
}
