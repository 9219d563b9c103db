//! Images that exist, through the queue: reference statistics and scores.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, fashion_mnist, repository};
use serde_json::Value;

const NUM_IMAGES: usize = 300;

/// The first test images as PNG files in two folders.
fn folder_of_images(root: &Path) -> Result<PathBuf> {
    let images = root.join("images");
    for (i, pixels) in fashion_mnist::test_images(NUM_IMAGES)?.iter().enumerate() {
        let folder = images.join(if i < 100 { "a" } else { "b" });
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(format!("{i:05}.png")), fashion_mnist::png(pixels)?)?;
    }
    Ok(images)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A command line with the demo's detector at its end.
fn with_detector(args: &[&str]) -> Vec<String> {
    let weights = text(&repository().join("infra/demo/models/fashion-cnn.safetensors"));
    let detector = ["--detector", "fashion-cnn", "--weights", &weights];
    args.iter().chain(&detector).map(ToString::to_string).collect()
}

fn ref_args(data: &Path, dest: &Path, more: &[&str]) -> Vec<String> {
    with_detector(&[&["ref", "--data", &text(data), "--dest", &text(dest)], more].concat())
}

fn run<S: AsRef<std::ffi::OsStr> + std::fmt::Debug>(name: &str, args: &[S]) -> Result<Outcome> {
    let outcome = Outcome::of(name, args, &[])?;
    ensure!(outcome.code == Some(0), "{name} {args:?}: {outcome:#?}");
    Ok(outcome)
}

/// The distance between two files.
fn distance(features: &Path, reference: &Path) -> Result<f64> {
    let args = ["metrics", "--features", &text(features), "--ref", &text(reference), "--json"];
    let found: Value = serde_json::from_str(&run("fidelis", &args)?.stdout)?;
    let found = found.get("fd").context("no distance of a detector that is not Inception")?;
    found.as_f64().or(found["value"].as_f64()).context("no distance")
}

/// I3 for datasets: two workers of a fleet and one machine of its own give the same bits, and so do features that
/// were extracted and folded without any queue.
#[tokio::test(flavor = "multi_thread")]
async fn reference_statistics_are_the_same_bits_wherever_they_are_made() -> Result<()> {
    let fleet = Fleet::start().await?;
    let root = fleet.folder().to_owned();
    let images = folder_of_images(&root)?;
    let (by_fleet, here, by_hand) = (root.join("fleet.npz"), root.join("here.npz"), root.join("hand.npz"));
    {
        let _workers = (fleet.worker("first", 1)?, fleet.worker("second", 1)?);
        let args = ref_args(&images, &by_fleet, &[]);
        let outcome = fleet.fidelis(&args.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        ensure!(outcome.code == Some(0), "{outcome:#?}");
        assert!(outcome.stdout.contains("300 images, 128 features"), "{}", outcome.stdout);
    }
    run("fidelis", &ref_args(&images, &here, &["--workers", "2"]))?;
    let features = root.join("features.safetensors");
    let extract = ["features", "--images", &text(&images), "--out", &text(&features)];
    run("fidelis-worker", &with_detector(&extract))?;
    run("fidelis", &["ref", "--features", &text(&features), "--dest", &text(&by_hand)])?;
    let expected = std::fs::read(&by_fleet)?;
    assert!(std::fs::read(&here)? == expected, "this machine's own fleet");
    assert!(std::fs::read(&by_hand)? == expected, "by hand");
    Ok(())
}

/// A dataset in the bucket, which every worker fetches for itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_zip_in_a_bucket_gives_the_bits_of_the_folder() -> Result<()> {
    let fleet = Fleet::start().await?;
    let root = fleet.folder().to_owned();
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (i, pixels) in fashion_mnist::test_images(NUM_IMAGES)?.iter().enumerate() {
        zip.start_file(format!("{i:05}.png"), zip::write::SimpleFileOptions::default())?;
        std::io::Write::write_all(&mut zip, &fashion_mnist::png(pixels)?)?;
    }
    let data = fleet.put_object("data/fashion.zip", zip.finish()?.into_inner()).await?;
    let (from_zip, from_folder) = (root.join("zip.npz"), root.join("folder.npz"));
    let args = ref_args(Path::new(&data), &from_zip, &[]);
    let _worker = fleet.worker("fetching", 1)?;
    let outcome = fleet.fidelis(&args.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    run("fidelis", &ref_args(&folder_of_images(&root)?, &from_folder, &[]))?;
    assert!(std::fs::read(&from_zip)? == std::fs::read(&from_folder)?);
    Ok(())
}

#[test]
fn scores_are_those_of_the_statistics() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (images, stats) = (folder_of_images(root.path())?, root.path().join("stats.npz"));
    let reference = repository().join("infra/demo/refs/fashion-train.npz");
    let score = ["calc", "--images", &text(&images), "--ref", &text(&reference), "--json"];
    let outcome = run("fidelis", &with_detector(&score))?;
    let result: Value = serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?;
    assert_eq!(result["num_images"], NUM_IMAGES);
    run("fidelis", &ref_args(&images, &stats, &[]))?;
    let expected = distance(&stats, &reference)?;
    assert!(expected > 0.5, "{expected}");
    assert_eq!(result["detectors"]["fashion-cnn"]["metrics"][0]["value"].as_f64(), Some(expected));
    Ok(())
}

