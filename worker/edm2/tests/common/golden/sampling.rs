//! Whole sampling runs: guided, with churn, in an interval, in float64.

use fidelis_contract::spec::{NoiseMode, SamplerSpec, StateDtype};
use fidelis_edm2::damage::Evaluation;
use fidelis_edm2::encoder::Codec;
use fidelis_edm2::guidance::GuidedNet;
use fidelis_edm2::net::Precision;
use fidelis_edm2::noise::{Classes, Draws, Noise};
use fidelis_edm2::sampler::Sampler;
use serde_json::Value;
use tch::{Kind, Tensor};

use super::super::agreement::Agreement;
use super::super::place::{Place, Subject};
use super::super::{fixture, tensors};
use super::nets::loaded;

/// The cases of `sample.json` that want no other nets than these.
pub fn cases(place: Place, nets: &[&str]) -> Vec<Agreement> {
    let cases: Value = serde_json::from_slice(&std::fs::read(fixture("sample.json")).unwrap()).unwrap();
    let seeds: Vec<u64> = cases["seeds"].as_array().unwrap().iter().map(|s| s.as_u64().unwrap()).collect();
    let cases = cases["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 10);
    let wanted = |case: &Value| {
        ["net", "gnet"].iter().all(|key| case[key].as_str().is_none_or(|net| nets.contains(&net)))
    };
    cases
        .iter()
        .filter(|(_, case)| wanted(case))
        .flat_map(|(name, case)| of_case(name, case, &seeds, place))
        .collect()
}

fn sampler(case: &Value) -> Sampler {
    let default = SamplerSpec::DEFAULT;
    let number = |key: &str, default: f64| case.get(key).map_or(default, |v| v.as_f64().unwrap());
    Sampler::new(SamplerSpec {
        num_steps: case["num_steps"].as_u64().unwrap() as u32,
        sigma_min: number("sigma_min", default.sigma_min),
        sigma_max: number("sigma_max", default.sigma_max),
        rho: number("rho", default.rho),
        s_churn: number("S_churn", default.s_churn),
        s_min: number("S_min", default.s_min),
        s_max: number("S_max", default.s_max),
        s_noise: number("S_noise", default.s_noise),
        state: if case.get("state").is_some_and(|s| s == "float64") {
            StateDtype::Fp64
        } else {
            StateDtype::Fp32
        },
    })
}

fn of_case(name: &str, case: &Value, seeds: &[u64], place: Place) -> Vec<Agreement> {
    let golden = tensors(&format!("sample-{name}.safetensors")).tensors;
    let net = |name: &str| loaded(&format!("edm2-{name}.pkl"), place);
    let interval = case.get("interval").map(|i| (i[0].as_f64().unwrap(), i[1].as_f64().unwrap()));
    let (main, gnet) = (net(case["net"].as_str().unwrap()), case["gnet"].as_str().map(net));
    let nets = GuidedNet::new(main, gnet, case["guidance"].as_f64().unwrap(), interval).unwrap();
    let sampler = sampler(case);
    let classes = case.get("klass").and_then(Value::as_i64).map_or(Classes::Drawn, Classes::Fixed);
    let draws = draws(&nets, &sampler, classes).of(seeds);
    let mut all = vec![Agreement::exact(format!("{name} noise"), draws.noise == golden["noise"])];
    if let Some(labels) = &draws.labels {
        all.push(Agreement::exact(format!("{name} labels"), *labels == golden["label"]));
    }
    let latent = sample(&nets, &sampler, &draws, place);
    assert_eq!(latent.kind(), golden["latent"].kind());
    all.push(Agreement::of(name, &latent, &golden["latent"], place.tolerance(Subject::Sample)));
    if let Some(rgb) = golden.get("rgb").filter(|_| place.precision == Precision::Fp32) {
        let [found, rgb] =
            [&Codec::Rgb.decode(&latent).unwrap(), rgb].map(|t| place.take(t).to_kind(Kind::Int));
        let off = (found - rgb).abs().max().double_value(&[]);
        all.push(Agreement { what: format!("{name} pixels, in steps"), off, tolerance: 1.0 });
    }
    all
}

/// A net of the published layout, with seeds beyond 2³²: they count modulo that.
pub fn published(place: Place) -> Vec<Agreement> {
    let golden = tensors("published/sample-rgb-16.safetensors").tensors;
    let seeds: Vec<i64> = golden["seeds"].shallow_clone().try_into().unwrap();
    assert!(seeds.contains(&((1 << 40) + 3)));
    let seeds: Vec<u64> = seeds.into_iter().map(|seed| seed as u64).collect();
    let nets = GuidedNet::new(loaded("published/edm2-rgb.pkl", place), None, 1.0, None).unwrap();
    let sampler = Sampler::new(SamplerSpec { num_steps: 16, ..SamplerSpec::DEFAULT });
    let draws = draws(&nets, &sampler, Classes::Drawn).of(&seeds);
    let latent = sample(&nets, &sampler, &draws, place);
    vec![
        Agreement::exact("rgb-16 noise", draws.noise == golden["noise"]),
        Agreement::exact("rgb-16 labels", draws.labels.as_ref() == Some(&golden["label"])),
        Agreement::of("rgb-16", &latent, &golden["latent"], place.tolerance(Subject::Sample)),
    ]
}

fn draws(nets: &GuidedNet, sampler: &Sampler, classes: Classes) -> Draws {
    let config = nets.net().config();
    let (shape, label_dim) = (config.image_shape(), config.label_dim);
    Draws { stream: NoiseMode::Cpu, shape, label_dim, classes, churn_steps: sampler.churn_steps() }
}

fn sample(nets: &GuidedNet, sampler: &Sampler, draws: &Noise, place: Place) -> Tensor {
    let labels = draws.labels.as_ref().map(|labels| place.take(labels));
    let evaluation = Evaluation { labels: labels.as_ref(), ..Evaluation::default() };
    let denoise = |x: &Tensor, sigma: f64| Ok(nets.denoise(x, sigma, evaluation));
    sampler.run(&place.take(&draws.noise), &draws.churn, denoise).unwrap()
}
