//! Bringing a sweep to its end.

use std::convert::Infallible;

use fidelis_contract::{
    dead::DeadChunk,
    events::Event,
    ids::ChunkIndex,
    keys,
    run::Run,
    sweep::{Ending, Table, around},
};
use fidelis_metrics::{Folded, Gaussian, MetricError, jackknife};
use tokio::time::{Instant, sleep_until};

use super::{
    Cell, Sweep, SweepRunError, cancel, halving,
    standing::{Standing, images},
};
use crate::{
    compare::Estimate,
    conduct::{ConductError, Conductor, Listener, Short},
    reduce,
};

/// When a sweep is to end, whatever it has come to.
pub type Until = Option<Instant>;

/// Why a grid was not looked at to its end.
enum Halt {
    /// The next look is not paid for, or the time is over.
    Budget,
    Failed(SweepRunError),
}

impl From<SweepRunError> for Halt {
    fn from(error: SweepRunError) -> Self {
        Self::Failed(error)
    }
}

impl From<ConductError> for Halt {
    fn from(error: ConductError) -> Self {
        Self::Failed(error.into())
    }
}

/// Brings a sweep to its end, or as far as its budget goes. May be dropped at any moment: the same call goes on from what
/// is stored. The table is stored at every look.
///
/// # Errors
/// The place cannot be used, what is stored is not what it should be, or somebody called a cell off.
pub async fn conduct(
    conductor: &mut Conductor,
    sweep: &mut Sweep,
    listener: &mut Listener<'_>,
    until: Until,
) -> Result<Table, SweepRunError> {
    let spec = bytes::Bytes::from(sweep.spec.to_json());
    conductor.fleet().store.create(&keys::sweep(&sweep.id), spec).await?;
    let mut sweeping = Sweeping { conductor, sweep, listener, until, standing: Standing::default() };
    let ending = match sweeping.grids().await {
        Ok(()) if sweeping.standing.tried.iter().any(|tried| tried.failed.is_some()) => Ending::Incomplete,
        Ok(()) => Ending::Complete,
        Err(Halt::Budget) => {
            // Of a look that time cut short, the rest would be made and paid for.
            if until.is_some() {
                cancel(sweeping.conductor.fleet(), sweeping.sweep).await?;
            }
            Ending::Budget
        }
        Err(Halt::Failed(error)) => return Err(error),
    };
    sweeping.conclude().await?;
    sweeping.tell(ending).await
}

struct Sweeping<'a, 'b> {
    conductor: &'a mut Conductor,
    sweep: &'a mut Sweep,
    listener: &'a mut Listener<'b>,
    until: Until,
    standing: Standing,
}

impl Sweeping<'_, '_> {
    /// The first grid, then the finer ones.
    async fn grids(&mut self) -> Result<(), Halt> {
        let mut cells = self.sweep.cells.clone();
        for round in 0..=self.sweep.spec.refine {
            let best = self.standing.best().map(|best| best.cell.run.id.clone());
            let mut places = self.standing.add(cells);
            if places.is_empty() {
                break;
            }
            // Whoever is new has the best so far to beat.
            places.extend(
                self.standing.tried.iter().position(|tried| Some(&tried.cell.run.id) == best.as_ref()),
            );
            self.halve(round, places).await?;
            cells = if round < self.sweep.spec.refine { self.finer(round + 1).await? } else { Vec::new() };
        }
        Ok(())
    }

    /// The cells of a finer grid around the best one.
    async fn finer(&mut self, round: u32) -> Result<Vec<Cell>, Halt> {
        let Some(best) = self.standing.best() else { return Ok(Vec::new()) };
        let (grid, point) = (&self.sweep.grid, &best.cell.point);
        let points = around(&grid.axes, &self.standing.points(), point, &grid.between(point));
        let (files, progress) = (self.conductor.home().files.clone(), self.listener.transfers);
        Ok(self.sweep.grid.cells(points, (round, &self.standing.runs()), (&files, progress)).await?)
    }

    /// Looks at cells with more and more images, and at fewer and fewer cells.
    async fn halve(&mut self, round: u32, mut places: Vec<usize>) -> Result<(), Halt> {
        let looks = self.sweep.looks.clone();
        for (look, &num_chunks) in looks.iter().enumerate() {
            let new: Vec<usize> = places
                .iter()
                .copied()
                .filter(|place| self.standing.tried[*place].looks.len() == look)
                .collect();
            let dim = if new.is_empty() { None } else { Some(self.look(round, look, &new).await?) };
            places.retain(|place| self.standing.tried[*place].failed.is_none());
            let is_last = look + 1 == looks.len();
            if let (Some(dim), Some(best)) = (dim, self.standing.best_of(&places, look))
                && !is_last
            {
                let num_images = images(&self.standing.tried[best].cell.run, num_chunks);
                let before = places.len();
                places = self.hopeful(places, (best, look), (num_images, dim));
                self.tell_stopped(before - places.len(), num_images);
            }
        }
        Ok(())
    }

    /// Gives up cells that are worse beyond chance.
    fn hopeful(
        &mut self,
        places: Vec<usize>,
        (best, look): (usize, usize),
        (num_images, dim): (u64, usize),
    ) -> Vec<usize> {
        let leader = self.standing.tried[best].looks[look].clone();
        let is_hopeful = |place: &usize| {
            let tried = &mut self.standing.tried[*place];
            // One that went further in an earlier grid stays what it was.
            let is_open = tried.looks.len() == look + 1;
            tried.stopped |= is_open && halving::is_hopeless(&leader, &tried.looks[look], (num_images, dim));
            !tried.stopped
        };
        places.into_iter().filter(is_hopeful).collect()
    }

