#!/usr/bin/env bash
# Makes api-tokens.wasm with cargo-component instead of `coffer plugin build`'s own compiler run; `coffer` is on the path.
set -euo pipefail
cd "$(dirname "$0")"
# Its own build takes longer than all the rest: a development build of it does.
cargo component --version 2>/dev/null || cargo install cargo-component --locked --debug
cargo component build --release --target wasm32-unknown-unknown
target=$(cargo metadata --no-deps --format-version 1 | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
coffer plugin build -component="$target/wasm32-unknown-unknown/release/api_tokens.wasm"
