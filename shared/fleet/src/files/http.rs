//! HTTP. The client blocks, so each answer has a thread of its own: dropping the body ends it, and a process that ends
//! waits for none.

use std::{io::Read, thread, time::Duration};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use ureq::{
    Agent,
    http::{HeaderMap, StatusCode, header},
};
use url::Url;

use crate::range;

use super::{
    FileError,
    remote::{Answer, Ask, Body, Incoming},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);
/// A server may take its time, but not fall silent.
const READ_TIMEOUT: Duration = Duration::from_secs(60);
const PIECE_LEN: usize = 256 << 10;
/// Pieces that may wait to be written.
const PIECES_AHEAD: usize = 4;

/// The bytes of an answer.
#[derive(Debug)]
pub struct HttpBody {
    file: String,
    pieces: mpsc::Receiver<Result<Bytes, String>>,
}

impl HttpBody {
    pub async fn next(&mut self) -> Result<Option<Bytes>, FileError> {
        let broken = |cause| FileError::Broken { file: self.file.clone(), cause };
        self.pieces.recv().await.transpose().map_err(broken)
    }
}

struct Head {
    status: StatusCode,
    headers: HeaderMap,
}

/// Asks for a file.
pub async fn ask(url: &Url, is_loopback: bool, file: &str, ask: Ask<'_>) -> Result<Answer, FileError> {
    let broken = |cause: String| FileError::Broken { file: file.to_owned(), cause };
    let (tell, told) = oneshot::channel();
    let (sender, pieces) = mpsc::channel(PIECES_AHEAD);
    let (agent, url, headers) = (agent(url, is_loopback), url.to_string(), conditions(ask));
    let spawned = thread::Builder::new().name("fetch".into()).spawn(move || {
        let mut request = agent.get(&url);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        match request.call() {
            Ok(response) => {
                let (parts, body) = response.into_parts();
                if tell.send(Ok(Head { status: parts.status, headers: parts.headers })).is_ok() {
                    pump(body.into_reader(), &sender);
                }
            }
            Err(error) => drop(tell.send(Err(error.to_string()))),
        }
    });
    spawned.map_err(|error| broken(format!("no thread to fetch with: {error}")))?;
    let head = told.await.map_err(|_| broken("the fetching thread is gone".into()))?.map_err(broken)?;
    answer(&head, file, ask, HttpBody { file: file.to_owned(), pieces })
}

fn agent(url: &Url, is_loopback: bool) -> Agent {
    let config = Agent::config_builder()
        .http_status_as_error(false)
        // Nobody on the way may lead a safe address to an unsafe one.
        .https_only(url.scheme() == "https")
        .user_agent(concat!("fidelis/", env!("CARGO_PKG_VERSION")))
        .accept_encoding("identity")
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(RESPONSE_TIMEOUT))
        .timeout_per_read(Some(READ_TIMEOUT));
    let config = if is_loopback { config.proxy(None) } else { config };
    config.build().new_agent()
}

/// An entity tag as opposed to a date.
fn is_tag(mark: &str) -> bool {
    mark.starts_with('"') || mark.starts_with("W/")
}

fn conditions(ask: Ask<'_>) -> Vec<(header::HeaderName, String)> {
    let mut headers = Vec::new();
    if ask.from > 0 {
        headers.push((header::RANGE, format!("bytes={}-", ask.from)));
        headers.extend(ask.part_of.map(|mark| (header::IF_RANGE, mark.to_owned())));
    }
    headers.extend(ask.known.map(|mark| {
        let name = if is_tag(mark) { header::IF_NONE_MATCH } else { header::IF_MODIFIED_SINCE };
        (name, mark.to_owned())
    }));
    headers
}

fn pump(mut body: impl Read, pieces: &mpsc::Sender<Result<Bytes, String>>) {
    let mut buffer = vec![0; PIECE_LEN];
    loop {
        let piece = match body.read(&mut buffer) {
            Ok(0) => return,
            Ok(num_bytes) => Ok(Bytes::copy_from_slice(&buffer[..num_bytes])),
            Err(error) => Err(format!("the connection broke off: {error}")),
        };
        let is_last = piece.is_err();
        if pieces.blocking_send(piece).is_err() || is_last {
            return;
        }
    }
}

fn answer(head: &Head, file: &str, ask: Ask<'_>, body: HttpBody) -> Result<Answer, FileError> {
    let text = |name: header::HeaderName| head.headers.get(name)?.to_str().ok().map(str::to_owned);
    let mark = text(header::ETAG).or_else(|| text(header::LAST_MODIFIED));
    let (from, num_bytes) = match head.status.as_u16() {
        // A server that ignores the condition still tells the version; a date is too coarse for that.
        200 if ask.known.is_some_and(is_tag) && mark.as_deref() == ask.known => return Ok(Answer::Unchanged),
        200 => (0, text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok())),
        206 => match text(header::CONTENT_RANGE).as_deref().and_then(range::parse) {
            Some((from, num_bytes)) if from == ask.from => (from, num_bytes),
            _ => return Ok(Answer::StartOver),
        },
        304 => return Ok(Answer::Unchanged),
        412 | 416 if ask.from > 0 => return Ok(Answer::StartOver),
        status => return Err(FileError::Status { file: file.to_owned(), status }),
    };
    Ok(Answer::Body(Incoming { from, num_bytes, mark, body: Body::Http(body) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_suit_the_mark() {
        let ask = Ask { from: 5, part_of: Some("\"v1\""), known: Some("Mon, 02 Nov 2026 10:00:00 GMT") };
        let names: Vec<String> =
            conditions(ask).iter().map(|(name, value)| format!("{name}: {value}")).collect();
        assert_eq!(
            names,
            ["range: bytes=5-", "if-range: \"v1\"", "if-modified-since: Mon, 02 Nov 2026 10:00:00 GMT"]
        );
        assert_eq!(conditions(Ask { known: Some("W/\"a\""), ..ask })[2].0, header::IF_NONE_MATCH);
    }
}
