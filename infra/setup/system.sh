#!/usr/bin/env bash
# What is needed from the system, of: compiler (C++ and nasm), redis, images (Fashion-MNIST), faketime (for tests of wrong clocks),
# mpi (Open MPI, and libclang for its bindings).
# Installs what is missing from Debian; does nothing when all is there.
# usage: system.sh NEED…
#   FIDELIS_REDIS_SERVER   a redis-server binary to use instead of Debian's
#   FIDELIS_FASHION_MNIST  a folder with the four *-ubyte.gz files instead of Debian's
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh

needs=" $* "
needs() { [[ $needs == *" $1 "* ]]; }

images=${FIDELIS_FASHION_MNIST:-/usr/share/datasets/fashion-mnist}

has_compiler() { command -v cc >/dev/null && command -v c++ >/dev/null; }

# libjpeg-turbo's fast paths on x86 are written for it; without them JPEGs decode slower, and damaged ones to other bits.
has_nasm() { [[ $(uname -m) != x86_64 ]] || command -v nasm >/dev/null; }

# The fleet starts its own redis-server: whether Debian's service runs does not matter, its binary does.
has_redis() { command -v "${FIDELIS_REDIS_SERVER:-redis-server}" >/dev/null; }

has_faketime() { compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null; }

has_mpi() {
  command -v mpicc >/dev/null && command -v mpirun >/dev/null &&
    { [[ -n ${LIBCLANG_PATH:-} ]] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null; }
}

has_images() {
  local split
  for split in train t10k; do
    [[ -s $images/$split-images-idx3-ubyte.gz && -s $images/$split-labels-idx1-ubyte.gz ]] || return 1
  done
}

if needs redis && [[ -n ${FIDELIS_REDIS_SERVER:-} ]] && ! has_redis; then
  die "FIDELIS_REDIS_SERVER is \`$FIDELIS_REDIS_SERVER\`, which is not a program; correct it or unset it"
fi
if needs images && [[ -n ${FIDELIS_FASHION_MNIST:-} ]] && ! has_images; then
  die "FIDELIS_FASHION_MNIST is \`$images\`, which lacks the four *-ubyte.gz files; correct it or unset it"
fi

packages=()
lacks() { needs "$1" && ! "has_$1"; }
lacks compiler && packages+=(gcc g++ libc6-dev)
needs compiler && ! has_nasm && packages+=(nasm)
lacks redis && packages+=(redis-server)
lacks images && packages+=(dataset-fashion-mnist)
lacks faketime && packages+=(faketime)
lacks mpi && packages+=(libopenmpi-dev openmpi-bin libclang-dev)
if [[ ${#packages[@]} -gt 0 ]]; then
  apt_install "${packages[@]}" || say "looking whether what is needed is there all the same"
fi

missing=0
lacking() {
  say "$*"
  missing=1
}
! lacks compiler || lacking "no C++ compiler: install gcc and g++, so that \`cc\` and \`c++\` are found"
! needs compiler || has_nasm || lacking "no nasm: install it, so that JPEGs are decoded as fast as elsewhere, and damaged ones to the same bits"
! lacks redis || lacking "no redis-server: install Redis 7, or set FIDELIS_REDIS_SERVER to its binary"
! lacks images ||
  lacking "no Fashion-MNIST: put its four *-ubyte.gz files in a folder and set FIDELIS_FASHION_MNIST to it"
! lacks mpi || lacking "no MPI: install Open MPI (mpicc and mpirun) and libclang, or name the latter's folder by LIBCLANG_PATH"
! lacks faketime || say "no libfaketime: the tests of wrong clocks will fail; install faketime"
[[ $missing -eq 0 ]] || die "set-up is incomplete: see above, then run it again"

command -v cargo >/dev/null ||
  say "no cargo yet: install Rust with rustup before building (rust-toolchain.toml names the version)"
