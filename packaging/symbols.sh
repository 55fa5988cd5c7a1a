#!/usr/bin/env bash
# symbols.sh LIBRARY: the symbols that it exports, one a line with its version, sorted.
set -euo pipefail
nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sed 's/@@/ /' | LC_ALL=C sort
