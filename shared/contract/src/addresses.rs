//! Where local copies came from: what is said about them is said about the address.

use std::path::Path;

use crate::spec::FileRef;

/// Local paths and the addresses that they stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Addresses(Vec<(String, String)>);

impl Addresses {
    /// Takes note of the copy of a file; of a file that is its own copy there is nothing to note.
    pub fn note(&mut self, local: &Path, file: &FileRef) {
        let local = local.display().to_string();
        if local != file.path {
            self.0.push((local, file.shown()));
        }
    }

    /// A message with the address in the place of each copy's path.
    pub fn restored(&self, message: &str) -> String {
        self.0.iter().fold(message.to_owned(), |text, (local, address)| text.replace(local, address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_called_by_their_address() {
        let mut addresses = Addresses::default();
        addresses.note(Path::new("/c/named/00/a.pkl"), &FileRef::new("https://u:secret@h/a.pkl?sig=x"));
        addresses.note(Path::new("/a.pkl"), &FileRef::new("/a.pkl"));
        let restored = addresses.restored("`/c/named/00/a.pkl`: is an HTML page");
        assert!(restored.starts_with("`https://") && restored.contains("h/a.pkl"), "{restored}");
        assert!(!restored.contains("secret") && restored.ends_with(": is an HTML page"), "{restored}");
        assert_eq!(addresses.restored("`/a.pkl`"), "`/a.pkl`");
    }
}
