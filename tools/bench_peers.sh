#!/bin/sh
# Times other automata libraries on the inputs of tools/bench/automata_bench.cpp, beside it.
#
#     cmake --preset cpu -DKROHN_BENCH=ON && cmake --build --preset cpu && tools/bench_peers.sh
#
# OpenFst is used if its headers are installed (Debian: libfst-dev), Mata if MATA_ROOT names an installation (include/mata,
# lib/libmata.a and the libraries it needs). What is missing is named and left out. BUILD is the build folder (build/cpu).
set -eu
cd "$(dirname "$0")/.."
build=${BUILD:-build/cpu}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -x "$build/krohn" ] || [ ! -x "$build/tools/bench/automata_bench" ]; then
  echo "bench_peers: build krohn with -DKROHN_BENCH=ON in $build first" >&2
  exit 2
fi

programs=
if echo '#include <fst/fstlib.h>' | c++ -std=c++17 -fsyntax-only -x c++ - 2>/dev/null; then
  c++ -std=c++17 -O3 -DNDEBUG tools/bench/peers/openfst.cpp -o "$work/openfst" -lfst -ldl -lpthread
  programs="$programs $work/openfst"
else
  echo "OpenFst: left out (fst/fstlib.h is not installed; Debian package libfst-dev)"
fi
if [ -n "${MATA_ROOT:-}" ]; then
  # shellcheck disable=SC2046,SC2086
  c++ -std=c++20 -O3 -DNDEBUG ${MATA_FLAGS:-} -I"$MATA_ROOT/include" tools/bench/peers/mata.cpp -o "$work/mata" \
    $(find "$MATA_ROOT" -name '*.a')
  programs="$programs $work/mata"
else
  echo "Mata: left out (MATA_ROOT is not set)"
fi

for language in random:100000,2,1 random:1000000,2,1 random:1000000,4,1 're:(a|b)*a(a|b){16}' S:9 dyck:2,17; do
  "$build/krohn" convert "$language" -o "$work/input.att" >"$work/log"
  for program in $programs; do
    "$program" "$work/input.att" | while read -r line; do echo "$language: $line"; done
  done
done
"$build/tools/bench/automata_bench" --benchmark_filter='minimize|equivalence|determinize'
