//! How runs are named on the command line, and what is known of them without Redis.

use anyhow::{Context, Result, ensure};
use fidelis_contract::exit;
use fidelis_tests::{Fleet, Outcome, unread_detector};
use serde_json::Value;

fn spec(fleet: &Fleet, name: &str) -> Result<String> {
    let detector = unread_detector(fleet.folder())?;
    let text =
        format!("name = \"{name}\"\nengine = \"synthetic\"\nseeds = \"0-63\"\nchunk_size = 16\n{detector}");
    Ok(fleet.spec(name, &text)?.display().to_string())
}

fn done(outcome: Outcome) -> Result<Outcome> {
    ensure!(outcome.code == Some(i32::from(exit::DONE)), "{outcome:#?}");
    Ok(outcome)
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_beginnings_are_taken_wherever_ids_are() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (short, long) = (spec(&fleet, "ops")?, spec(&fleet, "ops-more")?);
    let _worker = fleet.worker("one", 1)?;
    done(fleet.fidelis(&["run", &short]).await?)?;
    done(fleet.fidelis(&["run", &long]).await?)?;
    let id = fleet.run_id("ops-more").await?.to_string();
    let beginning = &id[..id.len() - 10];
    for target in ["ops", "ops-more", beginning] {
        for command in ["status", "watch", "reduce", "report", "retry", "cancel", "verify"] {
            done(fleet.fidelis(&[command, target]).await?)?;
        }
    }
    let which = async |target: &str| -> Result<String> {
        let outcome = done(fleet.fidelis(&["status", target, "--json"]).await?)?;
        let value: Value = serde_json::from_str(&outcome.stdout)?;
        Ok(value["run"].as_str().context("no run")?.to_owned())
    };
    assert_eq!(which(beginning).await?, id);
    assert!(!which("ops").await?.starts_with("ops-more"), "a name is not the beginning of a longer one");
    let several = fleet.fidelis(&["status", "op"]).await?;
    assert_eq!(several.code, Some(i32::from(exit::USAGE)));
    let line = several.error_line();
    assert!(line.contains(&id) && line.contains("`ops-more-") && line.contains("as much of an id"), "{line}");
    let none = fleet.fidelis(&["cancel", "other"]).await?;
    assert_eq!(none.code, Some(i32::from(exit::USAGE)));
    assert!(none.error_line().contains("no run that is called `other`"), "{none:#?}");
    Ok(())
}

/// The two mistakes that people make, each in its words.
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_without_runs_is_named() -> Result<()> {
    let fleet = Fleet::start().await?;
    let (empty, nowhere) = (fleet.folder().display().to_string(), fleet.folder().join("nowhere"));
    let nowhere = nowhere.display().to_string();
    for (folder, words) in [
        (&nowhere, format!("there is no folder `{nowhere}`: name the folder that a `fidelis local` left")),
        (&empty, format!("the folder `{empty}` holds no runs: name the folder that a `fidelis local` left")),
    ] {
        let outcome = fleet.fidelis(&["status", "ops", "--local", folder]).await?;
        ensure!(outcome.code == Some(i32::from(exit::USAGE)), "{outcome:#?}");
        assert!(outcome.error_line().contains(&words), "{outcome:#?}");
    }
    Ok(())
}

/// What submits a run finds it.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_words_name_the_same_run_to_every_command() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "ops")?;
    let _worker = fleet.worker("one", 1)?;
    done(fleet.fidelis(&["run", &spec, "--seeds", "0-31"]).await?)?;
    for command in ["status", "watch", "reduce", "report", "retry", "cancel", "verify"] {
        done(fleet.fidelis(&[command, &spec, "--seeds", "0-31"]).await?)?;
        let other = fleet.fidelis(&[command, &spec]).await?;
        assert_eq!(other.code, Some(i32::from(exit::USAGE)), "{command}: {other:#?}");
    }
    let outcome = fleet.fidelis(&["status", "ops", "--seeds", "0-31"]).await?;
    assert!(outcome.error_line().contains("`--seeds` goes with a spec"), "{outcome:#?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_the_store_tells_how_far_a_run_is() -> Result<()> {
    let fleet = Fleet::start().await?;
    let spec = spec(&fleet, "ops")?;
    let worker = fleet.worker("one", 1)?;
    done(fleet.fidelis(&["run", &spec]).await?)?;
    drop(worker);
    let down = ["--redis", "redis://:secret@127.0.0.1:1"];
    let outcome = done(fleet.fidelis(&[&["status", "ops"][..], &down].concat()).await?)?;
    for words in ["4 of 4 chunks, 64 of 64 images", "success  yes", "queued   not known", "127.0.0.1:1"] {
        assert!(outcome.stdout.contains(words), "`{words}` is not in: {}", outcome.stdout);
    }
    let outcome = done(fleet.fidelis(&[&["status", "ops", "--json"][..], &down].concat()).await?)?;
    let value: Value = serde_json::from_str(&outcome.stdout)?;
    assert_eq!((&value["stored_chunks"], &value["success"]), (&4.into(), &true.into()), "{value}");
    assert!(value["redis_error"].as_str().is_some_and(|error| error.contains("127.0.0.1:1")), "{value}");
    assert!(!outcome.stdout.contains("secret"));
    Ok(())
}
