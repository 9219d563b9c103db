//! The one registry of persisted names: S3 keys and Redis keys.
//!
//! Store keys are relative to the store's prefix and pure functions of (run, kind, chunk).

use crate::{
    ids::{ChunkIndex, Digest, PoolId, RunId, SweepId},
    kind::Kind,
};

/// The folder of a run, with its last slash.
pub fn run_prefix(run: &RunId) -> String {
    format!("runs/{run}/")
}

/// The spec as submitted; create-only.
pub fn spec(run: &RunId) -> String {
    format!("runs/{run}/spec.json")
}

/// The one object of a chunk and kind.
pub fn chunk(run: &RunId, kind: &Kind, index: ChunkIndex) -> String {
    format!("runs/{run}/chunks/{kind}/{index:06}.safetensors")
}

/// A chunk's receipt, written after its objects.
pub fn receipt(run: &RunId, index: ChunkIndex) -> String {
    format!("runs/{run}/chunks/{index:06}.json")
}

/// The prefix under which all receipts of a run are listed (chunk objects are too: see [`parse_receipt_key`]).
pub fn receipts_prefix(run: &RunId) -> String {
    format!("runs/{run}/chunks/")
}

/// The chunk whose receipt a listed key is; `None` for every other object.
pub fn parse_receipt_key(key: &str) -> Option<ChunkIndex> {
    let mut parts = key.rsplit('/');
    let digits = parts.next()?.strip_suffix(".json")?;
    if parts.next() != Some("chunks") || digits.len() < 6 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let index = digits.parse().ok()?;
    (format!("{index:06}") == digits).then_some(index)
}

/// What a training leaves: snapshots, the last states, `stats.jsonl`, `training.html`; replaced as it goes on.
pub fn training_prefix(run: &RunId) -> String {
    format!("runs/{run}/training/")
}

/// In the folder of a training, on a disk or in a store: a line for each snapshot that `fidelis score` scored.
pub const SCORES: &str = "metrics.jsonl";

/// The ordered receipts' digests: what readers trust.
pub fn manifest(run: &RunId) -> String {
    format!("runs/{run}/manifest.json")
}

/// Moments of a detector's features over the whole run.
pub fn stats(run: &RunId, detector: &str) -> String {
    format!("runs/{run}/stats/{detector}.npz")
}

/// The result, for machines.
pub fn result(run: &RunId) -> String {
    format!("runs/{run}/result.json")
}

/// The result, for a browser.
pub fn report_html(run: &RunId) -> String {
    format!("runs/{run}/report.html")
}

/// The result, for a pull request.
pub fn report_md(run: &RunId) -> String {
    format!("runs/{run}/report.md")
}

/// Written last: its presence implies I1 to I3 (I5).
pub fn success(run: &RunId) -> String {
    format!("runs/{run}/_SUCCESS")
}

/// There while a run is cancelled: it outlives Redis, so that nobody who finds Redis empty queues the run again.
pub fn cancelled(run: &RunId) -> String {
    format!("runs/{run}/_CANCELLED")
}

/// Where `verify --repair` sets damaged objects aside.
pub fn quarantine_prefix(run: &RunId) -> String {
    format!("runs/{run}/quarantine/")
}

/// An object set aside, by its key below the run's folder and the start of the digest of what it held. Not longer than
/// the embedded server's file names allow, whatever the run and its detectors are called.
pub fn quarantined(run: &RunId, key: &str, sha256: &Digest) -> String {
    let name = key.strip_prefix(&run_prefix(run)).unwrap_or(key);
    let name = name.strip_prefix("chunks/").unwrap_or(name);
    format!("{}{name}.{}", quarantine_prefix(run), &sha256.short()[..8])
}

/// The digests that a repaired chunk's objects had at first: made again, they must have them again.
pub fn expectation(run: &RunId, index: ChunkIndex) -> String {
    format!("runs/{run}/quarantine/expected/{index:06}.json")
}

/// The chunk whose expectation a listed key is; `None` for every other object.
pub fn parse_expectation_key(key: &str) -> Option<ChunkIndex> {
    let (folder, name) = key.rsplit_once('/')?;
    let digits = name.strip_suffix(".json").filter(|_| folder.ends_with("/quarantine/expected"))?;
    digits.parse().ok().filter(|index: &ChunkIndex| format!("{index:06}") == digits)
}

/// Every run's folder whose name begins with `name-`: runs of that name and of longer ones.
pub fn runs_prefix(name: &str) -> String {
    format!("runs/{name}-")
}

/// Every run's folder whose name begins so.
pub fn runs_beginning(text: &str) -> String {
    format!("runs/{text}")
}

/// The run whose folder a listed one is; `None` for every other.
pub fn parse_run_folder(folder: &str) -> Option<RunId> {
    folder.strip_prefix("runs/")?.trim_end_matches('/').parse().ok()
}

