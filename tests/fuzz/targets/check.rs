//! What holds of everything that was read, and of every refusal.

use fidelis_formats::StateDict;

/// An error is one line, and does nothing to a terminal.
pub fn line(error: impl std::fmt::Display) {
    let line = error.to_string();
    assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
}

/// An array has the bytes that its shape asks for. Not every target reads arrays.
#[allow(dead_code)]
pub fn tensors(state: &StateDict) {
    for (name, array) in state {
        assert_eq!(array.num_elements() * array.dtype.size(), array.bytes.len(), "{name}");
    }
}
