//! What one pickle may ask for. Real files stay far below: the largest published net has about 60,000 values.

/// Upper bounds; time and memory are linear in them and in the file's length.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Opcodes executed, plus entries of containers that were gone through.
    pub steps: u64,
    /// Values made, on the stack at once, or in the memo.
    pub values: usize,
    /// Marks open at once: how deeply containers lie in each other.
    pub depth: usize,
    /// Bytes of one text.
    pub text_bytes: usize,
    /// Whether storages may come as bytes that hold pickles of their own.
    pub storages_in_bytes: bool,
}

impl Limits {
    /// A whole file.
    pub const FILE: Self =
        Self { steps: 1 << 24, values: 1 << 20, depth: 1000, text_bytes: 1 << 24, storages_in_bytes: true };
    /// One of the pickles in front of a storage's values.
    pub const STORAGE: Self =
        Self { steps: 1000, values: 1000, depth: 10, text_bytes: 1000, storages_in_bytes: false };
}

/// Bytes of an integer: eight are enough for all but the magic number of torch's files.
pub const MAX_INT_BYTES: usize = 255;
/// Dimensions of a tensor or array.
pub const MAX_DIMS: usize = 16;
