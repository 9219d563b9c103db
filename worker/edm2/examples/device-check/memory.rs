//! A micro-batch that the device's memory does not hold is halved until it fits, and gives the bits of the smaller one.

use std::fs;
use std::process::{Command, Stdio};

use fidelis_edm2::generate::{GenerateError, Generator};
use serde_json::{Value, json};
use tch::{Device, Kind, Tensor};

use crate::bits::digest;
use crate::repeat::recipe;
use crate::report::Report;
use crate::setting::{Setting, arguments};
use crate::smi;

const PRECISION: &str = "fp32";
const GIB: i64 = 1 << 30;

/// On a GPU all memory but this is taken away first.
const LEFT_GIB: usize = 6;
/// On a CPU a process may have half of what the huge one takes more than this.
const SMALL: usize = 16;

fn huge(setting: &Setting) -> usize {
    if setting.is_tiny() { 128 } else { 512 }
}

pub fn check(setting: &Setting, report: &Report) {
    let (found, expected) =
        if setting.device == Device::Cpu { in_processes(setting) } else { on_gpu(setting) };
    let Halved { micro_batch, digest } = found;
    let ran_out = (1..huge(setting)).contains(&micro_batch);
    report.holds(
        ran_out,
        json!({"what": "memory ran out and the rest was made", "asked_for": huge(setting),
        "micro_batch": micro_batch}),
    );
    let equal = digest == expected.digest;
    report.holds(equal, json!({"what": "the bits of the smaller micro-batch", "equal": equal}));
}

/// A run that halved its micro-batch down to this.
#[derive(Debug)]
struct Halved {
    micro_batch: usize,
    digest: String,
}

/// As the worker does it.
fn halving(setting: &Setting, mut micro_batch: usize) -> Halved {
    let seeds: Vec<u64> = (0..huge(setting) as u64).collect();
    let mut recipe = recipe(setting, PRECISION, micro_batch);
    recipe.model.sampling.sampler.num_steps = 2;
    let mut generator = Generator::load(&recipe, setting.device, 1).unwrap_or_else(|error| panic!("{error}"));
    loop {
        generator.set_micro_batch(micro_batch);
        match generator.generate(&seeds, &|| false) {
            Ok(made) => {
                let latents = made.latents.expect("the recipe asks for latents");
                return Halved { micro_batch, digest: digest(&latents.data) };
            }
            Err(error) if micro_batch > 1 && is_short(setting, &error) => micro_batch /= 2,
            Err(error) => panic!("at micro-batch `{micro_batch}`: {error}"),
        }
    }
}

/// A lack of memory; on a CPU oneDNN says of it only that it could not create a primitive.
fn is_short(setting: &Setting, error: &GenerateError) -> bool {
    match error {
        GenerateError::OutOfMemory(_) => true,
        GenerateError::Torch(_) => setting.is_tiny(),
        _ => false,
    }
}

fn on_gpu(setting: &Setting) -> (Halved, Halved) {
    // What is left stays the driver's: kernels that are loaded late want some of it too.
    let free_mib = smi::ask(setting.device, "memory.free").and_then(|values| values[0].parse::<usize>().ok());
    let free_gib = free_mib.expect("nvidia-smi tells how much memory is free") / 1024;
    let block = || Tensor::f_zeros([GIB], (Kind::Uint8, setting.device)).ok();
    let filler: Vec<Tensor> = std::iter::from_fn(block).take(free_gib.saturating_sub(LEFT_GIB)).collect();
    let found = halving(setting, huge(setting));
    drop(filler);
    let expected = halving(setting, found.micro_batch);
    (found, expected)
}

/// Memory is a process's address space: its limit is set by whoever starts it.
fn in_processes(setting: &Setting) -> (Halved, Halved) {
    let peak =
        |micro_batch| limited(micro_batch, "unlimited")["peak_kib"].as_u64().expect("linux tells the peak");
    let limit = u64::midpoint(peak(SMALL), peak(huge(setting)));
    let found = limited(huge(setting), &limit.to_string());
    let of = |row: &Value| Halved {
        micro_batch: row["micro_batch"].as_u64().unwrap_or_default() as usize,
        digest: row["digest"].as_str().unwrap_or_default().to_owned(),
    };
    let found = of(&found);
    let expected = of(&limited(found.micro_batch, "unlimited"));
    (found, expected)
}

fn limited(micro_batch: usize, kib: &str) -> Value {
    let own = std::env::current_exe().expect("a program has a path");
    let mut shell = Command::new("bash");
    shell.args(["-c", "ulimit -v \"$1\"; exec \"$2\" memory-within \"$3\"", "bash", kib]).arg(own);
    // Arenas of threads would reserve address space that nobody uses.
    shell.arg(micro_batch.to_string()).env("MALLOC_ARENA_MAX", "1").stderr(Stdio::inherit());
    let output = shell.output().unwrap_or_else(|error| panic!("cannot start bash: {error}"));
    serde_json::from_slice(&output.stdout).unwrap_or_default()
}

/// For [`check`], in a process of its own.
pub fn within(setting: &Setting, report: &Report) {
    let [micro_batch] = arguments("memory-within MICRO_BATCH");
    let Halved { micro_batch, digest } = halving(setting, micro_batch.parse().expect("a number"));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmPeak:"))
        .and_then(|rest| rest.split_whitespace().next());
    let peak_kib: Option<u64> = peak.and_then(|kib| kib.parse().ok());
    report.measured(json!({"micro_batch": micro_batch, "digest": digest, "peak_kib": peak_kib}));
}
