//! A file on a server, whatever the server speaks.

use bytes::Bytes;

use super::{FileError, http, http::HttpBody};
use crate::store::{Fetch, ObjectBody, Opened, Store};
use fidelis_contract::address::Address;

/// What is asked of the server.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ask<'a> {
    /// The first byte wanted.
    pub from: u64,
    /// Of which version: with another one, all of it. Only with `from`.
    pub part_of: Option<&'a str>,
    /// The version that is here already.
    pub known: Option<&'a str>,
}

/// What the server says.
#[derive(Debug)]
pub enum Answer {
    /// What is known is still so.
    Unchanged,
    /// There is nothing to go on with: ask for all of it.
    StartOver,
    /// Bytes.
    Body(Incoming),
}

/// Bytes on their way.
#[derive(Debug)]
pub struct Incoming {
    /// The place of the first one in the whole.
    pub from: u64,
    /// The length of the whole, where the server says.
    pub num_bytes: Option<u64>,
    /// The server's mark of this version.
    pub mark: Option<String>,
    /// The bytes.
    pub body: Body,
}

/// Where bytes come from; dropped, it stops.
#[derive(Debug)]
pub enum Body {
    Http(HttpBody),
    S3 { file: String, body: Box<ObjectBody> },
}

impl Body {
    /// The next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        match self {
            Self::Http(body) => body.next().await,
            Self::S3 { file, body } => body
                .next()
                .await
                .map_err(|source| FileError::Store { file: file.clone(), source: source.into() }),
        }
    }
}

/// A source that is not on this machine.
#[derive(Debug)]
pub struct Remote {
    /// As it may be shown.
    pub shown: String,
    pub source: Address,
    /// The bucket, for S3.
    pub store: Option<Store>,
}

impl Remote {
    pub async fn ask(&self, ask: Ask<'_>) -> Result<Answer, FileError> {
        match (&self.source, &self.store) {
            (Address::Http(url), _) => http::ask(url, self.source.is_loopback(), &self.shown, ask).await,
            (Address::S3 { key, .. }, Some(store)) => {
                let fetch = Fetch { key, from: ask.from, if_match: ask.part_of, if_none_match: ask.known };
                let opened = store.open(fetch).await;
                self.answer(
                    opened.map_err(|source| FileError::Store {
                        file: self.shown.clone(),
                        source: source.into(),
                    })?,
                    ask,
                )
            }
            _ => Err(FileError::Missing { file: self.shown.clone() }),
        }
    }

    fn answer(&self, opened: Opened, ask: Ask<'_>) -> Result<Answer, FileError> {
        match opened {
            Opened::Missing => Err(FileError::Missing { file: self.shown.clone() }),
            Opened::Unchanged => Ok(Answer::Unchanged),
            Opened::Changed => Ok(Answer::StartOver),
            // A server that ignores conditions still tells the version.
            Opened::Object(object) if ask.known.is_some() && object.mark.as_deref() == ask.known => {
                Ok(Answer::Unchanged)
            }
            Opened::Object(object) => Ok(Answer::Body(Incoming {
                from: object.from,
                num_bytes: object.num_bytes,
                mark: object.mark.clone(),
                body: Body::S3 { file: self.shown.clone(), body: object },
            })),
        }
    }
}
