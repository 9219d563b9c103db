//! A training run in a folder: what it leaves, how it stops and goes on, and that rounds change nothing.

use std::path::Path;

use fidelis_edm2::checkpoint::{Checkpoint, TensorFile};
use fidelis_edm2::train::{Feed, Folder, Progress, Recipe, Session, Trainer};
use tch::{Device, Kind, Tensor};

const RECIPE: &str = include_str!("../../../tests/fixtures/recipe-tiny.toml");

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

/// Pictures without classes; `broken` is none.
fn pictures(folder: &Path, broken: Option<u64>) -> Box<Feed> {
    std::fs::create_dir_all(folder).unwrap();
    for index in 0..600 {
        let mut bytes = b"P5 4 4 255\n".to_vec();
        bytes.extend((0..16).map(|pixel| ((pixel * 7 + index * 13) % 256) as u8));
        if broken == Some(index) {
            bytes.truncate(20);
        }
        std::fs::write(folder.join(format!("{index:03}.pgm")), bytes).unwrap();
    }
    Box::new(Feed::open(folder, 5, 2).unwrap())
}

/// A look at all that is cheap does not find a picture that is cut short; the step that needs it does.
#[test]
fn a_picture_that_cannot_be_decoded_is_named_and_costs_no_step() {
    let root = tempfile::tempdir().unwrap();
    let (whole, broken, data) =
        (root.path().join("whole"), root.path().join("broken"), root.path().join("data"));
    let train = |folder: &Path, bad: Option<u64>| {
        let outdir = Folder::new(folder).unwrap();
        let text = RECIPE.replace("label_dim = 2", "label_dim = 0");
        let session = Session { state_images: 1_000_000, ..session(&outdir) };
        let feed = pictures(&data, bad);
        feed.check(&|_| true).unwrap();
        let mut trainer = session.open(recipe(root.path(), &text), feed, Device::Cpu).unwrap();
        session.run(&mut trainer, &mut |_| true).map(|()| trainer.step())
    };
    let error = train(&broken, Some(101)).unwrap_err().to_string();
    assert!(error.contains("`101.pgm`") && error.lines().count() == 1, "{error}");
    assert_eq!(names(&broken, "training-state-").len(), 1);
    assert_eq!((train(&broken, None).unwrap(), train(&whole, None).unwrap()), (12, 12));
    let last = "network-snapshot-0000003-0.050.safetensors";
    assert!(std::fs::read(whole.join(last)).unwrap() == std::fs::read(broken.join(last)).unwrap());
}

#[test]
fn snapshots_that_would_replace_each_other_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let outdir = Folder::new(root.path()).unwrap();
    let check = |snapshot_images, steps| {
        let recipe = Recipe { steps, ..recipe(root.path(), RECIPE) };
        Session { snapshot_images, ..session(&outdir) }
            .check_names(&recipe)
            .map_err(|error| error.to_string())
    };
    let error = check(500, 12).unwrap_err();
    assert!(
        error.contains("`0` and at `500`") && error.contains("network-snapshot-0000000-0.050"),
        "{error}"
    );
    check(1000, 1_000_000).unwrap();
    // The end takes the name of the snapshot just before it.
    check(2000, 9).unwrap();
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
        trainer.advance().unwrap().loss
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
    let losses = [trainer.advance().unwrap().loss, trainer.advance().unwrap().loss];
    assert!(losses.iter().all(|loss| loss.is_finite()) && losses[0] != losses[1], "{losses:?}");
    let error = Trainer::new(recipe(root.path(), RECIPE), open(), Device::Cpu).unwrap_err().to_string();
    assert!(error.contains("no latents"), "{error}");
}
