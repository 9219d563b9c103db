#!/usr/bin/env bash
# Tests training by several processes over MPI. Needs Debian's Open MPI and libclang, which nothing else here does.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

# mpirun refuses root otherwise, and more ranks than cores.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_rmaps_base_oversubscribe=1
cargo test --release --workspace --features fidelis-worker/mpi --test mpi
