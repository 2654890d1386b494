# Shortcuts for contributors; `just` lists them.

[private]
default:
    @just --list

# See the gateway work: practice processor, practice providers, real sockets
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Run all tests, or those whose name contains the argument
test *ARGS:
    ./tests/run {{ARGS}}

# Formatting, clippy, spelling, documentation
lint:
    cargo fmt --check
    cargo clippy --all-targets --locked -- -D warnings
    typos
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked

# Everything that CI runs
ci:
    .ci/run

# Throughput, latency and memory beside this machine's limits
bench *ARGS:
    cargo bench -- {{ARGS}}

# Fuzz one target, such as `just fuzz body`
fuzz *ARGS:
    tests/fuzz/run {{ARGS}}

# Make the pictures of the guides from a demo
pictures:
    cargo build --release
    node tests/pictures.js

# Read the guides and the documentation of the code
docs:
    cargo doc --no-deps --open