/// What decides a sweep's table; create-only.
pub fn sweep(sweep: &SweepId) -> String {
    sweep_file(sweep, "sweep.json")
}

/// How far a sweep is and what it came to, for machines; replaced at each look.
pub fn sweep_table(sweep: &SweepId) -> String {
    sweep_file(sweep, "table.json")
}

/// Another rendering of a sweep's table: `table.csv`, `heat.svg`, `curves.png`.
pub fn sweep_file(sweep: &SweepId, name: &str) -> String {
    format!("sweeps/{sweep}/{name}")
}

/// The folder of every accepted baseline of a name.
pub fn baselines_prefix(name: &str) -> String {
    format!("baselines/{name}/")
}

/// What was accepted as the `number`-th baseline of a name, from 1; create-only, written after its blocks.
pub fn baseline(name: &str, number: u32) -> String {
    format!("baselines/{name}/{number:06}/baseline.json")
}

/// The images of a block of a baseline's seeds; create-only.
pub fn baseline_block(name: &str, number: u32, block: u32) -> String {
    format!("baselines/{name}/{number:06}/block-{block:03}.safetensors")
}

/// The number of the baseline whose folder a listed one is; `None` for every other.
pub fn parse_baseline_folder(name: &str, folder: &str) -> Option<u32> {
    let digits = folder.strip_prefix(&baselines_prefix(name))?.trim_end_matches('/');
    digits.parse().ok().filter(|number: &u32| format!("{number:06}") == digits)
}

/// Where every process checks at start that the store keeps its promises.
pub const PROBE: &str = "fidelis-probe";

/// Redis: the consumer group of every stream.
pub const REDIS_GROUP: &str = "workers";
/// Redis: sorted set of pools by priority.
pub const REDIS_POOLS: &str = "fidelis:pools";
/// Redis: stream of dead letters, newest last, trimmed.
pub const REDIS_DEAD: &str = "fidelis:dead";

/// Redis: sorted set of the consumers alive, by the time of their last sign of life.
pub const REDIS_WORKERS: &str = "fidelis:workers";
/// Redis: what every run's hash begins with.
pub const REDIS_RUN: &str = "fidelis:run:";
/// Redis: what every run's bitmap of chunks that are done begins with.
pub const REDIS_DONE: &str = "fidelis:done:";
/// Redis: what every run's list of chunk times begins with.
pub const REDIS_TIMES: &str = "fidelis:times:";

/// Redis: hash of a pool's chunks in hand, message id → when it was taken, in ms of Redis's clock.
pub fn redis_taken(pool: &PoolId) -> String {
    format!("fidelis:taken:{pool}")
}

/// Redis: hash of a pool's chunks that a second worker has taken a copy of, message id → consumer.
pub fn redis_copies(pool: &PoolId) -> String {
    format!("fidelis:copies:{pool}")
}

/// Redis: the stream of a pool's chunks.
pub fn redis_stream(pool: &PoolId) -> String {
    format!("fidelis:stream:{pool}")
}

/// Redis: hash of a run's totals and counters.
pub fn redis_run(run: &RunId) -> String {
    format!("{REDIS_RUN}{run}")
}

/// Redis: set of a run's chunks that are waiting or in a worker's hands.
pub fn redis_queued(run: &RunId) -> String {
    format!("fidelis:queued:{run}")
}

/// Redis: set of a run's chunks that were cancelled.
pub fn redis_cancelled(run: &RunId) -> String {
    format!("fidelis:cancelled:{run}")
}

/// Redis: hash of the consumers that cannot make a run, consumer → JSON.
pub fn redis_unfit(run: &RunId) -> String {
    format!("fidelis:unfit:{run}")
}

/// Redis: hash of why consumers last handed a chunk of a run back, consumer → one line; until they finish one.
pub fn redis_setbacks(run: &RunId) -> String {
    format!("fidelis:setbacks:{run}")
}

/// Redis: hash of a run's chunks in hand, chunk → images of it that are made and by which consumer, as `128 w0-1f`; told each
/// second, for those who watch.
pub fn redis_making(run: &RunId) -> String {
    format!("fidelis:making:{run}")
}

/// Redis: list of how long a run's last chunks were in hand, in ms.
pub fn redis_times(run: &RunId) -> String {
    format!("{REDIS_TIMES}{run}")
}

/// Redis: bitmap of a run's chunks that were acknowledged.
pub fn redis_done(run: &RunId) -> String {
    format!("{REDIS_DONE}{run}")
}

