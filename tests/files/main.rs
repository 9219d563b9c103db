//! Files by address, from real servers: fetched once, resumed, checked.

mod library;
mod processes;
mod runs;
