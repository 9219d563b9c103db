use crate::lab::{LabSpec, Persistence, Random, S3Fault};

/// Something that goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    KillWorker(u64),
    TermWorker(u64),
    /// Stopped for so many ms.
    StopWorker(u64, u64),
    KillWatch(u64),
    FlushRedis,
    KillRedis,
    RedisOutOfMemory(u64),
    CutRedis(u64),
    HalfOpenRedis(u64),
    LostReplies(u64),
    SlowRedis(u64),
    /// One request about a chunk in so many, for so many ms.
    Store(S3Fault, u64, u64),
}

/// A fault and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub at_ms: u64,
    pub fault: Fault,
}

/// What a seed decides.
#[derive(Debug, Clone)]
pub struct Schedule {
    pub seed: u64,
    pub num_workers: u64,
    pub persistence: Persistence,
    pub specs: Vec<LabSpec>,
    /// In order.
    pub events: Vec<Event>,
    /// Where workers kill themselves, in the order in which they are started.
    pub failpoints: Vec<String>,
}

const MOMENTS: [&str; 6] = [
    "worker:after_claim",
    "worker:after_make",
    "worker:before_put",
    "worker:after_put_before_receipt",
    "worker:after_receipt_before_ack",
    "worker:after_ack",
];

const STORE_FAULTS: [S3Fault; 8] = [
    S3Fault::SlowDown,
    S3Fault::InternalError,
    S3Fault::Conflict,
    S3Fault::FalsePrecondition,
    S3Fault::Reset,
    S3Fault::ReplyLost,
    S3Fault::FalseFailure,
    S3Fault::FlippedUpload,
];

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let num_workers = 2 + random.below(3);
        let persistence = if random.chance(0.5) { Persistence::Always } else { Persistence::None };
        // Four shapes only, so that their baselines are soon known.
        let specs = ["red", "green", "blue"].iter().take(2 + random.below(2) as usize).map(|name| {
            let num_images = 320 + 160 * random.below(2);
            LabSpec { name: (*name).into(), num_images, millis_per_image: 6, ..LabSpec::default() }
        });
        let specs = specs.collect();
        let mut events: Vec<Event> = (0..3 + random.below(6))
            .map(|_| Event { at_ms: 500 + random.below(6000), fault: draw(&mut random) })
            .collect();
        events.sort_by_key(|event| event.at_ms);
        let failpoints = (0..4).map(|_| {
            let moment = random.pick(&MOMENTS).copied().unwrap_or(MOMENTS[0]);
            format!("{moment} = kill if nth {}", 2 + random.below(12))
        });
        let failpoints = failpoints.collect();
        Self { seed, num_workers, persistence, specs, events, failpoints }
    }

    /// Whether Redis may forget what it had answered.
    pub fn loses_redis(&self) -> bool {
        let loses = |event: &Event| match event.fault {
            Fault::FlushRedis => true,
            Fault::KillRedis => self.persistence == Persistence::None,
            _ => false,
        };
        self.events.iter().any(loses)
    }
}

fn draw(random: &mut Random) -> Fault {
    let ms = 300 + random.below(2500);
    let worker = random.below(16);
    match random.below(14) {
        0 | 1 => Fault::KillWorker(worker),
        2 => Fault::TermWorker(worker),
        3 | 4 => Fault::StopWorker(worker, 2 * ms),
        5 => Fault::KillWatch(worker),
        6 => Fault::FlushRedis,
        7 => Fault::KillRedis,
        8 => Fault::RedisOutOfMemory(ms),
        9 => match random.below(4) {
            0 => Fault::CutRedis(ms),
            1 => Fault::HalfOpenRedis(ms),
            2 => Fault::LostReplies(ms),
            _ => Fault::SlowRedis(ms),
        },
        _ => {
            let fault = random.pick(&STORE_FAULTS).copied().unwrap_or(S3Fault::SlowDown);
            Fault::Store(fault, 2 + random.below(4), ms)
        }
    }
}
