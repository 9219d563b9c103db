//! What people do to runs: verify and repair, retry, cancel, and submit under a name that is taken.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fidelis_contract::{exit, ids::RunId, keys, kind::Kind};
use fidelis_fleet::queue::{Failure, Queue, QueueSettings};
use fidelis_tests::{Fleet, Outcome, Process, unread_detector};
use serde_json::Value;

const NUM_CHUNKS: u32 = 8;

/// A run that needs no nets; its features are a function of the seed.
fn spec(fleet: &Fleet, more: &str) -> Result<String> {
    let detector = unread_detector(fleet.folder())?;
    let text = format!(
        "name = \"ops\"\nengine = \"synthetic\"\nseeds = \"0-127\"\nchunk_size = 16\nmicro_batch = 8\n\
         outputs = {{ latents = true }}\n{more}\n{detector}"
    );
    Ok(fleet.spec("ops", &text)?.display().to_string())
}

fn ended(outcome: &Outcome, code: u8) -> Result<()> {
    ensure!(outcome.code == Some(i32::from(code)), "{outcome:#?}");
    Ok(())
}

fn json(outcome: &Outcome) -> Result<Value> {
    serde_json::from_str(outcome.stdout.trim()).with_context(|| format!("{outcome:#?}"))
}

/// Where an object lies on the disk.
fn path(fleet: &Fleet, key: &str) -> PathBuf {
    fleet.folder().join("s3/tests/fleet").join(key)
}

