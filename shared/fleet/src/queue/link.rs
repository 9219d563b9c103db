//! A connection that is made when needed and made anew after it broke.

use std::{fmt, time::Duration};

use redis::{
    AsyncConnectionConfig, Client, Cmd, FromRedisValue, IntoConnectionInfo, ProtocolVersion, RedisResult,
    ScriptInvocation, aio::MultiplexedConnection,
};
use tokio::sync::Mutex;

use super::error::{QueueError, is_broken};

/// How long to wait for a connection, and for any reply. Blocking reads stay well below it.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Link {
    client: Client,
    url: String,
    current: Mutex<Option<MultiplexedConnection>>,
}

impl Link {
    /// Parses the url; connects on first use.
    pub(super) fn new(url: &str) -> Result<Self, QueueError> {
        let shown = redact(url);
        if let Some(odd) = unquoted(url) {
            return Err(QueueError::Password { url: shown, odd, code: format!("%{:02X}", odd as u32) });
        }
        let client = open(url)
            .map_err(|error| QueueError::Url { url: shown.clone(), problem: error.category().to_owned() })?;
        Ok(Self { client, url: shown, current: Mutex::new(None) })
    }

    /// Another link to the same server, with its own connection.
    pub(super) fn sibling(&self) -> Self {
        Self { client: self.client.clone(), url: self.url.clone(), current: Mutex::new(None) }
    }

    /// The url, secrets removed.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn script<T: FromRedisValue>(
        &self,
        operation: &'static str,
        script: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        let mut connection = self.connection().await?;
        let reply = script.invoke_async(&mut connection).await;
        self.checked(operation, reply).await
    }

    pub(super) async fn query<T: FromRedisValue>(
        &self,
        operation: &'static str,
        command: &Cmd,
    ) -> Result<T, QueueError> {
        let mut connection = self.connection().await?;
        let reply = command.query_async(&mut connection).await;
        self.checked(operation, reply).await
    }

    async fn connection(&self) -> Result<MultiplexedConnection, QueueError> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &*current {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(PATIENCE))
            .set_response_timeout(Some(PATIENCE));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await
            .map_err(|source| QueueError::connecting(&self.url, source))?;
        *current = Some(connection.clone());
        Ok(connection)
    }

    async fn checked<T>(
        &self,
        operation: &'static str,
        reply: redis::RedisResult<T>,
    ) -> Result<T, QueueError> {
        if let Err(error) = &reply
            && is_broken(error)
        {
            *self.current.lock().await = None;
        }
        reply.map_err(|source| QueueError::operating(&self.url, operation, source))
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Whatever the url asks for, the second version of the protocol is spoken: the replies that scripts and streams give
/// in the third have another shape, and nothing here needs it.
fn open(url: &str) -> RedisResult<Client> {
    let info = url.into_connection_info()?;
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP2);
    Client::open(info.set_redis_settings(settings))
}

/// A character of user or password that ends them for whoever takes the url apart.
fn unquoted(url: &str) -> Option<char> {
    let (scheme, rest) = url.split_once("://")?;
    // Those of a socket stand in the query.
    if scheme.ends_with("unix") {
        return None;
    }
    let (login, _) = rest.rsplit_once('@')?;
    login.chars().find(|c| "/?#[]".contains(*c))
}

/// A url fit for logs: without user, password and query. When in doubt, too little is shown.
pub(super) fn redact(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("redis", url), |(scheme, rest)| (scheme, rest));
    let host =
        if rest.starts_with('/') { rest } else { rest.rsplit_once('@').map_or(rest, |(_, host)| host) };
    format!("{scheme}://{}", host.split(['?', '#']).next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_shown() {
        for (url, shown) in [
            ("redis://10.0.0.1:6379/2", "redis://10.0.0.1:6379/2"),
            ("rediss://me:s3cret@host:6380", "rediss://host:6380"),
            ("redis://:p@ss@host", "redis://host"),
            ("redis://:p?x/#@host", "redis://host"),
            ("unix:///run/redis.sock?user=me&pass=s3@cret", "unix:///run/redis.sock"),
            ("me:s3cret@host", "redis://host"),
        ] {
            assert_eq!(redact(url), shown);
        }
    }

    #[test]
    fn a_password_that_cuts_its_url_short_is_told_how_to_be_written() {
        for (url, odd) in [
            ("redis://me:12#3@host", "#"),
            ("rediss://:a/b@host:6380/1", "/"),
            ("redis://:s3cret?@host", "?"),
            ("redis://me:x]@host", "]"),
        ] {
            let error = Link::new(url).unwrap_err().to_string();
            let code = format!("%{:02X}", odd.as_bytes()[0]);
            assert!(error.contains(&format!("`{odd}`")) && error.contains(&code), "{error}");
            assert!(!error.contains("s3cret") && error.contains("://host"), "{error}");
        }
        for url in
            ["redis://me:12%233@host", "redis://:p@ss:w@host", "unix:///r.sock?pass=a@b", "redis://host/1"]
        {
            Link::new(url).unwrap();
        }
    }

    #[test]
    fn one_version_of_the_protocol_is_spoken() {
        for url in [
            "redis://host?protocol=resp3",
            "redis://host/2?protocol=3",
            "unix:///r.sock?protocol=resp3",
            "redis://h",
        ] {
            let link = Link::new(url).unwrap();
            let settings = link.client.get_connection_info().redis_settings().clone();
            assert!(matches!(settings.protocol(), ProtocolVersion::RESP2), "{url}");
        }
        assert!(Link::new("redis://host?protocol=resp4").is_err());
    }
}
