#!/bin/sh
# Stands before rustc for our own crate only (RUSTC_WORKSPACE_WRAPPER): every branch is counted and every comparison told to
# libFuzzer. What it depends on is built as for the tests, once. No unstable flag is needed: without unsafe code there is
# nothing for an address sanitizer to find.
rustc="$1"
shift
case " $* " in
  *" --crate-name idp_proxy "* | *" --crate-name fuzz "*)
    exec "$rustc" "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
      -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
      -Cllvm-args=-sanitizer-coverage-trace-compares ;;
esac
exec "$rustc" "$@"