fn damage(fleet: &Fleet, key: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<()> {
    let path = path(fleet, key);
    let mut bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    change(&mut bytes);
    Ok(fs::write(path, bytes)?)
}

fn features(run: &RunId, chunk: u32) -> String {
    keys::chunk(run, &Kind::Features("fashion-cnn".to_owned()), chunk)
}

#[tokio::test(flavor = "multi_thread")]
async fn damage_is_named_and_repaired_and_the_bits_come_back() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "")?;
    let first = fleet.worker("first", 1)?;
    ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
    drop(first);
    let run = fleet.run_id("ops").await?;
    let id = run.to_string();
    let before = fleet.files(&run).await?;
    ended(&fleet.fidelis(&["verify", &id]).await?, exit::DONE)?;

    damage(&fleet, &features(&run, 0), |bytes| *bytes.last_mut().expect("bytes") ^= 1)?;
    damage(&fleet, &keys::chunk(&run, &Kind::Latents, 1), |bytes| bytes.truncate(bytes.len() / 2))?;
    fs::remove_file(path(&fleet, &features(&run, 2)))?;
    damage(&fleet, &keys::receipt(&run, 3), |bytes| bytes.truncate(100))?;
    damage(&fleet, &keys::receipt(&run, 4), |bytes| {
        let at = bytes.windows(9).position(|word| word == b"\"sha256\":").expect("a digest") + 12;
        bytes[at] = if bytes[at] == b'0' { b'1' } else { b'0' };
    })?;
    let stray = format!("{}000099.json", keys::receipts_prefix(&run));
    fs::write(path(&fleet, &stray), b"{}")?;

    let outcome = fleet.fidelis(&["verify", &id, "--json"]).await?;
    ended(&outcome, exit::INTEGRITY)?;
    let found = json(&outcome)?;
    let faults: Vec<(Option<u64>, &str, &str)> = found["faults"]
        .as_array()
        .context("faults")?
        .iter()
        .map(|f| (f["chunk"].as_u64(), f["kind"].as_str().unwrap_or(""), f["key"].as_str().unwrap_or("")))
        .collect();
    let expected = [
        (None, "stray", stray.clone()),
        (Some(0), "altered", features(&run, 0)),
        (Some(1), "altered", keys::chunk(&run, &Kind::Latents, 1)),
        (Some(2), "gone", features(&run, 2)),
        (Some(3), "altered", keys::receipt(&run, 3)),
        (Some(4), "altered", keys::receipt(&run, 4)),
    ];
    assert_eq!(faults, expected.iter().map(|(c, k, key)| (*c, *k, key.as_str())).collect::<Vec<_>>());
    let report = fleet.fidelis(&["report", &id]).await?;
    ended(&report, exit::INTEGRITY)?;
    assert!(
        report.error_line().contains("fidelis verify --repair") || report.error_line().contains("receipt")
    );

    let outcome = fleet.fidelis(&["verify", &id, "--repair"]).await?;
    ended(&outcome, exit::INCOMPLETE)?;
    assert!(outcome.stdout.contains("it makes chunks 0, 1, 2, 3, 4 again"), "{}", outcome.stdout);
    assert!(!path(&fleet, &keys::success(&run)).exists(), "no run seems complete that is not");
    let again = fleet.fidelis(&["verify", &id, "--repair"]).await?;
    ended(&again, exit::INCOMPLETE)?;
    let aside = fleet
        .keys()
        .await?
        .into_iter()
        .filter(|key| key.contains("/quarantine/") && !key.contains("/expected/"))
        .count();
    assert_eq!(aside, 8, "two damaged objects, five receipts and a stray: nothing is thrown away");

    let _second = fleet.worker("second", 1)?;
    ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
    let after = fleet.files(&run).await?;
    assert!(after.stats == before.stats, "mu and sigma differ");
    let remade: Vec<u32> =
        after.receipts.iter().filter(|receipt| receipt.worker == "second").map(|r| r.chunk).collect();
    assert_eq!(remade, [0, 1, 2, 3, 4], "these and no others");
    for (after, before) in after.receipts.iter().zip(&before.receipts) {
        assert_eq!(after.objects, before.objects, "chunk {}", after.chunk);
    }
    ended(&fleet.fidelis(&["verify", &id]).await?, exit::DONE)?;

    // The re-made chunk must be what it was: here it is as if it had been something else.
    let key = keys::expectation(&run, 2);
    let noted = fs::read_to_string(path(&fleet, &key))?;
    let digest = before.receipts[2].objects[&Kind::Features("fashion-cnn".into())].sha256.to_string();
    assert!(noted.contains(&digest), "{noted}");
    fs::write(path(&fleet, &key), noted.replace(&digest, &"ab".repeat(32)))?;
    for command in ["verify", "report"] {
        let outcome = fleet.fidelis(&[command, &id]).await?;
        ended(&outcome, exit::INTEGRITY)?;
        let said = format!("{}{}", outcome.stdout, outcome.stderr);
        assert!(said.contains(&digest) && said.contains(&"ab".repeat(32)), "both digests: {said}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_run_is_verified_as_far_as_it_goes() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "synthetic = { millis_per_image = 20 }")?;
    let worker = fleet.worker("one", 1)?;
    ended(&fleet.fidelis(&["submit", &spec]).await?, exit::DONE)?;
    fleet.has_receipts("ops", 2).await?;
    worker.signal("-KILL")?;
    let run = fleet.run_id("ops").await?;
    let id = run.to_string();
    let outcome = fleet.fidelis(&["verify", &id]).await?;
    ended(&outcome, exit::INCOMPLETE)?;
    assert!(outcome.stdout.contains("missing"), "{}", outcome.stdout);
    // What a worker left behind that died before the receipt, cut off since: it must not stay in the way for ever.
    fs::remove_file(path(&fleet, &keys::receipt(&run, 0)))?;
    damage(&fleet, &features(&run, 0), |bytes| bytes.truncate(50))?;
    let outcome = fleet.fidelis(&["verify", &id]).await?;
    ended(&outcome, exit::INTEGRITY)?;
    assert!(outcome.stdout.contains(&features(&run, 0)), "{}", outcome.stdout);
    ended(&fleet.fidelis(&["verify", &id, "--repair"]).await?, exit::INCOMPLETE)?;
    let _worker = fleet.worker("two", 1)?;
    ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
    // A damaged statistics file after the end: its run is reported anew.
    damage(&fleet, &keys::stats(&run, "fashion-cnn"), |bytes| bytes[200] ^= 1)?;
    ended(&fleet.fidelis(&["verify", &id]).await?, exit::INTEGRITY)?;
    ended(&fleet.fidelis(&["report", &id]).await?, exit::DONE)?;
    ended(&fleet.fidelis(&["verify", &id]).await?, exit::DONE)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_stops_and_goes_on_with_the_next_submit() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "synthetic = { millis_per_image = 30 }")?;
    let _workers = (fleet.worker("one", 1)?, fleet.worker("two", 1)?);
    let mut watching = fleet.start_fidelis(&["run", &spec])?;
    fleet.has_receipts("ops", 2).await?;
    let run = fleet.run_id("ops").await?.to_string();
    let outcome = fleet.fidelis(&["cancel", &run]).await?;
    ended(&outcome, exit::DONE)?;
    let code = tokio::task::spawn_blocking(move || watching.wait()).await??;
    assert_eq!(code, Some(i32::from(exit::INCOMPLETE)), "`run` of a cancelled run");
    let watch = fleet.fidelis(&["watch", &run]).await?;
    ended(&watch, exit::INCOMPLETE)?;
    assert!(watch.stderr.lines().last().unwrap_or_default().contains("was cancelled"), "{}", watch.stderr);
    // What was in hand ends within a renewal; then nothing moves any more.
    let settled = async {
        loop {
            if fleet.pending_of("").await? == 0 {
                return anyhow::Ok(());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), settled).await??;
    tokio::time::sleep(Duration::from_millis(1000)).await;
    let status = json(&fleet.fidelis(&["status", &run, "--json"]).await?)?;
    let count = |name: &str| status[name].as_u64().with_context(|| format!("no `{name}` in {status}"));
    assert_eq!(status["cancelled"], true);
    assert_eq!(count("queued_chunks")?, 0);
    let sum = count("done_chunks")? + count("dead_chunks")? + count("cancelled_chunks")?;
    assert_eq!(count("submitted_chunks")?, sum, "I10: {status}");
    assert_eq!(count("done_chunks")?, count("stored_chunks")?, "I10, in redis and store: {status}");
    assert!(count("cancelled_chunks")? > 0, "{status}");
    ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
    let files = fleet.files(&run.parse()?).await?;
    assert_eq!(files.seeds(), (0..128).collect::<Vec<_>>());
    ended(&fleet.fidelis(&["verify", &run]).await?, exit::DONE)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_local_run_left_is_verified_and_repaired_in_its_folder() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (spec, out) = (spec(&fleet, "")?, fleet.folder().join("out"));
    let out_text = out.display().to_string();
    let local = async || fleet.fidelis(&["local", &spec, "--out", &out_text]).await;
    ended(&local().await?, exit::DONE)?;
    let run = fs::read_dir(out.join("store/fidelis/runs"))?.next().context("a run")??.file_name();
    let run = run.to_string_lossy().into_owned();
    let victim = out.join("store/fidelis").join(features(&run.parse()?, 5));
    let whole = fs::read(&victim)?;
    fs::write(&victim, &whole[..whole.len() / 3])?;
    let failed = local().await?;
    ended(&failed, exit::INTEGRITY)?;
    assert!(failed.stderr.contains("fidelis verify --repair"), "{}", failed.stderr);
    ended(&fleet.fidelis(&["verify", &run, "--local", &out_text]).await?, exit::INTEGRITY)?;
    ended(&fleet.fidelis(&["verify", &run, "--local", &out_text, "--repair"]).await?, exit::INCOMPLETE)?;
    ended(&local().await?, exit::DONE)?;
    assert_eq!(fs::read(&victim)?, whole, "the same bits again");
    ended(&fleet.fidelis(&["verify", &run, "--local", &out_text]).await?, exit::DONE)
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_chunks_are_told_and_tried_again() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "")?;
    ended(&fleet.fidelis(&["submit", &spec]).await?, exit::DONE)?;
    let run = fleet.run_id("ops").await?.to_string();
    let (_, redis) = fleet.env().into_iter().find(|(key, _)| key == "FIDELIS_REDIS").context("redis")?;
    let queue = Queue::connect(&redis, QueueSettings::default()).await?;
    let mut consumer = queue.consumer("killer-1");
    for _ in 0..2 {
        let claim = consumer.claim(Duration::from_secs(5)).await?.context("a chunk")?;
        let failure = Failure {
            cause: "net gave `NaN`".into(),
            device: "cuda:7".into(),
            log: vec!["last words".into()],
        };
        ensure!(consumer.leases().give_up(&claim, &failure).await?, "it was ours");
    }
    let outcome = fleet.fidelis(&["status", &run]).await?;
    for words in
        ["chunk 0 after 1 attempts: net gave `NaN`", "killer-1", "cuda:7", "last words", "fidelis retry"]
    {
        assert!(outcome.stdout.contains(words), "`{words}` is not in: {}", outcome.stdout);
    }
    let status = json(&fleet.fidelis(&["status", &run, "--json"]).await?)?;
    assert_eq!(
        (status["dead"][1]["chunk"].as_u64(), status["dead"][1]["log"][0].as_str()),
        (Some(1), Some("last words"))
    );
    let wrong = fleet.fidelis(&["retry", &run, "--chunks", "0,5"]).await?;
    ended(&wrong, exit::USAGE)?;
    assert!(wrong.error_line().contains("chunk `5`"), "{}", wrong.stderr);
    let queued =
        async |args: &[&str]| json(&fleet.fidelis(args).await?).map(|value| value["queued_chunks"].clone());
    assert_eq!(queued(&["retry", &run, "--chunks", "1", "--json"]).await?, 1);
    assert_eq!(queued(&["retry", &run, "--json"]).await?, 1, "the other one");
    assert_eq!(queued(&["retry", &run, "--json"]).await?, 0);
    let _worker = fleet.worker("one", 1)?;
    ended(&fleet.fidelis(&["watch", &run]).await?, exit::DONE)?;
    ended(&fleet.fidelis(&["report", &run]).await?, exit::DONE)?;
    let files = fleet.files(&run.parse()?).await?;
    assert!(files.receipts.iter().all(|receipt| receipt.attempt == 1), "attempts begin anew");
    assert_eq!(files.receipts.len(), NUM_CHUNKS as usize);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_is_one_spec() -> Result<()> {
    let fleet = Fleet::start().await?;
    let first = spec(&fleet, "")?;
    ended(&fleet.fidelis(&["submit", &first]).await?, exit::DONE)?;
    ended(&fleet.fidelis(&["submit", &first]).await?, exit::DONE)?;
    let outcome = fleet.fidelis(&["submit", &first, "--seeds", "0-999"]).await?;
    ended(&outcome, exit::USAGE)?;
    let line = outcome.error_line();
    assert!(line.contains("`seeds` 0-127 → 0-999") && line.contains("--new"), "{line}");
    let runs = async || -> Result<usize> {
        let keys = fleet.keys().await?;
        Ok(keys.iter().filter(|key| key.ends_with("/spec.json")).count())
    };
    assert_eq!(runs().await?, 1, "a refused spec leaves nothing");
    ended(&fleet.fidelis(&["submit", &first, "--seeds", "0-999", "--new"]).await?, exit::DONE)?;
    assert_eq!(runs().await?, 2);
    ended(&fleet.fidelis(&["submit", &first, "--seeds", "0-999"]).await?, exit::DONE)?;
    ended(&fleet.fidelis(&["submit", &first]).await?, exit::DONE)?;
    // A damaged spec is put right by submitting it again.
    let run = fleet.keys().await?.into_iter().find(|key| key.ends_with("/spec.json")).context("a spec")?;
    damage(&fleet, &run, |bytes| bytes.truncate(30))?;
    for seeds in ["0-127", "0-999"] {
        ended(&fleet.fidelis(&["submit", &first, "--seeds", seeds]).await?, exit::DONE)?;
    }
    assert!(fs::read_to_string(path(&fleet, &run))?.contains("synthetic"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_cannot_make_a_run_leaves_it_to_one_that_can() -> Result<()> {
    let fleet = Fleet::start().await?;
    let demo = fidelis_tests::repository().join("infra/demo/models").display().to_string();
    let text = format!(
        "name = \"mixed\"\nseeds = \"0-31\"\nnet = \"{demo}/fashion-net.safetensors\"\nchunk_size = 4\n\
         micro_batch = 4\n[sampler]\nnum_steps = 2\n[[detectors]]\nname = \"fashion-cnn\"\n\
         weights = \"{demo}/fashion-cnn.safetensors\"\n"
    );
    let spec = fleet.spec("mixed", &text)?.display().to_string();
    // There is no such device here.
    let args = ["run", "--name", "unable", "--device", "cuda:0", "--lease-ms", "1500"];
    let _unable = Process::start("fidelis-worker", &args, &fleet.env())?;
    let _able = fleet.worker("able", 1)?;
    ended(&fleet.fidelis(&["run", &spec]).await?, exit::DONE)?;
    let files = fleet.files(&fleet.run_id("mixed").await?).await?;
    for receipt in &files.receipts {
        assert_eq!(
            (receipt.worker.as_str(), receipt.attempt),
            ("able", 1),
            "no blame for chunk {}",
            receipt.chunk
        );
    }
    Ok(())
}
