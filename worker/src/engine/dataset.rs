//! Images that exist, through detectors.

use fidelis_shared::spec::RunSpec;

use super::{CancelFlag, ChunkOutput, Engine, EngineError, EngineOptions};

/// Reads images and extracts their features.
#[derive(Debug)]
pub struct DatasetEngine {
    options: EngineOptions,
}

impl DatasetEngine {
    pub fn new(options: &EngineOptions) -> Self {
        Self { options: options.clone() }
    }
}

impl Engine for DatasetEngine {
    fn device(&self) -> String {
        self.options.device.clone()
    }

    fn generate(&mut self, _: &RunSpec, _: &[u64], _: &CancelFlag) -> Result<ChunkOutput, EngineError> {
        Err(EngineError::Unfit("this worker reads no datasets yet".to_owned()))
    }
}
