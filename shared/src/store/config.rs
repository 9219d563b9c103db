use std::fmt;

use super::StoreError;

/// Where a store is and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// `s3://bucket` or `s3://bucket/prefix`; every key lies below the prefix.
    pub url: String,
    /// Another server than AWS, as `http://host:port`; addressed by path (`endpoint/bucket/key`). Without it: the
    /// environment's (`AWS_ENDPOINT_URL_S3`, `AWS_ENDPOINT_URL`) or profile's.
    pub endpoint: Option<String>,
    /// Without it: the environment's or profile's; with an endpoint and none of them, `us-east-1`.
    pub region: Option<String>,
    /// Without them: the usual chain (environment, profile, web identity, container, instance). Where endpoint, region
    /// and credentials are all given, nothing of the environment or a profile counts.
    pub credentials: Option<StoreCredentials>,
}

/// A key pair given outright, as the embedded server's. Its `Debug` hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreCredentials {
    pub access_key: String,
    pub secret_key: String,
}

impl fmt::Debug for StoreCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreCredentials").field("access_key", &self.access_key).finish_non_exhaustive()
    }
}

/// The parts of a store url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub bucket: String,
    /// Empty, or ends in `/`.
    pub prefix: String,
}

impl Location {
    pub fn parse(url: &str) -> Result<Self, StoreError> {
        let refuse = |reason| StoreError::Url { url: without_user(url), reason };
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

/// The bucket and the key of a single object's address, `s3://bucket/key`.
pub(crate) fn object_of(url: &str) -> Result<(String, String), StoreError> {
    let refuse = |reason| StoreError::Url { url: url.to_owned(), reason };
    let Location { bucket, prefix } = Location::parse(url)?;
    let key = prefix.trim_end_matches('/');
    if key.is_empty() {
        return Err(refuse("it names no object"));
    }
    if url.ends_with('/') {
        return Err(refuse("it names a folder, not an object"));
    }
    Ok((bucket, key.to_owned()))
}

/// A url fit for errors: whatever stands before an `@` or behind a `?` may be a secret.
pub(super) fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let host = host.split('?').next().unwrap_or_default();
    if scheme.is_empty() { host.to_owned() } else { format!("{scheme}://{host}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_split_into_bucket_and_prefix() {
        let cases = [
            ("s3://bucket", "bucket", ""),
            ("s3://bucket/", "bucket", ""),
            ("s3://my.bucket-1/a/b", "my.bucket-1", "a/b/"),
            ("s3://bucket/a/", "bucket", "a/"),
        ];
        for (url, bucket, prefix) in cases {
            let location = Location { bucket: bucket.into(), prefix: prefix.into() };
            assert_eq!(Location::parse(url).unwrap(), location, "{url}");
        }
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for url in [
            "",
            "bucket/x",
            "https://bucket",
            "s3://",
            "s3:///x",
            "s3://ab",
            "s3://b ucket",
            "s3://bucket//x",
            "s3://bucket/a/../b",
            "s3://bucket/./a",
        ] {
            let error = Location::parse(url).unwrap_err();
            assert!(error.to_string().starts_with(&format!("store url `{url}`")), "{error}");
            assert_eq!(error.exit_code(), crate::exit::USAGE);
        }
    }

    #[test]
    fn urls_with_secrets_are_refused_without_them() {
        for url in
            ["s3://key:s3cret@bucket/x", "https://key:s3cret@host/bucket", "s3://bu?s3cret", "key:s3cret@x"]
        {
            let error = Location::parse(url).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn the_secret_is_not_shown() {
        let credentials = StoreCredentials { access_key: "AK".into(), secret_key: "hidden".into() };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
