//! Sweeps: the truth is found, nothing is made twice, and whatever dies the table is the same to the byte.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_contract::sweep::{AxisName, Ending, Row, Table};
use fidelis_tests::{Fleet, Outcome, Process, repository};
use serde_json::Value;

/// Cells of the synthetic engine, whose distance is 16 · (shift² + …): known, and 0.16 apart at the least.
const SHIFTS: &str = "0.3,0,0.1,0.2,0.6";

fn demo(file: &str) -> String {
    repository().join("infra/demo").join(file).display().to_string()
}

/// A base spec without nets, and its sweep.
fn written(fleet: &Fleet, millis: u32, rules: &str) -> Result<String> {
    let reference = demo("refs/standard-normal.npz");
    let base = format!(
        "name = \"synth\"\nengine = \"synthetic\"\nseeds = \"0-799\"\nchunk_size = 25\n\
         synthetic = {{ millis_per_image = {millis} }}\n[[detectors]]\nname = \"probe\"\nweights = \"{reference}\"\n\
         reference = \"{reference}\"\n"
    );
    fleet.spec("base", &base)?;
    let sweep = format!("spec = \"base.toml\"\n{rules}\n[axes]\nsynthetic.feature_shift = \"{SHIFTS}\"\n");
    Ok(fleet.spec("sweep", &sweep)?.display().to_string())
}

/// `table.json` of the only sweep that the store has.
async fn table_bytes(fleet: &Fleet) -> Result<Vec<u8>> {
    let store = fleet.store().await?;
    let listed = store.list("sweeps/").await?;
    let tables: Vec<_> = listed.iter().filter(|object| object.key.ends_with("/table.json")).collect();
    ensure!(tables.len() == 1, "one table was expected: {listed:?}");
    Ok(store.get(&tables[0].key).await?.context("no table")?.to_vec())
}

async fn table(fleet: &Fleet) -> Result<Table> {
    Ok(serde_json::from_slice(&table_bytes(fleet).await?)?)
}

fn shift(row: &Row) -> f64 {
    let setting = row.settings.get(&AxisName::Field("synthetic.feature_shift".into()));
    setting.and_then(|setting| setting.number()).expect("a shift")
}

async fn done(fleet: &Fleet, args: &[&str]) -> Result<Outcome> {
    let outcome = fleet.fidelis(args).await?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_best_is_found_and_the_hopeless_are_stopped() -> Result<()> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, 0, "metric = \"fd\"\nrefine = 1")?;
    let _workers = [fleet.worker("one", 1)?, fleet.worker("two", 1)?];
    let dest = fleet.folder().join("dest").display().to_string();
    let outcome = done(&fleet, &["sweep", &sweep, "--dest", &dest]).await?;
    let table = table(&fleet).await?;
    assert_eq!((table.ending, &table.looks[..]), (Ending::Complete, &[200, 400, 800][..]));

    // 0.05 is the finer grid's: 0.1 and 0 are its neighbours, and nothing lies below 0.
    let shifts: Vec<f64> = table.rows.iter().map(shift).collect();
    assert_eq!(shifts, [0.3, 0.0, 0.1, 0.2, 0.6, 0.05]);
    let best = table.best_row().context("no best")?;
    assert!(shift(best) <= 0.05, "{best:?}");
    for row in &table.rows {
        // Far from the best is stopped at the first look, and the neighbours never.
        assert_eq!(row.stopped, row.num_images < 800, "{row:?}");
        assert_eq!(row.num_images == 200, shift(row) >= 0.2, "{row:?}");
        let Some(behind) = &row.behind else { continue };
        let (truth, mean) = (|shift: f64| 16.0 * shift * shift, 12.0 / 131_072.0);
        let expected = truth(shift(row) - mean) - truth(shift(best) - mean);
        assert!((behind.by - expected).abs() < 6.0 * behind.sd + 1e-3, "{expected} where {behind:?}");
    }
    assert!(!table.not_told_apart.iter().any(|run| shift(table.row(run).expect("a row")) > 0.1));

    // All cells have one name, which names none of them.
    for command in ["status", "report", "metrics"] {
        let named =
            if command == "metrics" { vec![command, "--features", "synth"] } else { vec![command, "synth"] };
        let refused = fleet.fidelis(&named).await?;
        assert_eq!(refused.code, Some(i32::from(exit::USAGE)), "{refused:#?}");
        let line = refused.error_line();
        assert!(line.contains("6 runs are called `synth`"), "{line}");
        assert!(table.rows.iter().all(|row| line.contains(row.run.as_str())), "{line}");
    }

    // A stopped cell is a run that is not complete, and goes on as any other.
    let stopped = table.rows.iter().find(|row| row.stopped).context("none stopped")?;
    assert_eq!(fleet.num_receipts(&stopped.run).await?, 8);
    let again = done(&fleet, &["sweep", &sweep, "--full"]).await?;
    assert!(again.stderr.contains("6 cells") || again.stderr.contains("5 cells"), "{again:#?}");
    assert_eq!(fleet.num_receipts(&stopped.run).await?, 32);

    let last: Value = serde_json::from_str(outcome.stdout.lines().last().context("nothing on stdout")?)?;
    assert_eq!((&last["cells"], &last["ending"]), (&6.into(), &"complete".into()), "{last}");
    for name in ["table.json", "table.csv", "heat.svg", "heat.png", "curves.svg", "curves.png"] {
        assert!(Path::new(&dest).join(name).exists(), "{name}");
    }
    // The queue has forgotten all of it.
    assert_eq!(fleet.redis_keys().await?.iter().filter(|key| key.contains("synth")).count(), 0);
    Ok(())
}

