//! Training with its files in a bucket, by hand and on the queue.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use fidelis_contract::payload::{self, Tensor};
use fidelis_contract::{
    ids::{Digest, RunId},
    keys,
};
use fidelis_formats::images::Dataset;
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
        let outcome = self.ended(words).await?;
        ensure!(outcome.code == Some(0), "{outcome:#?}");
        Ok(outcome.stdout)
    }

    async fn ended(&self, words: &[&str]) -> Result<Outcome> {
        let (words, env) = (words.iter().map(ToString::to_string).collect::<Vec<_>>(), self.fleet.env());
        tokio::task::spawn_blocking(move || Outcome::of("fidelis-worker", &words, &env)).await?
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

/// The images of `data.zip` as a folder and as one array, and as an array of grey ones with its classes beside it.
fn other_forms(place: &Place) -> Result<()> {
    let mut zip = Dataset::open(Path::new(&place.at("data.zip")))?;
    let folder = place.fleet.folder().join("forms/pictures");
    std::fs::create_dir_all(folder.join("more"))?;
    let (mut planes, mut grey, mut labels) = (Vec::new(), Vec::new(), Vec::new());
    for index in 0..zip.len() {
        let image = zip.read(index)?;
        let pixels = (0..64).flat_map(|i| [image.pixels[i], image.pixels[64 + i], image.pixels[128 + i]]);
        let name = format!("more/{index:03}.ppm");
        std::fs::write(folder.join(&name), [b"P6 8 8 255\n".to_vec(), pixels.collect()].concat())?;
        labels.push((name, zip.label(index).context("a class")?));
        grey.extend_from_slice(&image.pixels[..64]);
        planes.extend(image.pixels);
    }
    std::fs::write(folder.join("dataset.json"), serde_json::json!({ "labels": labels }).to_string())?;
    let count = labels.len();
    let classes: Vec<i64> = labels.iter().map(|(_, class)| *class).collect();
    let tensors = [
        Tensor::from_u8("images", &[count, 3, 8, 8], planes),
        Tensor::from_i64("labels", &[count], &classes),
    ];
    std::fs::write(place.at("forms/images.safetensors"), payload::encode(&tensors)?)?;
    let header = |dims: &[u32]| -> Vec<u8> {
        let sizes = dims.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, 8, dims.len() as u8].into_iter().chain(sizes).collect()
    };
    let images = [header(&[count as u32, 8, 8]), grey].concat();
    let labels = [header(&[count as u32]), classes.iter().map(|&class| class as u8).collect()].concat();
    std::fs::write(place.at("forms/t-images-idx3-ubyte"), &images)?;
    std::fs::write(place.at("forms/t-labels-idx1-ubyte"), labels)?;
    Ok(())
}

/// Whatever holds the images: none of it comes to this machine whole.
#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_a_dataset_is_read_in_its_bucket() -> Result<()> {
    let place = Place::new().await?;
    other_forms(&place)?;
    let mut objects = Vec::new();
    for name in ["images.safetensors", "t-images-idx3-ubyte", "t-labels-idx1-ubyte"] {
        objects.push(name.to_owned());
    }
    objects.push("pictures/dataset.json".to_owned());
    objects.extend((0..40).map(|index| format!("pictures/more/{index:03}.ppm")));
    for name in objects {
        let bytes = std::fs::read(place.at(&format!("forms/{name}")))?;
        place.fleet.put_object(&format!("sets/{name}"), bytes).await?;
    }
    // Nothing here is learned.
    let recipe = std::fs::read_to_string(place.at("recipe.toml"))?.replace("steps = 40", "steps = 6");
    std::fs::write(place.at("recipe.toml"), &recipe)?;
    place.train(&place.at("data.zip"), &place.at("here")).await?;
    let expected = snapshots(&place.at("here"))?;
    let sets = place.data.trim_end_matches("data.zip").to_owned();
    for name in ["pictures", "pictures/", "images.safetensors"] {
        let outdir = place.at(&format!("out/{name}"));
        place.train(&format!("{sets}{name}"), &outdir).await?;
        assert!(snapshots(&outdir)? == expected, "{name}: other bits");
        std::fs::remove_dir_all(outdir)?;
    }
    // Of one channel.
    std::fs::write(place.at("recipe.toml"), recipe.replace("img_channels = 3", "img_channels = 1"))?;
    for (from, to) in [(place.at("forms/"), "grey"), (sets.clone(), "far")] {
        place.train(&format!("{from}t-images-idx3-ubyte"), &place.at(to)).await?;
    }
    assert!(snapshots(&place.at("far"))? == snapshots(&place.at("grey"))?, "idx: other bits");
    let cached = std::fs::read_dir(place.fleet.folder().join("cache")).map_or(0, Iterator::count);
    assert_eq!(cached, 0, "something was fetched");

    let recipe = place.at("recipe.toml");
    let (nowhere, outdir) = (format!("{sets}nothing"), place.at("none"));
    let words = ["train", "--recipe", &recipe, "--data", &nowhere, "--outdir", &outdir];
    let outcome = place.ended(&words).await?;
    ensure!(outcome.code == Some(2) && outcome.stderr.contains("sets/nothing`"), "{outcome:#?}");
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
    let status = fleet.fidelis(&["status", &spec]).await?.stdout;
    assert!(status.contains(&format!("step {STEPS} of {STEPS}")) && !status.contains("0 of 1"), "{status}");
    mended(&place, (&spec, &run), &expected).await
}

/// Snapshots that a state leads to are made again, to the bit; what lies before all states is not touched.
async fn mended(place: &Place, (spec, run): (&str, &RunId), expected: &[(String, Vec<u8>)]) -> Result<()> {
    let (fleet, store, prefix) = (&place.fleet, place.fleet.store().await?, keys::training_prefix(run));
    let ended = async |args: &[&str], code: i32, words: &str| -> Result<()> {
        let outcome = fleet.fidelis(args).await?;
        ensure!(outcome.code == Some(code) && outcome.stdout.contains(words), "{words}: {outcome:#?}");
        Ok(())
    };
    let verify = ["verify", run.as_str()];
    let repair = ["verify", run.as_str(), "--repair"];
    // The last state is that of the end: of these images, and no others.
    let last: Vec<&str> = expected[expected.len() - 2..].iter().map(|(name, _)| name.as_str()).collect();
    store.replace(&format!("{prefix}{}", last[0]), "other".into(), "text/plain").await?;
    store.remove(&format!("{prefix}{}", last[1])).await?;
    ended(&verify, 6, last[0]).await?;
    ended(&repair, 5, "makes chunks 0 again").await?;
    let outcome = fleet.fidelis(&["run", spec]).await?;
    let count = format!("{} snapshots in", expected.len());
    ensure!(outcome.code == Some(0) && outcome.stderr.contains(&count), "{outcome:#?}");
    ended(&verify, 0, "nothing: the run is what it says").await?;
    for (name, bytes) in expected {
        assert!(place.object(&format!("{prefix}{name}")).await? == *bytes, "{name}: other bits");
    }
    // Long before the last states.
    store.remove(&format!("{prefix}{}", expected[0].0)).await?;
    ended(&repair, 6, "only a training from the beginning makes the lost snapshots again").await?;
    ensure!(fleet.num_receipts(run).await? == 1, "its receipt went");
    Ok(())
}
