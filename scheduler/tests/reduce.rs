//! From stored chunks to a result, over the embedded S3 server.

use std::path::Path;

use fidelis::evaluate::load;
use fidelis::publish::{contact_sheet, publish};
use fidelis::reduce::{ReduceError, Reduced, reduce, reduce_made};
use fidelis_contract::{
    exit,
    ids::Digest,
    keys,
    kind::Kind,
    outcome::Outcome,
    payload::{ChunkObject, Dtype, Tensor},
    plan::Chunk,
    receipt::{FIRST_ARITHMETIC, Receipt, StoredObject, VERSION},
    result::{Making, Method, RunResult},
    run::Run,
    spec::RunSpec,
};
use fidelis_embedded::S3Server;
use fidelis_fleet::{
    files::{Depth, FileSettings, Files},
    store::Store,
    stored::{StoredError, UnreadError},
};
use fidelis_formats::stats::npz;
use fidelis_metrics::{Gaussian, Moments};

const DIM: usize = 6;
const NUM_IMAGES: u64 = 230;

/// Something like a normal variable, from the seed alone.
fn feature(seed: u64, column: usize) -> f32 {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (column as u64 + 1).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mut draw = || {
        state = (state ^ (state >> 31)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (state >> 40) as f32 / 16_777_216.0 - 0.5
    };
    draw() + draw() + draw() + column as f32 * 0.1
}

fn features_of(seeds: &[u64], shift: f32) -> Vec<f32> {
    seeds.iter().flat_map(|&seed| (0..DIM).map(move |column| feature(seed, column) + shift)).collect()
}

fn statistics_file(path: &Path, seeds: std::ops::Range<u64>, shift: f32) {
    let values = features_of(&seeds.collect::<Vec<_>>(), shift);
    let statistics = Moments::of(&values, DIM).unwrap().statistics().unwrap();
    std::fs::write(path, npz::encode(&statistics).unwrap()).unwrap();
}

async fn spec(folder: &Path) -> Run {
    std::fs::write(folder.join("weights"), b"unused").unwrap();
    statistics_file(&folder.join("reference.npz"), 10_000..11_000, 0.3);
    statistics_file(&folder.join("held_out.npz"), 20_000..20_500, 0.3);
    let path = folder.join("run.toml");
    let text = format!(
        "name = \"test\"\nengine = \"synthetic\"\nseeds = \"0-{}\"\nchunk_size = 32\nmicro_batch = 8\n\
         outputs = {{ images = true }}\n[[detectors]]\nname = \"fashion-cnn\"\nweights = \"weights\"\n\
         reference = \"reference.npz\"\nheld_out = \"held_out.npz\"\n",
        NUM_IMAGES - 1
    );
    std::fs::write(&path, text).unwrap();
    let spec = RunSpec::load(&path).unwrap();
    spec.validate().unwrap();
    let files = Files::new(FileSettings::from_env(None));
    Run::new(files.resolve(spec, Depth::Digests, &|_| ()).await.unwrap())
}

/// The run's statistics, which lie on this machine.
async fn reduced(store: &Store, run: &Run) -> Result<Reduced, ReduceError> {
    reduce(store, run, &run.spec.placed(|_, file| file.path.clone())).await
}

/// Stores a chunk as a worker does.
async fn commit(store: &Store, of: &Run, chunk: &Chunk) {
    let seeds = chunk.seeds.to_vec();
    let labels: Vec<i64> = seeds.iter().map(|seed| (seed % 10) as i64).collect();
    let n = seeds.len();
    let pixels = seeds.iter().flat_map(|&seed| [seed as u8; 16]).collect();
    let tensors = [
        (Kind::Images, Tensor::from_u8("images", &[n, 1, 4, 4], pixels)),
        (
            Kind::Features("fashion-cnn".into()),
            Tensor::from_f32("features", &[n, DIM], &features_of(&seeds, 0.0)),
        ),
    ];
    let run = &of.id;
    let mut objects = std::collections::BTreeMap::new();
    for (kind, data) in tensors {
        let (dtype, shape): (Dtype, _) = (data.dtype, data.shape.clone());
        let bytes = ChunkObject { seeds: seeds.clone(), labels: labels.clone(), data }.encode(&kind).unwrap();
        let stored = StoredObject { sha256: Digest::of(&bytes), num_bytes: bytes.len() as u64, dtype, shape };
        store.create(&keys::chunk(run, &kind, chunk.index), bytes.into()).await.unwrap();
        objects.insert(kind, stored);
    }
    let receipt = Receipt {
        version: VERSION,
        arithmetic: FIRST_ARITHMETIC,
        run: run.clone(),
        chunk: chunk.index,
        spec_digest: of.spec.digest(),
        seeds: chunk.seeds.clone(),
        unreadable: Vec::new(),
        files: Default::default(),
        objects,
        noise_sha256: Digest([0; 32]),
        device: "cpu".into(),
        maker: None,
        worker: format!("worker-{}", chunk.index % 2),
        micro_batch: 8,
        seconds: 2.0,
        attempt: 1,
    };
    store.create(&keys::receipt(run, chunk.index), receipt.to_json().unwrap().into()).await.unwrap();
}

struct Fixture {
    folder: tempfile::TempDir,
    store: Store,
    run: Run,
    _server: S3Server,
}

/// A store with every chunk of the run but the first `missing`.
async fn fixture(missing: usize) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let server = S3Server::start(&folder.path().join("s3"), "bucket", None).await.unwrap();
    let store = Store::connect(server.store_config()).await.unwrap();
    let run = spec(folder.path()).await;
    for chunk in run.plan.chunks().skip(missing) {
        commit(&store, &run, &chunk).await;
    }
    Fixture { folder, store, run, _server: server }
}

