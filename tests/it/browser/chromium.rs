// SPDX-License-Identifier: MPL-2.0
//! Chromium without a window, each in a profile of its own.

use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;

use super::devtools::Tab;
use crate::harness::{Process, Tool};

/// The browser, as Debian names it.
const CHROMIUM: Tool = Tool::named(
    "chromium",
    "REQUIRE_BROWSER",
    || Command::new("chromium"),
    &["--version"],
);

/// Longest wait for a page that is loaded and looked at.
const DEADLINE: Duration = Duration::from_secs(60);

/// How a browser is started.
pub(super) struct Chromium {
    proxy: Option<String>,
    test: &'static str,
}

/// A browser that shows a page. Dropping it kills it.
pub(super) struct Open {
    _process: Process,
    profile: TempDir,
}

impl Open {
    /// The page, to be used as a person uses it.
    pub(super) async fn tab(&self) -> Tab {
        Tab::of(self.profile.path()).await
    }
}

impl Chromium {
    /// A browser for `test`, or `None` after saying that it is skipped.
    pub(super) fn new(test: &'static str) -> Option<Self> {
        CHROMIUM.command(test)?;
        Some(Self { proxy: None, test })
    }

    /// Sends all requests through `proxy`, those to this machine as well.
    pub(super) fn through(&mut self, proxy: &str) {
        self.proxy = Some(format!("http://{proxy}"));
    }

    fn command(&self) -> (Command, TempDir) {
        let profile = TempDir::with_prefix("a2al-browser-").expect("a temporary directory");
        let mut command = CHROMIUM.command(self.test).expect("it was there before");
        command
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--no-first-run",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                // A page that opens windows is to fail for another reason.
                "--disable-popup-blocking",
            ])
            .arg(format!("--user-data-dir={}", profile.path().display()));
        match &self.proxy {
            Some(proxy) => command
                .arg(format!("--proxy-server={proxy}"))
                .arg("--proxy-bypass-list=<-loopback>"),
            None => command.arg("--no-proxy-server"),
        };
        (command, profile)
    }

    /// Opens a page.
    pub(super) fn open(&mut self, url: &str) -> Open {
        let (mut command, profile) = self.command();
        // Without this, a browser without a window ends as soon as it has shown the page.
        command.arg("--remote-debugging-port=0").arg(url);
        Open {
            _process: Process::start(command),
            profile,
        }
    }

    /// The document that a page has become once it is loaded.
    pub(super) async fn dump(&self, url: &str) -> String {
        let (mut command, _profile) = self.command();
        command.arg("--dump-dom").arg(url);
        let ended = Process::start(command).ended(DEADLINE).await;
        assert_eq!(ended.code(), Some(0), "{}", ended.stderr);
        ended.stdout
    }
}
