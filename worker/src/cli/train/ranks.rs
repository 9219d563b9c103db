//! Whether this process is one of several that train one net.

use fidelis_edm2::train::Ranks;

use crate::cli::Failure;

/// The ranks that it is one of, where `is_one`.
#[cfg(feature = "mpi")]
pub fn join(is_one: bool) -> Result<Option<Box<dyn Ranks>>, Failure> {
    Ok(if is_one { Some(Box::new(world::World::join()?)) } else { None })
}

/// Lets no rank wait for one that failed: ends them all.
#[cfg(feature = "mpi")]
pub fn ended(is_one: bool, result: Result<u8, Failure>) -> Result<u8, Failure> {
    if let (true, Err(failure)) = (is_one, &result) {
        fidelis_fleet::out::note(format!("error: {:#}", failure.error));
        world::abort(failure.code);
    }
    result
}

/// This program was built without them.
#[cfg(not(feature = "mpi"))]
#[allow(clippy::unnecessary_wraps, reason = "as with the feature")]
pub fn join(_: bool) -> Result<Option<Box<dyn Ranks>>, Failure> {
    Ok(None)
}

#[cfg(not(feature = "mpi"))]
pub fn ended(_: bool, result: Result<u8, Failure>) -> Result<u8, Failure> {
    result
}

#[cfg(feature = "mpi")]
mod world {
    use anyhow::{Result, anyhow};
    use fidelis_edm2::train::Ranks;
    use mpi::Threading;
    use mpi::collective::{CommunicatorCollectives, SystemOperation};
    use mpi::environment::Universe;
    use mpi::topology::{Communicator, SimpleCommunicator};

    /// The processes that `mpirun` started, until dropped.
    pub struct World(Universe);

    impl World {
        /// Once for each process; readers' threads know nothing of it.
        pub fn join() -> Result<Self> {
            let joined = mpi::initialize_with_threading(Threading::Funneled);
            let (universe, _) = joined.ok_or_else(|| anyhow!("this process is in an MPI world already"))?;
            Ok(Self(universe))
        }
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