/// Redis: hash of a run's dead chunks, chunk → JSON.
pub fn redis_dead_chunks(run: &RunId) -> String {
    format!("fidelis:dead:{run}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_pinned() {
        let run: RunId = "demo-0123456789abcdef".parse().unwrap();
        let kind = Kind::Features("fashion-cnn".into());
        assert_eq!(
            chunk(&run, &kind, 7),
            "runs/demo-0123456789abcdef/chunks/features-fashion-cnn/000007.safetensors"
        );
        assert_eq!(receipt(&run, 1_234_567), "runs/demo-0123456789abcdef/chunks/1234567.json");
        assert_eq!(stats(&run, "fashion-cnn"), "runs/demo-0123456789abcdef/stats/fashion-cnn.npz");
        assert_eq!(success(&run), "runs/demo-0123456789abcdef/_SUCCESS");
    }

    /// Whatever the run, the kind and the chunk are called, their keys stay in the run's folder, and never meet.
    fn assert_in_its_folder(run: &RunId, kind: &Kind, index: ChunkIndex) {
        let folder = run_prefix(run);
        let digest = Digest::of(b"x");
        let chunk = chunk(run, kind, index);
        let keys = [
            spec(run),
            receipt(run, index),
            manifest(run),
            stats(run, "fashion-cnn"),
            result(run),
            report_html(run),
            report_md(run),
            success(run),
            cancelled(run),
            expectation(run, index),
            quarantined(run, &chunk, &digest),
            quarantined(run, "../../elsewhere", &digest).replace("../", ""),
            chunk,
        ];
        for key in &keys {
            let rest = key.strip_prefix(&folder).unwrap_or_else(|| panic!("{key} left {folder}"));
            assert!(rest.split('/').all(|part| !["", ".", ".."].contains(&part)), "{key}");
            assert!(key.bytes().all(|b| b.is_ascii_graphic() && b != b'\\'), "{key}");
        }
        assert!(keys.iter().collect::<std::collections::BTreeSet<_>>().len() == keys.len());
    }

    proptest::proptest! {
        /// Names come from specs, messages, receipts and command lines.
        #[test]
        fn no_name_leaves_its_folder(
            run in "[a-z0-9./-]{1,60}|\\PC{0,30}",
            hex in "-[0-9a-f]{16}",
            kind in "(features-)?[a-z0-9./-]{0,40}|\\PC{0,30}",
            index in proptest::prelude::any::<u32>(),
        ) {
            if let (Ok(run), Ok(kind)) = (format!("{run}{hex}").parse(), kind.parse()) {
                assert_in_its_folder(&run, &kind, index);
            }
            if let Ok(run) = run.parse::<RunId>() {
                assert_in_its_folder(&run, &Kind::Latents, index);
            }
        }
    }

    /// The embedded server keeps objects as files: S3 takes keys of 1024 bytes, a file system names of 255.
    #[test]
    fn the_longest_keys_fit_a_folder() {
        let run = RunId::new(&"n".repeat(crate::ids::MAX_NAME_LEN), &Digest::of(b"x")).unwrap();
        let kind = Kind::Features("d".repeat(crate::kind::MAX_DETECTOR_LEN));
        let longest = quarantined(&run, &chunk(&run, &kind, u32::MAX), &Digest::of(b"x"));
        assert!(longest.len() <= 512 && longest.split('/').all(|name| name.len() <= 255), "{longest}");
    }

    #[test]
    fn baselines_have_numbers() {
        assert_eq!(baseline("main", 7), "baselines/main/000007/baseline.json");
        assert_eq!(baseline_block("main", 7, 1), "baselines/main/000007/block-001.safetensors");
        for number in [1, 999_999, 1_000_000] {
            let folder = baseline("main", number).replace("baseline.json", "");
            assert_eq!(parse_baseline_folder("main", &folder), Some(number));
            assert_eq!(parse_baseline_folder("mai", &folder), None);
        }
        for folder in ["baselines/main/", "baselines/main/7/", "baselines/main/x/", "runs/main/000007/"] {
            assert_eq!(parse_baseline_folder("main", folder), None, "{folder}");
        }
    }

    #[test]
    fn only_expectations_parse_as_expectations() {
        let run: RunId = "demo-0123456789abcdef".parse().unwrap();
        assert_eq!(parse_expectation_key(&expectation(&run, 7)), Some(7));
        for key in [&receipt(&run, 7), "runs/x/quarantine/expected/7.json", "quarantine/chunks/000007.json"] {
            assert_eq!(parse_expectation_key(key), None, "{key}");
        }
    }

    #[test]
    fn only_receipts_parse_as_receipts() {
        let run: RunId = "demo-0123456789abcdef".parse().unwrap();
        for index in [0, 7, 999_999, 1_000_000, u32::MAX] {
            assert_eq!(parse_receipt_key(&receipt(&run, index)), Some(index));
            assert_eq!(parse_receipt_key(&format!("some/prefix/{}", receipt(&run, index))), Some(index));
        }
        let not_receipts = ["", "spec.json", "chunks/7.json", "chunks/0000007.json", "chunks/+00007.json"];
        for key in
            not_receipts.into_iter().chain(["chunks/latents/000007.safetensors", "chunks/99999999999.json"])
        {
            assert_eq!(parse_receipt_key(key), None, "{key}");
        }
    }
}
