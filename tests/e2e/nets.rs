//! Published nets through the worker's commands.

use std::path::{Path, PathBuf};

use anyhow::Result;
use fidelis_contract::exit;
use fidelis_tests::published::{self, Py, call, dict, object, pickle};
use fidelis_tests::{Outcome, repository};
use serde_json::Value;

fn fixture(name: &str) -> PathBuf {
    repository().join("tests/fixtures").join(name)
}

fn worker(args: &[&Path]) -> Result<Outcome> {
    let args: Vec<String> = args.iter().map(|arg| arg.display().to_string()).collect();
    Outcome::of("fidelis-worker", &args, &[])
}

fn info(path: &Path) -> Result<Value> {
    let outcome = worker(&[Path::new("info"), path, Path::new("--json")])?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    Ok(serde_json::from_str(&outcome.stdout)?)
}

#[test]
fn info_tells_what_a_published_net_is() -> Result<()> {
    let main = info(&fixture("edm2-main.pkl"))?;
    assert_eq!((&main["kind"], &main["encoder"]), (&"net".into(), &"stability-vae".into()));
    assert_eq!((&main["tensors"], &main["dtype"]), (&92.into(), &serde_json::json!(["float16"])));
    assert_eq!(main["config"]["channel_mult"], serde_json::json!([1, 2, 4]));
    assert_eq!(main["config"]["res_balance"], 0.3);
    let sha256 = fidelis_contract::ids::Digest::of(&std::fs::read(fixture("edm2-main.pkl"))?);
    assert_eq!(main["sha256"], sha256.to_string());
    // The buffers are the only elements that are no parameters: two for each of 32 and of 128 frequencies.
    let count = |name: &str| main[name].as_u64().unwrap();
    assert_eq!(count("elements"), count("parameters") + 2 * (32 + 128));
    assert_eq!(info(&fixture("ref-stats.pkl"))?["kind"], "statistics");
    assert_eq!(info(&fixture("features.safetensors"))?["kind"], "state dict");
    let lines = worker(&[Path::new("info"), &fixture("edm2-uncond.pkl")])?.stdout;
    assert!(
        lines.contains("encoder                  rgb\n") && lines.contains("  sigma_data          0.7\n"),
        "{lines}"
    );
    Ok(())
}

#[test]
fn convert_keeps_every_bit_and_the_images() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (converted, again) = (folder.path().join("c.safetensors"), folder.path().join("d.safetensors"));
    for (from, to) in [(fixture("edm2-uncond.pkl"), &converted), (converted.clone(), &again)] {
        let outcome = worker(&[Path::new("convert"), &from, to])?;
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    }
    assert_eq!(std::fs::read(&converted)?, std::fs::read(&again)?);
    let sampled = |net: &Path| -> Result<Vec<u8>> {
        let out = folder.path().join("out.safetensors");
        let args = ["sample", "--seeds", "3-4", "--steps", "3", "--lanes", "1", "--out"].map(Path::new);
        let outcome = worker(&[&args[..], &[&out, Path::new("--net"), net]].concat())?;
        assert_eq!(outcome.code, Some(0), "{outcome:#?}");
        Ok(std::fs::read(&out)?)
    };
    assert!(sampled(&fixture("edm2-uncond.pkl"))? == sampled(&converted)?);
    Ok(())
}

#[test]
fn what_cannot_be_converted_is_one_line_and_leaves_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let evil = folder.path().join("evil.pkl");
    let state = dict([("_init_kwargs", call("os", "system", vec![Py::Text("touch owned".to_owned())]))]);
    std::fs::write(&evil, pickle(&dict([("ema", object("Precond", state))]), 4))?;
    let weights = folder.path().join("weights.pth");
    std::fs::write(&weights, published::zip_state_dict(&Default::default()))?;
    let stays = std::fs::read_dir(folder.path())?.count();
    let (out, pkl) = (folder.path().join("out.safetensors"), folder.path().join("out.pkl"));
    for (from, to, words) in [
        (&evil, &out, &["evil.pkl", "`os.system`", "nothing of it was run"][..]),
        (&weights, &out, &["weights.pth", "`torch.save`"]),
        (&fixture("ref-stats.pkl"), &out, &["ref-stats.pkl", "`num_images`"]),
        (&fixture("forward-main.safetensors"), &out, &["forward-main.safetensors", "`config`"]),
        (&fixture("edm2-null.pkl"), &pkl, &["out.pkl", "`.safetensors`"]),
        (&folder.path().join("nowhere.pkl"), &out, &["nowhere.pkl"]),
    ] {
        let outcome = worker(&[Path::new("convert"), from, to])?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
        let line = outcome.error_line();
        assert!(words.iter().all(|word| line.contains(word)), "{line}");
        assert_eq!(std::fs::read_dir(folder.path())?.count(), stays, "{line}");
    }
    Ok(())
}
