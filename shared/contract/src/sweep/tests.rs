use std::path::Path;

use serde_json::{Value, json};

use super::*;
use crate::spec::RunSpec;

const BASE: &str = "name = \"guided\"\nseeds = \"0-9\"\nnet = \"/n/net-0000016-0.050.safetensors\"\n\
                    gnet = \"/n/gnet-0000016-0.050.safetensors\"\nguidance = 1.2\noutputs = { latents = true }\n";

fn base() -> RunSpec {
    RunSpec::from_toml(BASE, "base").unwrap()
}

fn axis(name: &str, value: Value) -> Axis {
    Axis::parse(name.parse().unwrap(), &value).unwrap()
}

fn numbers(axis: &Axis) -> Vec<f64> {
    axis.values.iter().filter_map(|value| Setting::from(value).number()).collect()
}

fn refusal(name: &str, value: Value) -> String {
    let parsed = name.parse().and_then(|name| Axis::parse(name, &value));
    parsed.unwrap_err().to_string()
}

#[test]
fn ranges_have_both_ends_and_plain_decimals() {
    for (text, expected) in [
        ("1.0:3.0:0.25", vec![1.0, 1.25, 1.5, 1.75, 2.0, 2.25, 2.5, 2.75, 3.0]),
        ("1:1.6:0.2", vec![1.0, 1.2, 1.4, 1.6]),
        ("1:1.5:0.2,1.4,2", vec![1.0, 1.2, 1.4, 2.0]),
        ("-1:1:1", vec![-1.0, 0.0, 1.0]),
    ] {
        assert_eq!(numbers(&axis("guidance", json!(text))), expected, "{text}");
    }
    assert_eq!(numbers(&axis("steps", json!([8, "16:32:16", 8]))), [8.0, 16.0, 32.0]);
    let intervals = axis("interval", json!("all, 0.19:1.61"));
    assert_eq!(intervals.values, [AxisValue::Interval(None), AxisValue::Interval(Some((0.19, 1.61)))]);
    assert_eq!(axis("interval", json!(["all", [0.19, 1.61]])), intervals);
}

#[test]
fn what_is_no_axis_is_refused_in_words() {
    for (name, value, words) in [
        ("guidence", json!(1), "unknown axis `guidence`: use one of `guidance`"),
        ("guidance", json!("1:3"), "`1:3` is no number and no range: write numbers as"),
        ("guidance", json!("3:1:0.25"), "`3:1:0.25` is no range: write FIRST:LAST:STEP, upwards"),
        ("guidance", json!("1:2:0"), "a step above `0`"),
        ("guidance", json!("1:2:1e-9"), "has more than 10000 values"),
        ("guidance", json!("nan"), "`nan` is no number"),
        ("guidance", json!(" "), "it has no values"),
        ("guidance", json!([]), "it has no values"),
        ("guidance", json!(true), "`true` is no number"),
        ("steps", json!("8.5"), "`8.5` is no number of steps"),
        ("interval", json!("0.2"), "`0.2` is no interval: write noise levels as `0.19:1.61`, or `all`"),
        ("gnet", json!([1]), "`1` is no file"),
    ] {
        let error = refusal(name, value);
        assert!(error.contains(words) && (name == "guidence" || error.contains(name)), "{error}");
    }
}

#[test]
fn a_grid_is_all_combinations_with_the_guidance_innermost() {
    let axes = ordered(vec![
        axis("guidance", json!("1,1.4")),
        axis("gnet_ema", json!([0.05, 0.1])),
        axis("steps", json!(16)),
    ]);
    let points = points(&axes).unwrap();
    let shown: Vec<String> = points
        .iter()
        .map(|point| point.iter().map(|value| Setting::from(value).to_string()).collect::<Vec<_>>().join(" "))
        .collect();
    assert_eq!(shown, ["0.05 16 1", "0.05 16 1.4", "0.1 16 1", "0.1 16 1.4"]);
    let specs: Vec<RunSpec> = points.iter().map(|point| cell(&base(), &axes, point).unwrap()).collect();
    let gnet = |spec: &RunSpec| spec.engine.edm2().unwrap().gnet.as_ref().map(|file| file.path.clone());
    assert_eq!(gnet(&specs[1]).unwrap(), "/n/gnet-0000016-0.050.safetensors");
    assert_eq!(gnet(&specs[3]).unwrap(), "/n/gnet-0000016-0.100.safetensors");
    assert!(specs.iter().all(|spec| spec.engine.sampling().sampler.num_steps == 16 && spec.name == "guided"));
    // Nothing guides: the guiding net is no part of the cell.
    assert!(gnet(&specs[0]).is_none() && specs[0] == specs[2]);
    let told = settings(&axes, &points[2], &specs[2]);
    assert_eq!(line(&told), "steps 16, guidance 1");
    assert_eq!(line(&settings(&axes, &points[3], &specs[3])), "gnet_ema 0.1, steps 16, guidance 1.4");
    // A cell is the run that the same spec is, wherever it comes from.
    let same = axes[2].values[1].clone();
    let written = BASE.replace("1.2", "1.4") + "sampler = { num_steps = 16 }\n";
    let point = vec![points[1][0].clone(), points[1][1].clone(), same];
    assert_eq!(cell(&base(), &axes, &point).unwrap(), RunSpec::from_toml(&written, "w").unwrap());
}

