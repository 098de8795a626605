// SPDX-License-Identifier: MPL-2.0
//! Keeps `src/generated` in step with the `.proto` files.
//!
//! `A2AL_WRITE_PROTO=1 cargo test -p a2al-proto` (or `just proto`) renews the generated code.

use std::path::Path;

const FILES: [&str; 3] = [
    "a2al/v1/agents.proto",
    "a2al/v1/notes.proto",
    "a2al/v1/records.proto",
];

#[test]
fn generated_code_matches_the_proto_files() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fresh = generate(root);
    let committed = root.join("src/generated/a2al.v1.rs");
    if std::env::var_os("A2AL_WRITE_PROTO").is_some() {
        std::fs::write(&committed, &fresh).unwrap();
    }
    let found = std::fs::read_to_string(&committed).unwrap();
    assert!(
        found == fresh,
        "src/generated is out of date: run `just proto`"
    );
}

fn generate(root: &Path) -> String {
    let descriptors = protox::compile(FILES, [root]).expect("the .proto files are valid");
    let out = std::env::temp_dir().join(format!("a2al-proto-{}", std::process::id()));
    std::fs::create_dir_all(&out).expect("a writable temporary directory");
    prost_build::Config::new()
        .out_dir(&out)
        .compile_fds(descriptors)
        .expect("prost generates what protox read");
    let code = std::fs::read_to_string(out.join("a2al.v1.rs")).expect("the generated file");
    std::fs::remove_dir_all(&out).expect("our own directory");
    code
}
