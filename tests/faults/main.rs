//! Nothing lost, nothing twice, nothing stuck: a fleet under faults, checked promise by promise. Real processes, a real
//! redis-server, S3 over TCP with signatures; the synthetic engine, so that it is the fleet that is tried.

mod cancelled;
mod clocks;
mod devices;
mod disks;
mod known;
mod local;
mod messages;
mod overlap;
mod poison;
mod processes;
mod redis;
mod rights;
mod s3;
mod schedulers;
mod store;
