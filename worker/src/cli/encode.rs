//! `fidelis-worker encode`: pictures of any kind to a dataset that this trainer and EDM2's read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use clap::Args;
use fidelis_contract::exit;
use fidelis_fleet::out;
use fidelis_formats::images::Dataset;
use fidelis_formats::images::edm_zip::{self, EdmZip};
use fidelis_formats::images::transform::{TRANSFORMS, Transform};
use rayon::prelude::*;

use super::{Failure, output};
use crate::interrupt::Interrupt;

/// Images that are in memory together.
const BLOCK: u64 = 256;

#[derive(Debug, Args)]
pub struct EncodeArgs {
    /// Pictures: a .zip or a folder, with classes in its dataset.json or in the names of its folders; an .npz, an idx file or
    /// .safetensors
    #[arg(long, value_name = "PATH")]
    source: PathBuf,
    /// Where the dataset goes (.zip): stored PNG files and a dataset.json
    #[arg(long, value_name = "F")]
    dest: PathBuf,
    /// Pixels along an edge
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=8192))]
    resolution: u64,
    /// center-crop: the largest square in the middle, Lanczos; center-crop-dhariwal: as guided-diffusion does; without it the
    /// pictures must have the size
    #[arg(long, value_name = "NAME", value_parser = parse_transform)]
    transform: Option<Transform>,
}

fn parse_transform(name: &str) -> Result<Transform, String> {
    let known = TRANSFORMS.iter().find(|(known, _)| *known == name);
    known
        .map(|(_, transform)| *transform)
        .ok_or_else(|| "expected center-crop or center-crop-dhariwal".to_owned())
}

/// Reads, crops and writes in the order of the names; the dataset appears whole or not at all.
pub fn encode(args: &EncodeArgs) -> Result<u8, Failure> {
    let interrupt = Interrupt::watch()?;
    output::check([args.dest.as_path()])?;
    let dataset = Dataset::open(&args.source)?;
    let classes = classes(&dataset);
    let failed = || format!("cannot write `{}`", args.dest.display());
    let mut zip = EdmZip::new(&args.dest).with_context(failed)?;
    let len = dataset.len();
    for start in (0..len).step_by(BLOCK as usize) {
        if let Some(code) = interrupt.signal() {
            return Ok(code);
        }
        let block: Vec<u64> = (start..len.min(start + BLOCK)).collect();
        let made =
            block.par_iter().map_init(|| dataset.clone(), |dataset, &index| encoded(args, dataset, index));
        for (index, png) in block.iter().zip(made.collect::<Result<Vec<_>, _>>()?) {
            zip.add(&png, classes[*index as usize]).with_context(failed)?;
        }
        out::note(format!("{} of {len} images", len.min(start + BLOCK)));
    }
    zip.finish().with_context(failed)?;
    let labelled = if classes.iter().all(Option::is_some) { "with classes" } else { "without classes" };
    out::line(format!("{}: {len} images, {labelled}", args.dest.display()));
    Ok(exit::DONE)
}

fn encoded(args: &EncodeArgs, dataset: &mut Dataset, index: u64) -> Result<Vec<u8>, Failure> {
    let named = |dataset: &Dataset| format!("`{}` of `{}`", dataset.name(index), args.source.display());
    let image = dataset.read(index).map_err(|error| anyhow!("{} {error}", named(dataset)))?;
    let transform = args.transform.unwrap_or(Transform::None);
    let image = transform.apply(&image, args.resolution as usize);
    let image = image.map_err(|error| anyhow!("{} {error}", named(dataset)))?;
    Ok(edm_zip::png(&image).with_context(|| named(dataset))?)
}

/// Of each image: as the dataset says, or where it says nothing the place of its folder among the folders, sorted by name.
fn classes(dataset: &Dataset) -> Vec<Option<i64>> {
    let said: Vec<Option<i64>> = (0..dataset.len()).map(|index| dataset.label(index)).collect();
    if said.iter().any(Option::is_some) {
        return said;
    }
    let folder = |index: u64| -> Option<String> {
        let name = dataset.name(index);
        Path::new(&name)
            .parent()?
            .components()
            .next()
            .map(|part| part.as_os_str().to_string_lossy().into_owned())
    };
    let folders: Vec<Option<String>> = (0..dataset.len()).map(folder).collect();
    let names: BTreeSet<&String> = folders.iter().flatten().collect();
    // A single folder is a place, not a class.
    if names.len() < 2 {
        return said;
    }
    let names: Vec<&String> = names.into_iter().collect();
    let place =
        |folder: &Option<String>| names.binary_search(&folder.as_ref()?).ok().map(|place| place as i64);
    folders.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_classes_unless_there_is_one_or_the_dataset_knows_better() {
        let folder = tempfile::tempdir().unwrap();
        let picture = |name: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "P5 1 1 255\n0").unwrap();
        };
        let found = || classes(&Dataset::open(folder.path()).unwrap());
        picture("n02/a.pgm");
        assert_eq!(found(), [None]);
        picture("n10/deep/b.pgm");
        picture("n01/c.pgm");
        assert_eq!(found(), [Some(0), Some(1), Some(2)], "in the order of the names: n01, n02, n10");
        std::fs::write(folder.path().join("dataset.json"), r#"{"labels": [["n02/a.pgm", 7]]}"#).unwrap();
        assert_eq!(found(), [None, Some(7), None]);
    }
}
