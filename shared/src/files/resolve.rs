//! All files of a spec.

use super::{Files, Progress, ResolveError};
use crate::spec::{FileRef, RunSpec};

/// How much of a spec's files has to be at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Their digests, which name the run: a pinned address is taken at its word, and nothing is fetched for it.
    Digests,
    /// The files: each is fetched, and has the content that is pinned.
    Content,
}

impl Files {
    /// Fills in the digest of every file that a validated spec names; its paths stay as they are.
    ///
    /// # Errors
    /// A file that cannot be read or fetched, or has other content than is pinned; the field is named.
    pub async fn resolve(
        &self,
        spec: &mut RunSpec,
        depth: Depth,
        progress: Progress<'_>,
    ) -> Result<(), ResolveError> {
        // What lies here is checked before anything large is fetched.
        for (field, file) in spec.files_mut().into_iter().filter(|(_, file)| is_needed(file, depth)) {
            if !file.is_url() {
                RunSpec::resolve_file(&field, file)?;
            }
        }
        for (field, file) in spec.files_mut().into_iter().filter(|(_, file)| is_needed(file, depth)) {
            if file.is_url() {
                let located = self.local(file, progress).await;
                file.sha256 = Some(located.map_err(|source| ResolveError::File { field, source })?.sha256);
            }
        }
        Ok(())
    }

    /// The spec with local paths in those fields that `wanted` picks; its identity stays what it was.
    ///
    /// # Errors
    /// A file that is neither here nor can be fetched, or has other content than is pinned; the field is named.
    pub async fn localized(
        &self,
        spec: &RunSpec,
        wanted: impl Fn(&str, &FileRef) -> bool,
        progress: Progress<'_>,
    ) -> Result<RunSpec, ResolveError> {
        let mut local = spec.clone();
        for (field, file) in local.files_mut().into_iter().filter(|(field, file)| wanted(field, file)) {
            let located = self.local(file, progress).await;
            let located = located.map_err(|source| ResolveError::File { field, source })?;
            *file = FileRef { path: located.path.display().to_string(), sha256: Some(located.sha256) };
        }
        Ok(local)
    }
}

fn is_needed(file: &FileRef, depth: Depth) -> bool {
    !(depth == Depth::Digests && file.is_url() && file.sha256.is_some())
}
