// SPDX-License-Identifier: MPL-2.0
//! The configuration from file, environment and flags, as a whole.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::logging::Log;

impl Environment for BTreeMap<&str, &str> {
    fn get(&self, name: &str) -> Option<OsString> {
        BTreeMap::get(self, name).map(OsString::from)
    }
}

fn loaded(file: &str, environment: &[(&str, &str)], flags: &Flags) -> Result<Loaded, Error> {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), file).unwrap();
    load(
        dir.path(),
        flags,
        &environment.iter().copied().collect::<BTreeMap<_, _>>(),
    )
}

fn refused(file: &str) -> String {
    let error = loaded(file, &[], &Flags::default())
        .unwrap_err()
        .to_string();
    let (_, rest) = error.split_once("config.toml:").expect("the file is named");
    rest.to_owned()
}

#[test]
fn an_empty_file_is_the_default() {
    let loaded = loaded("", &[], &Flags::default()).unwrap();
    assert_eq!(loaded.settings, Settings::default());
    assert_eq!(loaded.config.api_addr, "127.0.0.1:2121".parse().unwrap());
    assert!(loaded.warnings.is_empty());
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "listen_addr = ':1'\napi_addr = '127.0.0.1:1'\nfallback_host = 'file'";
    let environment = [("A2AL_API_ADDR", "127.0.0.1:2"), ("A2AL_LISTEN_ADDR", ":2")];
    let flags = Flags {
        listen: Some(":3".to_owned()),
        ..Flags::default()
    };
    let settings = loaded(file, &environment, &flags).unwrap().settings;
    assert_eq!(settings.listen_addr, ":3");
    assert_eq!(settings.api_addr, "127.0.0.1:2");
    assert_eq!(settings.fallback_host, "file");
}

#[test]
fn relaying_is_set_by_word_or_switch() {
    for (file, written, effect) in [
        ("", "auto", RelayServer::WhenPublic),
        ("relay_server = 'auto'", "auto", RelayServer::WhenPublic),
        ("relay_server = true", "always", RelayServer::Always),
        ("relay_server = 'always'", "always", RelayServer::Always),
        ("relay_server = false", "never", RelayServer::Never),
        ("relay_server = 'never'", "never", RelayServer::Never),
    ] {
        let loaded = loaded(file, &[], &Flags::default()).unwrap();
        assert_eq!(loaded.config.relay_server, effect, "{file}");
        let shown = serde_json::to_value(&loaded.settings).unwrap();
        assert_eq!(shown["relay_server"], written, "{file}");
    }
    for (value, effect) in [
        ("false", RelayServer::Never),
        ("1", RelayServer::Always),
        ("auto", RelayServer::WhenPublic),
    ] {
        let environment = [("A2AL_RELAY_SERVER", value)];
        let loaded = loaded("relay_server = true", &environment, &Flags::default()).unwrap();
        assert_eq!(loaded.config.relay_server, effect, "{value}");
    }
    assert_eq!(
        loaded("", &[("A2AL_RELAY_SERVER", "perhaps")], &Flags::default())
            .unwrap_err()
            .to_string(),
        "A2AL_RELAY_SERVER: expected auto, always (true) or never (false)"
    );
}

#[test]
fn reaching_others_is_set_by_switches() {
    let plain = loaded("", &[], &Flags::default()).unwrap().config;
    assert!(plain.upnp && plain.use_relays && !plain.mdns && !plain.allow_lan_services);
    let environment = [
        ("A2AL_DISABLE_UPNP", "1"),
        ("A2AL_DISABLE_RELAY", "true"),
        ("A2AL_MDNS", "1"),
        ("A2AL_ALLOW_LAN_SERVICES", "1"),
    ];
    let turned = loaded("", &environment, &Flags::default()).unwrap().config;
    assert!(!turned.upnp && !turned.use_relays && turned.mdns && turned.allow_lan_services);
}

