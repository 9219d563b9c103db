//! `fidelis score`: the snapshots of a training that goes on, each as an ordinary run.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, fashion_mnist, repository};
use serde_json::Value;

const STEPS: u64 = 40;
const BATCH: u64 = 100;

/// Twice the least net of the demo's kind; snapshots every 1,000 images.
const RECIPE: &str = r#"
seed = 5
batch = 100
steps = 40
p_mean = -0.8
p_std = 1.2
ema = [0.05, 0.10]
lr = { alpha_ref = 0.01, t_ref = 100, rampup_images = 500 }
[net]
img_resolution = 14
img_channels = 4
label_dim = 0
model_channels = 4
channel_mult = [1, 2]
num_blocks = 1
attn_resolutions = []
channels_per_head = 8
encoder = "space-to-depth"
"#;

/// Its net is never read: snapshots take its place.
fn spec() -> String {
    let demo = repository().join("infra/demo").display().to_string();
    format!(
        r#"
name = "score"
seeds = "0-39"
net = "none.safetensors"
chunk_size = 20
micro_batch = 10
[sampler]
num_steps = 2
[[detectors]]
name = "fashion-cnn"
weights = "{demo}/models/fashion-cnn.safetensors"
reference = "{demo}/refs/fashion-train.npz"
"#
    )
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// One that is followed, one that is scored afterwards from a bucket, and the page that shows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_training_is_scored_while_it_goes_on() -> Result<()> {
    let fleet = Fleet::start().await?;
    let at = |name: &str| text(&fleet.folder().join(name));
    std::fs::write(at("recipe.toml"), RECIPE)?;
    std::fs::write(at("score.toml"), spec())?;
    let images = text(&fashion_mnist::file("t10k-images-idx3-ubyte.gz")?);
    let train = |outdir: &str| {
        let words = [
            "train",
            "--recipe",
            &at("recipe.toml"),
            "--data",
            &images,
            "--outdir",
            outdir,
            "--threads",
            "1",
        ];
        let often = ["--snapshot", "1000", "--checkpoint", "1000", "--stats", "5"];
        [&words[..], &often].concat().iter().map(ToString::to_string).collect::<Vec<String>>()
    };
    let _worker = fleet.worker("one", 1)?;

    // It begins before the training does, waits for what is due, and ends with the last step.
    let score = [
        "score",
        &at("net"),
        "--spec",
        &at("score.toml"),
        "--metrics",
        "fd@2000",
        "--ema",
        "0.05",
        "--follow",
    ];
    let mut follower = fleet.start_fidelis(&score)?;
    let (words, env) = (train(&at("net")), fleet.env());
    let trained = tokio::task::spawn_blocking(move || Outcome::of("fidelis-worker", &words, &env)).await??;
    ensure!(trained.code == Some(0), "{trained:#?}");
    let code = tokio::task::spawn_blocking(move || follower.wait()).await??;
    assert_eq!(code, Some(0));
    let scores = std::fs::read_to_string(fleet.folder().join("net/metrics.jsonl"))?;
    let told = lines(&scores);
    let of = |field: &str| told.iter().map(|score| score[field].clone()).collect::<Vec<Value>>();
    assert_eq!(of("images"), [2000, STEPS * BATCH], "{scores}");
    assert_eq!((of("metric"), of("num_images")), (vec!["fd".into(); 2], vec![40.into(); 2]), "{scores}");
    assert!(told.iter().all(|score| score["value"].as_f64().is_some_and(|value| value > 0.0)), "{scores}");

    // They are ordinary runs of that store: the same again makes nothing, and says the same.
    for score in &told {
        let run = score["run"].as_str().context("no run")?.parse()?;
        assert_eq!(fleet.num_receipts(&run).await?, 2, "{run}");
    }
    let again = fleet.fidelis(&score[..score.len() - 1]).await?;
    assert_eq!(again.code, Some(0), "{again:#?}");
    assert_eq!(again.stdout.lines().count(), 2, "{again:#?}");
    assert_eq!(std::fs::read_to_string(fleet.folder().join("net/metrics.jsonl"))?, scores);

    // The page of the training shows them, once it is written again.
    let (words, env) = (train(&at("net")), fleet.env());
    tokio::task::spawn_blocking(move || Outcome::of("fidelis-worker", &words, &env)).await??;
    let page = std::fs::read_to_string(fleet.folder().join("net/training.html"))?;
    assert!(page.contains("Distance to the real images"), "no curve");

    // From a bucket, all averages, at the end alone.
    let there = "s3://tests/fleet/far";
    for name in [
        "network-snapshot-0000004-0.050.safetensors",
        "network-snapshot-0000004-0.100.safetensors",
        "stats.jsonl",
    ] {
        fleet
            .put_object(&format!("fleet/far/{name}"), std::fs::read(fleet.folder().join("net").join(name))?)
            .await?;
    }
    let far = ["score", there, "--spec", &at("score.toml"), "--metrics", "fd@8000", "--json"];
    let outcome = fleet.fidelis(&far).await?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let stored = fleet.store().await?.get("far/metrics.jsonl").await?.context("no scores in the bucket")?;
    let far = lines(&String::from_utf8(stored.to_vec())?);
    assert_eq!(far.iter().map(|score| score["sigma_rel"].clone()).collect::<Vec<_>>(), [0.05, 0.1]);
    assert_eq!(
        (&far[0]["value"], &far[0]["run"]),
        (&told[1]["value"], &told[1]["run"]),
        "the same net is the same run"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_scored_is_one_line() -> Result<()> {
    let fleet = Fleet::start().await?;
    let at = |name: &str| text(&fleet.folder().join(name));
    std::fs::write(at("score.toml"), spec())?;
    let demo = text(&repository().join("infra/demo/synthetic.toml"));
    let refused = async |spec: &str, metrics: &str, words: &str| -> Result<()> {
        let outcome = fleet.fidelis(&["score", &at("net"), "--spec", spec, "--metrics", metrics]).await?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.stderr.contains(words), "`{words}` is not in: {}", outcome.stderr);
        Ok(())
    };
    refused(
        &at("score.toml"),
        "fid@1000",
        "has no detector with a `reference` whose distance is `fid`: it has `fd` of `fashion-cnn`",
    )
    .await?;
    refused(&at("score.toml"), "fd", "write it as `fd@64000`").await?;
    refused(&demo, "fd@1000", "spec field `engine`").await?;
    // A folder that is not there yet holds nothing that is due.
    let nothing =
        fleet.fidelis(&["score", &at("net"), "--spec", &at("score.toml"), "--metrics", "fd@1000"]).await?;
    assert_eq!((nothing.code, nothing.stdout.as_str()), (Some(0), ""), "{nothing:#?}");
    assert!(nothing.stderr.contains("no snapshot is due"), "{nothing:#?}");
    Ok(())
}
