//! Two nets as published, through the autoencoder and Inception, on the queue: the score is that of the same arithmetic
//! done by hand.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use faer::Mat;
use fidelis_contract::spec::{NoiseMode, SamplerSpec};
use fidelis_edm2::checkpoint::Checkpoint;
use fidelis_edm2::damage::Evaluation;
use fidelis_edm2::data::ImageSet;
use fidelis_edm2::detector::Detector;
use fidelis_edm2::device;
use fidelis_edm2::encoder::StabilityVae;
use fidelis_edm2::guidance::GuidedNet;
use fidelis_edm2::net::{Precision, Precond};
use fidelis_edm2::noise::{Classes, Draws};
use fidelis_edm2::sampler::Sampler;
use fidelis_tests::{Fleet, Outcome, binary, fashion_mnist, repository};
use serde_json::Value;

const NUM_IMAGES: u64 = 64;
const NUM_REAL: usize = 48;
const MICRO_BATCH: usize = 8;
const GUIDANCE: f64 = 1.7;
const NUM_STEPS: u32 = 4;
/// D of Inception.
const DIM: usize = 2048;

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures").join(name)
}

/// Inception's shape with weights that anybody can make again: the published file cannot be had everywhere.
fn inception_weights(folder: &Path) -> Result<PathBuf> {
    let path = folder.join("inception.safetensors");
    let made = Command::new(binary("examples/recipe-weights")?).arg("inception").arg(&path).status()?;
    ensure!(made.success(), "no weights were made");
    Ok(path)
}

fn spec(weights: &Path, reference: &Path) -> String {
    format!(
        r#"
name = "published"
seeds = "0-{last}"
net = "{net}"
gnet = "{gnet}"
guidance = {GUIDANCE}
encoder = "stability-vae"
vae = "{vae}"
chunk_size = 16
micro_batch = {MICRO_BATCH}
[sampler]
num_steps = {NUM_STEPS}
[[detectors]]
name = "inception"
weights = "{weights}"
reference = "{reference}"
"#,
        last = NUM_IMAGES - 1,
        net = fixture("edm2-main.pkl").display(),
        gnet = fixture("edm2-guide.pkl").display(),
        vae = fixture("vae-tiny.safetensors").display(),
        weights = weights.display(),
        reference = reference.display(),
    )
}

fn real_images(root: &Path) -> Result<PathBuf> {
    let folder = root.join("real");
    std::fs::create_dir_all(&folder)?;
    for (i, pixels) in fashion_mnist::test_images(NUM_REAL)?.iter().enumerate() {
        std::fs::write(folder.join(format!("{i:02}.png")), fashion_mnist::png(pixels)?)?;
    }
    Ok(folder)
}

fn net(name: &str) -> Result<Precond> {
    let checkpoint = Checkpoint::read(&fixture(name))?;
    Ok(Precond::load(checkpoint.state, &checkpoint.config, device::parse("cpu")?, Precision::Fp32)?)
}

/// Features of the generated and of the real images, float32 [N, DIM] each, without queue, store or worker.
fn features_by_hand(weights: &Path, real: &Path) -> Result<[Vec<f32>; 2]> {
    device::set_threads(1);
    let cpu = device::parse("cpu")?;
    let nets = GuidedNet::new(net("edm2-main.pkl")?, Some(net("edm2-guide.pkl")?), GUIDANCE, None)?;
    let detector = Detector::load("inception", weights, cpu)?;
    let sampler = Sampler::new(SamplerSpec { num_steps: NUM_STEPS, ..SamplerSpec::DEFAULT });
    let config = nets.net().config();
    let whitening =
        config.whitening.as_ref().context("the checkpoint does not say how latents are whitened")?;
    let vae =
        StabilityVae::load(&fixture("vae-tiny.safetensors"), (cpu, Precision::Fp32))?.whitened(whitening)?;
    let draws = Draws {
        stream: NoiseMode::Cpu,
        shape: config.image_shape(),
        label_dim: config.label_dim,
        classes: Classes::Drawn,
        churn_steps: 0,
    };
    let mut made = Vec::new();
    for seeds in (0..NUM_IMAGES).collect::<Vec<_>>().chunks(MICRO_BATCH) {
        let draws = draws.of(seeds);
        let evaluation = Evaluation { labels: draws.labels.as_ref(), ..Evaluation::default() };
        let latents = sampler.run(&draws.noise, &[], |x, sigma| Ok(nets.denoise(x, sigma, evaluation)))?;
        let features = detector.features(&vae.decode(&latents)?)?;
        made.extend(Vec::<f32>::try_from(features.flatten(0, -1))?);
    }
    let real = detector.features(&ImageSet::read(real)?.images)?;
    Ok([made, Vec::try_from(real.flatten(0, -1))?])
}