#[test]
fn unreadable_images_are_named_counted_and_fatal_unless_allowed() -> Result<()> {
    let root = tempfile::tempdir()?;
    let images = folder_of_images(root.path())?;
    // Both in the first chunk, none in the second.
    let (empty, half) = (images.join("a/00007.png"), images.join("a/00011.png"));
    let whole = std::fs::read(&half)?;
    std::fs::write(&empty, b"")?;
    std::fs::write(&half, &whole[..whole.len() / 2])?;
    let dest = root.path().join("stats.npz");
    let refused = Outcome::of("fidelis", &ref_args(&images, &dest, &[]), &[])?;
    assert_eq!(refused.code, Some(i32::from(exit::INCOMPLETE)), "{refused:#?}");
    // The cause once, and nothing about a store that is gone with the command.
    let told = refused.stderr.lines().filter(|line| line.contains("cannot be read")).count();
    assert_eq!((told, refused.stderr.contains("fidelis retry")), (1, false), "{refused:#?}");
    let last = refused.stderr.lines().last().unwrap_or_default();
    for words in ["2 of the images", "`a/00007.png`", "`a/00011.png`", "--allow-unreadable"] {
        assert!(last.contains(words), "`{words}` is not in: {last}");
    }
    assert!(!dest.exists());
    let outcome = run("fidelis", &ref_args(&images, &dest, &["--allow-unreadable"]))?;
    assert!(outcome.stdout.contains("298 images"), "{outcome:#?}");
    // As if the two had never been there.
    std::fs::remove_file(empty)?;
    std::fs::remove_file(half)?;
    let without = root.path().join("without.npz");
    run("fidelis", &ref_args(&images, &without, &[]))?;
    assert!(distance(&dest, &without)?.abs() < 1e-6);
    Ok(())
}

