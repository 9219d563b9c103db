use std::{env, ffi::OsString, path::PathBuf, time::Duration};

use crate::{retry::Backoff, store::StoreConfig};

/// Where fetched files lie and how they are fetched.
#[derive(Debug, Clone)]
pub struct FileSettings {
    /// The cache's folder.
    pub cache: Option<PathBuf>,
    /// How `s3://` is reached; its url is not used.
    pub s3: StoreConfig,
    /// Tries of a connection that makes no headway.
    pub backoff: Backoff,
}

impl FileSettings {
    /// The environment's settings: the cache is `$FIDELIS_CACHE`, else `$XDG_CACHE_HOME/fidelis`, else
    /// `~/.cache/fidelis`; credentials and region are those of the store.
    pub fn from_env(s3_endpoint: Option<String>) -> Self {
        let s3 = StoreConfig { endpoint: s3_endpoint, ..StoreConfig::default() };
        Self { cache: cache_folder(&|name| env::var_os(name)), s3, backoff: DEFAULT_BACKOFF }
    }
}

/// Seven tries within 13 s.
const DEFAULT_BACKOFF: Backoff =
    Backoff { base: Duration::from_millis(200), cap: Duration::from_secs(10), max_attempts: 7 };

fn cache_folder(get: &dyn Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let get = |name| get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    // The XDG specification has relative paths ignored.
    let xdg = || get("XDG_CACHE_HOME").filter(|path| path.is_absolute()).map(|path| path.join("fidelis"));
    let folder = get("FIDELIS_CACHE").or_else(xdg).or_else(|| Some(get("HOME")?.join(".cache/fidelis")))?;
    // What is told to a child process or kept in a link must not depend on the working directory.
    std::path::absolute(folder).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_setting_counts() {
        let folder = |set: &[(&str, &str)]| {
            cache_folder(&|name| set.iter().find(|(key, _)| *key == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/ada");
        assert_eq!(folder(&[home]), Some("/home/ada/.cache/fidelis".into()));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "/c")]), Some("/c/fidelis".into()));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "c")]), Some("/home/ada/.cache/fidelis".into()));
        assert_eq!(folder(&[home, ("XDG_CACHE_HOME", "/c"), ("FIDELIS_CACHE", "/f")]), Some("/f".into()));
        assert_eq!(folder(&[home, ("FIDELIS_CACHE", "")]), Some("/home/ada/.cache/fidelis".into()));
        assert_eq!(folder(&[]), None);
    }
}