/// The Fréchet distance of few features by another way than the reducer's: with C₁ and C₂ the centred rows over
/// √(n−1), tr((C₁ᵀC₁ C₂ᵀC₂)^½) is the sum of the singular values of C₁C₂ᵀ.
fn distance_by_hand(ours: &[f32], theirs: &[f32]) -> f64 {
    let ((mu, c), (mu_ref, c_ref)) = (centred(ours), centred(theirs));
    let mean: f64 = mu.iter().zip(&mu_ref).map(|(a, b)| (a - b) * (a - b)).sum();
    let singular = (&c * c_ref.transpose()).singular_values().expect("small and finite");
    let root_trace: f64 = singular.iter().sum();
    mean + c.squared_norm_l2() + c_ref.squared_norm_l2() - 2.0 * root_trace
}

fn centred(features: &[f32]) -> (Vec<f64>, Mat<f64>) {
    let n = features.len() / DIM;
    let at = |i: usize, k: usize| f64::from(features[i * DIM + k]);
    let mu: Vec<f64> = (0..DIM).map(|k| (0..n).map(|i| at(i, k)).sum::<f64>() / n as f64).collect();
    let scale = ((n - 1) as f64).sqrt();
    let rows = Mat::from_fn(n, DIM, |i, k| (at(i, k) - mu[k]) / scale);
    (mu, rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_published_pair_scores_on_the_queue_as_by_hand() -> Result<()> {
    let fleet = Fleet::start().await?;
    let root = fleet.folder().to_owned();
    let (weights, real) = (inception_weights(&root)?, real_images(&root)?);
    let reference = root.join("reference.npz");
    let path = |path: &Path| path.display().to_string();
    let _workers = (fleet.worker("first", 1)?, fleet.worker("second", 1)?);
    let (data, detector, dest) = (path(&real), path(&weights), path(&reference));
    let args = ["ref", "--data", &data, "--detector", "inception", "--weights", &detector, "--dest", &dest];
    let outcome = fleet.fidelis(&args).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let file = path(&fleet.spec("published", &spec(&weights, &reference))?);
    let Outcome { code, stdout, stderr } = fleet.fidelis(&["run", &file, "--json"]).await?;
    ensure!(code == Some(0), "{stderr}");
    let result: Value = serde_json::from_str(stdout.lines().last().context("nothing on stdout")?)?;
    let found = &result["detectors"]["inception"];
    let first = &found["metrics"][0];
    assert_eq!((&first["id"], &found["rank_deficient"]), (&"fid".into(), &true.into()), "{result}");
    for file in ["net_sha256", "gnet_sha256", "vae_sha256"] {
        assert!(result["provenance"][file].is_string(), "{file} in {result}");
    }
    let found = first["value"].as_f64().context("no distance")?;

    let features = tokio::task::spawn_blocking(move || features_by_hand(&weights, &real)).await??;
    let expected = distance_by_hand(&features[0], &features[1]);
    println!("on the queue {found}, by hand {expected}");
    assert!(
        expected > 1.0 && (found / expected - 1.0).abs() < 1e-9,
        "{found} on the queue, {expected} by hand"
    );
    Ok(())
}

/// A mirror of the download site with small nets under the published names.
#[test]
fn a_preset_prints_its_result_beside_the_published_figure() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (nets, refs) = (root.path().join("posthoc-reconstructions"), root.path().join("dataset-refs"));
    std::fs::create_dir_all(&nets)?;
    std::fs::create_dir_all(&refs)?;
    std::fs::copy(fixture("edm2-uncond.pkl"), nets.join("edm2-img64-s-1073741-0.075.pkl"))?;
    let (weights, real) = (inception_weights(root.path())?, real_images(root.path())?);
    let path = |path: &Path| path.display().to_string();
    let (mirror, weights, out) = (path(root.path()), path(&weights), path(&root.path().join("out")));
    // What statistics are is told by their content.
    let dest = path(&refs.join("img64.pkl"));
    let args =
        ["ref", "--data", &path(&real), "--detector", "inception", "--weights", &weights, "--dest", &dest];
    let made = Outcome::of("fidelis", &args, &[])?;
    ensure!(made.code == Some(0), "{made:#?}");
    let run =
        ["local", "--preset", "edm2-img64-s-fid", "--seeds", "0-7", "--precision", "fp32", "--out", &out];
    let sites = ["--models-url", &mirror, "--inception", &weights];
    let outcome = Outcome::of("fidelis", &[&run[..], &sites].concat(), &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let row = outcome.stdout.lines().find(|line| line.starts_with("edm2-img64-s-fid")).context("no row")?;
    let header = outcome.stdout.lines().next().context("no header")?;
    assert!(header.contains("FID (inception)") && header.contains("published"), "{header}");
    assert!(row.split_whitespace().any(|word| word == "1.58"), "{row}");
    Ok(())
}
