// SPDX-License-Identifier: MPL-2.0
//! An owner saves the master key of an identity on its page, in a real browser.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::chromium::Chromium;
use super::devtools::Tab;
use crate::harness::{Api, Daemon, Net, Scripted, Setup, answer, eventually};

/// Longest wait for a file that is downloaded from this machine.
const DEADLINE: Duration = Duration::from_secs(30);

const NOTHING_LEFT: &str = "no master key of this identity waits here";

/// An identity whose keys are kept: its address, its page, and its backup as the API gives it.
async fn kept(api: &Api) -> (String, String, Value) {
    let call = json!({ "tool": "a2al_identity_generate" });
    let made = api.post("/mcp/call", call).await.ok();
    let text = |name: &str| made[name].as_str().expect("a text").to_owned();
    let aid = text("aid");
    let backup = api.get(&format!("/identity/{aid}/master")).await.ok();
    assert_eq!(text("backup_url"), format!("{}/backup/{aid}", api.base()));
    (aid, text("backup_url"), backup)
}

async fn downloaded(tab: &mut Tab, directory: &TempDir, name: &str) -> Value {
    let params = json!({ "behavior": "allow", "downloadPath": directory.path() });
    let allowed = tab.call("Browser.setDownloadBehavior", params).await;
    allowed.expect("downloads");
    tab.press("download").await;
    let file = directory.path().join(name);
    let text = eventually("the key is downloaded", DEADLINE, async || {
        std::fs::read_to_string(&file)
            .ok()
            .filter(|text| text.ends_with("}\n"))
    });
    serde_json::from_str(&text.await).expect("JSON")
}

#[tokio::test]
async fn an_owner_saves_the_key_and_wipes_it() {
    let Some(mut browser) = Chromium::new("saving a master key") else {
        return;
    };
    let daemon = Daemon::alone().await;
    let (aid, page, backup) = kept(&daemon.api).await;
    let open = browser.open(&page);
    let mut tab = open.tab().await;
    tab.says("state", "waits on this node for you").await;
    tab.says("aid", &aid).await;
    assert!(!tab.sees("wipe").await && !tab.sees("key").await);

    let directory = TempDir::new().expect("a directory");
    let name = format!("a2al-master-{aid}.json");
    assert_eq!(downloaded(&mut tab, &directory, &name).await, backup);
    tab.says("state", &name).await;
    tab.press("show").await;
    let shown = tab.says("key", "master_private_key_hex").await;
    assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(backup));
    let waits = daemon.status().await["pending"].clone();
    assert_eq!(waits, json!({ &aid: { "master_backup": true } }));

    let is_locked = "document.getElementById('wipe-now').disabled";
    assert_eq!(tab.value(is_locked).await, Ok(json!(true)));
    tab.press("stored").await;
    tab.press("wipe-now").await;
    tab.says("state", "wiped from this node").await;
    assert!(!tab.sees("save").await && !tab.sees("wipe").await);
    let left = "document.documentElement.innerHTML.includes('master_private_key_hex\"')";
    assert_eq!(tab.value(left).await, Ok(json!(false)));
    assert!(daemon.status().await.get("pending").is_none());
    daemon
        .api
        .get(&format!("/identity/{aid}/master"))
        .await
        .refused(404, "no master key waits here for this aid");
    tab.open(&page.to_lowercase()).await;
    tab.says("state", NOTHING_LEFT).await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_in_plain_words() {
    let Some(mut browser) = Chromium::new("a page without a key") else {
        return;
    };
    let setup = Setup::fixed();
    let daemon = setup.clone().start().await;
    let (aid, page, _) = kept(&daemon.api).await;
    let base = daemon.api.base().to_owned();
    let open = browser.open(&format!("{base}/backup/nonsense"));
    let mut tab = open.tab().await;
    tab.says("state", "is not an address").await;
    let stranger = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed";
    tab.open(&format!("{base}/backup/{stranger}")).await;
    tab.says("state", "knows no such identity").await;

    // Somebody else wipes the key while the page is open.
    tab.open(&page).await;
    tab.says("state", "waits on this node for you").await;
    let path = format!("/identity/{aid}/master");
    daemon.api.delete(&path).await.ok();
    tab.press("show").await;
    tab.says("state", NOTHING_LEFT).await;

    let (_, page, backup) = kept(&daemon.api).await;
    tab.open(&page).await;
    tab.says("state", "waits on this node for you").await;
    let setup = daemon.stop().await;
    tab.press("show").await;
    tab.says("state", "does not answer").await;
    let daemon = setup.start().await;
    tab.press("again").await;
    tab.says("state", "waits on this node for you").await;
    tab.press("show").await;
    let shown = tab.says("key", "master_private_key_hex").await;
    assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(backup));
    drop(daemon);
}

