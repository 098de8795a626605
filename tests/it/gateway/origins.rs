// SPDX-License-Identifier: MPL-2.0
//! Every agent has an origin of its own, and the API's is nobody's else.

use std::process::Command;

use super::{Door, doors};
use crate::harness::{Pair, Process, Tool};

/// A client that resolves names below `localhost` as browsers do.
const CURL: Tool = Tool::named(
    "curl",
    "REQUIRE_CURL",
    || Command::new("curl"),
    &["--version"],
);

#[tokio::test]
async fn a_browser_that_opens_the_path_is_sent_to_the_agents_own_host() {
    let pair = Pair::start().await;
    let [by_path, by_host] = doors(&pair);
    for visit in [
        "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: none\r\n",
        "Sec-Fetch-Dest: iframe\r\nSec-Fetch-Site: same-origin\r\n",
        "Sec-Fetch-Dest: frame\r\n",
        "Sec-Fetch-Dest: object\r\n",
        "Sec-Fetch-Dest: embed\r\n",
        "Sec-Fetch-Mode: navigate\r\n",
    ] {
        let answer = by_path.ask("GET", "/echo/a%20b?c=%26", visit).await;
        assert_eq!(answer.status, 307, "{visit}");
        let place = format!("http://{}/echo/a%20b?c=%26", by_host.host);
        assert_eq!(answer.header("location"), Some(place.as_str()));
    }
    assert_eq!(pair.upstream.served(), 0, "the agent saw nothing of it");
    let fetch = "Sec-Fetch-Dest: empty\r\nSec-Fetch-Mode: cors\r\nSec-Fetch-Site: same-origin\r\n";
    assert_eq!(by_path.ask("GET", "/name", fetch).await.status, 200);
    let visit =
        "Sec-Fetch-Dest: document\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Site: cross-site\r\n";
    assert_eq!(by_host.ask("GET", "/name", visit).await.body, "first");
}

#[tokio::test]
async fn no_route_of_the_api_is_served_on_an_agents_host() {
    let pair = Pair::start().await;
    let [_, by_host] = doors(&pair);
    let document = pair.caller().api.get("/openapi.json").await.ok();
    let paths = document["paths"].as_object().expect("routes");
    let mut asked = 0;
    for path in paths.keys() {
        let path = path.replace("{aid}", &pair.aid);
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            // The service has none of these pages, and its 404 has no body.
            let answer = by_host.ask(method, &path, "Content-Length: 0\r\n").await;
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{path}");
            asked += 1;
        }
    }
    assert_eq!(pair.upstream.served(), asked);
    let own = by_host.ask("GET", "/status/418", "").await;
    assert_eq!(own.status, 418, "/status is the agent's own");
}

#[tokio::test]
async fn curl_follows_absolute_paths_of_a_page() {
    let Some(mut curl) = CURL.command("a page with absolute paths") else {
        return;
    };
    let pair = Pair::start().await;
    let host = Door::by_host(&pair.caller().api, &pair.aid).host;
    curl.args(["--silent", "--show-error", "--location", "--noproxy", "*"])
        .arg(format!("http://{host}/redirect"));
    let page = Process::run(curl).await;
    assert_eq!(page.code(), Some(0), "{}", page.stderr);
    // The service redirects to `/echo`, an absolute path.
    assert!(
        page.stdout.contains("\"path\":\"/echo\""),
        "{}",
        page.stdout
    );
}