#[tokio::test]
async fn a_run_becomes_its_result() {
    let Fixture { folder, store, run, .. } = &fixture(0).await;
    let reduced = reduced(store, run).await.unwrap();
    let id = &run.id;

    let direct = Moments::of(&features_of(&(0..NUM_IMAGES).collect::<Vec<_>>(), 0.0), DIM).unwrap();
    let reference = load(&folder.path().join("reference.npz"), None).unwrap();
    let gaussian = |statistics| Gaussian::new(statistics).unwrap();
    let expected = gaussian(&direct.statistics().unwrap()).distance(&gaussian(&reference)).unwrap();
    let result = &reduced.result.detectors["fashion-cnn"];
    assert!((result.value().unwrap() / expected.value - 1.0).abs() < 1e-9);
    assert!(result.sd().unwrap() > 0.0 && result.sd().unwrap() < 0.1, "{result:?}");
    assert!(result.floor.unwrap().value < 0.05 && !result.rank_deficient, "{result:?}");
    let Method::Frechet { blocks, .. } = result.metrics[0].method;
    assert_eq!((result.metrics[0].id.as_str(), blocks), ("fd", 10));
    let images = (result.floor.unwrap().num_images, result.reference.unwrap().num_images);
    assert_eq!(images, (Some(500), Some(1000)));
    // Eight chunks of 32, 2 s each, and nobody who looked at the clock.
    let timing = reduced.result.timing;
    assert_eq!((timing.workers, timing.device_seconds), (2, 16.0));
    assert_eq!(timing.images_per_s, None);

    let stored = store.get(&keys::stats(id, "fashion-cnn")).await.unwrap().unwrap();
    assert_eq!(npz::decode(&stored).unwrap().num_images, NUM_IMAGES);
    let json = store.get(&keys::result(id)).await.unwrap().unwrap();
    assert_eq!(RunResult::from_json(&json).unwrap(), reduced.result);

    publish(store, &reduced).await.unwrap();
    let success = store.get(&keys::success(id)).await.unwrap().unwrap();
    let manifest = store.get(&keys::manifest(id)).await.unwrap().unwrap();
    assert_eq!(success, format!("{}\n", Digest::of(&manifest)));
    assert!(store.get(&keys::report_html(id)).await.unwrap().unwrap().starts_with(b"<!doctype html>"));
    assert!(store.get(&keys::report_md(id)).await.unwrap().is_some());

    let again = self::reduced(store, run).await.unwrap();
    assert_eq!(again.result, reduced.result);
    assert_eq!(store.get(&keys::stats(id, "fashion-cnn")).await.unwrap().unwrap(), stored);
    assert_eq!(store.get(&keys::result(id)).await.unwrap().unwrap(), json);
}

