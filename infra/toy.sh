#!/usr/bin/env bash
# Trains, samples, measures and draws the 2D example of autoguidance; the last line on stdout is JSON. Nets that are there
# already are not trained again.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec "${CARGO_TARGET_DIR:-target}"/release/fidelis-worker toy run --out out/toy --trainings "${1:-3}"
