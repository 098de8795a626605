// SPDX-License-Identifier: MPL-2.0
//! Programs that a test compares us with, where the machine has them.

use std::io::Write as _;
use std::process::Command;

/// A program that not every machine has.
///
/// A test that needs it prints one `SKIPPED` line where it is absent, and fails there when `required_by` is set to 1,
/// as it is on the machines that test every change.
#[derive(Debug)]
pub(crate) struct Tool {
    name: &'static str,
    required_by: &'static str,
    program: fn() -> Command,
    /// Arguments with which the program succeeds if it can be used.
    probe: &'static [&'static str],
}

/// A Python interpreter.
pub(crate) const PYTHON: Tool = Tool {
    name: "python3",
    required_by: "REQUIRE_PYTHON",
    program: python,
    probe: &["-c", "import http.server"],
};

/// A Python interpreter with `eth-account`, an Ethereum implementation that shares no code with ours.
pub(crate) const ETH: Tool = Tool {
    name: "eth-account",
    required_by: "REQUIRE_ETH",
    program: python,
    probe: &["-c", "import eth_account"],
};

/// A Python interpreter with `mcp`, the official client and server library of MCP.
pub(crate) const MCP_CLIENT: Tool = Tool {
    name: "mcp (PyPI)",
    required_by: "REQUIRE_MCP",
    program: python,
    probe: &["-c", "import mcp"],
};

/// A web server that much of the web runs on.
pub(crate) const NGINX: Tool = Tool {
    name: "nginx",
    required_by: "REQUIRE_NGINX",
    program: || Command::new("nginx"),
    probe: &["-v"],
};

/// The client of OpenSSH.
pub(crate) const SSH: Tool = Tool {
    name: "ssh",
    required_by: "REQUIRE_SSH",
    program: || Command::new("ssh"),
    probe: &["-V"],
};

/// The server of OpenSSH, which starts itself again and therefore wants its whole path.
pub(crate) const SSHD: Tool = Tool {
    name: "sshd",
    required_by: "REQUIRE_SSH",
    program: || Command::new("/usr/sbin/sshd"),
    probe: &["-V"],
};

/// The server of Redis; `redis-cli` comes with it.
pub(crate) const REDIS: Tool = Tool {
    name: "redis-server",
    required_by: "REQUIRE_REDIS",
    program: || Command::new("redis-server"),
    probe: &["--version"],
};

/// Mount and network namespaces of one's own, which only root has.
pub(crate) const UNSHARE: Tool = Tool {
    name: "root and unshare",
    required_by: "REQUIRE_ROOT",
    program: || Command::new("unshare"),
    probe: &["--mount", "--net", "true"],
};

fn python() -> Command {
    Command::new(std::env::var("A2AL_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned()))
}

impl Tool {
    /// The program that `program` starts and that succeeds with the arguments of `probe`.
    pub(crate) const fn named(
        name: &'static str,
        required_by: &'static str,
        program: fn() -> Command,
        probe: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            required_by,
            program,
            probe,
        }
    }

    /// A command line that starts the program, or `None` after saying that `test` is skipped.
    pub(crate) fn command(&self, test: &str) -> Option<Command> {
        let probed = (self.program)().args(self.probe).output();
        if probed.is_ok_and(|output| output.status.success()) {
            return Some((self.program)());
        }
        let required = std::env::var(self.required_by).is_ok_and(|value| value == "1");
        assert!(
            !required,
            "{test} needs {}, and {}=1",
            self.name, self.required_by
        );
        say(&format!("SKIPPED: {test} needs {}", self.name));
        None
    }
}

/// Prints a line that a reader of the test run should see, even if the test passes.
pub(crate) fn say(line: &str) {
    // The test runner withholds what the print macros write.
    writeln!(std::io::stderr(), "{line}").expect("stderr is open");
}
