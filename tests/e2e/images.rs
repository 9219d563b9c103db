//! Images as people have them: whatever is not read is said, in every command alike.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::{Result, ensure};
use fidelis_contract::{
    exit,
    payload::{self, Tensor},
};
use fidelis_tests::{Outcome, fashion_mnist, repository};

const LFS_POINTER: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n";

/// A command line with the demo's detector at its end.
fn with_detector(args: &[&str]) -> Vec<String> {
    let weights = repository().join("infra/demo/models/fashion-cnn.safetensors").display().to_string();
    let detector = ["--detector", "fashion-cnn", "--weights", &weights];
    args.iter().chain(&detector).map(ToString::to_string).collect()
}

fn write_images(folder: &Path, names: &[&str]) -> Result<()> {
    for (name, pixels) in names.iter().zip(fashion_mnist::test_images(names.len())?) {
        let path = folder.join(name);
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, fashion_mnist::png(&pixels)?)?;
    }
    Ok(())
}

#[test]
fn where_no_image_can_be_read_one_line_says_why() -> Result<()> {
    let root = tempfile::tempdir()?;
    let images = root.path().join("d");
    fs::create_dir(&images)?;
    for i in 0..3 {
        fs::write(images.join(format!("{i}.png")), LFS_POINTER)?;
    }
    let (images, out) = (images.display().to_string(), root.path().join("out.st").display().to_string());
    let reference = repository().join("infra/demo/refs/fashion-test.npz").display().to_string();
    let calc = ["calc", "--images", &images, "--ref", &reference, "--allow-unreadable"];
    for (name, args) in [
        ("fidelis", with_detector(&calc)),
        ("fidelis-worker", with_detector(&["features", "--images", &images, "--out", &out])),
    ] {
        let outcome = Outcome::of(name, &args, &[])?;
        let line = outcome.stderr.lines().last().unwrap_or_default();
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(line.contains("none of the 3 images of") && line.contains("`0.png`"), "{line}");
        assert!(line.contains("Git LFS pointer"), "{line}");
    }
    Ok(())
}

/// The digest of the folder and the list of its images are of the same files.
#[test]
fn linked_folders_are_part_of_the_dataset_and_circles_are_named() -> Result<()> {
    let root = tempfile::tempdir()?;
    let data = root.path().join("d");
    write_images(root.path(), &["d/0.png", "d/a/1.PNG", "d/.hidden.png", "other/2.png", "other/b/3.png"])?;
    symlink("../other", data.join("more"))?;
    let (folder, dest) = (data.display().to_string(), root.path().join("r.npz").display().to_string());
    let args = with_detector(&["ref", "--data", &folder, "--dest", &dest]);
    let outcome = Outcome::of("fidelis", &args, &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    assert!(outcome.stdout.contains("4 images"), "{outcome:#?}");
    symlink("..", data.join("more/round"))?;
    let out = root.path().join("f.st").display().to_string();
    for (name, args) in [
        ("fidelis", args),
        ("fidelis-worker", with_detector(&["features", "--images", &folder, "--out", &out])),
    ] {
        let outcome = Outcome::of(name, &args, &[])?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.stderr.contains("`more/round` is a link to a folder that holds it"), "{outcome:#?}");
    }
    Ok(())
}

/// What `sample` writes, `features` reads; where it cannot make pixels, that is said with what to do.
#[test]
fn samples_go_on_to_features() -> Result<()> {
    let root = tempfile::tempdir()?;
    let path = |name: &str| root.path().join(name).display().to_string();
    let net = repository().join("infra/demo/models/fashion-net.safetensors").display().to_string();
    let sample = ["sample", "--net", &net, "--seeds", "0-3", "--steps", "2", "--out", &path("s.safetensors")];
    let outcome = Outcome::of("fidelis-worker", &sample, &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let args = ["features", "--images", &path("s.safetensors"), "--out", &path("f.safetensors")];
    let outcome = Outcome::of("fidelis-worker", &with_detector(&args), &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let features = payload::decode(&fs::read(path("f.safetensors"))?)?;
    assert_eq!(features[0].shape[0], 4);
    let latents = Tensor::from_f32("latents", &[1, 4, 1, 1], &[0.0; 4]);
    fs::write(path("l.safetensors"), payload::encode(&[latents])?)?;
    let args = ["features", "--images", &path("l.safetensors"), "--out", &path("f.safetensors")];
    let outcome = Outcome::of("fidelis-worker", &with_detector(&args), &[])?;
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
    assert!(outcome.error_line().contains("`--vae`"), "{outcome:#?}");
    Ok(())
}
