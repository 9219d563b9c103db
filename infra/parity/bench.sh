#!/usr/bin/env bash
# Measures fidelis beside PyTorch, pytorch-fid, numpy and scipy on the same work (bench.py says how), in the environment
# of `make parity`. `TURNS=5` alternations; `ONLY="nets sampling"` names rows.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/parity/environment.sh
source infra/parity/environment.sh
work=${FIDELIS_BENCH_WORK:-.deps/bench}
mkdir -p "$work"
only=()
[[ -z ${ONLY:-} ]] || read -ra only <<<"--only $ONLY"
TQDM_DISABLE=1 "$target/bin/python" -W ignore::DeprecationWarning \
  infra/parity/bench.py --bin "${CARGO_TARGET_DIR:-target}/release" --work "$work" --turns "${TURNS:-5}" "${only[@]}"
