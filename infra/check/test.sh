#!/usr/bin/env bash
# Every test: documentation examples first (where there are any), then nextest, or cargo's own runner without it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# A fenced block in a doc comment is an example unless its fence names another language.
# shellcheck disable=SC2016  # the backticks are awk's
has_doc_examples() {
  git ls-files -z '*.rs' | xargs -0 awk '
    FNR == 1 { inside = 0 }
    /^[ \t]*\/\/[\/!][ \t]*```/ {
      if (inside) { inside = 0; next }
      inside = 1
      lang = $0; sub(/^[^`]*```[ \t]*/, "", lang)
      if (lang == "" || lang ~ /^(rust|no_run|should_panic|compile_fail|edition)/) found = 1
    }
    END { exit !found }'
}

if has_doc_examples; then
  cargo test --release --workspace --doc
fi
# Tests run this example, as they run the programs that `make build` left.
cargo build --release --workspace --bins --examples
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --release --workspace
else
  cargo test --release --workspace --lib --bins --tests
fi
