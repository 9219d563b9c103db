#!/usr/bin/env bash
# Runs the tests of faults several times, with seeds 1, 2, …, and prints what each came to: faults.sh TIMES
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

times=${1:?how often}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export FIDELIS_TESTS_RECORD=$folder/figures
: >"$FIDELIS_TESTS_RECORD"

cargo nextest --version >/dev/null 2>&1 || {
  echo "faults: cargo-nextest is missing: cargo install cargo-nextest --locked" >&2
  exit 2
}
status=0
for ((seed = 1; seed <= times; seed++)); do
  FIDELIS_TESTS_SEED=$seed cargo nextest run --release --workspace --no-fail-fast -E 'binary(faults)' >"$folder/log" 2>&1 || status=1
  # The summary names each failing test a second time.
  sed -n "s/^ *\(PASS\|FAIL\|TIMEOUT\|SIGABRT\) .*fidelis-tests::faults \([a-z0-9_:]*\)\$/\2 \1/p" "$folder/log" |
    sort -u >>"$folder/outcomes"
  grep -E '^ *Summary' "$folder/log" | sed "s/^ */seed $seed: /"
done

awk -F '\t' '
  FILENAME == ARGV[1] {
    key = $1 SUBSEP $2
    if (!(key in most) || $3 + 0 > most[key]) most[key] = $3 + 0
    next
  }
  { split($0, word, " "); runs[word[1]]++; passed[word[1]] += word[2] == "PASS" }
  END {
    printf "%-75s %6s %6s %14s %18s\n", "test", "times", "passed", "chunks beyond", "takeover, leases"
    for (test in runs) {
      beyond = test SUBSEP "chunks computed beyond"; takeover = test SUBSEP "leases until takeover"
      printf "%-75s %6d %6d %14s %18s\n", test, runs[test], passed[test],
        (beyond in most ? most[beyond] : "-"), (takeover in most ? most[takeover] : "-") | "sort"
    }
  }' "$FIDELIS_TESTS_RECORD" "$folder/outcomes"
exit $status
