//! What people find of a reduced run in its store: reports, and `_SUCCESS` last.

mod pictures;

use fidelis_contract::{
    ids::Digest,
    keys,
    outcome::{Class, Outcome},
};
use fidelis_fleet::{
    failpoint::{Point, reach},
    store::{Store, StoreError},
    stored::StoredError,
};

pub use pictures::contact_sheet;

use crate::{
    reduce::Reduced,
    report::{Report, html, markdown},
};

/// Why a reduced run was not published; doing it again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The store did not answer as it should.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Pictures are not what they should be.
    #[error(transparent)]
    Stored(#[from] StoredError),
    /// A failure of our own.
    #[error("publishing stopped: {0}; run it again")]
    Internal(String),
}

impl Outcome for PublishError {
    fn class(&self) -> Class {
        match self {
            Self::Store(error) => error.class(),
            Self::Stored(error) => error.class(),
            Self::Internal(_) => Class::Passing,
        }
    }
}

/// Stores a reduced run's own reports, and `_SUCCESS` last (I5): it holds the manifest's digest.
///
/// # Errors
/// See [`PublishError`].
pub async fn publish(store: &Store, reduced: &Reduced) -> Result<(), PublishError> {
    let Reduced { manifest, result } = reduced;
    let runs = vec![result.clone()];
    let text = markdown(&runs);
    let sheet = contact_sheet(store, &[manifest]).await?;
    let page = html(&Report { runs, sheet });
    store.replace(&keys::report_md(&result.run), text.into(), "text/markdown; charset=utf-8").await?;
    store.replace(&keys::report_html(&result.run), page.into(), "text/html; charset=utf-8").await?;
    reach(Point::ReduceBeforeSuccess, None);
    let success = format!("{}\n", Digest::of(&manifest.to_json()));
    store.replace(&keys::success(&result.run), success.into(), "text/plain").await?;
    Ok(())
}
