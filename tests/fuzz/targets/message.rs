//! The message of a chunk, as a worker reads it from the queue.
#![no_main]

mod check;

use fidelis_contract::wire::{ChunkTask, MAX_NUM_BYTES, WireError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match ChunkTask::decode(data) {
        Ok(task) => {
            let bytes = task.encode();
            // A number may come longer than it has to be; what we write is the shortest.
            assert!(bytes.len() <= data.len() && data.len() <= MAX_NUM_BYTES);
            assert_eq!(ChunkTask::decode(&bytes).unwrap(), task);
        }
        Err(error) => {
            assert_eq!(matches!(error, WireError::Oversize { .. }), data.len() > MAX_NUM_BYTES);
            check::line(error);
        }
    }
});
