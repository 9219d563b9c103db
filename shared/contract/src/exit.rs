//! Exit codes of every binary of the house: part of the interface, never renumbered.

/// Everything asked for is done.
pub const DONE: u8 = 0;
/// A metric got worse than its baseline allows.
pub const REGRESSION: u8 = 1;
/// The command line or the spec is wrong; running again will not help.
pub const USAGE: u8 = 2;
/// The comparison's error bars are too wide to decide.
pub const INCONCLUSIVE: u8 = 3;
/// There was nothing to compare.
pub const NOTHING: u8 = 4;
/// Some chunks are missing: dead, then they are listed, or cancelled. Submitting the run again goes on.
pub const INCOMPLETE: u8 = 5;
/// Stored bytes are not what they should be.
pub const INTEGRITY: u8 = 6;
/// Redis, S3 or the device failed; safe to run again.
pub const INFRASTRUCTURE: u8 = 75;
/// Stopped by SIGHUP, as of a terminal that was closed; resumable.
pub const HUNG_UP: u8 = 129;
/// Stopped by SIGINT; resumable.
pub const INTERRUPTED: u8 = 130;
/// Stopped by SIGTERM; resumable.
pub const TERMINATED: u8 = 143;
