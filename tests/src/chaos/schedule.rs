use super::fault::{Fault, draw, draw_of_store};
use crate::lab::{LabSpec, Persistence, Random};

/// A fault and its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Event {
    pub at_ms: u64,
    pub fault: Fault,
}

/// What is wrong with a worker from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Flaw {
    /// Where it dies or dozes off, as rules of the hook; empty: nowhere.
    pub rule: String,
    /// By how much its clock is wrong; empty: not at all.
    pub clock: &'static str,
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
    /// Of the workers, in the order in which they are started; later ones are sound.
    pub flaws: Vec<Flaw>,
}

const MOMENTS: [&str; 6] = [
    "worker:after_claim",
    "worker:after_make",
    "worker:before_put",
    "worker:after_put_before_receipt",
    "worker:after_receipt_before_ack",
    "worker:after_ack",
];

/// S3 refuses what is signed an hour off; ten minutes it takes.
const CLOCKS: [&str; 4] = ["+10m", "-10m", "+1h", "-1h"];

/// How long the faults go on.
const HORIZON_MS: u64 = 6500;

impl Schedule {
    /// The schedule of a seed.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let num_workers = 2 + random.below(3);
        let persistence = if random.chance(0.5) { Persistence::Always } else { Persistence::None };
        // Six shapes only, so that their baselines are soon known.
        let specs = ["red", "green", "blue"].iter().take(2 + random.below(2) as usize).map(|name| {
            let num_images = 320 + 160 * random.below(2);
            LabSpec { name: (*name).into(), num_images, millis_per_image: 6, ..LabSpec::default() }
        });
        let specs = specs.collect();
        let (num_any, num_of_store) = (3 + random.below(5), 2 + random.below(3));
        let mut events: Vec<Event> = (0..num_any + num_of_store)
            .map(|i| Event {
                at_ms: 500 + random.below(HORIZON_MS - 500),
                fault: if i < num_any { draw(&mut random) } else { draw_of_store(&mut random) },
            })
            .collect();
        events.sort_by_key(|event| event.at_ms);
        let clock = random.pick(&CLOCKS).copied().unwrap_or_default();
        let mut flaws = vec![Flaw { clock, ..Flaw::default() }];
        flaws.extend((1..2 * num_workers).map(|_| Flaw { rule: rule(&mut random), clock: "" }));
        Self { seed, num_workers, persistence, specs, events, flaws }
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

/// A worker dies at its nth moment of some kind, or sleeps through its lease with a chunk made.
fn rule(random: &mut Random) -> String {
    let nth = 2 + random.below(10);
    if random.chance(0.4) {
        let ms = 4000 + random.below(6000);
        return format!("worker:after_make = doze {ms} if nth {nth}");
    }
    let moment = random.pick(&MOMENTS).copied().unwrap_or(MOMENTS[0]);
    format!("{moment} = kill if nth {nth}")
}
