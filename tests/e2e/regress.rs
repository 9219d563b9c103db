//! `fidelis regress` and `fidelis baseline`: nights on the synthetic engine, whose images are worse by what the spec says.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fidelis_contract::{baseline::Baseline, exit};
use fidelis_tests::{Outcome, repository};
use serde_json::Value;
use tempfile::TempDir;

/// A folder with a store, a reference and specs of 400 images each.
struct Nights(TempDir);

impl Nights {
    fn new() -> Result<Self> {
        let nights = Self(tempfile::tempdir()?);
        let sigma = (0..16).map(|i| if i % 5 == 0 { 1.0 } else { 0.0 }).collect();
        let statistics =
            fidelis_formats::stats::Statistics { mu: vec![0.0; 4], sigma, num_images: 1000, detector: None };
        fs::write(nights.path("ref.npz"), fidelis_formats::stats::npz::encode(&statistics)?)?;
        fs::write(nights.path("w"), b"unused")?;
        Ok(nights)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// The real features have 1: the further this is from it, the worse.
    fn spec(&self, scale: &str) -> Result<String> {
        let text = format!(
            "name = \"n\"\nengine = \"synthetic\"\nseeds = \"0-399\"\nchunk_size = 40\nmicro_batch = 8\n\
             synthetic = {{ feature_dim = 4, feature_scale = {scale} }}\n\
             [[detectors]]\nname = \"own\"\nweights = \"w\"\nreference = \"ref.npz\"\n"
        );
        fs::write(self.path("n.toml"), text)?;
        Ok(self.text("n.toml"))
    }

    fn accept(&self, scale: &str, more: &[&str]) -> Result<Outcome> {
        let (spec, store, out) = (self.spec(scale)?, self.text("store"), self.text("baseline.json"));
        let args = ["baseline", "accept", "--spec", &spec, "--local", &store, "--out", &out];
        let identity = if more.contains(&"--identity") { vec![] } else { vec!["--identity", "60"] };
        Outcome::of("fidelis", &[&args, &identity[..], more].concat(), &[])
    }

    /// A night, and what it left; each is checked against the schema.
    fn night(&self, scale: &str, more: &[&str], env: &[(&str, &str)]) -> Result<(Outcome, Value)> {
        let (spec, store, out) = (self.spec(scale)?, self.text("store"), self.text("out"));
        let baseline = self.text("baseline.json");
        let args = ["regress", "--spec", &spec, "--local", &store, "--out", &out];
        let named = if more.contains(&"--baseline") { vec![] } else { vec!["--baseline", &baseline] };
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let outcome = Outcome::of("fidelis", &[&args, &named[..], more].concat(), &env)?;
        let result: Value = serde_json::from_slice(
            &fs::read(self.path("out/result.json")).with_context(|| format!("{outcome:#?}"))?,
        )?;
        check_schema(&result)?;
        Ok((outcome, result))
    }
}

fn check_schema(result: &Value) -> Result<()> {
    let schema: Value =
        serde_json::from_slice(&fs::read(repository().join("docs/schema/regress-result.schema.json"))?)?;
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    let failed = |error: String| anyhow::anyhow!("{error}");
    compiler.add_resource("result.json", schema).map_err(|error| failed(error.to_string()))?;
    let index = compiler.compile("result.json", &mut schemas).map_err(|error| failed(error.to_string()))?;
    schemas.validate(result, index).map_err(|error| failed(format!("{error:#}")))?;
    // Guards the guard.
    let mut other = result.clone();
    other["verdict"] = "good".into();
    ensure!(schemas.validate(&other, index).is_err(), "the schema allows what it should not");
    Ok(())
}

fn code(outcome: &Outcome, expected: u8) -> Result<()> {
    ensure!(outcome.code == Some(i32::from(expected)), "{expected} was expected: {outcome:#?}");
    Ok(())
}

fn read(path: &Path) -> Result<Baseline> {
    Ok(Baseline::from_json(&fs::read(path)?)?)
}

#[test]
fn nights_are_judged_by_images_and_by_their_distance() -> Result<()> {
    let nights = Nights::new()?;
    code(&nights.accept("1.25", &["--why", "first", "--who", "somebody"])?, exit::DONE)?;
    let made = read(&nights.path("baseline.json"))?;
    assert_eq!((made.label(), made.blocks.len(), made.num_identity), ("main/000001".to_owned(), 2, 60));

    let summary = nights.text("step.md");
    let env = [("GITHUB_ACTIONS", "true"), ("GITHUB_STEP_SUMMARY", &summary)];
    let (outcome, result) = nights.night("1.25", &[], &env)?;
    code(&outcome, exit::DONE)?;
    assert_eq!((&result["verdict"], &result["identity"]["verdict"]), (&"fine".into(), &"same".into()));
    assert_eq!((&result["num_made"], &result["identity"]["num_images"]), (&200.into(), &60.into()));
    let look = &result["statistics"]["own"]["looks"][0];
    assert_eq!(
        (&look["worse_by"], &look["num_images"], &look["design"]),
        (&0.0.into(), &200.into(), &"paired".into())
    );
    assert_eq!(look["recorded"], look["baseline"], "the same bits");
    assert!(fs::read_to_string(&summary)?.contains("## ✅ Night"));

    // A protocol that differs is refused by name, before any image is made.
    let (outcome, result) = nights.night("1.3", &[], &env)?;
    code(&outcome, exit::NOTHING)?;
    assert_eq!((&result["num_made"], &result["identity"]), (&0.into(), &Value::Null));
    assert_eq!(result["fingerprint"][0]["field"], "synthetic.feature_scale");
    assert!(
        outcome
            .stderr
            .contains("::error title=fidelis regress%3A fingerprint::`synthetic.feature_scale` is `1.3`")
    );
    assert!(outcome.stdout.contains("--allow synthetic.feature_scale"), "{outcome:#?}");
    assert_eq!(fs::read_to_string(&summary)?.matches("## ").count(), 2);

    // Allowed, it is judged by the distance, and an alarm by other seeds again.
    let (outcome, result) = nights.night("1.3", &["--allow", "synthetic"], &[])?;
    code(&outcome, exit::REGRESSION)?;
    assert_eq!((&result["identity"]["verdict"], &result["num_made"]), (&"not-judged".into(), &400.into()));
    assert_eq!(result["statistics"]["own"]["looks"].as_array().map(Vec::len), Some(2));
    let (outcome, result) = nights.night("1.2", &["--allow", "synthetic.feature_scale"], &[])?;
    code(&outcome, exit::DONE)?;
    assert_eq!(result["verdict"], "improved");
    assert_eq!(result["findings"][1]["level"], "warning", "{result}");

    // Code that makes other images of the same spec: the baseline says it was this spec.
    let text = fs::read_to_string(nights.path("baseline.json"))?;
    fs::write(
        nights.path("baseline.json"),
        text.replace("\"feature_scale\": 1.25", "\"feature_scale\": 1.3"),
    )?;
    let (outcome, result) = nights.night("1.3", &["--block", "1"], &[])?;
    code(&outcome, exit::REGRESSION)?;
    assert_eq!((&result["identity"]["verdict"], &result["block"]), (&"changed".into(), &1.into()));
    assert_eq!(result["identity"]["features"]["own"]["seen_at"], 1);
    let history = fs::read_to_string(nights.path("out/history.jsonl"))?;
    assert_eq!(history.lines().count(), 5);
    Ok(())
}

#[test]
fn accepting_is_an_act_that_shows_what_changes() -> Result<()> {
    let nights = Nights::new()?;
    let refused = |more: &[&str], words: &str| -> Result<()> {
        let outcome = nights.accept("1.25", more)?;
        code(&outcome, exit::USAGE)?;
        ensure!(outcome.stderr.contains(words), "`{words}` is not in {outcome:#?}");
        Ok(())
    };
    refused(&[], "--why")?;
    refused(&["--why", " "], "`--why` is empty")?;
    refused(&["--why", "x", "--name", "../x"], "is no name")?;
    refused(&["--why", "x", "--blocks", "7"], "are not `7` blocks")?;
    refused(&["--why", "x", "--bound", "2"], "no share")?;
    code(&nights.accept("1.25", &["--why", "first", "--who", "somebody"])?, exit::DONE)?;
    let first = nights.text("first.json");
    fs::rename(nights.path("baseline.json"), &first)?;
    let again =
        nights.accept("1.3", &["--why", "wider features", "--who", "another", "--night", "second"])?;
    code(&again, exit::DONE)?;
    assert!(
        again.stdout.contains("since main/000001:") && again.stdout.contains("feature_scale  1.25 → 1.3"),
        "{again:#?}"
    );
    assert!(again.stdout.contains("fd (own, seeds 0-199)"), "{again:#?}");
    let second = read(&nights.path("baseline.json"))?;
    let digest = fidelis_contract::ids::Digest::of(&fs::read(&first)?);
    assert_eq!((second.number, second.accepted.previous), (2, Some(digest)));

    let store = nights.text("store");
    let show = |args: &[&str]| Outcome::of("fidelis", &[&["baseline"], args].concat(), &[]);
    let shown = show(&["show", "main", "--local", &store])?;
    assert!(shown.stdout.contains("main/000002") && shown.stdout.contains("by another on 20"), "{shown:#?}");
    assert!(show(&["show", &first])?.stdout.contains("somebody"), "a file needs no store");
    let diff = show(&["diff", "main/1", "main/2", "--local", &store, "--json"])?;
    let diff: Value = serde_json::from_str(&diff.stdout)?;
    assert_eq!((&diff["common_blocks"], &diff["same_blocks"]), (&2.into(), &0.into()));
    assert_eq!(diff["changes"][0]["field"], "synthetic.feature_scale");
    let gone = show(&["show", "other", "--local", &store])?;
    code(&gone, exit::USAGE)?;
    assert!(gone.error_line().contains("there is no baseline `other`"), "{gone:#?}");

    // A night that names its baseline, and one whose images are gone.
    let (outcome, result) = nights.night("1.3", &["--baseline", "main"], &[])?;
    code(&outcome, exit::DONE)?;
    assert_eq!((&result["baseline"]["number"], &result["verdict"]), (&2.into(), &"fine".into()));
    let blocks = nights.path("store/store/fidelis/baselines/main/000002");
    let moved = nights.path("moved");
    fs::create_dir(&moved)?;
    for entry in fs::read_dir(&blocks)? {
        let entry = entry?;
        fs::rename(entry.path(), moved.join(entry.file_name()))?;
    }
    let spec = nights.spec("1.3")?;
    let regress = |baseline: &str| {
        let (store, out) = (nights.text("store"), nights.text("out"));
        let args = ["regress", "--spec", &spec, "--local", &store, "--out", &out, "--baseline", baseline];
        Outcome::of("fidelis", &args, &[])
    };
    let gone = regress(&nights.text("baseline.json"))?;
    code(&gone, exit::INTEGRITY)?;
    assert!(gone.stderr.contains("safetensors`, the images of the baseline's block, is gone"), "{gone:#?}");
    code(&regress(&moved.join("baseline.json").display().to_string())?, exit::DONE)?;
    Ok(())
}

/// A run that somebody made is accepted as it is; its next night is the same to the bit.
#[test]
fn a_run_that_is_there_is_accepted_as_it_is() -> Result<()> {
    let nights = Nights::new()?;
    let spec = nights.spec("1.25")?;
    let local = |spec: &str| Outcome::of("fidelis", &["local", spec, "--out", &nights.text("store")], &[]);
    let accept = |run: &str| {
        let (store, out) = (nights.text("store"), nights.text("baseline.json"));
        let args = ["baseline", "accept", "--run", run, "--why", "w", "--identity", "60"];
        Outcome::of("fidelis", &[&args[..], &["--local", &store, "--out", &out]].concat(), &[])
    };
    code(&local(&spec)?, exit::DONE)?;
    let lacking = accept("n")?;
    code(&lacking, exit::USAGE)?;
    assert!(lacking.error_line().contains("kept no latents, which nights compare one by one: run its spec"));

    let with_latents = fs::read_to_string(&spec)? + "[outputs]\nlatents = true\n";
    fs::write(nights.path("kept.toml"), with_latents.replace("\"n\"", "\"kept\""))?;
    code(&local(&nights.text("kept.toml"))?, exit::DONE)?;
    code(&accept(&nights.text("kept.toml"))?, exit::DONE)?;
    let by_run = read(&nights.path("baseline.json"))?;
    // Whole chunks of 40, where a baseline that is made has the 60 that were asked for.
    assert_eq!((by_run.num_identity, by_run.blocks.len(), by_run.number), (80, 2, 1));
    let runs = fs::read_dir(nights.path("store/store/fidelis/runs"))?.count();
    assert_eq!(runs, 2, "nothing is made");
    let (outcome, result) = nights.night("1.25", &[], &[])?;
    code(&outcome, exit::DONE)?;
    assert_eq!((&result["identity"]["verdict"], &result["verdict"]), (&"same".into(), &"fine".into()));
    assert_eq!(result["identity"]["num_images"], 80);
    assert!(result["identity"]["latents"]["num_other"] == 0, "{result}");

    // The same images made anew are the same baseline.
    code(&nights.accept("1.25", &["--why", "anew", "--identity", "80"])?, exit::DONE)?;
    let anew = read(&nights.path("baseline.json"))?;
    let digests = |of: &Baseline| of.blocks.iter().map(|block| block.sha256).collect::<Vec<_>>();
    assert_eq!((digests(&anew), anew.number), (digests(&by_run), 2));

    // A run that is not complete, and one that there is not.
    fs::remove_file(
        nights.path(&format!("store/store/fidelis/runs/{}/chunks/000003.json", by_run.blocks[0].runs[0])),
    )?;
    let incomplete = accept("kept")?;
    code(&incomplete, exit::INCOMPLETE)?;
    code(&accept("other")?, exit::USAGE)
}
