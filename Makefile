# One word each; `make` alone lists them. Cargo always runs with --release: one profile, one target directory.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-print-directory

# How many images `make demo` makes of each kind.
N ?= 2000
# Which ways `make reproduction` scores: all, or some of none auto less smaller cfg interval ema dropout noise …
WAYS ?=

# How many images each block of `make nightly` has.
NIGHTLY ?= 200

# The schedule of `make chaos`, and for how long it goes on with the next ones.
SEED ?= 1
MINUTES ?= 0

# How often `make faults` runs every test.
TIMES ?= 5

# How often `make toy` trains each net.
TRAININGS ?= 3

# Alternations of `make bench-peers`, and which of its rows: nets sampling inception distances whole.
TURNS ?= 5
ONLY ?=

# How long `make fuzz` looks, all targets together.
SECONDS ?= 600

# An empty LIBTORCH would hide the one that .cargo/config.toml names.
ifeq ($(LIBTORCH),)
unexport LIBTORCH
endif

.PHONY: help setup build programs demo demo-train sweep reproduction nightly toy test test-mpi parity speed bench bench-peers fuzz chaos faults planted garage gpu-kit lint fmt

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: ## install what is missing: compiler, redis-server, Fashion-MNIST, libtorch
	@infra/setup/system.sh compiler redis images faketime
	@infra/setup/libtorch.sh

build: ## leave target/release/fidelis and target/release/fidelis-worker
	@infra/setup/system.sh compiler
	@infra/setup/libtorch.sh
	@cargo build --release --workspace --bin fidelis --bin fidelis-worker

# And what the tests drive. The same features as `build`: nothing is compiled twice.
programs: setup
	@cargo build --release --workspace --bins

demo: build ## generate and score images with two kinds of guidance (N=2000 of each; N=50000 is full size)
	@infra/setup/system.sh redis
	@infra/demo/demo.sh $(N)

demo-train: build ## train the demo's nets and detector again, as their model card says
	@infra/setup/system.sh images
	@infra/demo/train.sh

reproduction: N = 1000
reproduction: build ## guide the demo's net in the ways that the autoguidance paper compares, and score each (N=1000 images, three times)
	@infra/setup/system.sh redis images
	@python3 infra/demo/reproduction.py $(N) $(WAYS)

sweep: N = 600
sweep: build ## find the best guidance, guiding net and EMA length for the demo's net (N=600 images of each cell)
	@infra/setup/system.sh redis images
	@infra/demo/sweep.sh $(N)

nightly: build ## judge ten nights of unchanged code and seven mistakes against a baseline, on the demo's pair
	@infra/setup/system.sh redis
	@python3 infra/demo/nightly.py $(NIGHTLY)

toy: build ## train, sample and draw the 2D example of autoguidance (TRAININGS=3 of each net)
	@infra/toy.sh $(TRAININGS)

test: programs ## run every test
	@infra/check/test.sh

test-mpi: setup ## test training by several processes (installs Open MPI and libclang; not part of `make test`)
	@infra/setup/system.sh mpi
	@infra/check/mpi.sh

parity: programs ## compare with pytorch-fid, torch-fidelity and Pillow from PyPI (Python 3.11 or later, 5 GB of disk)
	@cargo build --release --workspace --example pixels
	@infra/parity/parity.sh

speed: build ## train the nets of the demo and of the 2D example here and in PyTorch, in turns on one thread, and print steps per second (as `parity`, with its needs)
	@infra/setup/system.sh images
	@infra/parity/parity.sh speed

bench: build ## measure this machine: the demo's pair, a distance with its error bar, a synthetic fleet (minutes)
	@infra/setup/system.sh redis
	@cargo build --release --workspace --example scale --example bare
	@python3 infra/bench.py $${CARGO_TARGET_DIR:-target}/release

bench-peers: build ## measure beside PyTorch, pytorch-fid, numpy and scipy on the same work (TURNS=5; ONLY="nets sampling")
	@cargo build --release --workspace --example device-check --example limits
	@TURNS=$(TURNS) ONLY="$(ONLY)" infra/parity/bench.sh

fuzz: ## look for files that a reader trips over (SECONDS=600; needs cargo-fuzz)
	@infra/check/fuzz.sh $(SECONDS)

chaos: programs ## soak runs in random faults, seed after seed (SEED=1 MINUTES=0: that seed alone)
	@$${CARGO_TARGET_DIR:-target}/release/fidelis-chaos --seed $(SEED) --minutes $(MINUTES)

faults: programs ## run the tests of faults TIMES=5 times, each time with another seed, and print what each came to
	@infra/check/faults.sh $(TIMES)

planted: programs ## plant five mistakes and show which tests find each
	@infra/check/planted.sh

garage: programs ## run the store's tests against Garage, a second S3 server (not part of `make test`)
	@infra/check/garage.sh

gpu-kit: build ## leave the checks for a machine with a GPU in .deps/gpu-kit; needs none here (half an hour the first time)
	@infra/setup/system.sh redis
	@infra/gpu/kit.sh

lint: ## check formatting, lints, file sizes, scripts and dependencies
	@infra/setup/system.sh compiler
	@infra/setup/libtorch.sh
	@infra/check/lint.sh

fmt: ## format the Rust sources
	@cargo fmt --all
