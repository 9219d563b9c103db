//! Where a complete run lies, and what is made of it there.

use fidelis_contract::{
    events::Event,
    ids::ChunkIndex,
    keys,
    result::Making,
    run::Run,
    spec::{FileRef, LocalSpec, ResolvedSpec},
};
use fidelis_embedded::LocalFleet;
use fidelis_fleet::{
    files::{Files, Progress, ResolveError},
    fleet::FleetError,
    store::Store,
};

use super::{ConductError, Listener};
use crate::{
    publish::publish,
    reduce::{self, Reduced},
    training,
};

/// A store, and how people find what is in it.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// Of all runs.
    pub store: &'a Store,
    /// Where the statistics that specs name come from.
    pub files: &'a Files,
    /// The folder behind the store, where it is one of this machine.
    pub folder: Option<&'a LocalFleet>,
}

impl Home<'_> {
    /// Reduces a complete run; stores nothing for people.
    ///
    /// # Errors
    /// The run's objects are not what they should be, or the store fails.
    pub async fn reduce(&self, run: &Run, progress: Progress<'_>) -> Result<Reduced, ConductError> {
        Ok(reduce::reduce(self.store, run, &self.with_statistics(&run.spec, progress).await?).await?)
    }

    /// Reduces a complete run and publishes its reports. Where nothing was made, what an earlier result says of the
    /// making stays.
    ///
    /// # Errors
    /// The run's objects are not what they should be, or the store fails.
    pub async fn conclude(
        &self,
        run: &Run,
        making: Option<Making>,
        listener: &mut Listener<'_>,
    ) -> Result<Reduced, ConductError> {
        let making = making.filter(|making| making.num_images > 0);
        let files = self.with_statistics(&run.spec, listener.transfers).await?;
        let reduced = reduce::reduce_made(self.store, (run, &files), making).await?;
        listener.tell(&match run.spec.engine.train() {
            None => Event::Reduced {
                run: run.id.clone(),
                num_images: reduced.manifest.num_images,
                num_chunks: reduced.manifest.chunks.len() as ChunkIndex,
            },
            Some(_) => self.trained(run).await?,
        });
        publish(self.store, &reduced).await?;
        listener.tell(&Event::Reported {
            run: run.id.clone(),
            result: self.address_of(&keys::result(&run.id)),
            report: self.address_of(&keys::report_html(&run.id)),
        });
        Ok(reduced)
    }

    /// What a training that has come to its end left.
    ///
    /// # Errors
    /// The store fails.
    pub async fn trained(&self, run: &Run) -> Result<Event, ConductError> {
        let seen = training::seen(self.store, &run.id).await.map_err(FleetError::from)?;
        Ok(Event::Trained {
            run: run.id.clone(),
            num_images: seen.last.map(|last| last.images),
            num_snapshots: seen.num_snapshots,
            folder: self.address_of(&keys::training_prefix(&run.id)),
        })
    }

    /// What people can open: a file, or the store's address.
    pub fn address_of(&self, key: &str) -> String {
        self.folder.map_or_else(|| self.store.url_of(key), |folder| folder.path_of(key).display().to_string())
    }

    /// The spec with its statistics on this machine, where it names them by address.
    async fn with_statistics(
        &self,
        spec: &ResolvedSpec,
        progress: Progress<'_>,
    ) -> Result<LocalSpec, ResolveError> {
        let wanted = |field: &str, file: &FileRef| {
            file.is_url() && (field.ends_with(".reference") || field.ends_with(".held_out"))
        };
        self.files.localized(spec, wanted, progress).await
    }
}
