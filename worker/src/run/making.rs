//! The first stage: what the device makes.

use fidelis_contract::{plan::Chunk, run::Run};
use fidelis_fleet::{
    failpoint::{Bug, Point, planted, reach},
    queue::DeviceTime,
};
use tokio::{select, time::Instant};

use super::{
    Worker,
    commit::Commit,
    device::{Job, Made},
    hand::Hand,
    local,
    setback::Setback,
    storing::Part,
    training,
};
use crate::engine::CancelFlag;

/// What came of a chunk on the device.
#[derive(Debug)]
pub(super) enum Step {
    /// An earlier attempt stored it, with so many images.
    Found(u64),
    /// It is made.
    Made(Box<Part>),
}

impl Worker {
    /// The first stage, unless the store has the chunk already.
    pub(super) async fn make(&mut self, hand: &Hand) -> Result<Step, Setback> {
        let (common, claim) = (self.common.clone(), &hand.claim);
        if common.stop.is_requested() {
            return Err(Setback::Stopped);
        }
        let run = self.specs.get(&common.store, &claim.task).await?;
        let chunk = run.plan.chunk(claim.task.chunk).ok_or_else(|| {
            Setback::Hopeless(format!("the plan has `{}` chunks only", run.plan.num_chunks()))
        })?;
        let commit = Commit { common: &common, hand, run: &run, chunk: &chunk };
        // With a chunk to be stored in hand, another one is not kept from others for an outage of the store.
        if claim.may_be_stored && commit.is_stored(self.storing.is_empty()).await? {
            return Ok(Step::Found(chunk.seeds.len()));
        }
        if claim.is_spent {
            return Err(Setback::Spent);
        }
        if let Some(cause) = self.unfit.cause(&claim.task.spec_digest, Instant::now()) {
            return Err(Setback::Unfit(cause.to_owned()));
        }
        let (made, device) = self.compute(&run, &chunk, &hand.cancel).await?;
        self.unfit.forget(&claim.task.spec_digest);
        reach(Point::WorkerAfterMake, Some(chunk.index));
        if planted(Bug::AckBeforePut) {
            common.leases.complete(claim, chunk.seeds.len()).await.ok();
        }
        let took = hand.start.elapsed();
        Ok(Step::Made(Box::new(Part { run, chunk, made, device, took })))
    }

    /// The device's part, for as long as it shows signs of life.
    async fn compute(
        &mut self,
        run: &Run,
        chunk: &Chunk,
        cancel: &CancelFlag,
    ) -> Result<(Made, DeviceTime), Setback> {
        let spec = local::local(&self.files, &run.spec, cancel).await?;
        let seeds = chunk.seeds.to_vec();
        let settings = &self.common.settings;
        let materials =
            training::materials(run, (&self.common.store, settings.s3_endpoint.as_deref()), cancel).await?;
        let job = Job { spec, seeds, chunk: chunk.index, cancel: cancel.clone(), materials };
        let stall = settings.stall;
        self.clock.begin(Instant::now());
        let made = select! {
            made = self.device.make(job) => made.map_err(|error| Setback::of_engine(error, cancel.reason())),
            () = cancel.silent_for(stall) => Err(Setback::Stalled(format!(
                "the device did nothing that could be seen for `{}` s: this worker ends", stall.as_secs_f64()
            ))),
        };
        let device = self.clock.end(Instant::now());
        Ok((made?, device))
    }
}
