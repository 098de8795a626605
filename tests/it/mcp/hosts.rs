// SPDX-License-Identifier: MPL-2.0
//! Hosts: their configuration files, and the bundle for those that install one.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Ended, Mcp, PYTHON, Process, daemon_binary, isolated};

async fn a2ald(home: &Path, args: &[&str]) -> Ended {
    let mut command = isolated(&daemon_binary(), home);
    command.args(args);
    Process::run(command).await
}

fn parsed(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("the file")).expect("JSON")
}

#[tokio::test]
async fn an_entry_is_printed_as_hosts_want_it() {
    let home = TempDir::new().expect("a directory");
    let plain = a2ald(home.path(), &["mcp", "print"]).await;
    assert_eq!(plain.code(), Some(0), "{}", plain.stderr);
    let plain: Value = serde_json::from_str(&plain.stdout).expect("JSON");
    let url = json!("http://127.0.0.1:2121/mcp/");
    assert_eq!(plain, json!({ "mcpServers": { "a2al": { "url": url } } }));
    let args = ["mcp", "print", "--transport", "stdio", "--format", "toml"];
    let toml = a2ald(home.path(), &args).await.stdout;
    assert!(
        toml.starts_with("[mcp_servers.a2al]\n") && toml.contains("--mcp-stdio"),
        "{toml}"
    );
}

#[tokio::test]
async fn every_host_gets_an_entry_and_keeps_what_it_had() {
    let home = TempDir::new().expect("a directory");
    let at = |path: &str| home.path().join(path);
    let files = [
        (".claude.json", "mcpServers"),
        (".config/Claude/claude_desktop_config.json", "mcpServers"),
        (".cursor/mcp.json", "mcpServers"),
        (".config/Code/User/mcp.json", "servers"),
        (".codeium/windsurf/mcp_config.json", "mcpServers"),
        (".gemini/settings.json", "mcpServers"),
        (".config/zed/settings.json", "context_servers"),
    ];
    for (file, _) in files {
        std::fs::create_dir_all(at(file).parent().expect("a parent")).expect("a directory");
        std::fs::write(at(file), "{\n  \"theme\": \"dark\"\n}\n").expect("a file");
    }
    std::fs::create_dir_all(at(".codex")).expect("a directory");
    let shown = a2ald(home.path(), &["mcp", "add", "--dry-run"]).await;
    assert_eq!(shown.code(), Some(0), "{}", shown.stderr);
    assert_eq!(
        parsed(&at(".claude.json")),
        json!({ "theme": "dark" }),
        "nothing is written"
    );

    let added = a2ald(home.path(), &["mcp", "add"]).await;
    assert_eq!(added.code(), Some(0), "{}", added.stderr);
    for (file, section) in files {
        let settings = parsed(&at(file));
        assert_eq!(settings["theme"], "dark", "{file}");
        let entry = &settings[section]["a2al"];
        assert_eq!(entry["args"][0], "--mcp-stdio", "{file}: {entry}");
        assert_eq!(entry["command"], json!(daemon_binary()), "{file}: {entry}");
        let mut backup = at(file).into_os_string();
        backup.push(".bak");
        assert_eq!(
            parsed(Path::new(&backup)),
            json!({ "theme": "dark" }),
            "{file}"
        );
    }
    let codex = std::fs::read_to_string(at(".codex/config.toml")).expect("a file");
    assert!(codex.starts_with("[mcp_servers.a2al]"), "{codex}");
    let again = a2ald(home.path(), &["mcp", "add"]).await;
    assert!(
        again.stderr.contains("has the entry already"),
        "{}",
        again.stderr
    );
}

#[tokio::test]
async fn what_the_user_has_said_about_the_node_stays() {
    let home = TempDir::new().expect("a directory");
    let text = json!({ "mcpServers": { "a2al": {
        "command": "elsewhere",
        "args": ["--mcp-stdio", "--data-dir", "/srv/node"],
        "env": { "A2AL_TOKEN": "t" },
        "disabled": true,
    }}});
    std::fs::write(home.path().join("p.json"), text.to_string()).expect("a file");
    let add = async |variables: &[(&str, &str)]| {
        let mut command = isolated(&daemon_binary(), home.path());
        command.args(["mcp", "add", "--client", "cursor", "--config", "p.json"]);
        command.current_dir(home.path());
        command.envs(variables.iter().copied());
        let added = Process::run(command).await;
        assert_eq!(added.code(), Some(0), "{}", added.stderr);
        parsed(&home.path().join("p.json"))["mcpServers"]["a2al"].clone()
    };
    let mut expected = text["mcpServers"]["a2al"].clone();
    expected["command"] = json!(daemon_binary());
    assert_eq!(add(&[]).await, expected);
    let elsewhere = [("A2AL_DATA_DIR", "/srv/other")];
    expected["args"][2] = json!("/srv/other");
    assert_eq!(add(&elsewhere).await, expected);
}

