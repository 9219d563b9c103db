//! Training with its files in a bucket, by hand and on the queue.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fidelis_contract::{ids::Digest, keys};
use fidelis_tests::{Fleet, Outcome, fashion_mnist};
use serde_json::Value;

/// Small enough for seconds, long enough to be disturbed.
const STEPS: u64 = 40;
const BATCH: u64 = 250;
const SNAPSHOT_IMAGES: u64 = 2500;

fn recipe() -> String {
    format!(
        r#"
seed = 5
batch = {BATCH}
steps = {STEPS}
p_mean = -0.8
p_std = 1.2
ema = [0.05, 0.10]
lr = {{ alpha_ref = 0.01, t_ref = 100, rampup_images = 500 }}
"#
    )
}

const NET: &str = r#"
img_resolution = 8
img_channels = 3
label_dim = 2
model_channels = 4
channel_mult = [1, 2]
num_blocks = 1
attn_resolutions = []
channels_per_head = 8
encoder = "rgb"
"#;

/// A bucket with a dataset in it, and a folder with the same.
struct Place {
    fleet: Fleet,
    data: String,
}

impl Place {
    async fn new() -> Result<Self> {
        let fleet = Fleet::start().await?;
        let pictures = fleet.folder().join("pictures");
        for (i, pixels) in fashion_mnist::test_images(40)?.iter().enumerate() {
            let folder = pictures.join(format!("class{}", i % 2));
            std::fs::create_dir_all(&folder)?;
            std::fs::write(folder.join(format!("{i:05}.png")), fashion_mnist::png(pixels)?)?;
        }
        let zip = fleet.folder().join("data.zip");
        let (source, dest) = (text(&pictures), text(&zip));
        let words = ["encode", "--source", &source, "--dest", &dest, "--resolution", "8", "--transform"];
        let place = Self { data: String::new(), fleet };
        place.worker(&[&words[..], &["center-crop"]].concat()).await?;
        let data = place.fleet.put_object("sets/data.zip", std::fs::read(&zip)?).await?;
        std::fs::write(place.fleet.folder().join("recipe.toml"), format!("{}[net]{NET}", recipe()))?;
        Ok(Self { data, ..place })
    }

    fn at(&self, name: &str) -> String {
        text(&self.fleet.folder().join(name))
    }

    /// Runs the worker's command line to its end, which must be a good one.
    async fn worker(&self, words: &[&str]) -> Result<String> {
        let (words, env) = (words.iter().map(ToString::to_string).collect::<Vec<_>>(), self.fleet.env());
        let ended = move || Outcome::of("fidelis-worker", &words, &env);
        let outcome = tokio::task::spawn_blocking(ended).await??;
        ensure!(outcome.code == Some(0), "{outcome:#?}");
        Ok(outcome.stdout)
    }

    async fn train(&self, data: &str, outdir: &str) -> Result<String> {
        let recipe = self.at("recipe.toml");
        let words = ["train", "--recipe", &recipe, "--data", data, "--outdir", outdir, "--threads", "1"];
        let often = ["--snapshot", "2500", "--checkpoint", "1000", "--stats", "5"];
        self.worker(&[&words[..], &often].concat()).await
    }

    /// The names of what lies below a key, and what of it begins so.
    async fn names(&self, prefix: &str, beginning: &str) -> Result<Vec<String>> {
        let objects = self.fleet.store().await?.folder(prefix).await?.objects;
        let name = |key: &str| key.strip_prefix(prefix).map(str::to_owned);
        let names = objects.iter().filter_map(|object| name(&object.key));
        Ok(names.filter(|name| name.starts_with(beginning)).collect())
    }

    async fn object(&self, key: &str) -> Result<Vec<u8>> {
        let found = self.fleet.store().await?.get(key).await?;
        Ok(found.with_context(|| format!("there is no `{key}`"))?.to_vec())
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// The snapshots of a folder, by their names.
fn snapshots(folder: &str) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path: PathBuf = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with("network-snapshot-") {
            found.push((name, std::fs::read(&path)?));
        }
    }
    found.sort();
    Ok(found)
}

