#!/usr/bin/env bash
# Fuzzes everything that reads what others wrote, each target for the same share of the time: fuzz.sh SECONDS
# What is found lands in tests/fuzz/artifacts; new inputs are kept in tests/fuzz/corpus, beside the seeds of the repository.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../tests/fuzz"

seconds=${1:?how many seconds in all}
targets=(pickle net state_dict statistics images message receipt)

cargo fuzz --version >/dev/null 2>&1 || {
  echo "fuzz: cargo-fuzz is missing: cargo install cargo-fuzz" >&2
  exit 2
}
# The sanitizers' flags are unstable; the toolchain of rust-toolchain.toml takes them when it is told to.
export RUSTC_BOOTSTRAP=1

for target in "${targets[@]}"; do
  mkdir -p "corpus/$target"
  options=(-rss_limit_mb=2048 -malloc_limit_mb=1024 -timeout=10 "-max_total_time=$((seconds / ${#targets[@]}))")
  if [[ $target =~ ^(pickle|net|state_dict|statistics)$ ]]; then
    options+=(-dict=pickle.dict)
  fi
  echo "fuzz: $target"
  nice -n 15 cargo fuzz run --fuzz-dir . "$target" "corpus/$target" "seeds/$target" -- "${options[@]}" -print_final_stats=1
done
