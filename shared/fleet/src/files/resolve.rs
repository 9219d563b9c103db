//! All files of a spec.

use std::collections::BTreeMap;

use fidelis_contract::spec::{FileRef, LocalSpec, ResolvedSpec, RunSpec};

use super::{Files, Progress, ResolveError};

/// How much of a spec's files has to be at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Their digests, which name the run: a pinned address is taken at its word, and nothing is fetched for it.
    Digests,
    /// The files: each is fetched, and has the content that is pinned.
    Content,
}

impl Files {
    /// A validated spec with the digest of every file that it names; its paths stay as they are.
    ///
    /// # Errors
    /// A file that cannot be read or fetched, or has other content than is pinned; the field is named.
    pub async fn resolve(
        &self,
        mut spec: RunSpec,
        depth: Depth,
        progress: Progress<'_>,
    ) -> Result<ResolvedSpec, ResolveError> {
        let mut files = spec.files_mut();
        files.retain(|(_, file)| is_needed(file, depth));
        // What lies here is checked before anything large is fetched.
        files.sort_by_key(|(_, file)| file.is_url());
        for (field, file) in files {
            let located = self.local(file, progress).await;
            file.sha256 = Some(located.map_err(|source| ResolveError::File { field, source })?.sha256);
        }
        Ok(ResolvedSpec::new(spec)?)
    }

    /// The spec with local paths in those fields that `wanted` picks.
    ///
    /// # Errors
    /// A file that is neither here nor can be fetched, or has other content than is pinned; the field is named.
    pub async fn localized(
        &self,
        spec: &ResolvedSpec,
        wanted: impl Fn(&str, &FileRef) -> bool,
        progress: Progress<'_>,
    ) -> Result<LocalSpec, ResolveError> {
        let mut paths = BTreeMap::new();
        for (field, file) in spec.files().into_iter().filter(|(field, file)| wanted(field, file)) {
            match self.local(&file, progress).await {
                Ok(located) => paths.insert(field, located.path.display().to_string()),
                Err(source) => return Err(ResolveError::File { field, source }),
            };
        }
        Ok(spec.placed(|field, file| paths.remove(field).unwrap_or_else(|| file.path.clone())))
    }
}

fn is_needed(file: &FileRef, depth: Depth) -> bool {
    !(depth == Depth::Digests && file.is_url() && file.sha256.is_some())
}
