//! What was derived from the chunks: manifest, statistics, result, reports, `_SUCCESS`.

use bytes::Bytes;
use fidelis_contract::{ids::Digest, keys, manifest::Manifest, result::RunResult, run::Run};
use fidelis_fleet::store::{Store, StoreError};
use fidelis_formats::stats::npz;

use super::{
    chunk,
    fault::{Fault, FaultKind},
};

/// What was derived, as far as it can be read.
#[derive(Debug, Default)]
pub(super) struct Derived {
    pub manifest: Option<Manifest>,
    /// `_SUCCESS` is there.
    pub success: bool,
    pub faults: Vec<Fault>,
}

/// Reads it all. Before `_SUCCESS`, nothing but what is there is looked at.
pub(super) async fn check(store: &Store, run: &Run) -> Result<Derived, StoreError> {
    let mut derived = Derived::default();
    let key = keys::success(&run.id);
    let success = derived.read(store, &key, false).await?;
    derived.success = success.is_some();
    let manifest_key = keys::manifest(&run.id);
    if let Some(bytes) = derived.read(store, &manifest_key, derived.success).await? {
        let named = success.map(|success| String::from_utf8_lossy(&success).trim().to_owned());
        let found = Digest::of(&bytes).to_string();
        if let Some(named) = named.filter(|named| *named != found) {
            let detail = format!("names the manifest `{named}` where there is `{found}`");
            derived.faults.push(Fault::new(FaultKind::Derived, &key, detail));
        }
        match Manifest::from_json(&bytes) {
            Ok(manifest) => derived.manifest = Some(manifest),
            Err(error) => derived.damaged(&manifest_key, &error.to_string()),
        }
    }
    for detector in &run.spec.detectors {
        let key = keys::stats(&run.id, &detector.name);
        if let Some(bytes) = derived.read(store, &key, derived.success).await?
            && let Err(error) = npz::decode(&bytes)
        {
            derived.damaged(&key, &error.to_string());
        }
    }
    let key = keys::result(&run.id);
    if let Some(bytes) = derived.read(store, &key, derived.success).await? {
        match RunResult::from_json(&bytes) {
            Ok(result) if result.run == run.id => {}
            Ok(result) => derived.damaged(&key, &format!("the result of run `{}`", result.run)),
            Err(error) => derived.damaged(&key, &error.to_string()),
        }
    }
    for key in [keys::report_html(&run.id), keys::report_md(&run.id)] {
        derived.read(store, &key, derived.success).await?;
    }
    Ok(derived)
}

impl Derived {
    async fn read(&mut self, store: &Store, key: &str, must: bool) -> Result<Option<Bytes>, StoreError> {
        match store.get_noted(key).await? {
            Some((bytes, Some(written))) if Digest::of(&bytes) != written => {
                let fault = chunk::altered(key, "was written as", written, Digest::of(&bytes));
                self.faults.push(Fault { kind: FaultKind::Derived, ..fault });
                Ok(None)
            }
            Some((bytes, _)) => Ok(Some(bytes)),
            None => {
                if must {
                    let detail = "is gone though `_SUCCESS` is there";
                    self.faults.push(Fault::new(FaultKind::Derived, key, detail));
                }
                Ok(None)
            }
        }
    }

    fn damaged(&mut self, key: &str, error: &str) {
        self.faults.push(Fault::new(FaultKind::Derived, key, format!("cannot be read: {error}")));
    }
}