/// Images from a bucket and files into one are those of this machine to the byte; averages made from there too.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_as_good_as_a_folder() -> Result<()> {
    let place = Place::new().await?;
    place.train(&place.at("data.zip"), &place.at("here")).await?;
    let (there, averages) = ("s3://tests/fleet/out", "s3://tests/fleet/averages");
    place.train(&place.data, there).await?;
    let expected = snapshots(&place.at("here"))?;
    assert_eq!(expected.len(), 2 * (1 + (STEPS * BATCH / SNAPSHOT_IMAGES) as usize));
    for (name, bytes) in &expected {
        assert!(place.object(&format!("out/{name}")).await? == *bytes, "{name}");
    }
    assert_eq!(place.names("out/", "training-state-").await?.len(), 2, "the last two");
    assert_eq!(place.names("out/", "samples-").await?.len(), expected.len() / 2, "a grid for each");
    let stats = String::from_utf8(place.object("out/stats.jsonl").await?)?;
    assert_eq!(stats.lines().count() as u64, STEPS / 5);
    let page = String::from_utf8(place.object("out/training.html").await?)?;
    assert!(page.contains("data:image/png;base64,") && page.contains(&format!("step {STEPS}")), "the page");
    // It goes on from there: nothing is left to do.
    place.train(&place.data, there).await?;

    let phema = async |from: &str, to: &str| {
        place.worker(&["phema", "--in", from, "--std", "0.07,0.12", "--out", to]).await
    };
    phema(&place.at("here"), &place.at("averages")).await?;
    let said = phema(there, averages).await?;
    assert!(said.contains("s3://tests/fleet/averages/phema-0000010-0.070.safetensors"), "{said}");
    for name in ["phema-0000010-0.070.safetensors", "phema-0000010-0.120.safetensors"] {
        let here = std::fs::read(Path::new(&place.at("averages")).join(name))?;
        assert!(place.object(&format!("averages/{name}")).await? == here, "{name}");
    }
    assert!(phema(there, averages).await?.contains("was there"));
    let said = place.worker(&["phema", "--in", there, "--check", "--json"]).await?;
    let checks: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    assert_eq!((checks.len(), &checks[0]["std"]), (2, &Value::from(0.05)));
    assert!(checks.iter().all(|check| check["relative"].as_f64().is_some_and(|off| off < 0.5)), "{said}");
    Ok(())
}

/// Nothing is lost but the steps since the last state: killed and told to stop in the midst of it, a training is finished
/// by a third worker with the snapshots of one that nobody disturbed.
#[tokio::test(flavor = "multi_thread")]
async fn a_training_on_the_queue_goes_from_hand_to_hand() -> Result<()> {
    let place = Place::new().await?;
    let Place { fleet, data, .. } = &place;
    place.train(&place.at("data.zip"), &place.at("here")).await?;
    let options = recipe();
    let spec = format!(
        "name = \"train\"\nengine = \"train\"\n[train]\ndata = \"{data}\"\nsnapshot_images = {SNAPSHOT_IMAGES}\n\
         state_images = 1000\nstats_steps = 5\n[train.recipe]{options}[train.recipe.net]{NET}"
    );
    let spec = text(&fleet.spec("train", &spec)?);
    let first = fleet.worker("first", 1)?;
    let outcome = fleet.fidelis(&["submit", &spec]).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let run = fleet.run_id("train").await?;
    let prefix = keys::training_prefix(&run);
    let passes = async |before: Option<String>| -> Result<String> {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            let newest = place.names(&prefix, "training-state-").await?.pop();
            if newest > before {
                return newest.context("a state");
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bail!("no state after {before:?} within a minute")
    };

    let state = passes(None).await?;
    first.signal("-KILL")?;
    let outcome = fleet.fidelis(&["status", &spec]).await?;
    assert!(
        outcome.stdout.contains("training-state-") && outcome.stdout.contains("training"),
        "{outcome:#?}"
    );

    let mut second = fleet.worker("second", 1)?;
    let state = passes(Some(state)).await?;
    second.signal("-TERM")?;
    let asked = Instant::now();
    let code = tokio::task::spawn_blocking(move || second.wait()).await??;
    ensure!(code == Some(143) && asked.elapsed() < Duration::from_secs(4), "{code:?}, {:?}", asked.elapsed());
    assert!(place.names(&prefix, "training-state-").await?.pop() >= Some(state), "it saved what it had");
    assert!(fleet.num_receipts(&run).await? == 0, "it was over before it was told to stop");

    let _third = fleet.worker("third", 1)?;
    let outcome = fleet.fidelis(&["run", &spec]).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let expected = snapshots(&place.at("here"))?;
    let receipt: Value = serde_json::from_slice(&place.object(&keys::receipt(&run, 0)).await?)?;
    let named = receipt["files"].as_object().context("the receipt names no files")?;
    assert_eq!(named.len(), expected.len());
    for (name, bytes) in &expected {
        assert!(place.object(&format!("{prefix}{name}")).await? == *bytes, "{name}: other bits");
        assert_eq!(named[name]["sha256"], Digest::of(bytes).to_string(), "{name}");
    }
    place.object(&keys::success(&run)).await?;
    let outcome = fleet.fidelis(&["verify", run.as_str()]).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let name = &expected[expected.len() - 1].0;
    fleet.store().await?.replace(&format!("{prefix}{name}"), "other".into(), "text/plain").await?;
    let outcome = fleet.fidelis(&["verify", run.as_str()]).await?;
    ensure!(outcome.code == Some(6) && outcome.stdout.contains(name.as_str()), "{outcome:#?}");
    Ok(())
}
