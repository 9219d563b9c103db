use std::fmt;

/// Where a store is and how to reach it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoreConfig {
    /// `s3://bucket` or `s3://bucket/prefix`; every key lies below the prefix.
    pub url: String,
    /// Another server than AWS, as `http://host:port`; addressed by path (`endpoint/bucket/key`).
    pub endpoint: Option<String>,
    /// Without it: the environment's or profile's; with an endpoint and none of them, `us-east-1`.
    pub region: Option<String>,
    /// Without them: the usual chain (environment, profile, web identity, container, instance).
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_is_not_shown() {
        let credentials = StoreCredentials { access_key: "AK".into(), secret_key: "hidden".into() };
        assert!(!format!("{credentials:?}").contains("hidden"));
    }
}
