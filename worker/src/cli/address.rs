//! Files on a command line that lie elsewhere.

use std::path::PathBuf;

use fidelis_contract::{addresses::Addresses, spec::FileRef};
use fidelis_fleet::files::{FileError, FileSettings, Files};

use crate::fetching;

/// Puts a local path in the place of every address (`file:`, `s3://`, `https://`); plain paths stay. Gives which is which.
///
/// # Errors
/// A file that cannot be fetched.
pub async fn make_local<'a>(
    paths: impl IntoIterator<Item = &'a mut PathBuf>,
) -> Result<Addresses, FileError> {
    let files = Files::new(FileSettings::from_env(std::env::var("FIDELIS_S3_ENDPOINT").ok()));
    let report = fetching::Report::default();
    let mut addresses = Addresses::default();
    for path in paths {
        let Some(address) = path.to_str().filter(|text| is_address(text)).map(FileRef::new) else { continue };
        *path = files.local(&address, &|transfer| report.tell(transfer)).await?.path;
        addresses.note(path, &address);
    }
    Ok(addresses)
}

fn is_address(text: &str) -> bool {
    text.contains("://") || text.starts_with("file:")
}
