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

/// A tiny pair on this machine; how fast it is, is nobody's business here.
#[test]
fn bench_tells_speed_memory_and_cost() -> Result<()> {
    let (net, gnet, script) =
        (fixture("edm2-main.pkl"), fixture("edm2-guide.pkl"), fixture("block-means.pt"));
    let mut args: Vec<&Path> =
        "bench --steps 3 --lanes 2 --seconds 0.5 --micro-batch 2,1,2 --encoder space-to-depth"
            .split(' ')
            .chain("--precision fp32,bf16 --price 3 --detector block-means".split(' '))
            .map(Path::new)
            .collect();
    args.extend([Path::new("--net"), &net, Path::new("--gnet"), &gnet, Path::new("--weights"), &script]);
    let outcome = worker(&[&args[..], &[Path::new("--json")]].concat())?;
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    let found: Value = serde_json::from_str(&outcome.stdout)?;
    assert_eq!((&found["device"], &found["steps"], &found["price"]), (&"cpu".into(), &3.into(), &3.0.into()));
    assert!(found["first_image_seconds"].as_f64().unwrap() > 0.0);
    let params: u64 = [&net, &gnet]
        .into_iter()
        .map(|net| Ok(info(net)?["parameters"].as_u64().unwrap()))
        .sum::<Result<u64>>()?;
    let script_len = std::fs::metadata(&script)?.len();
    for (of, name, bytes) in [(0, "fp32", 4), (1, "bf16", 2)] {
        let of = &found["precisions"][of];
        assert_eq!((&of["precision"], &of["lanes"]), (&name.into(), &2.into()));
        assert_eq!(of["weights_bytes"], params * bytes + script_len);
        let sizes: Vec<u64> =
            of["rows"].as_array().unwrap().iter().map(|row| row["micro_batch"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [1, 2]);
        for row in of["rows"].as_array().unwrap() {
            let number = |name: &str| row[name].as_f64().unwrap();
            let hours = 50_000.0 / number("images_per_second") / 3600.0;
            assert!((number("hours_of_50000") / hours - 1.0).abs() < 1e-9, "{row}");
            assert!((number("cost_of_50000") / hours / 3.0 - 1.0).abs() < 1e-9, "{row}");
            assert!(
                number("peak_bytes") > 1e7 && number("bound_bytes") > of["weights_bytes"].as_f64().unwrap()
            );
            assert_eq!(row["steps_taken"], 3);
        }
        let [micro, chunk] =
            ["micro_batch", "chunk_size"].map(|name| of["recommended"][name].as_u64().unwrap());
        assert!(sizes.contains(&micro) && chunk % (2 * micro) == 0, "{of}");
    }
    let table = worker(&args)?;
    let rows = table.stdout.lines().filter(|line| line.starts_with("fp32 ") || line.starts_with("bf16 "));
    assert_eq!(
        rows.map(|row| row.split_whitespace().count()).collect::<Vec<_>>(),
        [7; 4],
        "{}",
        table.stdout
    );
    assert!(table.stdout.contains("cost") && table.stdout.contains("chunk_size = "), "{}", table.stdout);
    Ok(())
}

#[test]
fn bench_refuses_what_cannot_be_measured() -> Result<()> {
    let (net, gnet) = (fixture("edm2-main.pkl"), fixture("edm2-uncond.pkl"));
    for (more, words) in [
        ("--price 0", &["--price", "above 0"][..]),
        ("--price nan", &["--price", "above 0"]),
        ("--seconds 0", &["--seconds", "above 0"]),
        ("--micro-batch 0", &["--micro-batch", "0"]),
        ("--precision fp32,fp31", &["fp31"]),
        ("--steps 1", &["--steps", "`1`"]),
        ("--detector inception", &["`inception`", "--weights"]),
        ("--weights none.pth", &["--detector"]),
        ("--device cuda:99", &["cuda:99"]),
        ("--vae none.safetensors --encoder stability-vae", &["none.safetensors"]),
    ] {
        let mut args = vec![Path::new("bench"), Path::new("--net"), &net];
        args.extend(more.split(' ').map(Path::new));
        let outcome = worker(&args)?;
        assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{more}: {outcome:#?}");
        assert!(words.iter().all(|word| outcome.stderr.contains(word)), "{more}: {}", outcome.stderr);
        assert!(outcome.stdout.is_empty(), "{more}");
    }
    let outcome = worker(&[Path::new("bench"), Path::new("--net"), &net, Path::new("--gnet"), &gnet])?;
    assert_eq!(outcome.code, Some(i32::from(exit::USAGE)), "{outcome:#?}");
    assert!(outcome.error_line().contains("shape"), "{outcome:#?}");
    Ok(())
}
