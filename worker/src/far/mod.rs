//! A training's files wherever they lie: what it reads, by ranges where they are far, and what it leaves.
//!
//! All of it is for threads that may block.

mod data;
mod outdir;

use std::path::Path;

use fidelis_contract::{addresses::Addresses, outcome::Failure};
use fidelis_edm2::train::{Folder, Outdir};
use fidelis_fleet::blocking;
use fidelis_fleet::store::{Store, StoreConfig};

pub use data::{Data, open};
pub use outdir::StoreFolder;

use crate::engine::{CancelFlag, Reason};
use crate::interrupt::Interrupt;

/// The server of `s3://` addresses, where it is not AWS.
pub fn s3_endpoint() -> Option<String> {
    std::env::var("FIDELIS_S3_ENDPOINT").ok()
}

/// A flag that is raised: the usual retries will do.
fn impatient() -> CancelFlag {
    let cancel = CancelFlag::new();
    cancel.cancel(Reason::Stopped);
    cancel
}

/// A folder, or `s3://bucket/prefix`, that is only looked at.
///
/// # Errors
/// An address that cannot be used, a store that does not answer.
pub fn to_read(place: &Path) -> Result<Box<dyn Outdir>, Failure> {
    match store(place)? {
        Some(store) => Ok(Box::new(StoreFolder::new(store, "", impatient()))),
        None => Ok(Box::new(Folder::to_read(place))),
    }
}

/// A folder, or `s3://bucket/prefix`, to put files into.
///
/// # Errors
/// Files cannot be put there, as far as that is known beforehand.
pub fn to_write(place: &Path) -> Result<Box<dyn Outdir>, Failure> {
    match store(place)? {
        Some(store) => Ok(Box::new(StoreFolder::new(store, "", impatient()))),
        None => Ok(Box::new(Folder::new(place)?)),
    }
}

/// The same for as long as nobody interrupts: then a store that does not answer is not waited for.
///
/// # Errors
/// As [`to_write`].
pub fn outdir(place: &Path, interrupt: &Interrupt) -> Result<Box<dyn Outdir>, Failure> {
    let Some(store) = store(place)? else { return Ok(Box::new(Folder::new(place)?)) };
    let (cancel, interrupt) = (CancelFlag::new(), interrupt.clone());
    let flag = cancel.clone();
    tokio::spawn(async move {
        interrupt.requested().await;
        flag.cancel(Reason::Stopped);
    });
    Ok(Box::new(StoreFolder::new(store, "", cancel)))
}

/// A dataset by its address, and what was fetched of it from where.
///
/// # Errors
/// As [`open`].
pub fn data(address: &str) -> Result<(Data, Addresses), Failure> {
    let mut addresses = Addresses::default();
    let data = blocking::wait(open(address, s3_endpoint().as_deref(), &mut addresses))?;
    Ok((data, addresses))
}

/// The store that an address names; `None` for a path.
fn store(place: &Path) -> Result<Option<Store>, Failure> {
    let Some(url) = place.to_str().filter(|text| text.starts_with("s3://")) else { return Ok(None) };
    let config = StoreConfig { url: url.to_owned(), endpoint: s3_endpoint(), ..StoreConfig::default() };
    Ok(Some(blocking::wait(Store::connect(config))?))
}
