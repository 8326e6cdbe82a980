#!/usr/bin/env bash
# Makes calls.profdata anew: builds a proxy that counts what it executes, and makes the calls of benches/speed to it.
# Needed after an update of the compiler or another version of idp-proxy, useful after an update of dependencies.
# Half an hour on 2 cores, 7 GiB, and rustup for llvm-profdata.
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cd "$here/../.."

compiler="$(rustc -vV)"
host="$(sed -n 's/^host: //p' <<<"$compiler")"
rustup component add llvm-tools
counts="$PWD/target/train/counts"
rm -rf "$counts"

CARGO_ENCODED_RUSTFLAGS="-Cprofile-generate=$counts" \
  cargo build --locked --release --target "$host" --target-dir target/train --bin idp-proxy
cargo bench --locked --bench speed -- train "target/train/$host/release/idp-proxy"
# Sparse: what was not executed is built as without a profile, not for size.
"$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata" merge --sparse --output "$here/calls.profdata" "$counts"
echo "$compiler" >"$here/compiler.txt"
