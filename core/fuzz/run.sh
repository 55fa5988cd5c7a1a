#!/usr/bin/env bash
# run.sh SECONDS [TARGET...]: builds every fuzz target, or those that are named, with
# AddressSanitizer and runs each for SECONDS. It ends with an error upon the first crash.
# run.sh build: only builds them.
#
# The stable toolchain does: these are the flags that cargo-fuzz uses, so nothing has to be
# installed. Named seeds are in corpus/TARGET; what libFuzzer finds goes to target/corpus/TARGET,
# and an input that crashes to artifacts/, from where it becomes a unit test.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:?usage: run.sh SECONDS|build [TARGET...]}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(cd fuzz_targets && ls -- *.rs | sed 's/\.rs$//')

host=$(rustc -vV | sed -n 's/^host: //p')
flags=(-Cpasses=sancov-module -Ccodegen-units=1 --cfg fuzzing -Zsanitizer=address)
for option in sanitizer-coverage-level=4 sanitizer-coverage-inline-8bit-counters \
    sanitizer-coverage-pc-table sanitizer-coverage-trace-compares; do
    flags+=("-Cllvm-args=-$option")
done
export CARGO_TARGET_DIR=$PWD/target
RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" cargo build --release --bins --target "$host" --quiet
[ "$seconds" != build ] || exit 0

for target in "${targets[@]}"; do
    found=target/corpus/$target
    log=target/$target.log
    mkdir -p "$found" artifacts
    if ! "target/$host/release/$target" "$found" "corpus/$target" -max_total_time="$seconds" \
        -timeout=5 -rss_limit_mb=1024 -artifact_prefix="artifacts/$target-" >"$log" 2>&1; then
        tail -n 60 "$log"
        echo "FAILED: fuzz target $target"
        exit 1
    fi
    echo "$target: $(grep -a '^Done' "$log" || tail -n 1 "$log")"
done
echo "${#targets[@]} targets ok"
