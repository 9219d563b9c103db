#!/usr/bin/env bash
# libtorch 2.13.0 for CPU in .deps/libtorch, from the wheels pinned in libtorch-requirements.txt.
# A LIBTORCH set in the environment is used instead (that is how a CUDA libtorch is chosen), or refused
# when it holds something else. Does nothing when all is there; interrupted at any point, it starts over.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh
# shellcheck source=infra/setup/wheels.sh
source infra/setup/wheels.sh

version=2.13.0

# Prints the version that a torch folder holds: a libtorch archive says it in one file, a wheel in another.
version_of() {
  if [[ -f $1/build-version ]]; then
    sed -n '1s/[+[:space:]].*//; 1p' "$1/build-version"
  elif [[ -f $1/version.py ]]; then
    sed -n "s/^__version__ *= *['\"]\([^+'\"]*\).*/\1/p" "$1/version.py"
  fi
}

check_given() {
  local held
  held=$(version_of "$LIBTORCH")
  [[ $LIBTORCH == /* ]] || die "LIBTORCH is \`$LIBTORCH\`: make it an absolute path, or unset it"
  [[ -f $LIBTORCH/lib/libtorch_cpu.so && -d $LIBTORCH/include/torch ]] ||
    die "LIBTORCH is \`$LIBTORCH\`, which has no lib/libtorch_cpu.so or no include/torch; correct it or unset it"
  [[ $held == "$version" ]] ||
    die "LIBTORCH is \`$LIBTORCH\`, which holds version \`${held:-unknown}\`; point it at $version or unset it"
}

if [[ -n ${LIBTORCH:-} ]]; then
  check_given
  exit
fi
provide_libtorch "$version" infra/setup/libtorch-requirements.txt .deps/libtorch \
  ", or set LIBTORCH to a libtorch $version"
