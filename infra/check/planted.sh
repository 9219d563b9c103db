#!/usr/bin/env bash
# Plants five mistakes, one after the other, and shows which tests and which chaos seeds find each.
#   SEEDS   how many chaos seeds each mistake is tried with (default 5)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

seeds=${SEEDS:-5}

# A mistake and the tests that must find it.
planted=(
  "ack_before_put processes::killed_before_put processes::killed_after_put_before_receipt"
  "overwriting_put store::other_bytes_are_nondeterminism_with_both_digests"
  "noise_of_worker processes::one_chunk_in_eight_hands_is_committed_once processes::killed_after_ack"
  "lease_by_worker_clock clocks::ten_minutes_ahead clocks::ten_minutes_behind"
  "believed_412 s3::preconditions_that_failed_for_nothing"
)

cargo build --release --workspace --bins --tests
chaos=${CARGO_TARGET_DIR:-target}/release/fidelis-chaos

# Prints the tests among its arguments that fail.
failing() {
  local name filter=
  for name in "$@"; do
    filter+="${filter:+ | }test(=$name)"
  done
  # The summary names each failing test a second time.
  { cargo nextest run --release --workspace --no-fail-fast -E "binary(faults) & ($filter)" 2>&1 || true; } |
    sed -n 's/^ *\(FAIL\|TIMEOUT\|SIGABRT\) .*fidelis-tests::faults \([a-z0-9_:]*\)$/\2/p' | sort -u
}

words=$(mktemp)
trap 'rm -f "$words"' EXIT
missed=0
printf '%-24s %-14s %-12s %s\n' "planted" "chaos seeds" "promises" "found by the tests"
for line in "${planted[@]}"; do
  read -r bug tests <<<"$line"
  export FIDELIS_TESTS_PLANT=$bug
  # shellcheck disable=SC2086  # one word a test
  mapfile -t found < <(failing $tests)
  in_seeds=0
  : >"$words"
  for ((seed = 1; seed <= seeds; seed++)); do
    "$chaos" --seed "$seed" >>"$words" 2>/dev/null || in_seeds=$((in_seeds + 1))
  done
  unset FIDELIS_TESTS_PLANT
  # Which promises the soak saw broken.
  promises=$(grep -oE '^  violation: (.[^ ]*: )?[ID][0-9]+' "$words" | grep -oE '[ID][0-9]+$' | sort -u | paste -sd, - || true)
  printf '%-24s %-14s %-12s %s\n' "$bug" "$in_seeds of $seeds" "${promises:--}" "${found[*]:-none}"
  [[ ${#found[@]} -gt 0 ]] || missed=$((missed + 1))
done

if [[ $missed -gt 0 ]]; then
  echo "planted: $missed mistakes were found by none of their tests" >&2
  exit 1
fi
