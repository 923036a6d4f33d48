#!/bin/sh
# Times libsemigroups on the inputs of tools/bench/monoid_bench.cpp, beside it, one work a process.
#
#     cmake --preset cpu -DKROHN_BENCH=ON && cmake --build --preset cpu
#     LIBSEMIGROUPS_FLAGS="..." tools/bench_monoid_peers.sh
#
# LIBSEMIGROUPS_FLAGS: what the compiler needs to build and link a program against libsemigroups 3 with HPCombi (include
# folders, -flax-vector-conversions, -mavx, the library). Without it only krohn is timed. BUILD is the build folder
# (build/cpu). T_8 takes 2.5 GB with libsemigroups.
set -eu
cd "$(dirname "$0")/.."
bench=${BUILD:-build/cpu}/tools/bench/monoid_bench
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

if [ ! -x "$bench" ]; then
  echo "bench_monoid_peers: build krohn with -DKROHN_BENCH=ON first" >&2
  exit 2
fi
peer=
if [ -n "${LIBSEMIGROUPS_FLAGS:-}" ]; then
  # shellcheck disable=SC2086
  c++ -std=gnu++17 -O3 -DNDEBUG tools/bench/peers/libsemigroups.cpp -o "$work/peer" $LIBSEMIGROUPS_FLAGS
  peer=$work/peer
else
  echo "libsemigroups: left out (LIBSEMIGROUPS_FLAGS is not set)"
fi

ours() {
  "$bench" --benchmark_filter="^$1\$" --benchmark_format=console 2>"$work/log" | grep "^$1"
}
theirs() {
  if [ -n "$peer" ]; then
    for name in "$@"; do "$peer" "$name"; done
  fi
}
for n in 8 9 10; do ours "symmetric_monoid/$n"; theirs "S:$n"; done
for n in 6 7 8; do ours "full_monoid/$n"; theirs "T:$n"; done
for n in 7 8; do ours "green_full_monoid/$n"; theirs "D:$n"; done
for n in 20 30 50; do ours "symmetric_order/$n"; theirs "order:$n"; done
for name in wreath_order/10 wreath_order/25 corpus_flags action_of_word_problem/4 action_of_word_problem/5 \
  action_of_word_problem/6; do ours "$name"; done
