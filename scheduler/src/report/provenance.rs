//! What each run was made of, as rows of a table.

use fidelis_contract::ids::Digest;

use super::table::{detectors, labels};
use super::text::setting;
use fidelis_contract::result::{Provenance, RunResult};
use fidelis_contract::spec::Damage;

/// Row titles, each with one value per run; rows that say nothing are left out.
pub(super) fn provenance(runs: &[RunResult]) -> Vec<(String, Vec<String>)> {
    let mut rows: Vec<(String, Vec<String>)> = Vec::new();
    let mut add = |title: &str, value: &dyn Fn(&RunResult) -> String| {
        let values: Vec<String> = runs.iter().map(value).collect();
        if values.iter().any(|value| !value.is_empty()) {
            rows.push((title.to_owned(), values));
        }
    };
    // The id adds nothing to the column's title where that is the id already.
    if labels(runs).iter().zip(runs).any(|(label, run)| label != run.run.as_str()) {
        add("run", &|run| run.run.to_string());
    }
    add("spec sha256", &|run| run.spec_digest.to_string());
    add("engine", &|run| run.provenance.engine.to_string());
    add("arithmetic", &|run| {
        run.provenance.arithmetic.map_or_else(String::new, |version| version.to_string())
    });
    add("net", &|run| file(run, "net"));
    add("net sha256", &|run| digest(run.provenance.net_sha256));
    add("guiding net", &|run| file(run, "gnet"));
    add("guiding net sha256", &|run| digest(run.provenance.gnet_sha256));
    add("encoder", &|run| run.provenance.encoder.map_or_else(String::new, |encoder| encoder.to_string()));
    add("autoencoder", &|run| file(run, "vae"));
    add("autoencoder sha256", &|run| digest(run.provenance.vae_sha256));
    add("autoencoder precision", &vae_precision);
    add("data", &|run| file(run, "data"));
    add("data sha256", &|run| digest(run.provenance.data_sha256));
    add("guidance", &guidance);
    add("net damage", &|run| damage(run.provenance.net_damage));
    add("guiding net damage", &|run| damage(run.provenance.gnet_damage));
    add("seeds", &|run| run.provenance.seeds.to_string());
    add("labels", &|run| run.provenance.labels.to_string());
    add("sampler", &|run| sampler(&run.provenance));
    add("noise", &|run| run.provenance.noise.to_string());
    add("precision", &|run| run.provenance.precision.to_string());
    add("micro-batch", &|run| run.provenance.micro_batch.to_string());
    for (name, _) in detectors(runs) {
        let weights = |run: &RunResult| digest(run.provenance.detector_sha256.get(&name).copied());
        add(&format!("{name} weights sha256"), &weights);
        let reference = |run: &RunResult| digest(run.provenance.reference_sha256.get(&name).copied());
        add(&format!("{name} reference sha256"), &reference);
        let held_out = |run: &RunResult| digest(run.provenance.held_out_sha256.get(&name).copied());
        add(&format!("{name} held-out sha256"), &held_out);
    }
    add("devices", &|run| run.provenance.devices.join(", "));
    add("device models", &|run| run.provenance.makers.device_models.join(", "));
    add("made with", &|run| run.provenance.makers.programs.join("; "));
    add("made", &|run| run.provenance.makers.dates());
    rows
}

fn file(run: &RunResult, field: &str) -> String {
    run.provenance.files.get(field).cloned().unwrap_or_default()
}

fn vae_precision(run: &RunResult) -> String {
    run.provenance.vae_precision.map_or_else(String::new, |precision| precision.to_string())
}

fn digest(digest: Option<Digest>) -> String {
    digest.map_or_else(String::new, |digest| digest.to_string())
}

fn guidance(run: &RunResult) -> String {
    let interval = run.provenance.guidance_interval;
    let range = interval.map_or(String::new(), |(lo, hi)| format!(" for sigma in ({lo}, {hi}]"));
    match run.guidance {
        1.0 => "none (weight 1)".to_owned(),
        weight => format!("weight {}{range}", setting(weight)),
    }
}

fn damage(of: Option<Damage>) -> String {
    let done = of.unwrap_or_default();
    let parts = [("dropout", done.dropout), ("input noise", done.input_noise)];
    let said = parts.iter().filter(|(_, share)| *share > 0.0);
    said.map(|(what, share)| format!("{what} {}", setting(*share))).collect::<Vec<_>>().join(", ")
}

fn sampler(provenance: &Provenance) -> String {
    let sampler = &provenance.sampler;
    let mut text = format!(
        "Heun, {} steps, sigma {} to {}, rho {}, state {}",
        sampler.num_steps,
        setting(sampler.sigma_min),
        setting(sampler.sigma_max),
        setting(sampler.rho),
        sampler.state
    );
    if sampler.s_churn > 0.0 {
        text.push_str(&format!(
            ", S_churn {} for sigma in [{}, {}], S_noise {}",
            setting(sampler.s_churn),
            setting(sampler.s_min),
            setting(sampler.s_max),
            setting(sampler.s_noise)
        ));
    }
    text
}
