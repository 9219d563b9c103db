#!/usr/bin/env bash
# The kit for a machine with a GPU, in .deps/gpu-kit: everything that asks it our questions (gpu-check), built here without
# one against the libtorch that lies there. Nothing in it is fetched there, and nothing large is in it.
#
# The programs want PyTorch 2.11's own libraries at run time. Here its CPU half is enough to link: an empty library stands in
# for the CUDA half, so that the dependency is recorded and the real one is found there. tch's bindings are of libtorch 2.13:
# what they name and 2.11 lacks is stubbed (missing.h).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=infra/setup/lib.sh
source infra/setup/lib.sh
# shellcheck source=infra/setup/wheels.sh
source infra/setup/wheels.sh
say() { printf 'gpu-kit: %s\n' "$*" >&2; }

build=.deps/gpu-build
kit=.deps/gpu-kit
libtorch=$PWD/$build/libtorch/torch
# The tracked files travel too, and no more than so much fits through the door.
max_kit_bytes=30000000
max_bytes_in_all=60000000

# The CUDA half, as far as a linker looks.
stand_in() {
  local library=$libtorch/lib/libtorch_cuda.so
  [[ -f $library ]] || cc -shared -Wl,-soname,libtorch_cuda.so -x c /dev/null -o "$library"
}

# In a target folder of its own, since every crate on libtorch is another one: the first time takes half an hour on two cores.
build_programs() {
  CARGO_TARGET_DIR=$build/target LIBTORCH=$libtorch LIBTORCH_BYPASS_VERSION_CHECK=1 CARGO_INCREMENTAL=0 \
    CXXFLAGS="-include $PWD/infra/gpu/missing.h" \
    cargo build --release --package fidelis-worker --bin fidelis-worker \
    --package fidelis-edm2 --example device-check
}

# redis-server with the libraries that it wants beyond the C library's, started by a script that names them. libsystemd, of
# which it uses one call, would bring five megabytes along: an empty call stands in for it.
lay_out_redis() {
  local server libraries=$1/redis-lib
  server=$(command -v "${FIDELIS_REDIS_SERVER:-redis-server}")
  mkdir "$libraries"
  cp "$(readlink -f "$server")" "$libraries/redis-server"
  ldd "$server" | awk '$3 ~ /^\// { print $3 }' |
    grep -E '/lib(atomic|lzf|jemalloc|ssl|crypto)\.so' | xargs -r cp --dereference --target-directory "$libraries"
  cc -shared -x c - -Wl,-soname,libsystemd.so.0 -Wl,--version-script=<(echo 'LIBSYSTEMD_209 { global: *; };') \
    -o "$libraries/libsystemd.so.0" <<<'int sd_notify(int unset, const char *state) { return (void)unset, (void)state, 0; }'
  # shellcheck disable=SC2016  # the script's own variables
  printf '%s\n' '#!/bin/sh' 'here=$(dirname "$(readlink -f "$0")")' \
    'LD_LIBRARY_PATH=$here/redis-lib exec "$here/redis-lib/redis-server" "$@"' >"$1/redis-server"
  chmod +x "$1/redis-server"
}

lay_out_programs() {
  local programs=$1
  mkdir "$programs"
  cp "$build"/target/release/{fidelis-worker,examples/device-check} "$programs"
  # The control plane knows no libtorch: the ordinary build's is the one.
  cp "${CARGO_TARGET_DIR:-target}/release/fidelis" "$programs"
  strip "$programs"/{fidelis,fidelis-worker,device-check}
  lay_out_redis "$programs"
}

# The entry script, and one archive of all else: packed together, since the programs share much.
lay_out() {
  local to=$1 parts=$1/parts
  mkdir "$parts"
  lay_out_programs "$parts/programs"
  lay_out_fixtures "$parts/fixtures"
  cp infra/gpu/peer.py infra/parity/plain_edm2.py "$parts"
  cp infra/gpu/gpu-check "$to"
  tar -C "$parts" --sort=name --owner=0 --group=0 --mtime=@0 -c . |
    xz --x86 --lzma2=preset=9,dict=128MiB >"$to/parts.tar.xz"
  rm -r "$parts"
}

# All but the nets `null` and `uncond`: there is no room for them.
lay_out_fixtures() {
  local to=$1 from=tests/fixtures
  mkdir -p "$to/published"
  cp "$from"/edm2-{main,guide}.pkl "$from"/forward-{main,guide}.safetensors "$from"/sample[-.]* "$from"/vae-* \
    "$from"/{inception,dinov2}-golden.safetensors "$to"
  cp "$from"/published/{edm2-rgb.pkl,forward-rgb.safetensors,sample-rgb-16.safetensors} "$to/published"
}

newest_glibc() {
  objdump -T "$@" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1
}

provide_libtorch 2.11.0 infra/gpu/libtorch-requirements.txt "$build/libtorch"
stand_in
build_programs
# provide_libtorch may have set a trap of its own for its folder, which is gone by now.
partial=$kit.partial
rm -rf "$partial"
mkdir -p "$partial"
lay_out "$partial"
rm -rf "$kit"
mv "$partial" "$kit"
bytes=$(du -sb "$kit" | cut -f 1)
say "$kit has $bytes bytes and wants $(newest_glibc "$build"/target/release/{fidelis-worker,examples/device-check} "${CARGO_TARGET_DIR:-target}/release/fidelis") or newer"
((bytes <= max_kit_bytes)) || die "the kit is larger than $max_kit_bytes bytes: see what grew"
tracked=$(git ls-files -z | xargs -0 cat | wc -c)
say "with the $tracked bytes of the tracked files $((bytes + tracked)) travel"
((bytes + tracked <= max_bytes_in_all)) || die "more than $max_bytes_in_all bytes: see what grew (git ls-files)"
say "on the machine with the GPU: $kit/gpu-check"
