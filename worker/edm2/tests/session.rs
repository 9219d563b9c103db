//! A training run in a folder: what it leaves, how it stops and goes on, and that rounds change nothing.

use std::path::Path;

use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::train::{Feed, Folder, Progress, Recipe, Session, Trainer};
use tch::{Device, Kind, Tensor};

const RECIPE: &str = r#"
seed = 5
batch = 250
steps = 12
p_mean = -0.8
p_std = 1.2
ema = [0.05, 0.10]
lr = { alpha_ref = 0.01, t_ref = 100, rampup_images = 500 }
[net]
img_resolution = 4
img_channels = 1
label_dim = 2
model_channels = 4
channel_mult = [1, 2]
num_blocks = 1
attn_resolutions = []
channels_per_head = 8
encoder = "rgb"
"#;

fn recipe(folder: &Path, text: &str) -> Recipe {
    tch::set_num_threads(1);
    let path = folder.join("recipe.toml");
    std::fs::write(&path, text).unwrap();
    Recipe::read(&path).unwrap()
}

/// Pictures of two classes.
fn feed(folder: &Path) -> Box<Feed> {
    let images = Tensor::arange(7 * 16, (Kind::Int64, Device::Cpu)).remainder(251).reshape([7, 1, 4, 4]);
    let labels = Tensor::arange(7, tch::kind::INT64_CPU).remainder(2);
    let tensors = [("images".to_owned(), images.to_kind(Kind::Uint8)), ("labels".to_owned(), labels)].into();
    let path = folder.join("images.safetensors");
    TensorFile { tensors, ..TensorFile::default() }.write(&path).unwrap();
    Box::new(Feed::open(&path, 5, 2).unwrap())
}

fn session(outdir: &Folder) -> Session<'_> {
    Session { outdir, snapshot_images: 1000, state_images: 1000, stats_steps: 5, round: 250 }
}

fn names(folder: &Path, prefix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name.starts_with(prefix));
    names.sort();
    names
}

fn steps(folder: &Path) -> Vec<u64> {
    let text = std::fs::read_to_string(folder.join("stats.jsonl")).unwrap();
    let step =
        |line: &str| serde_json::from_str::<serde_json::Value>(line).unwrap()["step"].as_u64().unwrap();
    text.lines().map(step).collect()
}

/// Trains on from what is there, for so many steps at most.
fn train(folder: &Path, files: &Path, at_most: u64) -> Trainer {
    let outdir = Folder::new(folder).unwrap();
    let session = session(&outdir);
    let mut trainer = session.open(recipe(files, RECIPE), feed(files), Device::Cpu).unwrap();
    let mut left = at_most;
    let mut goes_on = |progress: Option<Progress>| {
        if progress.is_none() {
            left = left.saturating_sub(1);
        }
        left > 0
    };
    session.run(&mut trainer, &mut goes_on).unwrap();
    trainer
}

#[test]
fn a_run_leaves_snapshots_states_and_numbers_and_goes_on_where_it_stopped() {
    let root = tempfile::tempdir().unwrap();
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    assert!(train(&whole, root.path(), 100).is_done());
    let snapshots = names(&whole, "network-snapshot-");
    assert_eq!(snapshots.len(), 4 * 2, "at 0, 1000, 2000 and 3000 images, of two widths: {snapshots:?}");
    assert_eq!(snapshots[3], "network-snapshot-0001-0.100.safetensors".replace("-0001-", "-0000001-"));
    assert_eq!(
        names(&whole, "training-state-"),
        ["training-state-0000002.safetensors", "training-state-0000003.safetensors"]
    );
    assert_eq!(steps(&whole), [5, 10, 12]);
    let last = TensorFile::read(&whole.join(&snapshots[7])).unwrap();
    assert_eq!((last.metadata["images"].as_str(), last.metadata["sigma_rel"].as_str()), ("3000", "0.1"));
    assert_eq!(Checkpoint::read(&whole.join(&snapshots[7])).unwrap().config.label_dim, 2);

    assert!(!train(&parts, root.path(), 7).is_done());
    // At 1000 images, and at 1500 when it stopped: of one name.
    assert_eq!(names(&parts, "training-state-"), ["training-state-0000001.safetensors"]);
    assert!(train(&parts, root.path(), 100).is_done());
    assert_eq!(steps(&parts), [5, 10, 12]);
    for name in snapshots {
        assert_eq!(
            std::fs::read(whole.join(&name)).unwrap(),
            std::fs::read(parts.join(&name)).unwrap(),
            "{name}"
        );
    }
}

/// The weights after three steps, taken in rounds of `round`.
fn weights(round: u64) -> Checkpoint {
    let root = tempfile::tempdir().unwrap();
    let mut trainer = Trainer::new(recipe(root.path(), RECIPE), feed(root.path()), Device::Cpu).unwrap();
    trainer.set_round(round);
    (0..3).for_each(|_| trainer.advance().map(drop).unwrap());
    trainer.snapshot(0)
}

#[test]
fn rounds_change_nothing_but_the_rounding() {
    let (whole, parts) = (weights(250), weights(64));
    let mut differ = false;
    for (name, tensor) in &whole.state {
        let (found, expected) = (parts.state[name].to_kind(Kind::Double), tensor.to_kind(Kind::Double));
        let off = (&found - &expected).abs().max().double_value(&[]);
        // What is written is float16, whose step is 5e-4 of a value.
        assert!(off <= 6e-4 * expected.abs().max().double_value(&[]), "{name}: {off:.2e}");
        differ |= off > 0.0;
    }
    assert!(differ, "the rounds were not taken");
}

#[test]
fn mirrored_images_are_another_training() {
    let root = tempfile::tempdir().unwrap();
    let loss = |text: &str| {
        let mut trainer = Trainer::new(recipe(root.path(), text), feed(root.path()), Device::Cpu).unwrap();
        trainer.advance().unwrap()
    };
    let flipped = format!("xflip = true\n{RECIPE}");
    assert_ne!(loss(RECIPE), loss(&flipped));
    assert_eq!(loss(&flipped), loss(&flipped));
}

/// Posteriors are drawn from without the autoencoder that made them.
#[test]
fn latents_are_trained_on_without_their_autoencoder() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("latents");
    std::fs::create_dir(&data).unwrap();
    for index in 0..3 {
        let latent = Tensor::randn([8, 4, 4], tch::kind::FLOAT_CPU).abs() + 0.1;
        latent.write_npy(data.join(format!("{index}.npy"))).unwrap();
    }
    let text = RECIPE
        .replace("rgb", "stability-vae")
        .replace("img_channels = 1", "img_channels = 4")
        .replace("label_dim = 2", "label_dim = 0");
    let open = || Box::new(Feed::open(&data, 5, 2).unwrap());
    let mut trainer = Trainer::new(recipe(root.path(), &text), open(), Device::Cpu).unwrap();
    let losses = [trainer.advance().unwrap(), trainer.advance().unwrap()];
    assert!(losses.iter().all(|loss| loss.is_finite()) && losses[0] != losses[1], "{losses:?}");
    let error = Trainer::new(recipe(root.path(), RECIPE), open(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("no latents"), "{error}");
}
