//! Runs are brought to their end without a command line: as a page, a sweep or a test does it.

use std::{future::pending, time::Duration};

use anyhow::{Context, Result, ensure};
use fidelis::conduct::{Conductor, Ended, Listener, Short, prepare};
use fidelis::reduce::Reduced;
use fidelis_contract::{
    events::Event,
    keys,
    spec::{ResolvedSpec, RunSpec},
};
use fidelis_fleet::files::{FileSettings, Files};
use fidelis_tests::{Fleet, unread_detector};

/// A conductor of the fleet, and a run for it.
async fn conductor(fleet: &Fleet) -> Result<(Conductor, ResolvedSpec)> {
    let detector = unread_detector(fleet.folder())?;
    let text = format!(
        "name = \"conducted\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 16\n{detector}"
    );
    let files = Files::new(FileSettings::from_env(None));
    let spec = prepare(RunSpec::from_toml(&text, "test")?, None, &files, &|_| ()).await?;
    Ok((Conductor::of_fleet(fleet.handles().await?, files), spec))
}

/// Completes the run; what it told, in one word each.
async fn complete<S>(
    conductor: &mut Conductor,
    spec: &ResolvedSpec,
    shutdown: impl Future<Output = S>,
) -> Result<(Ended<Reduced, S>, Vec<String>)> {
    let mut told = Vec::new();
    let mut events = |event: &Event| {
        let value = serde_json::to_value(event).unwrap_or_default();
        told.push(value["event"].as_str().unwrap_or_default().to_owned());
    };
    let mut listener = Listener { events: &mut events, transfers: &|_| () };
    let ended = conductor.complete(spec.clone(), &mut listener, shutdown).await?;
    told.dedup();
    Ok((ended, told))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conductor_is_stopped_by_a_future_and_goes_on_from_what_is_stored() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (mut conductor, spec) = conductor(&fleet).await?;
    let run = spec.run_id();

    let soon = tokio::time::sleep(Duration::from_millis(300));
    let (ended, told) = complete(&mut conductor, &spec, async { (soon.await, "enough").1 }).await?;
    ensure!(ended.is_err_and(|short| short == Short::Stopped { run: run.clone(), by: "enough" }));
    assert_eq!(told.first().context("nothing told")?, "submitted");
    assert!(!told.contains(&"stored".to_owned()), "{told:?}");

    let worker = fleet.worker("one", 1)?;
    let (ended, told) = complete(&mut conductor, &spec, pending::<()>()).await?;
    let reduced = ended.ok().context("fell short")?;
    assert_eq!((reduced.result.num_images, &reduced.result.run), (64, &run));
    assert_eq!(told.last_chunk(), Some(&["stored", "reduced", "reported"].map(str::to_owned)), "{told:?}");
    assert!(fleet.store().await?.get(&keys::success(&run)).await?.is_some());
    drop(worker);

    // Nothing is left to make, and nobody to make it.
    let (ended, _) = complete(&mut conductor, &spec, pending::<()>()).await?;
    assert_eq!(ended.ok().context("fell short")?.result.detectors, reduced.result.detectors);
    Ok(())
}
