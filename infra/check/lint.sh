#!/usr/bin/env bash
# What a reader or a compiler would stumble over: formatting, lints, links in comments, long files, shell mistakes, dependencies.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

max_lines=500

# shellcheck disable=SC2016  # the backticks are awk's
check_file_sizes() {
  git ls-files -z '*.rs' | xargs -0 awk -v max="$max_lines" '
    FNR == max + 1 { print "lint: `" FILENAME "` has more than " max " lines: split it"; long = 1 }
    END { exit long }' >&2
}

check_scripts() {
  local scripts script
  mapfile -t scripts < <(git ls-files '*.sh' .ci/run infra/gpu/gpu-check)
  for script in "${scripts[@]}"; do
    bash -n "$script"
  done
  if command -v shellcheck >/dev/null; then
    shellcheck --external-sources "${scripts[@]}"
  fi
}

check_file_sizes
check_scripts
cargo fmt --all --check
cargo clippy --release --workspace --all-targets -- -D warnings
# Links in comments that lead nowhere.
RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --quiet
# The advisories need a database from the network: `cargo deny check advisories` where there is one.
if cargo deny --version >/dev/null 2>&1; then
  cargo deny --log-level error check bans licenses sources
fi