/// Types a token, goes on, and waits until the page has asked the daemon.
async fn enter(tab: &mut Tab, token: &str) {
    let entered = format!(
        "document.getElementById('token').value = '{token}'; \
         document.getElementById('use-token').click();"
    );
    tab.value(&entered).await.expect("a field and a button");
    let is_free = "!document.getElementById('use-token').disabled";
    eventually("the page has asked", DEADLINE, async || {
        (tab.value(is_free).await == Ok(json!(true))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_page_asks_for_the_token_where_the_daemon_does() {
    let Some(mut browser) = Chromium::new("a page that needs a token") else {
        return;
    };
    let config = "api_token = \"canary-4711\"\nrequire_local_token = true\n";
    let daemon = Setup::new().with_config(config).start().await;
    let ask = async |method: Method, path: &str, body: Value| {
        let request = daemon.api.request(&method, path).bearer_auth("canary-4711");
        let answer = request.json(&body).send().await.expect("an answer");
        answer.json::<Value>().await.expect("JSON")
    };
    let call = json!({ "tool": "a2al_identity_generate" });
    let made = ask(Method::POST, "/mcp/call", call).await;
    let aid = made["aid"].as_str().expect("an address");
    let backup = ask(Method::GET, &format!("/identity/{aid}/master"), Value::Null).await;
    let open = browser.open(made["backup_url"].as_str().expect("a page"));
    let mut tab = open.tab().await;
    tab.says("state", "wants its API token").await;
    for wrong in ["canary-4712", "näh"] {
        enter(&mut tab, wrong).await;
        tab.says("state", "not the token of this daemon").await;
    }
    enter(&mut tab, "canary-4711").await;
    tab.says("state", "waits on this node for you").await;
    assert!(!tab.sees("ask-token").await);
    tab.press("show").await;
    let shown = tab.says("key", "master_private_key_hex").await;
    assert_eq!(serde_json::from_str::<Value>(&shown).ok(), Some(backup));
}

#[tokio::test]
async fn an_agents_page_may_lead_to_it_and_no_more() {
    let Some(mut browser) = Chromium::new("an agent's page about a key") else {
        return;
    };
    let site = "Content-Type: text/html\r\n";
    let service = Scripted::saying(&answer(site, "<!doctype html><p>agent</p>")).await;
    let net = Net::of(2).await;
    let agent = net.nodes[1].api.serving(&service.address).await.aid;
    let (aid, page, backup) = kept(&net.nodes[0].api).await;
    let port = net.nodes[0]
        .api
        .authority()
        .rsplit_once(':')
        .expect("a port")
        .1;
    let own = format!("http://{}.aid.localhost:{port}", agent.to_lowercase());

    // On the agent's host the same path is the agent's.
    let open = browser.open(&format!("{own}/backup/{aid}"));
    let mut tab = open.tab().await;
    let body = "document.body.innerText";
    eventually("the agent's page", DEADLINE, async || {
        (tab.value(body).await == Ok(json!("agent"))).then_some(())
    })
    .await;
    for path in [format!("/backup/{aid}"), format!("/identity/{aid}/master")] {
        for host in ["127.0.0.1", "localhost"] {
            let url = format!("http://{host}:{port}{path}");
            let read = format!("fetch('{url}').then((answer) => answer.text())");
            let refused = tab.value(&read).await.expect_err("nothing is read");
            assert!(refused.contains("Failed to fetch"), "{refused}");
            let wiped = format!("fetch('{url}', {{ method: 'DELETE', mode: 'no-cors' }})");
            let _ = tab.value(&wiped).await;
            let framed = format!(
                "new Promise((done) => {{ const frame = document.createElement('iframe'); \
                 frame.onload = () => done(frame.contentDocument ? frame.contentDocument.body.innerText \
                 : 'nothing to be read'); \
                 frame.src = '{url}'; document.body.append(frame); }})"
            );
            let seen = tab.value(&framed).await;
            assert_eq!(seen, Ok(json!("nothing to be read")), "{url}");
        }
    }
    let frames = "[...document.querySelectorAll('iframe')].length";
    assert_eq!(tab.value(frames).await, Ok(json!(4)));

    // A link to it is followed, as one in an assistant's window is.
    let gone = format!("setTimeout(() => {{ location.href = '{page}'; }})");
    tab.value(&gone).await.expect("a link");
    tab.says("state", "waits on this node for you").await;
    let path = format!("/identity/{aid}/master");
    assert_eq!(net.nodes[0].api.get(&path).await.ok(), backup);
}
