//! Calling a sweep off.

use std::collections::BTreeSet;

use fidelis_contract::{ids::RunId, keys, sweep::Table};
use fidelis_fleet::{fleet::Fleet, stored};

use super::{Sweep, SweepRunError};
use crate::conduct::submit;

/// Takes out of the queue what is queued of a sweep's cells; whoever conducts it ends. Returns how many cells it hit. The
/// sweep's next start goes on from what is stored.
///
/// # Errors
/// What kept store or queue from answering; cancelling again is always safe.
pub async fn cancel(fleet: &Fleet, sweep: &Sweep) -> Result<u64, SweepRunError> {
    let mut runs: BTreeSet<RunId> = sweep.spec.cells.iter().cloned().collect();
    // Finer grids are known from the table alone, which is stored before any of their cells is queued.
    let table = fleet.store.get(&keys::sweep_table(&sweep.id)).await?;
    if let Some(table) = table.and_then(|bytes| serde_json::from_slice::<Table>(&bytes).ok()) {
        runs.extend(table.rows.into_iter().map(|row| row.run));
    }
    let mut cells = 0;
    for run in runs {
        let progress = fleet.queue.progress(&run).await?;
        if progress.is_none_or(|progress| progress.queued == 0) {
            continue;
        }
        let run = stored::find(&fleet.store, &run)
            .await
            .map_err(|error| SweepRunError::Reduce(Box::new(error.into())))?;
        submit::cancel(fleet, &run).await?;
        cells += 1;
    }
    Ok(cells)
}
