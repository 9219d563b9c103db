//! Whether this process is one of several that train one net.

use fidelis_edm2::train::Ranks;

use crate::cli::Failure;

/// Does `work` as one of the ranks that `mpirun` started where `is_one`, else alone. A rank that fails ends all others, which
/// would wait for it.
#[cfg(feature = "mpi")]
pub fn within(
    is_one: bool,
    work: impl FnOnce(Option<Box<dyn Ranks>>) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    if !is_one {
        return work(None);
    }
    // Held until all are told of a failure: the world ends with it, and in its end the ranks wait for each other.
    let universe = world::join()?;
    let result = work(Some(Box::new(world::World(universe.clone()))));
    if let Err(failure) = &result {
        fidelis_fleet::out::note(format!("error: {:#}", failure.error));
        world::abort(failure.code);
    }
    drop(universe);
    result
}

/// This program was built without them.
#[cfg(not(feature = "mpi"))]
pub fn within(
    _: bool,
    work: impl FnOnce(Option<Box<dyn Ranks>>) -> Result<u8, Failure>,
) -> Result<u8, Failure> {
    work(None)
}

#[cfg(feature = "mpi")]
mod world {
    use std::rc::Rc;

    use anyhow::{Result, anyhow};
    use fidelis_edm2::train::Ranks;
    use mpi::Threading;
    use mpi::collective::{CommunicatorCollectives, SystemOperation};
    use mpi::environment::Universe;
    use mpi::topology::{Communicator, SimpleCommunicator};

    /// The processes that `mpirun` started.
    pub struct World(pub Rc<Universe>);

    /// Once for each process; readers' threads know nothing of it.
    pub fn join() -> Result<Rc<Universe>> {
        let joined = mpi::initialize_with_threading(Threading::Funneled);
        let (universe, _) = joined.ok_or_else(|| anyhow!("this process is in an MPI world already"))?;
        Ok(universe.into())
    }

    /// Ends every rank.
    pub fn abort(code: u8) -> ! {
        SimpleCommunicator::world().abort(i32::from(code))
    }

    impl std::fmt::Debug for World {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.debug_struct("World").field("rank", &self.rank()).field("num_ranks", &self.num_ranks()).finish()
        }
    }

    impl Ranks for World {
        fn rank(&self) -> u64 {
            self.0.world().rank() as u64
        }

        fn num_ranks(&self) -> u64 {
            self.0.world().size() as u64
        }

        fn sum(&self, values: &mut [f32]) {
            let mut sums = vec![0.0; values.len()];
            self.0.world().all_reduce_into(&*values, &mut sums[..], SystemOperation::sum());
            values.copy_from_slice(&sums);
        }
    }
}
