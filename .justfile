# The commands of daily work. `just` lists them.

export RUSTDOCFLAGS := "-D warnings"

_list:
    @just --list --unsorted

# Format, lints, documentation and dependencies, as every change is checked
check:
    cargo fmt --all -- --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo doc --workspace --no-deps
    cargo deny --offline check --hide-inclusion-graph licenses bans sources

# All tests; needs no network but loopback
test *ARGS:
    cargo test --workspace {{ARGS}}

# One chapter of the tests that drive the real programs, such as `just chapter fetch`
chapter NAME *ARGS:
    cargo test --package a2al-node --test it -- {{NAME}}:: {{ARGS}}

# The NAT laboratory with all repetitions, as root; renews docs/nat.md and takes most of an hour
test-net *ARGS:
    cargo build --workspace --bins
    A2AL_NAT_ROUNDS=3 A2AL_NAT_REPORT={{ justfile_directory() }}/docs/nat.md REQUIRE_NAT=1 \
        cargo test --package a2al-node --test nat -- {{ARGS}}

# Renew the generated code after a change of a .proto file
proto:
    A2AL_WRITE_PROTO=1 cargo test --package a2al-proto

# What the daemon costs beside bare QUIC and plain HTTP, on a release build
bench *CHAPTER:
    cargo bench --package a2al-node --bench daemon -- {{CHAPTER}}

# The programs as they are shipped
dist:
    cargo build --workspace --profile dist --locked

# Everything that a change goes through before it lands
ci:
    .ci/run
