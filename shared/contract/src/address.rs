//! Where a file or a store lies, as a spec or a command line names it: words alone, nothing is opened.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Host, Url};

use crate::spec::FileRef;

/// Names of query parameters that make an address a key: whoever reads it may use it.
const SECRET_PARAMETERS: [&str; 8] =
    ["signature", "sig", "token", "key", "credential", "secret", "password", "auth"];
const DEFAULT_NAME: &str = "file";

/// A file's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A plain path, or `file:PATH`, or `file:///PATH`.
    Path(PathBuf),
    /// `https://…`, or `http://…` where that is allowed.
    Http(Url),
    /// `s3://bucket/key`.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object's whole key.
        key: String,
    },
}

/// Why an address cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{address}` cannot be used: {reason}")]
pub struct AddressError {
    /// As given, without secrets.
    pub address: String,
    /// What is wrong and what to do instead.
    pub reason: String,
}

/// The parts of a store's url, `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// The bucket's name.
    pub bucket: String,
    /// Empty, or ends in `/`.
    pub prefix: String,
}

impl Location {
    /// Takes a store's url apart.
    ///
    /// # Errors
    /// The reason.
    pub fn parse(url: &str) -> Result<Self, AddressError> {
        let refuse = |reason: &str| AddressError { address: without_user(url), reason: reason.to_owned() };
        let path = url.strip_prefix("s3://").ok_or_else(|| refuse("it must begin with `s3://`"))?;
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
        if bucket.len() < 3 || bucket.len() > 63 || !bucket.chars().all(allowed) {
            return Err(refuse("a bucket's name has 3 to 63 letters, digits, dots, dashes or underscores"));
        }
        let prefix = prefix.trim_end_matches('/');
        if !prefix.is_empty() && prefix.split('/').any(|part| ["", ".", ".."].contains(&part)) {
            return Err(refuse("it has an empty, `.` or `..` part"));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Location { bucket: bucket.to_owned(), prefix })
    }
}

impl Address {
    /// The address of a file, if it may be used.
    ///
    /// # Errors
    /// The reason: an unknown scheme, a user's name or password in the address, `http://` to another machine without a
    /// pinned sha256.
    pub fn of(file: &FileRef) -> Result<Self, AddressError> {
        let address = Self::parse(&file.path);
        address
            .and_then(|address| address.check_transport(file.sha256.is_some()).map(|()| address))
            .map_err(|reason| AddressError { address: file.shown(), reason })
    }

    /// An address without regard to pins.
    ///
    /// # Errors
    /// The reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(rest) = text.strip_prefix("file://") {
            return parse_file_url(rest);
        }
        if let Some(path) = text.strip_prefix("file:") {
            return Ok(Self::Path(path.into()));
        }
        match text.split_once("://") {
            None => Ok(Self::Path(text.into())),
            Some(("s3", _)) => parse_s3(text),
            Some(("http" | "https", _)) => parse_http(text),
            Some((scheme, _)) => Err(format!(
                "the scheme `{scheme}` is unknown: use a path, `file:`, `s3://bucket/key` or `https://`"
            )),
        }
    }

    /// Without encryption anybody on the way may put other bytes in: then only a digest says what was meant.
    fn check_transport(&self, is_pinned: bool) -> Result<(), String> {
        match self {
            Self::Http(url) if url.scheme() == "http" && !is_pinned && !self.is_loopback() => Err(
                "`http://` without a pinned sha256 would take any bytes: write `{ path, sha256 }`, or use `https://`"
                    .to_owned(),
            ),
            _ => Ok(()),
        }
    }

    /// What must not be kept with a run, where others can read it.
    pub fn check_storable(&self) -> Result<(), String> {
        let Self::Http(url) = self else { return Ok(()) };
        let secret = url.query_pairs().map(|(name, _)| name.to_ascii_lowercase()).find(|name| {
            SECRET_PARAMETERS.iter().any(|secret| name.split(['-', '_', '.']).any(|part| part == *secret))
        });
        match secret {
            Some(name) => Err(format!(
                "its query holds a secret, `{name}`, which would be stored with the run: use an address without one, or `s3://`"
            )),
            None => Ok(()),
        }
    }

    pub fn is_loopback(&self) -> bool {
        let Self::Http(url) = self else { return false };
        match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// The file's own name, safe in any folder: what tells a `.pkl` from a `.safetensors`.
    pub fn file_name(&self) -> String {
        let path = match self {
            Self::Path(path) => path.to_string_lossy().into_owned(),
            Self::Http(url) => percent_decode_str(url.path()).decode_utf8_lossy().into_owned(),
            Self::S3 { key, .. } => key.clone(),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-+".contains(c);
        let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        // A longer one's end is what counts: the extension.
        let name = &name[name.len().saturating_sub(128)..];
        if name.trim_matches('.').is_empty() { DEFAULT_NAME.to_owned() } else { name.to_owned() }
    }
}

fn parse_file_url(rest: &str) -> Result<Address, String> {
    let path = rest.strip_prefix("localhost").unwrap_or(rest);
    if !path.starts_with('/') {
        return Err(
            "a `file://` address names no host: write `file:///folder/name`, or the plain path".to_owned()
        );
    }
    let decoded = percent_decode_str(path).decode_utf8();
    let decoded = decoded.map_err(|_| "its percent codes are not UTF-8: write the plain path".to_owned())?;
    Ok(Address::Path(decoded.as_ref().into()))
}

fn parse_s3(text: &str) -> Result<Address, String> {
    let refuse = |reason| format!("{reason}; write it as `s3://bucket/key`");
    let Location { bucket, prefix } = Location::parse(text).map_err(|error| refuse(error.reason))?;
    let key = prefix.trim_end_matches('/');
    if key.is_empty() {
        return Err(refuse("it names no object".to_owned()));
    }
    if text.ends_with('/') {
        return Err(refuse("it names a folder, not an object".to_owned()));
    }
    Ok(Address::S3 { bucket, key: key.to_owned() })
}

fn parse_http(text: &str) -> Result<Address, String> {
    let url = Url::parse(text).map_err(|error| format!("it is no address: {error}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it holds a user's name or password, which others could read: take it out".to_owned());
    }
    Ok(Address::Http(url))
}

/// The address of a folder as that of a file: without the `/` at its end.
pub fn without_slash(address: &str) -> &str {
    if address.contains("://") { address.trim_end_matches('/') } else { address }
}

/// A url fit for errors: whatever stands before an `@` or behind a `?` may be a secret.
pub fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split('?').next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

/// An address as it may be shown: without a user's name, a password or a query.
pub fn shown(address: &str) -> String {
    let Some((scheme, rest)) = address.split_once("://").filter(|(scheme, _)| *scheme != "file") else {
        return address.to_owned();
    };
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').map_or((rest, ""), |(authority, path)| (authority, path));
    let host = authority.rsplit('@').next().unwrap_or_default();
    let slash = if rest.contains('/') { "/" } else { "" };
    format!("{scheme}://{host}{slash}{path}")
}

#[cfg(test)]
#[path = "address_tests.rs"]
mod tests;
