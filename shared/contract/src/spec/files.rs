//! The files that a spec names.

use std::path::Path;

use super::{DetectorSpec, EngineSpec, FileRef, RunSpec};
use crate::{address::Address, ids::Digest};

impl RunSpec {
    /// Every file the spec names, with its field.
    pub fn files(&self) -> Vec<(String, FileRef)> {
        let (mut engine, mut detectors) = (self.engine.clone(), self.detectors.clone());
        let files = named(&mut engine, &mut detectors).into_iter();
        files.map(|(field, file)| (field, file.clone())).collect()
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> Vec<(String, &mut FileRef)> {
        named(&mut self.engine, &mut self.detectors)
    }

    /// The content of the file in a field, where there is one and it is known.
    pub fn sha256(&self, field: &str) -> Option<Digest> {
        self.files().into_iter().find(|(name, _)| name == field)?.1.sha256
    }

    /// Makes relative paths absolute, from `folder`.
    pub fn anchor(&mut self, folder: &Path) {
        if let EngineSpec::Train(training) = &mut self.engine {
            training.anchor(folder);
        }
        for (_, file) in self.files_mut() {
            if file.path.is_empty() || file.is_url() {
                continue;
            }
            // What is no path is refused by `validate`.
            if let Ok(Address::Path(path)) = Address::parse(&file.path) {
                file.path = folder.join(path).display().to_string();
            }
        }
    }
}

fn named<'a>(
    engine: &'a mut EngineSpec,
    detectors: &'a mut [DetectorSpec],
) -> Vec<(String, &'a mut FileRef)> {
    let engines = engine.files_mut().into_iter();
    let mut files: Vec<_> = engines.map(|(field, file)| (field.to_owned(), file)).collect();
    for (i, detector) in detectors.iter_mut().enumerate() {
        files.push((format!("detectors[{i}].weights"), &mut detector.weights));
        files.extend(detector.reference.as_mut().map(|file| (format!("detectors[{i}].reference"), file)));
        files.extend(detector.held_out.as_mut().map(|file| (format!("detectors[{i}].held_out"), file)));
    }
    files
}