#[tokio::test]
async fn one_host_that_cannot_be_configured_keeps_no_other_from_it() {
    let home = TempDir::new().expect("a directory");
    let at = |path: &str| home.path().join(path);
    let twice = r#"{"mcpServers": {}, "mcpServers": {}}"#;
    std::fs::write(at(".claude.json"), twice).expect("a file");
    std::fs::create_dir_all(at(".cursor")).expect("a directory");
    let added = a2ald(home.path(), &["mcp", "add"]).await;
    assert_eq!(added.code(), Some(1), "{}", added.stderr);
    for told in ["Claude Code: ", "\"mcpServers\" twice", "1 of 2 hosts"] {
        assert!(added.stderr.contains(told), "{told}: {}", added.stderr);
    }
    assert_eq!(
        parsed(&at(".cursor/mcp.json"))["mcpServers"]["a2al"]["args"],
        json!(["--mcp-stdio"])
    );
    assert_eq!(
        std::fs::read_to_string(at(".claude.json")).expect("a file"),
        twice
    );
}

#[tokio::test]
async fn what_a_host_cannot_do_is_said() {
    let home = TempDir::new().expect("a directory");
    let none = a2ald(home.path(), &["mcp", "add"]).await;
    none.failed_clearly(1, &["no MCP host is found", "--client"]);
    let args = [
        "mcp",
        "add",
        "--client",
        "claude-desktop",
        "--transport",
        "http",
    ];
    a2ald(home.path(), &args)
        .await
        .failed_clearly(1, &["Claude Desktop", "stdio"]);
    let file = home.path().join("odd.json");
    std::fs::write(&file, "[]").expect("a file");
    let args = [
        "mcp",
        "add",
        "--client",
        "cursor",
        "--config",
        file.to_str().expect("a path"),
    ];
    a2ald(home.path(), &args)
        .await
        .failed_clearly(1, &["odd.json", "by hand"]);
    assert_eq!(parsed(&file), json!([]));
}

#[tokio::test]
async fn the_bundle_starts_the_server_that_its_manifest_names() {
    let Some(mut command) = PYTHON.command("the_bundle_starts_the_server_that_its_manifest_names")
    else {
        return;
    };
    let out = TempDir::new().expect("a directory");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../packaging/mcpb/bundle");
    command.arg(script).arg(daemon_binary()).arg(out.path());
    command.args([
        "--name",
        "io.example/a2al",
        "--url",
        "https://example.com/releases",
    ]);
    let made = Process::start(command)
        .ended(std::time::Duration::from_secs(120))
        .await;
    assert_eq!(made.code(), Some(0), "{}", made.stderr);
    let bundle = made.stdout.lines().next().expect("the bundle").to_owned();
    let server = parsed(&out.path().join("server.json"));
    let package = &server["packages"][0];
    let file = Path::new(&bundle)
        .file_name()
        .expect("a file")
        .to_str()
        .expect("text");
    let url = format!("https://example.com/releases/{file}");
    assert_eq!(package["identifier"], url, "{server}");
    assert_eq!(
        package["fileSha256"].as_str().map(str::len),
        Some(64),
        "{server}"
    );

    let mut unpack = PYTHON.command("the bundle").expect("it was there before");
    unpack
        .args(["-m", "zipfile", "-e", &bundle])
        .arg(out.path());
    assert_eq!(Process::run(unpack).await.code(), Some(0));
    let manifest = parsed(&out.path().join("manifest.json"));
    let config = &manifest["server"]["mcp_config"];
    let program = config["command"].as_str().expect("a command");
    let program = program.replace("${__dirname}", out.path().to_str().expect("a path"));
    // Python's unzip leaves the mode out, which hosts do not.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).expect("our own file");
    let mut server = isolated(Path::new(&program), out.path());
    for arg in config["args"].as_array().expect("arguments") {
        let arg = arg.as_str().expect("text");
        server.arg(arg.replace("${user_config.toolsets}", "core"));
    }
    server.args(["--api-addr", "127.0.0.1:0", "--listen", "127.0.0.1:0"]);
    let mut mcp = Mcp::running(server);
    mcp.open("2025-06-18").await;
    mcp.done("a2al_status", json!({})).await;
}
