//! The one registry of persisted names: S3 keys and Redis keys.
//!
//! Store keys are relative to the store's prefix and pure functions of (run, kind, chunk).

use crate::{
    ids::{ChunkIndex, PoolId, RunId},
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

/// Where every process checks at start that the store keeps its promises.
pub const PROBE: &str = "fidelis-probe";

/// Redis: the consumer group of every stream.
pub const REDIS_GROUP: &str = "workers";
/// Redis: sorted set of pools by priority.
pub const REDIS_POOLS: &str = "fidelis:pools";
/// Redis: stream of dead letters, newest last, trimmed.
pub const REDIS_DEAD: &str = "fidelis:dead";

/// Redis: the stream of a pool's chunks.
pub fn redis_stream(pool: &PoolId) -> String {
    format!("fidelis:stream:{pool}")
}

/// Redis: hash of a run's totals and counters.
pub fn redis_run(run: &RunId) -> String {
    format!("fidelis:run:{run}")
}

/// Redis: set of a run's chunks that are waiting or in a worker's hands.
pub fn redis_queued(run: &RunId) -> String {
    format!("fidelis:queued:{run}")
}

/// Redis: bitmap of a run's chunks that were acknowledged.
pub fn redis_done(run: &RunId) -> String {
    format!("fidelis:done:{run}")
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