/// Damage of a net that does not guide is none.
#[test]
fn damage_is_swept_where_something_guides() {
    let axes = [axis("gnet_damage.dropout", json!([0.1])), axis("guidance", json!([1, 1.4]))];
    let specs: Vec<RunSpec> =
        points(&axes).unwrap().iter().map(|at| cell(&base(), &axes, at).unwrap()).collect();
    let dropout = |i: usize| specs[i].engine.sampling().gnet_damage.dropout;
    assert_eq!((dropout(0), dropout(1)), (0.0, 0.1));
    assert_eq!(line(&settings(&axes, &points(&axes).unwrap()[0], &specs[0])), "guidance 1");
}

#[test]
fn a_value_that_the_spec_refuses_is_told_with_its_cell() {
    let refused = |name: &str, value: Value| {
        let axes = [axis(name, value)];
        points(&axes).unwrap().iter().find_map(|point| cell(&base(), &axes, point).err()).unwrap().to_string()
    };
    assert_eq!(
        refused("steps", json!([16, 1])),
        "cell `steps 1`: spec field `sampler.num_steps`: `1` is out of range: use `2` to `10000`"
    );
    assert!(refused("interval", json!("2:1")).contains("spec field `guidance_interval`: `[2, 1]`"));
    assert!(
        refused("sampler.roh", json!(7)).contains("cell `sampler.roh 7`: spec `base`: unknown field `roh`")
    );
    let axes = [axis("net_ema", json!(0.1))];
    let plain = RunSpec::from_toml(&BASE.replace("-0000016-0.050", ""), "base").unwrap();
    let error = cell(&plain, &axes, &points(&axes).unwrap()[0]).unwrap_err().to_string();
    assert!(error.contains("axis `net_ema`") && error.contains("list the files by `net`"), "{error}");
    let unguided =
        RunSpec::from_toml("name=\"u\"\nseeds=\"1\"\nnet=\"n\"\noutputs={latents=true}", "b").unwrap();
    let axes = [axis("gnet_ema", json!(0.1))];
    let error = cell(&unguided, &axes, &points(&axes).unwrap()[0]).unwrap_err().to_string();
    assert!(error.contains("spec field `gnet`: missing"), "{error}");
}

#[test]
fn empty_and_endless_grids_are_refused() {
    assert!(points(&[]).unwrap_err().to_string().contains("at least one axis"));
    let axes = [axis("guidance", json!("0:10:0.1")), axis("churn", json!("0:100:1"))];
    assert_eq!(
        points(&axes).unwrap_err().to_string(),
        "10201 cells are more than 2000: widen the steps, or sweep in parts"
    );
}

#[test]
fn a_file_says_all_of_it() {
    let text = "spec = \"base.toml\"\nmetric = \"fd\"\nrefine = 1\nbudget = \"30m\"\n[axes]\nguidance = \"1:2:0.5\"\n\
                gnet = [\"a/g.pkl\", \"b/g.pkl\"]\nsampler.rho = [5, 7]\n";
    let (draft, axes) = SweepDraft::from_toml(text, "s.toml", Path::new("/w")).unwrap();
    assert_eq!((draft.refine, draft.full, draft.metric.as_deref()), (1, false, Some("fd")));
    assert_eq!(draft.budget, Some(Budget::Time(std::time::Duration::from_secs(1800))));
    let axes = ordered(axes);
    let named: Vec<String> = axes.iter().map(|axis| axis.name.to_string()).collect();
    assert_eq!(named, ["gnet", "sampler.rho", "guidance"]);
    let AxisValue::File { file, label } = &axes[0].values[1] else { panic!("no file") };
    assert_eq!((&file.path[..], &label[..]), ("/w/b/g.pkl", "b/g"));
    for (text, words) in [
        ("metrik = \"fd\"", "sweep `s.toml`: unknown field `metrik`"),
        ("budget = \"1 day\"", "`1 day` is no budget: write images as `20000`"),
        ("[axes]\nguidence = 1", "unknown axis `guidence`"),
    ] {
        let error = SweepDraft::from_toml(text, "s.toml", Path::new("/w")).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    let many = SweepDraft { refine: 9, ..SweepDraft::default() };
    assert!(many.check().unwrap_err().to_string().contains("sweep field `refine`: `9` rounds"));
}

#[test]
fn files_of_one_name_are_told_apart_and_emas_are_no_part_of_names() {
    let axes =
        [axis("gnet", json!("/a/g-0000016-0.050.pkl,/a/g-0000032-0.050.pkl")), axis("gnet_ema", json!(0.1))];
    let listed = Listed::all(&axes);
    assert_eq!(
        serde_json::to_value(&listed[0]).unwrap(),
        json!({"axis": "gnet", "values": ["g-0000016", "g-0000032"]})
    );
    let spec = cell(&base(), &axes, &points(&axes).unwrap()[1]).unwrap();
    assert_eq!(spec.engine.edm2().unwrap().gnet.as_ref().unwrap().path, "/a/g-0000032-0.100.pkl");
}
