//! What is known of a sweep's cells at some moment.

use std::collections::HashSet;

use fidelis_contract::{
    ids::RunId,
    run::Run,
    sweep::{Behind, Ending, Point, Row, SCHEMA, Table},
};
use fidelis_metrics::student;

use super::{Cell, Sweep, halving};
use crate::compare::Estimate;

/// A cell, and what each look at it saw.
#[derive(Debug)]
pub(super) struct Tried {
    pub cell: Cell,
    /// From the first look on.
    pub looks: Vec<Estimate>,
    /// Not looked at again.
    pub stopped: bool,
    /// Why it cannot be made.
    pub failed: Option<String>,
}

/// All cells so far.
#[derive(Debug, Default)]
pub(super) struct Standing {
    pub tried: Vec<Tried>,
    /// Images that were needed.
    pub num_images: u64,
}

impl Standing {
    /// Adds cells; their places.
    pub fn add(&mut self, cells: Vec<Cell>) -> Vec<usize> {
        let first = self.tried.len();
        self.tried.extend(cells.into_iter().map(|cell| Tried {
            cell,
            looks: Vec::new(),
            stopped: false,
            failed: None,
        }));
        (first..self.tried.len()).collect()
    }

    pub fn runs(&self) -> HashSet<RunId> {
        self.tried.iter().map(|tried| tried.cell.run.id.clone()).collect()
    }

    pub fn points(&self) -> Vec<Point> {
        self.tried.iter().map(|tried| tried.cell.point.clone()).collect()
    }

    /// The cell of the lowest value among those that most images were looked at of; of equals the first.
    pub fn best(&self) -> Option<&Tried> {
        let places: Vec<usize> = (0..self.tried.len()).collect();
        let most =
            self.tried.iter().filter(|tried| tried.failed.is_none()).map(|tried| tried.looks.len()).max()?;
        Some(&self.tried[self.best_of(&places, most.checked_sub(1)?)?])
    }

    /// The place of the lowest value of a look, among some places.
    pub fn best_of(&self, places: &[usize], look: usize) -> Option<usize> {
        let seen = places.iter().copied().filter_map(|place| {
            let tried = &self.tried[place];
            Some((place, tried.looks.get(look).filter(|_| tried.failed.is_none())?.value))
        });
        seen.min_by(|(_, a), (_, b)| a.total_cmp(b)).map(|(place, _)| place)
    }

    /// As everybody sees it.
    pub fn table(&self, sweep: &Sweep, ending: Ending) -> Table {
        let best = self.best();
        let rows: Vec<Row> = self.tried.iter().map(|tried| row(tried, best, &sweep.looks)).collect();
        let best = best.map(|best| best.cell.run.id.clone());
        let open = |row: &&Row| {
            Some(&row.run) != best.as_ref()
                && row.failed.is_none()
                && row.behind.is_some_and(|behind| behind.interval[0] <= 0.0)
        };
        let spec = &sweep.spec;
        Table {
            schema: SCHEMA,
            sweep: sweep.id.clone(),
            metric: spec.metric.clone(),
            detector: spec.detector.clone(),
            looks: spec.looks.clone(),
            ending,
            num_images: self.num_images,
            axes: spec.axes.clone(),
            not_told_apart: rows.iter().filter(open).map(|row| row.run.clone()).collect(),
            rows,
            best,
        }
    }
}

fn row(tried: &Tried, best: Option<&Tried>, looks: &[u32]) -> Row {
    let Tried { cell: Cell { settings, run, round, .. }, stopped, failed, .. } = tried;
    let last = tried.looks.len().checked_sub(1);
    let seen = last.map(|last| &tried.looks[last]).filter(|_| failed.is_none());
    let sd = seen.filter(|seen| seen.without.len() > 1).map(Estimate::sd);
    let interval = seen.zip(sd).map(|(seen, sd)| {
        let reach = student::two_sided_95(seen.without.len() - 1) * sd;
        [seen.value - reach, seen.value + reach]
    });
    // The best was in every look that anybody was in.
    let best = best.filter(|best| best.cell.run.id != run.id);
    let theirs = best.zip(last).and_then(|(best, last)| best.looks.get(last));
    let behind = theirs.zip(seen).and_then(|(theirs, seen)| halving::behind(theirs, seen));
    Row {
        run: run.id.clone(),
        settings: settings.clone(),
        round: *round,
        num_images: seen.and(last).map_or(0, |last| images(run, looks[last])),
        value: seen.map(|seen| seen.value),
        sd,
        interval,
        stopped: *stopped,
        behind: behind.map(|of| Behind { by: of.worse_by, sd: of.sd, interval: of.interval() }),
        failed: failed.clone(),
    }
}

/// Images of a look.
pub(super) fn images(run: &Run, num_chunks: u32) -> u64 {
    run.first(num_chunks).plan.num_images()
}
