//! What a file says, fit to be printed on one line.

/// A name: at most 100 characters, none of them a control character.
pub fn name(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

/// A message of another house, which may quote what it read.
pub fn message(text: &str) -> String {
    let escaped = |c: char| if c.is_control() { c.escape_debug().to_string() } else { c.to_string() };
    text.trim().chars().take(300).map(escaped).collect()
}
