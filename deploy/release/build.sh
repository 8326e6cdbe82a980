#!/usr/bin/env bash
# Builds what is released: `cargo build --release`, optimised for what a build that counted itself has executed (train.sh).
# The binary is target/<host>/release/idp-proxy; takes some ten minutes on 2 cores, and 5 GiB.
#
#   deploy/release/build.sh [CARGO'S ARGUMENTS]            without any: --bin idp-proxy
set -euo pipefail
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"

compiler="$(rustc -vV)"
if [ "$compiler" = "$(cat "$here/compiler.txt")" ]; then
  export CARGO_ENCODED_RUSTFLAGS="-Cprofile-use=$here/calls.profdata"
else
  # The compiler is part of every function's name: nothing of the profile would fit.
  echo "build.sh: calls.profdata was made by $(head -n 1 "$here/compiler.txt"), this is ${compiler%%$'\n'*}:" \
    "built without it, so a call costs more; train.sh makes it anew" >&2
fi
# With a target, or build scripts and macros would be built with the profile too.
host="$(sed -n 's/^host: //p' <<<"$compiler")"
[ $# -gt 0 ] || set -- --bin idp-proxy
cargo build --locked --release --target "$host" --manifest-path "$here/../../Cargo.toml" "$@"
