//! What a fleet stands on: what is still missing ([`queue`]), what exists ([`store`]), a run as it lies there ([`stored`]), where files come from ([`files`],
//! [`folder`]), when to try again ([`retry`]), what is said ([`out`]) and heard ([`signals`]), and where tests make things go wrong ([`failpoint`]). The only crate that
//! knows Redis and S3.

pub mod blocking;
pub mod failpoint;
pub mod files;
pub mod fleet;
pub mod folder;
pub mod out;
pub mod queue;
mod range;
pub mod retry;
pub mod signals;
pub mod store;
pub mod stored;
pub mod telemetry;
