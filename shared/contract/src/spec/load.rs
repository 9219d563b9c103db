//! Reading specs, and the files they name.

use std::{fs, path::Path};

use super::{FileRef, Labels, RunSpec, SpecError};
use crate::address::Address;

/// Windows' editors put one in front of what they save as UTF-8.
fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
const MICRO_BATCH: &str = "micro_batch";

impl RunSpec {
    /// Reads a `.toml` or `.json` spec; relative paths in it become absolute, from the spec file's folder.
    /// Does not [`validate`](Self::validate).
    ///
    /// # Errors
    /// [`SpecError::Read`], [`SpecError::Format`], [`SpecError::Syntax`].
    pub fn load(path: &Path) -> Result<Self, SpecError> {
        let read = |source| SpecError::Read { path: path.to_owned(), source };
        let extension = path.extension().map(|extension| extension.to_ascii_lowercase());
        let parse = match extension.as_deref().and_then(|extension| extension.to_str()) {
            Some("toml") => Self::from_toml,
            Some("json") => Self::from_json,
            _ => return Err(SpecError::Format { path: path.to_owned() }),
        };
        let text = fs::read_to_string(path).map_err(read)?;
        let mut spec = parse(without_bom(&text), &path.display().to_string())?;
        let folder = std::path::absolute(path).map_err(read)?;
        spec.anchor(folder.parent().unwrap_or(Path::new("/")));
        Ok(spec)
    }

    /// Reads TOML; `origin` names the text in errors.
    ///
    /// # Errors
    /// [`SpecError::Syntax`].
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, SpecError> {
        toml::from_str(text)
            .map_err(|error: toml::de::Error| {
                let line = error
                    .span()
                    .map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
                let at = line.map_or(String::new(), |line| format!(" at line {line}"));
                let problem = format!("{}{at}", error.message().replace('\n', " "));
                SpecError::Syntax { origin: origin.to_owned(), problem }
            })
            .map(|spec: Self| {
                spec.with_default_that_fits(|| {
                    toml::from_str(text).is_ok_and(|table: toml::Table| table.contains_key(MICRO_BATCH))
                })
            })
    }

    /// Reads JSON, for example the stored `spec.json`; `origin` names the text in errors.
    ///
    /// # Errors
    /// [`SpecError::Syntax`].
    pub fn from_json(text: &str, origin: &str) -> Result<Self, SpecError> {
        let spec: Self = serde_json::from_str(text)
            .map_err(|error| SpecError::Syntax { origin: origin.to_owned(), problem: error.to_string() })?;
        Ok(spec.with_default_that_fits(|| {
            serde_json::from_str(text).is_ok_and(|map: serde_json::Map<_, _>| map.contains_key(MICRO_BATCH))
        }))
    }

    /// A chunk smaller than the default micro-batch is one micro-batch; what is `said` stays, right or wrong.
    fn with_default_that_fits(mut self, said: impl FnOnce() -> bool) -> Self {
        if self.micro_batch > self.chunk_size && !said() {
            self.micro_batch = self.chunk_size;
        }
        self
    }

    /// The spec as indented JSON with its paths, as stored in `spec.json`; read back, it has the same digest.
    pub fn to_json(&self) -> String {
        // Serialising plain data with string keys cannot fail.
        serde_json::to_string_pretty(self).unwrap_or_default() + "\n"
    }

    /// Makes relative paths absolute, from `folder`.
    pub fn anchor(&mut self, folder: &Path) {
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

    /// Every file the spec names, with its field.
    pub fn files(&self) -> Vec<(String, &FileRef)> {
        let mut files: Vec<(String, &FileRef)> = Vec::new();
        let single = [("net", &self.net), ("gnet", &self.gnet), ("vae", &self.vae), ("data", &self.data)];
        files.extend(single.into_iter().filter_map(|(field, file)| Some((field.to_owned(), file.as_ref()?))));
        if let Labels::File(file) = &self.labels {
            files.push(("labels.file".to_owned(), file));
        }
        for (i, detector) in self.detectors.iter().enumerate() {
            files.push((format!("detectors[{i}].weights"), &detector.weights));
            files.extend(detector.reference.as_ref().map(|file| (format!("detectors[{i}].reference"), file)));
            files.extend(detector.held_out.as_ref().map(|file| (format!("detectors[{i}].held_out"), file)));
        }
        files
    }

    /// The same, to be changed.
    pub fn files_mut(&mut self) -> Vec<(String, &mut FileRef)> {
        let mut files: Vec<(String, &mut FileRef)> = Vec::new();
        let Self { net, gnet, vae, data, .. } = self;
        let single = [("net", net), ("gnet", gnet), ("vae", vae), ("data", data)];
        files.extend(single.into_iter().filter_map(|(field, file)| Some((field.to_owned(), file.as_mut()?))));
        if let Labels::File(file) = &mut self.labels {
            files.push(("labels.file".to_owned(), file));
        }
        for (i, detector) in self.detectors.iter_mut().enumerate() {
            files.push((format!("detectors[{i}].weights"), &mut detector.weights));
            files.extend(detector.reference.as_mut().map(|file| (format!("detectors[{i}].reference"), file)));
            files.extend(detector.held_out.as_mut().map(|file| (format!("detectors[{i}].held_out"), file)));
        }
        files
    }
}
