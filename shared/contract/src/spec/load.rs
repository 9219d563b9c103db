//! Reading and writing specs.

use std::{fs, path::Path};

use super::{RunSpec, SpecError, written::Written};

impl RunSpec {
    /// Reads a `.toml` or `.json` spec; relative paths in it become absolute, from the spec file's folder.
    /// Does not [`validate`](Self::validate).
    ///
    /// # Errors
    /// [`SpecError::Read`], [`SpecError::Format`], and those of [`from_toml`](Self::from_toml).
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
    /// [`SpecError::Syntax`]; [`SpecError::Field`] for what the engine needs, or has no use for.
    pub fn from_toml(text: &str, origin: &str) -> Result<Self, SpecError> {
        let written: Written = toml::from_str(text).map_err(|error: toml::de::Error| {
            let line =
                error.span().map(|span| 1 + text.bytes().take(span.start).filter(|&b| b == b'\n').count());
            let at = line.map_or(String::new(), |line| format!(" at line {line}"));
            let problem = format!("{}{at}", error.message().replace('\n', " "));
            SpecError::Syntax { origin: origin.to_owned(), problem }
        })?;
        written.try_into()
    }

    /// Reads JSON, for example the stored `spec.json`; `origin` names the text in errors.
    ///
    /// # Errors
    /// [`SpecError::Syntax`]; [`SpecError::Field`] for what the engine needs, or has no use for.
    pub fn from_json(text: &str, origin: &str) -> Result<Self, SpecError> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| SpecError::Syntax { origin: origin.to_owned(), problem: error.to_string() })?;
        written.try_into()
    }

    /// The spec as indented JSON with its paths, as stored in `spec.json`; read back, it has the same digest.
    pub fn to_json(&self) -> String {
        // Serialising plain data with string keys cannot fail.
        serde_json::to_string_pretty(&Written::from(self.clone())).unwrap_or_default() + "\n"
    }
}

/// Windows' editors put one in front of what they save as UTF-8.
fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}
