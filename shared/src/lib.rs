//! The contracts of fidelis: what a run is ([`spec`]), how it is cut ([`plan`]), how chunks travel ([`wire`], [`queue`]),
//! which published figures there are ([`presets`]), where files come from ([`files`]),
//! where results lie ([`keys`]) and how things are named ([`ids`], [`kind`], [`exit`]). Scheduler and worker meet only here;
//! nothing in this crate knows a command line or a tensor library.

pub mod atomic;
pub mod events;
pub mod exit;
pub mod failpoint;
pub mod failure;
pub mod files;
pub mod fleet;
pub mod folder;
pub mod ids;
pub mod keys;
pub mod kind;
pub mod manifest;
pub mod payload;
pub mod plan;
pub mod presets;
pub mod queue;
pub mod receipt;
pub mod retry;
pub mod seeds;
pub mod spec;
pub mod store;
mod text;
pub mod wire;
