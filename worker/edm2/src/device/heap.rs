//! What glibc's heap does with memory that libtorch gives back.

#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", target_env = "gnu"))]
unsafe extern "C" {
    /// `mallopt(3)`; 0 where it does not take the value.
    fn mallopt(parameter: i32, value: i32) -> i32;
}

/// From now on memory that is given back is kept for what asks next, up to 2 GiB of it. A step of training asks for the same
/// activations as the one before; by itself glibc returns large ones to the system each time, which then clears the pages anew.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_freed() {
    const TRIM_THRESHOLD: i32 = -1;
    const MMAP_THRESHOLD: i32 = -3;
    // SAFETY: the function takes any two numbers.
    unsafe {
        mallopt(TRIM_THRESHOLD, i32::MAX);
        mallopt(MMAP_THRESHOLD, 1 << 30);
    }
}

/// Nothing is known of other heaps.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_freed() {}