#[test]
fn a_wrong_value_is_named_with_its_line() {
    let starts = |file: &str, start: &str| {
        let text = refused(file);
        assert!(text.starts_with(start), "{file:?} gave {text:?}");
    };
    starts("# fine\nlog_level = 3", "2: ");
    starts("api_addr = 'x'", "1: api_addr: \"x\": expected HOST:PORT");
    starts(
        "\n\nlisten_addr = '/nonsense'",
        "3: listen_addr: \"/nonsense\": not a multiaddr",
    );
    starts("a = 1\nlog_format = 'xml'", "2: ");
    starts("[update]\nauto = 'yes'", "2: ");
    starts(
        "api_addr = '0.0.0.0:1'",
        "1: api_addr: listening on 0.0.0.0:1",
    );
    starts("log_level = '='", "1: log_level: ");
    starts("api_token = 'a b'", "1: api_token: ");
    starts("fallback_host = 'a b'", "1: fallback_host: ");
    starts("bootstrap = [", "1: ");
    starts("\nrelay_server = 'perhaps'", "2: ");
    starts("mdns = 'yes'", "1: ");
}

#[test]
fn a_wrong_variable_or_flag_is_named() {
    let error = loaded("", &[("A2AL_AUTO_PUBLISH", "maybe")], &Flags::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "A2AL_AUTO_PUBLISH: expected true or false"
    );
    let error = loaded("", &[("A2AL_API_ADDR", "nowhere")], &Flags::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "A2AL_API_ADDR: \"nowhere\": expected HOST:PORT, with an IP address or localhost"
    );
    let flags = Flags {
        listen: Some("nowhere".to_owned()),
        ..Flags::default()
    };
    let error = loaded("", &[], &flags).unwrap_err();
    assert_eq!(error.to_string(), "--listen: \"nowhere\": not HOST:PORT");
}

#[test]
fn a_wrong_value_is_refused_even_where_a_flag_overrides_it() {
    let flags = Flags {
        api_addr: Some("127.0.0.1:1".to_owned()),
        ..Flags::default()
    };
    let error = loaded("\napi_addr = 'nowhere'", &[], &flags)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("config.toml:2: api_addr: \"nowhere\""),
        "{error}"
    );
}

#[test]
fn other_machines_are_let_in_only_with_a_token() {
    let open = ("A2AL_API_ADDR", "0.0.0.0:2121");
    assert!(loaded("", &[open], &Flags::default()).is_err());
    assert!(loaded("", &[open, ("A2AL_API_TOKEN", "t")], &Flags::default()).is_ok());
}

#[test]
fn garbage_among_bootstrap_entries_is_passed_over() {
    let flags = Flags {
        bootstrap: Some("x:y, 192.0.2.1:1,".to_owned()),
        ..Flags::default()
    };
    let loaded = loaded("bootstrap = ['192.0.2.2:1', '192.0.2.1:1']", &[], &flags).unwrap();
    assert_eq!(
        loaded.settings.bootstrap,
        ["192.0.2.2:1", "192.0.2.1:1", "x:y"]
    );
    assert_eq!(loaded.config.bootstrap.len(), 2);
    assert!(matches!(&loaded.warnings[..], [Warning::Bootstrap { entry, .. }] if entry == "x:y"));
}

#[test]
fn unknown_keys_are_listed_and_known_ones_kept() {
    let file = "turn_servers = []\nsurprise = 1\n[wake]\nacp_cap = 5\n[more]\nx = 1";
    let loaded = loaded(file, &[], &Flags::default()).unwrap();
    assert_eq!(loaded.settings.wake.acp_cap, 5);
    let [Warning::UnknownKeys { keys, .. }] = &loaded.warnings[..] else {
        panic!("{:?}", loaded.warnings);
    };
    assert_eq!(keys, &["more", "surprise"]);
}

#[test]
fn the_first_start_writes_down_what_it_was_told() {
    let dir = tempfile::tempdir().unwrap();
    let flags = Flags {
        listen: Some(":7".to_owned()),
        ..Flags::default()
    };
    let environment = BTreeMap::from([("A2AL_API_TOKEN", "secret")]);
    let first = load(dir.path(), &flags, &environment).unwrap();
    first.settle(dir.path()).unwrap();
    let again = load(dir.path(), &Flags::default(), &BTreeMap::new()).unwrap();
    assert_eq!(first.settings, again.settings);
    assert_eq!(again.settings.api_token, "secret");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(&first.file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

fn store(file: &str) -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("config.toml"), file).unwrap();
    let loaded = load(dir.path(), &Flags::default(), &BTreeMap::new()).unwrap();
    let log = Log::start(&loaded.config.log);
    (dir, Store::new(loaded, log))
}