/// What an undisturbed sweep comes to.
async fn undisturbed(rules: &str, millis: u32) -> Result<Vec<u8>> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, millis, rules)?;
    let _worker = fleet.worker("calm", 1)?;
    done(&fleet, &["sweep", &sweep]).await?;
    table_bytes(&fleet).await
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_dies_the_table_is_the_same_to_the_byte() -> Result<()> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, 3, "refine = 1")?;
    let _patient = fleet.worker("patient", 1)?;
    let victim = fleet.worker("victim", 1)?;
    // Conductor and worker are killed in mid-chunk, and the queue is lost.
    let conductor = fleet.start_fidelis(&["sweep", &sweep])?;
    fleet.has_receipts("synth", 4).await?;
    fleet.holds_chunk("victim").await?;
    conductor.signal("-KILL")?;
    victim.signal("-KILL")?;
    fleet.flush_redis().await?;
    // The next one is interrupted later, by a signal that it obeys.
    let mut conductor = fleet.start_fidelis(&["sweep", &sweep])?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    conductor.signal("-INT")?;
    let code = tokio::task::spawn_blocking(move || conductor.wait()).await??;
    ensure!(code == Some(i32::from(exit::INTERRUPTED)) || code == Some(0), "{code:?}");
    // Two at once come to the same.
    let args = ["sweep".to_owned(), sweep.clone()];
    let mut both: Vec<Process> =
        (0..2).map(|_| fleet.start_fidelis(&args.each_ref().map(String::as_str))).collect::<Result<_>>()?;
    for mut conductor in both.drain(..) {
        let code = tokio::task::spawn_blocking(move || conductor.wait()).await??;
        assert_eq!(code, Some(0));
    }
    assert_eq!(
        String::from_utf8(table_bytes(&fleet).await?)?,
        String::from_utf8(undisturbed("refine = 1", 3).await?)?
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_that_is_called_off_goes_on_and_comes_to_the_same() -> Result<()> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, 3, "")?;
    let mut conductor = fleet.start_fidelis(&["sweep", &sweep])?;
    let _worker = fleet.worker("one", 1)?;
    fleet.has_receipts("synth", 2).await?;
    let told = done(&fleet, &["sweep", &sweep, "--cancel"]).await?;
    assert!(told.stderr.contains("cells called off"), "{told:#?}");
    let code = tokio::task::spawn_blocking(move || conductor.wait()).await??;
    assert_eq!(code, Some(i32::from(exit::INCOMPLETE)));
    assert_eq!(table(&fleet).await?.ending, Ending::Running);
    done(&fleet, &["sweep", &sweep]).await?;
    assert_eq!(String::from_utf8(table_bytes(&fleet).await?)?, String::from_utf8(undisturbed("", 3).await?)?);
    Ok(())
}

