//! What a worker's device does without a fleet around it: the chunks of a spec made one after the other and dropped, to be
//! compared with the same spec's `fidelis local`. `cargo run --release --workspace --example bare -- SPEC SEEDS`. The last
//! line on stdout is JSON; the first chunk, which loads the nets, is in neither figure.

use std::{path::PathBuf, time::Instant};

use anyhow::{Context, bail};
use fidelis_contract::{
    maker::Maker,
    outcome::Failure,
    plan::Plan,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::{folder, out};
use fidelis_worker::engine::{CancelFlag, EngineOptions, Engines, Work};

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let (Some(path), Some(seeds)) = (args.next().map(PathBuf::from), args.next()) else {
        return Err(anyhow::anyhow!("give a spec and its seeds, as `guided.toml 0-511`").into());
    };
    Ok(measure(path, &seeds)?)
}

fn measure(path: PathBuf, seeds: &str) -> anyhow::Result<()> {
    let mut spec = RunSpec::load(&path)?;
    spec.seeds = seeds.parse()?;
    for (field, file) in spec.files_mut() {
        let digest = folder::digest(file.path.as_ref());
        file.sha256 = Some(digest.with_context(|| format!("`{field}`, `{}`", file.path))?);
    }
    let spec = ResolvedSpec::new(spec)?;
    let (plan, local) = (Plan::new(&spec), spec.placed(|_, file| file.path.clone()));
    let mut engines =
        Engines::new(&EngineOptions { device: "cpu".to_owned(), lanes: None, maker: Maker::default() });
    let (mut begun, mut num_images) = (None, 0);
    for chunk in plan.chunks() {
        let (seeds, cancel) = (chunk.seeds.to_vec(), CancelFlag::new());
        let work = Work { seeds: &seeds, micro_batch: spec.micro_batch, cancel: &cancel, materials: None };
        let made = engines.generate(&local, &work)?;
        match begun {
            None => begun = Some(Instant::now()),
            Some(_) => num_images += made.labels.len(),
        }
    }
    let Some(begun) = begun.filter(|_| num_images > 0) else { bail!("give seeds of two chunks at least") };
    let seconds = begun.elapsed().as_secs_f64();
    out::json(
        serde_json::json!({ "images": num_images, "seconds": seconds, "images_per_s": num_images as f64 / seconds }),
    );
    Ok(())
}