fn patch(json: &str) -> Patch {
    serde_json::from_str(json).unwrap()
}

#[test]
fn a_patch_edits_the_file_and_keeps_its_comments() {
    let before = "# mine\nlog_level = 'warn' # quiet\nsurprise = 1\n\n[update]\nauto = false\n";
    let (dir, store) = store(before);
    let changes = r#"{"log_level":"info","bootstrap":["192.0.2.1:1"],"api_token":"t","nope":1}"#;
    let (patched, config) = store.patch(&patch(changes)).unwrap();
    assert_eq!(patched.restart_required, ["bootstrap"]);
    assert_eq!(config.bootstrap.len(), 1);

    let after = fs::read_to_string(dir.path().join("config.toml")).unwrap();
    for kept in [
        "# mine\n",
        "log_level = \"info\" # quiet\n",
        "surprise = 1\n",
        "[update]\n",
    ] {
        assert!(after.contains(kept), "{kept:?} is missing in {after}");
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("config.toml.bak")).unwrap(),
        before
    );
    let again = load(dir.path(), &Flags::default(), &BTreeMap::new()).unwrap();
    assert_eq!(again.settings.api_token, "t");
    assert!(!again.settings.update.auto);
}

#[test]
fn what_takes_part_in_relaying_changes_as_it_is_said_to() {
    let (dir, store) = store("relay_server = 'never'\n");
    let changes = r#"{"mdns":true,"relay_server":true,"disable_relay":true,"disable_upnp":true}"#;
    let (patched, config) = store.patch(&patch(changes)).unwrap();
    assert_eq!(
        patched.restart_required,
        ["disable_upnp", "disable_relay", "relay_server", "mdns"]
    );
    assert!(!config.use_relays);
    let again = load(dir.path(), &Flags::default(), &BTreeMap::new()).unwrap();
    assert_eq!(again.settings.relay_server, Relaying::Always);
    assert!(again.settings.disable_relay && again.settings.mdns);
    let nonsense = r#"{"relay_server":"perhaps"}"#;
    assert!(serde_json::from_str::<Patch>(nonsense).is_err());
}

#[test]
fn the_token_is_masked_and_the_mask_changes_nothing() {
    let (_dir, store) = store("api_token = 't'");
    assert_eq!(store.shown().api_token, "***");
    store.patch(&patch(r#"{"api_token":"***"}"#)).unwrap();
    assert_eq!(store.shown().api_token, "***");
    store.patch(&patch(r#"{"api_token":""}"#)).unwrap();
    assert_eq!(store.shown().api_token, "");
}

#[test]
fn a_patch_the_daemon_could_not_start_with_is_refused_and_not_written() {
    let (dir, store) = store("");
    for bad in [
        r#"{"api_addr":"0.0.0.0:1"}"#,
        r#"{"listen_addr":"x"}"#,
        r#"{"log_level":"="}"#,
    ] {
        assert!(
            matches!(store.patch(&patch(bad)), Err(PatchError::Invalid(_))),
            "{bad}"
        );
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("config.toml")).unwrap(),
        ""
    );
}

#[test]
fn what_would_leave_the_api_open_or_the_log_silent_is_refused() {
    let with = |change: fn(&mut Settings)| {
        let mut settings = Settings::default();
        change(&mut settings);
        Config::new(&settings)
            .map(|_| ())
            .map_err(|error| error.key)
    };
    assert_eq!(
        with(|s| s.require_local_token = true),
        Err("require_local_token")
    );
    assert_eq!(with(|s| s.log_level = "loud".to_owned()), Err("log_level"));
    assert_eq!(with(|s| s.log_level = "WARN".to_owned()), Ok(()));
    assert_eq!(
        with(|s| s.log_level = "info,a2al_service=debug".to_owned()),
        Ok(())
    );
}
