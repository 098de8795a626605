// SPDX-License-Identifier: MPL-2.0
//! Whether this machine can hold a laboratory.

use super::Namespace;
use super::tools::told_by;

/// A rule that needs what the laboratory needs of the kernel: connection tracking and NAT.
const TRIAL: &str = "table ip trial {
    chain post {
        type nat hook postrouting priority srcnat
        masquerade fully-random
    }
}";

/// Looks for everything that the laboratory needs, and tries it once.
///
/// # Errors
/// What is missing.
pub(super) fn available() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("root".to_owned());
    }
    told_by("ip", &["-V"], "")?;
    told_by("nft", &["--version"], "")?;
    told_by("conntrack", &["--version"], "")?;
    if !std::path::Path::new("/dev/net/tun").exists() {
        return Err("/dev/net/tun".to_owned());
    }
    let name = Namespace::unique("trial");
    told_by("ip", &["netns", "add", &name], "")?;
    let tried = told_by("ip", &["netns", "exec", &name, "nft", "-f", "-"], TRIAL);
    told_by("ip", &["netns", "del", &name], "")?;
    tried.map(|_| ())
}