/// 5 cells of 200 images are 1000; the two best go on to 400.
#[tokio::test(flavor = "multi_thread")]
async fn a_budget_ends_a_sweep_where_a_look_is_not_paid_for() -> Result<()> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, 0, "")?;
    let _worker = fleet.worker("one", 1)?;
    let poor = fleet.fidelis(&["sweep", &sweep, "--budget", "999"]).await?;
    assert_eq!(poor.code, Some(i32::from(exit::USAGE)), "{poor:#?}");
    assert!(poor.stderr.contains("does not pay for the first look, 1000 images of 5 cells"), "{poor:#?}");
    let json = done(&fleet, &["sweep", &sweep, "--budget", "1399", "--json"]).await?;
    let table: Table = serde_json::from_str(json.stdout.lines().last().context("no table")?)?;
    assert_eq!((table.ending, table.num_images), (Ending::Budget, 1000));
    assert!(shift(table.best_row().context("no best")?) < 0.15);
    let rest = done(&fleet, &["sweep", &sweep, "--budget", "1h", "--json"]).await?;
    let table: Table = serde_json::from_str(rest.stdout.lines().last().context("no table")?)?;
    assert_eq!((table.ending, table.num_images), (Ending::Complete, 2200));
    // 20 s of work: what a second leaves of it is called off.
    let slow = written(&fleet, 20, "")?;
    let short = done(&fleet, &["sweep", &slow, "--budget", "1s", "--json"]).await?;
    let table: Table = serde_json::from_str(short.stdout.lines().last().context("no table")?)?;
    assert_eq!((table.ending, &table.best), (Ending::Budget, &None));
    let queue = fleet.handles().await?.queue;
    for row in &table.rows {
        assert_eq!(queue.progress(&row.run).await?.unwrap_or_default().queued, 0, "{row:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_no_sweep_is_one_line_before_anything_is_made() -> Result<()> {
    let fleet = Fleet::start().await?;
    let sweep = written(&fleet, 0, "")?;
    let base = fleet.folder().join("base.toml").display().to_string();
    let refused = async |args: &[&str], words: &str| -> Result<()> {
        let outcome = fleet.fidelis(&[&["sweep"], args].concat()).await?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(words), "`{words}` is not in: {}", outcome.error_line());
        Ok(())
    };
    refused(&["--spec", &base], "at least one axis").await?;
    refused(&["--spec", &base, "--churn", "1:2"], "axis `churn`: `1:2` is no number and no range").await?;
    refused(&["--spec", &base, "--axis", "rho=7"], "unknown axis `rho`").await?;
    refused(&["--spec", &base, "--axis", "sampler.rho"], "has no values: write it as").await?;
    refused(&["--spec", &base, "--steps", "16,1"], "cell `steps 1`: spec field `sampler.num_steps`").await?;
    refused(&["--spec", &base, "--guidance", "1,2"], "cell `guidance 2`").await?;
    refused(&["--spec", &base, "--churn", "0:200:0.01"], "has more than 10000 values").await?;
    refused(&["--spec", &base, "--churn", "0:50:0.01"], "5001 cells are more than 2000").await?;
    refused(&[&sweep, "--metric", "kid"], "unknown metric `kid`").await?;
    refused(&[&sweep, "--metric", "fid"], "has `probe`, and none of that metric").await?;
    refused(&[&sweep, "--refine=99"], "`99` rounds are too many").await?;
    refused(&[&sweep, "--gnet-ema", "0.05"], "spec field `gnet`: missing").await?;
    assert!(fleet.keys().await?.is_empty());
    Ok(())
}

/// Eight images of the demo's net and a guiding net.
fn pair(gnet: &str, num_steps: u32) -> String {
    format!(
        "name = \"pair\"\nseeds = \"0-7\"\nnet = \"{}\"\ngnet = \"{gnet}\"\nguidance = 1.3\nchunk_size = 4\n\
         [sampler]\nnum_steps = {num_steps}\n[[detectors]]\nname = \"fashion-cnn\"\nweights = \"{}\"\nreference = \"{}\"\n",
        demo("models/fashion-net.safetensors"),
        demo("models/fashion-cnn.safetensors"),
        demo("refs/fashion-train.npz"),
    )
}

