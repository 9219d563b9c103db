//! `fidelis local` as a child: a whole fleet on this machine, and what it left behind.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::setting::{Setting, program};

/// How the demo is run.
#[derive(Debug)]
pub struct Local<'a> {
    pub setting: &'a Setting,
    /// Of the folder that the results go to.
    pub name: &'a str,
    pub device: &'a str,
    pub workers: u32,
    pub num_images: u32,
}

/// One run of the demo.
#[derive(Debug)]
pub struct Ran {
    pub fd: f64,
    pub fd_sd: f64,
    pub images_per_s: f64,
    /// By chunk: digest of the initial noise, then those of all that was stored.
    pub noise: BTreeMap<String, String>,
    pub objects: BTreeMap<String, Value>,
}

impl Local<'_> {
    /// The demo's runs by name, or what the command said last.
    pub fn run(&self) -> Result<BTreeMap<String, Ran>, String> {
        let out = self.setting.work.join(self.name);
        let mut fidelis = Command::new(program("fidelis"));
        fidelis.arg("local").args(["unguided.toml", "guided.toml"].map(|spec| self.setting.demo.join(spec)));
        fidelis.args(["--device", self.device, "--workers", &self.workers.to_string(), "--json"]);
        fidelis.args(["--seeds", &format!("0-{}", self.num_images - 1), "--out"]).arg(&out);
        let output = fidelis.output().map_err(|error| error.to_string())?;
        let stdout = String::from_utf8_lossy(&output.stdout);
        let summary = stdout.lines().last().and_then(|line| serde_json::from_str::<Value>(line).ok());
        let runs = summary
            .filter(|_| output.status.success())
            .and_then(|summary| summary["runs"].as_object().cloned());
        let Some(runs) = runs else {
            let said = String::from_utf8_lossy(&output.stderr).lines().last().unwrap_or_default().to_owned();
            return Err(format!("{} ({})", said, output.status));
        };
        runs.iter().map(|(name, row)| Ok((name.clone(), ran(&out, name, row)?))).collect()
    }
}

fn ran(out: &Path, name: &str, row: &Value) -> Result<Ran, String> {
    let distance = &row["fashion-cnn"];
    let number = |value: &Value| value.as_f64().unwrap_or(f64::NAN);
    let receipts = receipts(&out.join("store/fidelis/runs"), name)?;
    let noise = receipts.iter().map(|(chunk, receipt)| (chunk.clone(), receipt["noise_sha256"].to_string()));
    Ok(Ran {
        fd: number(&distance["fd"]),
        fd_sd: number(&distance["fd_sd"]),
        images_per_s: number(&row["images_per_s"]),
        noise: noise.collect(),
        objects: receipts
            .iter()
            .map(|(chunk, receipt)| (chunk.clone(), receipt["objects"].clone()))
            .collect(),
    })
}

/// The receipts of the run that is called `name`, by their files' names.
fn receipts(runs: &Path, name: &str) -> Result<BTreeMap<String, Value>, String> {
    let entries = |folder: &Path| -> Result<Vec<PathBuf>, String> {
        let read = fs::read_dir(folder).map_err(|error| format!("`{}`: {error}", folder.display()))?;
        Ok(read.flatten().map(|entry| entry.path()).collect())
    };
    let named = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let ours = |path: &PathBuf| named(path).rsplit_once('-').is_some_and(|(run, _)| run == name);
    let run = entries(runs)?.into_iter().find(ours).ok_or_else(|| format!("no run `{name}` was stored"))?;
    let files = entries(&run.join("chunks"))?
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "json"));
    files
        .map(|path| {
            let text = fs::read_to_string(&path).map_err(|error| error.to_string())?;
            Ok((named(&path), serde_json::from_str(&text).map_err(|error| error.to_string())?))
        })
        .collect()
}
