use crate::lab::{Random, S3Fault};

/// Something that goes wrong. Numbers choose a worker or a run, `ms` is how long it lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    KillWorker(u64),
    TermWorker(u64),
    StopWorker {
        worker: u64,
        ms: u64,
    },
    /// The fleet has so many workers meanwhile.
    ResizeFleet {
        workers: u64,
        ms: u64,
    },
    KillWatch(u64),
    /// A run is called off, and submitted again.
    CancelRun {
        run: u64,
        ms: u64,
    },
    /// The oldest message of each stream is there twice.
    DuplicateMessage,
    FlushRedis,
    KillRedis,
    RedisOutOfMemory {
        ms: u64,
    },
    CutRedis {
        ms: u64,
    },
    HalfOpenRedis {
        ms: u64,
    },
    LostReplies {
        ms: u64,
    },
    SlowRedis {
        ms: u64,
    },
    RefusingRedis {
        ms: u64,
    },
    /// One request about a chunk in so many.
    Store {
        fault: S3Fault,
        one_in: u64,
        ms: u64,
    },
}

impl Fault {
    /// Its kind, as faults are counted.
    pub fn kind(&self) -> String {
        let name = format!("{self:?}");
        name.split([' ', '(']).next().unwrap_or(&name).to_owned()
    }
}

/// What create-only puts may stumble over.
const OF_CREATING: [S3Fault; 3] = [S3Fault::FalsePrecondition, S3Fault::ReplyLost, S3Fault::FalseFailure];

const OF_STORE: [S3Fault; 8] = [
    S3Fault::SlowDown,
    S3Fault::InternalError,
    S3Fault::Conflict,
    S3Fault::Reset,
    S3Fault::FlippedUpload,
    S3Fault::FlippedDownload,
    S3Fault::Truncated,
    S3Fault::Slow(400),
];

/// Any fault but the store's.
pub(super) fn draw(random: &mut Random) -> Fault {
    let ms = 300 + random.below(2500);
    let (worker, run) = (random.below(16), random.below(16));
    match random.below(16) {
        0 | 1 => Fault::KillWorker(worker),
        2 => Fault::TermWorker(worker),
        3 | 4 => Fault::StopWorker { worker, ms: 3 * ms },
        5 => Fault::ResizeFleet { workers: random.below(6), ms },
        6 => Fault::KillWatch(run),
        7 => Fault::CancelRun { run, ms },
        8 => Fault::DuplicateMessage,
        9 => Fault::FlushRedis,
        10 => Fault::KillRedis,
        11 => Fault::RedisOutOfMemory { ms },
        12 => Fault::CutRedis { ms },
        13 => Fault::HalfOpenRedis { ms },
        14 => Fault::LostReplies { ms },
        _ if random.chance(0.5) => Fault::SlowRedis { ms },
        _ => Fault::RefusingRedis { ms },
    }
}

/// A fault of the store, every other time one of creating.
pub(super) fn draw_of_store(random: &mut Random) -> Fault {
    let kinds = if random.chance(0.5) { &OF_CREATING[..] } else { &OF_STORE };
    let fault = random.pick(kinds).copied().unwrap_or(S3Fault::SlowDown);
    Fault::Store { fault, one_in: 2 + random.below(4), ms: 500 + random.below(2500) }
}
