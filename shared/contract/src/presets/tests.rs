use std::collections::BTreeSet;

use super::*;

#[test]
fn every_preset_is_a_spec_that_may_run() {
    let names: BTreeSet<&str> = PRESETS.iter().map(|preset| preset.name).collect();
    assert_eq!((PRESETS.len(), names.len()), (36, 36));
    for preset in PRESETS {
        let spec = preset.spec(&Sites::default());
        spec.validate().unwrap();
        assert_eq!(find(preset.name), Ok(preset));
        assert_eq!(preset.name.ends_with("-fid"), preset.metric == Metric::Fid, "{}", preset.name);
        assert_eq!(preset.name.starts_with("edm2-img64-"), preset.is_img64(), "{}", preset.name);
        // The size is part of both names.
        let size = preset.name.split('-').nth(2).unwrap();
        assert_eq!(preset.net.split('-').nth(2), Some(size), "{}", preset.name);
        assert_eq!(preset.guidance != 1.0, preset.gnet.is_some(), "{}", preset.name);
        let guided_by_uncond = preset.gnet.is_some_and(|gnet| gnet.contains("-uncond-"));
        let is_uncond = preset.net.contains("-uncond-");
        assert_eq!(preset.name.contains("-guid-"), guided_by_uncond && !is_uncond, "{}", preset.name);
        assert_eq!(preset.name.contains("-uncond-"), is_uncond, "{}", preset.name);
    }
}

#[test]
fn the_row_of_the_papers_table_1() {
    let spec = find("edm2-img512-s-autog-fid").unwrap().spec(&Sites::default());
    let site = "https://nvlabs-fi-cdn.nvidia.com/edm2";
    let model = spec.engine.edm2().unwrap();
    let sampling = &model.sampling;
    let path = |file: &Option<FileRef>| file.as_ref().unwrap().path.clone();
    assert_eq!(model.net.path, format!("{site}/posthoc-reconstructions/edm2-img512-s-2147483-0.070.pkl"));
    assert_eq!(path(&model.gnet), format!("{site}/posthoc-reconstructions/edm2-img512-xs-0134217-0.125.pkl"));
    assert_eq!((sampling.guidance, sampling.sampler.num_steps, spec.seeds.len()), (2.1, 32, 50_000));
    assert_eq!((sampling.noise, sampling.precision), (NoiseMode::Cuda, Precision::Fp16));
    assert_eq!((sampling.encoder, path(&model.vae).as_str()), (Some(Encoder::StabilityVae), VAE));
    let detector = &spec.detectors[0];
    assert_eq!((detector.name.as_str(), detector.published), ("inception", Some(1.34)));
    assert_eq!(path(&detector.reference), format!("{site}/dataset-refs/img512.pkl"));
    assert_eq!(detector.weights.path, INCEPTION);
}

#[test]
fn small_images_need_no_autoencoder() {
    let sites = Sites { models: "s3://mirror/edm2/".into(), ..Sites::default() };
    let spec = find("edm2-img64-s-autog-dino").unwrap().spec(&sites);
    let model = spec.engine.edm2().unwrap();
    assert_eq!((model.sampling.encoder, &model.vae), (Some(Encoder::Rgb), &None));
    let detector = &spec.detectors[0];
    assert_eq!((detector.name.as_str(), detector.published), ("dinov2", Some(31.85)));
    assert_eq!(detector.reference, Some(FileRef::new("s3://mirror/edm2/dataset-refs/img64.pkl")));
    assert_eq!(detector.weights.path, DINOV2);
}

/// What is printed for editing is the same run, field by field.
#[test]
fn the_toml_is_the_spec() {
    let odd = Sites { vae: "/a \"b\"\\c.safetensors".into(), ..Sites::default() };
    for (preset, sites) in
        PRESETS.iter().flat_map(|preset| [(preset, Sites::default()), (preset, odd.clone())])
    {
        let spec = RunSpec::from_toml(&preset.toml(&sites), preset.name).unwrap();
        assert_eq!(spec, preset.spec(&sites));
    }
}

#[test]
fn an_unknown_name_says_where_to_look() {
    let error = find("edm2-img512-s-autog").unwrap_err().to_string();
    assert_eq!(error, "there is no preset `edm2-img512-s-autog`: `fidelis presets` lists them");
}