    fn tell_stopped(&mut self, num_cells: usize, num_images: u64) {
        if num_cells > 0 {
            let (sweep, num_cells) = (self.sweep.id.clone(), num_cells as u64);
            (self.listener.events)(&Event::SweepStopped { sweep, num_cells, num_images });
        }
    }

    /// Has the images of a look made, and measures them; the number of features.
    async fn look(&mut self, round: u32, look: usize, places: &[usize]) -> Result<usize, Halt> {
        let looks = &self.sweep.looks;
        let num_chunks = looks[look];
        let before = look.checked_sub(1).map_or(0, |before| looks[before]);
        let runs: Vec<Run> =
            places.iter().map(|place| self.standing.tried[*place].cell.run.clone()).collect();
        let more_images: u64 = runs.iter().map(|run| images(run, num_chunks) - images(run, before)).sum();
        self.pay(more_images, places.len())?;
        let num_images = runs.first().map_or(0, |run| images(run, num_chunks));
        let (sweep, num_cells) = (self.sweep.id.clone(), runs.len() as u64);
        (self.listener.events)(&Event::SweepLook { sweep, round, num_cells, num_images, more_images });
        self.tell(Ending::Running).await?;
        let parts: Vec<(Run, ChunkIndex)> = runs.into_iter().map(|run| (run, num_chunks)).collect();
        let until = self.until;
        let time = async move {
            match until {
                Some(until) => sleep_until(until).await,
                None => std::future::pending().await,
            }
        };
        let ended =
            self.conductor.complete_parts(&parts, self.listener, time).await?.map_err(|()| Halt::Budget)?;
        self.standing.num_images += more_images;
        let mut dim = 0;
        for ((&place, (run, _)), ended) in places.iter().zip(&parts).zip(ended) {
            match ended {
                Ok(()) => {
                    let (estimate, features) = self.measure(&run.first(num_chunks)).await?;
                    self.standing.tried[place].looks.push(estimate);
                    dim = features;
                }
                Err(short) => self.standing.tried[place].failed = Some(self.cause(short)?),
            }
        }
        Ok(dim)
    }

    /// Whether a look is paid for. One that was made before costs as much: the table does not depend on who made what.
    fn pay(&self, more_images: u64, cells: usize) -> Result<(), Halt> {
        match self.sweep.spec.budget_images {
            Some(budget) if self.standing.num_images + more_images > budget => match self.standing.num_images
            {
                0 => Err(SweepRunError::Budget { budget, needed: more_images, cells }.into()),
                _ => Err(Halt::Budget),
            },
            _ => Ok(()),
        }
    }

    /// Why a cell has no images, where that is its own fault.
    fn cause(&self, short: Short<Infallible>) -> Result<String, SweepRunError> {
        match short {
            Short::Incomplete { num_chunks, dead, .. } => {
                let list: Vec<String> = dead.iter().map(|dead| dead.chunk.to_string()).collect();
                let cause = dead.first().map_or("", |dead: &DeadChunk| &dead.cause);
                Ok(format!("chunks `{}` of {num_chunks} are dead: {cause}", list.join(", ")))
            }
            Short::Cancelled { .. } => Err(SweepRunError::Cancelled(self.sweep.id.clone())),
            Short::Stopped { by, .. } => match by {},
        }
    }

    /// The metric of a run's first chunks, and the number of features.
    async fn measure(&self, part: &Run) -> Result<(Estimate, usize), SweepRunError> {
        let detector = self.sweep.spec.detector.clone();
        let folded = reduce::part(&self.conductor.fleet().store, part, &detector).await?;
        let reference = self.sweep.reference.clone();
        let dim = folded.total.dim();
        // No work for a thread that serves connections.
        let measured = tokio::task::spawn_blocking(move || estimate(&folded, &reference)).await;
        let measured = measured.map_err(|error| SweepRunError::Internal(error.to_string()))?;
        let estimate = measured.map_err(|source| reduce::ReduceError::Metric { detector, source })?;
        Ok((estimate, dim))
    }

    /// Cells that are complete are published as any run is; the queue forgets those that nothing is queued of.
    async fn conclude(&mut self) -> Result<(), SweepRunError> {
        for tried in &self.standing.tried {
            let run = &tried.cell.run;
            let is_complete = tried.failed.is_none() && tried.looks.len() == self.sweep.looks.len();
            let store = &self.conductor.fleet().store;
            if is_complete && store.get(&keys::success(&run.id)).await?.is_none() {
                self.conductor.home().conclude(run, None, self.listener).await?;
            }
            self.conductor.forget(&run.id).await?;
        }
        Ok(())
    }

    /// Stores the table as it stands.
    async fn tell(&self, ending: Ending) -> Result<Table, SweepRunError> {
        let table = self.standing.table(self.sweep, ending);
        let key = keys::sweep_table(&self.sweep.id);
        self.conductor.fleet().store.replace(&key, table.to_json().into(), "application/json").await?;
        Ok(table)
    }
}

/// The distance of all images, to the bit that of the run's own result; and of all but one block of seeds each.
fn estimate(folded: &Folded, reference: &Gaussian) -> Result<Estimate, MetricError> {
    let ours = Gaussian::new(&folded.total.statistics()?)?;
    let estimate = jackknife::estimate(&ours, (&folded.total, &folded.blocks), reference)?;
    Ok(Estimate { value: estimate.distance.value, without: estimate.without })
}
