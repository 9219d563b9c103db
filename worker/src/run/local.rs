//! A run's files on this machine, before the device is asked for anything.

use std::sync::Arc;

use fidelis_contract::{
    outcome::Outcome,
    spec::{EngineSpec, FileRef, LocalSpec, ResolvedSpec},
};
use fidelis_fleet::files::{Files, ResolveError, Transfer};
use tokio::select;

use super::setback::Setback;
use crate::{engine::CancelFlag, fetching};

/// The spec with local paths of files that have the digests of submission. The first chunk of a run waits for what has
/// to be fetched; later ones find it here.
///
/// # Errors
/// [`Setback::Environment`] for a server that does not answer or a cache that takes nothing, [`Setback::Unfit`] for a file
/// that is not to be had here.
pub async fn local(
    files: &Files,
    spec: &ResolvedSpec,
    cancel: &CancelFlag,
) -> Result<Arc<LocalSpec>, Setback> {
    // Nets that are no files, images that are read where they lie.
    if let EngineSpec::Synthetic(_) | EngineSpec::Train(_) = spec.engine {
        return Ok(Arc::new(spec.placed(|_, file| file.path.clone())));
    }
    // Statistics are the reducer's affair.
    let ours = |field: &str, _: &FileRef| !field.ends_with(".reference") && !field.ends_with(".held_out");
    let report = fetching::Report::default();
    let tell = |transfer: &Transfer<'_>| report.tell(transfer);
    select! {
        found = files.localized(spec, ours, &tell) => Ok(Arc::new(found?)),
        reason = cancel.raised() => Err(Setback::cancelled(Some(reason))),
    }
}

impl From<ResolveError> for Setback {
    fn from(error: ResolveError) -> Self {
        let text = format!("on this worker: {error}");
        // Another worker may have the file.
        if error.is_retryable() { Self::Environment(text) } else { Self::Unfit(text) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use fidelis_contract::{ids::Digest, spec::RunSpec};
    use fidelis_fleet::{files::FileSettings, retry::Backoff, store::StoreConfig};

    use super::*;

    fn files() -> (tempfile::TempDir, Files) {
        let cache = tempfile::tempdir().unwrap();
        let backoff = Backoff { base: Duration::ZERO, cap: Duration::ZERO, max_attempts: 2 };
        let settings =
            FileSettings { cache: Some(cache.path().to_owned()), s3: StoreConfig::default(), backoff };
        (cache, Files::new(settings))
    }

    fn spec(net: FileRef) -> ResolvedSpec {
        let text = "name = \"s\"\nseeds = \"0-9\"\nnet = \"x\"\noutputs = { latents = true }";
        let mut spec = RunSpec::from_toml(text, "test").unwrap();
        *spec.files_mut().remove(0).1 = net;
        ResolvedSpec::new(spec).unwrap()
    }

    async fn setback(net: FileRef) -> Setback {
        let (_cache, files) = files();
        local(&files, &spec(net), &CancelFlag::new()).await.unwrap_err()
    }

    /// I8: a server that does not answer is nobody's fault, nor is a file that is not what was submitted the chunk's.
    #[tokio::test]
    async fn blame_goes_where_it_belongs() {
        let sha256 = Some(Digest([7; 32]));
        let down = setback(FileRef { path: "http://127.0.0.1:1/net.pkl".into(), sha256 }).await;
        assert!(matches!(&down, Setback::Environment(cause) if cause.contains("127.0.0.1:1")), "{down:?}");
        let missing = setback(FileRef { path: "/nowhere/net.pkl".into(), sha256 }).await;
        assert!(matches!(&missing, Setback::Unfit(cause) if cause.contains("`net`")), "{missing:?}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("net.pkl");
        std::fs::write(&path, "other").unwrap();
        let other = setback(FileRef { path: path.display().to_string(), sha256 }).await;
        assert!(matches!(&other, Setback::Unfit(cause) if cause.contains("is pinned")), "{other:?}");
    }

    #[tokio::test]
    async fn a_lost_lease_ends_the_wait() {
        // A server that accepts and says nothing.
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let path = format!("http://{}/net.pkl", server.local_addr().unwrap());
        let (_cache, files) = files();
        let cancel = CancelFlag::new();
        cancel.cancel(crate::engine::Reason::Lost);
        let spec = spec(FileRef { path, sha256: Some(Digest([7; 32])) });
        assert_eq!(local(&files, &spec, &cancel).await, Err(Setback::Lost));
    }
}
