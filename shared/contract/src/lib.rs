//! The words that all sides share, and nothing else: what a run is ([`spec`], [`run`]), how it is cut ([`plan`]), which published
//! figures there are ([`presets`]), which settings are tried ([`sweep`]), by which detectors ([`detectors`]), where things lie ([`address`], [`keys`]) and how they are named ([`ids`], [`kind`]),
//! what travels ([`wire`]) and what is stored ([`payload`], [`receipt`], [`manifest`], [`result`]), what is told ([`events`]) and how
//! commands end ([`outcome`], [`exit`]). Pure: no network, no runtime, no tensors; it opens the spec's own file at most.

pub mod address;
pub mod addresses;
pub mod arithmetic;
pub mod baseline;
pub mod dead;
pub mod detectors;
pub mod events;
pub mod exit;
pub mod ids;
pub mod keys;
pub mod kind;
pub mod maker;
pub mod manifest;
pub mod outcome;
pub mod payload;
pub mod plan;
pub mod presets;
pub mod receipt;
pub mod result;
pub mod run;
pub mod seeds;
pub mod spec;
pub mod sweep;
pub mod text;
pub mod wire;