/// Two detectors at once, against statistics and against images, over images that a seed chooses.
#[test]
fn several_detectors_score_a_subset_against_any_reference() -> Result<()> {
    let root = tempfile::tempdir()?;
    let images = folder_of_images(root.path())?;
    let (first, second) = (text(&images.join("a")), text(&images.join("b")));
    let cnn = text(&repository().join("infra/demo/models/fashion-cnn.safetensors"));
    let blocks = text(&repository().join("tests/fixtures/block-means.pt"));
    let train = text(&repository().join("infra/demo/refs/fashion-train.npz"));
    let detectors =
        ["--detector", "fashion-cnn", "--weights", &cnn, "--detector", "blocks", "--weights", &blocks];
    let references = ["--ref", &train, "--ref", &first];
    let subset = ["--num", "150", "--seed", "3"];
    let calc = |more: &[&str]| -> Result<Value> {
        let args = [&["calc", "--images", &second, "--json"], &detectors[..], &references, more].concat();
        Ok(serde_json::from_str(run("fidelis", &args)?.stdout.lines().last().context("nothing on stdout")?)?)
    };
    let found = calc(&subset)?;
    assert_eq!(found["num_images"], 150);
    assert_eq!(calc(&subset)?["run"], found["run"], "the same seed is the same run");
    assert_ne!(calc(&["--num", "150", "--seed", "4"])?["run"], found["run"]);

    // The same by hand.
    let distance_of = |name: &str, weights: &str, reference: &str| -> Result<f64> {
        let dest = |part: &str| text(&root.path().join(format!("{name}-{part}.npz")));
        let make = |data: &str, dest: &str, more: &[&str]| {
            let args = ["ref", "--data", data, "--detector", name, "--weights", weights, "--dest", dest];
            run("fidelis", &[&args[..], more].concat())
        };
        make(&second, &dest("images"), &subset)?;
        let mut reference = reference.to_owned();
        if Path::new(&reference).is_dir() {
            make(&reference, &dest("ref"), &[])?;
            reference = dest("ref");
        }
        distance(Path::new(&dest("images")), Path::new(&reference))
    };
    for (name, weights, reference) in [("fashion-cnn", &cnn, &train), ("blocks", &blocks, &first)] {
        let expected = distance_of(name, weights, reference)?;
        let value = found["detectors"][name]["metrics"][0]["value"].as_f64().context("no value")?;
        assert!(expected > 0.0 && value == expected, "{name}: {value} and {expected}");
    }
    // Features are a reference too.
    let features = text(&root.path().join("features.safetensors"));
    let extract =
        ["features", "--images", &first, "--detector", "blocks", "--weights", &blocks, "--out", &features];
    run("fidelis-worker", &extract)?;
    let args = [
        "calc",
        "--images",
        &second,
        "--json",
        "--ref",
        &features,
        "--detector",
        "blocks",
        "--weights",
        &blocks,
    ];
    let outcome = run("fidelis", &[&args[..], &subset].concat())?;
    let again: Value = serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?;
    assert_eq!(again["detectors"]["blocks"]["metrics"], found["detectors"]["blocks"]["metrics"]);
    Ok(())
}

#[test]
fn what_does_not_go_together_is_refused_before_the_first_image() -> Result<()> {
    let root = tempfile::tempdir()?;
    let images = text(&folder_of_images(root.path())?);
    let train = text(&repository().join("infra/demo/refs/fashion-train.npz"));
    let calc = ["calc", "--images", &images, "--ref", &train];
    let dest = |name: &str| text(&root.path().join(name));
    for (args, words) in [
        (with_detector(&[&calc[..], &["--detector", "dinov2"]].concat()), "give each detector its weights"),
        (with_detector(&[&calc[..], &["--num", "301"]].concat()), "`--num 301` of `300` images"),
        (with_detector(&[&calc[..], &["--ref", &train]].concat()), "`2` of `--ref` for `1` detectors"),
        (ref_args(Path::new(&images), Path::new(&dest("x.pkl")), &[]), "not for `fashion-cnn`"),
        (ref_args(Path::new(&images), Path::new(&dest("x.csv")), &[]), "as `.npz`, or as `.pkl`"),
    ] {
        let outcome = Outcome::of("fidelis", &args, &[])?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(words), "{outcome:#?}");
    }
    Ok(())
}

/// Where results are is told as people can open it, and only where they stay.
#[test]
fn addresses_that_are_told_exist() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (images, dest, work) =
        (folder_of_images(root.path())?, root.path().join("s.npz"), root.path().join("work"));
    let kept = run("fidelis", &ref_args(&images, &dest, &["--work", &text(&work)]))?;
    let report = kept.stderr.lines().find_map(|line| line.split("report at ").nth(1)).context("no report")?;
    assert!(Path::new(report).is_file(), "{report}");
    let passing = run("fidelis", &ref_args(&images, &dest, &[]))?;
    assert!(!passing.stderr.contains("report at") && !passing.stderr.contains("s3://"), "{passing:#?}");
    Ok(())
}