/// Of the demo's pair, in three steps.
#[test]
fn cells_of_nets_are_ordinary_runs_and_unguided_ones_are_shared() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let base = pair(&demo("models/fashion-gnet.safetensors"), 3);
    std::fs::write(path("base.toml"), base)?;
    // The second guiding net is the main net.
    let gnets =
        format!("{},{}", demo("models/fashion-gnet.safetensors"), demo("models/fashion-net.safetensors"));
    let (spec, out) = (path("base.toml"), path("out"));
    // Somebody made one of the cells.
    let made = Outcome::of("fidelis", &["local", &spec, "--out", &out], &[])?;
    ensure!(made.code == Some(0), "{made:#?}");
    let args = ["sweep", "--spec", &spec, "--guidance", "1,1.3", "--gnet", &gnets, "--local", &out, "--json"];
    let outcome = Outcome::of("fidelis", &args, &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let lines: Vec<Value> = outcome.stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>()?;
    let table: Table = serde_json::from_value(lines.last().context("no table")?.clone())?;
    let shown: Vec<String> = table.rows.iter().map(Row::line).collect();
    assert_eq!(shown, ["guidance 1", "gnet fashion-gnet, guidance 1.3", "gnet fashion-net, guidance 1.3"]);
    assert_eq!(table.num_images, 24);
    let submitted = lines.iter().filter(|line| line["event"] == "submitted");
    let runs: Vec<&str> = submitted.filter_map(|line| line["run"].as_str()).collect();
    assert!(!runs.contains(&table.rows[1].run.as_str()), "it was made before: {runs:?}");
    // The value is the run's own, to the bit.
    let result =
        std::fs::read(Path::new(&out).join(format!("store/fidelis/runs/{}/result.json", table.rows[1].run)))?;
    let result: Value = serde_json::from_slice(&result)?;
    assert_eq!(result["detectors"]["fashion-cnn"]["metrics"][0]["value"].as_f64(), table.rows[1].value);
    Ok(())
}

/// Finer than the grid are ends of intervals, and EMA lengths as far as there are files of them; files are not.
#[test]
fn intervals_and_ema_lengths_are_refined_too() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    // The same net, in files that differ in what separates header and tensors: as many contents.
    let net = std::fs::read(demo("models/fashion-gnet.safetensors"))?;
    for (place, ema) in ["0.050", "0.060", "0.080", "0.100"].into_iter().enumerate() {
        let (len, rest) = net.split_at(8);
        let header = u64::from_le_bytes(len.try_into()?);
        let (header, tensors) = rest.split_at(header as usize);
        let spaces = vec![b' '; 8 * place];
        let len = (header.len() + spaces.len()) as u64;
        let padded = [&len.to_le_bytes()[..], header, &spaces, tensors].concat();
        std::fs::write(path(&format!("g-0000016-{ema}.safetensors")), padded)?;
    }
    let base = pair(&path("g-0000016-0.050.safetensors"), 2);
    std::fs::write(path("base.toml"), base)?;
    let (spec, out) = (path("base.toml"), path("out"));
    let args = [
        "sweep",
        "--spec",
        &spec,
        "--interval",
        "0.2:2,0.8:40",
        "--gnet-ema",
        "0.05,0.1",
        "--refine",
        "--local",
    ];
    let outcome = Outcome::of("fidelis", &[&args[..], &[&out, "--json"]].concat(), &[])?;
    ensure!(outcome.code == Some(0), "{outcome:#?}");
    let table: Table = serde_json::from_str(outcome.stdout.lines().last().context("no table")?)?;
    let shown = |round: u32| -> Vec<String> {
        table.rows.iter().filter(|row| row.round == round).map(Row::line).collect()
    };
    assert_eq!(shown(0).len(), 4, "{table:#?}");
    // Whichever was the best: its interval or one with an end between, its length or the file's that is between.
    let around = |ema: &str, intervals: [&str; 3]| -> Vec<String> {
        let line = |ema: &str, of: &str| format!("gnet_ema {ema}, interval {of}");
        [ema, "0.08"].iter().flat_map(|ema| intervals.map(|of| line(ema, of))).skip(1).collect()
    };
    let both = ["0.05", "0.1"].into_iter();
    let expected = both.flat_map(|ema| {
        [["0.2:2", "0.4:2", "0.2:8.94"], ["0.8:40", "0.4:40", "0.8:8.94"]].map(|of| around(ema, of))
    });
    let expected: Vec<Vec<String>> = expected.collect();
    assert!(expected.contains(&shown(1)), "{:?} is none of {expected:#?}", shown(1));
    Ok(())
}
