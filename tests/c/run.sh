#!/usr/bin/env bash
# run.sh [--valgrind] PROGRAM...: runs C and C++ tests, one line each. With --valgrind an error or a leak
# fails too, and the programs take their time into account (CHECK_SLOW).
set -uo pipefail
runner=(timeout -k 5 120)
if [ "${1:-}" = --valgrind ]; then
    shift
    export CHECK_SLOW=20
    runner=(timeout -k 5 600 valgrind --quiet --fair-sched=yes --leak-check=full --child-silent-after-fork=yes
        --show-leak-kinds=definite,indirect,possible --errors-for-leak-kinds=definite,indirect,possible
        --error-exitcode=99)
fi
failed=0
for program in "$@"; do
    output=$("${runner[@]}" "$program" 2>&1 </dev/null)
    status=$?
    if [ "$status" -eq 0 ]; then
        echo "$(basename "$program"): ok"
    else
        echo "$(basename "$program"): FAILED with exit code $status"
        echo "$output"
        failed=$((failed + 1))
    fi
done
echo "$(($# - failed)) ok, $failed failed"
[ "$failed" -eq 0 ]