/// The rate is of the command that made images; one that found them all keeps it.
#[tokio::test]
async fn the_rate_is_what_the_maker_saw_and_stays() {
    let Fixture { store, run, .. } = &fixture(0).await;
    let making = Making { num_images: 200, seconds: 10.0 };
    let made = reduce_made(store, (run, &run.spec.placed(|_, file| file.path.clone())), Some(making))
        .await
        .unwrap()
        .result;
    assert_eq!((made.timing.images_per_s, made.timing.device_seconds), (Some(20.0), 16.0));
    assert_eq!(reduced(store, run).await.unwrap().result, made);
}

#[tokio::test]
async fn the_sheet_has_the_first_ten_seeds_of_each_class() {
    let Fixture { store, run, .. } = &fixture(0).await;
    let manifest = reduced(store, run).await.unwrap().manifest;
    let png = contact_sheet(store, &[&manifest, &manifest]).await.unwrap().unwrap();
    let mut reader = png::Decoder::new(std::io::Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let (cell, panel) = (12 + 2, 2 + 10 * 14);
    assert_eq!((info.width, info.height), (panel, 2 * panel + 8));
    // Class r is the seeds r, r + 10, …: a cell is as grey as its seed.
    for (top, row, column) in [(0, 0, 0), (0, 3, 9), (0, 9, 4), (panel + 8, 0, 0), (panel + 8, 7, 2)] {
        let at = ((top + 2 + row * cell) * panel + 2 + column * cell) * 3;
        assert_eq!(u32::from(pixels[at as usize]), row + 10 * column, "{top} {row} {column}");
    }
}

#[tokio::test]
async fn an_unfinished_run_is_incomplete() {
    let Fixture { store, run, .. } = &fixture(2).await;
    let error = reduced(store, run).await.unwrap_err();
    assert_eq!(error.exit_code(), exit::INCOMPLETE);
    assert!(error.to_string().starts_with("2 of 8 chunks have no receipt"), "{error}");
    assert_eq!(store.get(&keys::result(&run.id)).await.unwrap(), None);
}

#[tokio::test]
async fn other_bytes_are_an_integrity_failure() {
    let Fixture { store, run, folder, .. } = &fixture(0).await;
    let kind = Kind::Features("fashion-cnn".into());
    let key = keys::chunk(&run.id, &kind, 3);
    let whole = store.get(&key).await.unwrap().unwrap();
    let mut altered = whole.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    for (bytes, wanted) in [(altered, "other bytes"), (whole[..100].to_vec(), "`100 bytes`")] {
        store.replace(&key, bytes.into(), "application/octet-stream").await.unwrap();
        let error = reduced(store, run).await.unwrap_err();
        assert!(
            matches!(&error, ReduceError::Unread(cause) if matches!(&**cause, UnreadError::Stored(StoredError::Altered { key: named, .. }) if *named == key)),
            "{error}"
        );
        assert!(error.to_string().contains(wanted) && error.exit_code() == exit::INTEGRITY, "{error}");
    }
    std::fs::remove_file(folder.path().join("s3/bucket").join(&key)).unwrap();
    let error = reduced(store, run).await.unwrap_err();
    assert!(
        matches!(&error, ReduceError::Unread(cause) if matches!(**cause, UnreadError::Stored(StoredError::Gone { .. })))
            && error.exit_code() == exit::INTEGRITY,
        "{error}"
    );
}

#[tokio::test]
async fn other_statistics_than_at_submission_are_refused() {
    let Fixture { store, run, folder, .. } = &fixture(0).await;
    statistics_file(&folder.path().join("reference.npz"), 10_000..11_000, 0.4);
    let error = reduced(store, run).await.unwrap_err();
    assert!(matches!(error, ReduceError::OtherStatistics { .. }), "{error}");
    std::fs::remove_file(folder.path().join("reference.npz")).unwrap();
    let error = reduced(store, run).await.unwrap_err();
    assert!(error.to_string().starts_with("`reference` of detector `fashion-cnn`, `"), "{error}");
    assert_eq!(error.exit_code(), exit::USAGE);
}
