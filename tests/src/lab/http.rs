//! As much of HTTP/1.1 as it takes to stand between a client and a server and pass every byte on unchanged, but for
//! `Connection: close`, which no signature covers.

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MAX_HEAD_BYTES: usize = 1 << 16;

/// A whole request.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) method: String,
    /// As sent: path and query.
    pub(super) target: String,
    head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// A whole answer.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

/// The next request of a connection; none at its end.
pub(super) async fn read_request(client: &mut TcpStream) -> Result<Option<Request>> {
    let Some((head, mut body)) = read_head(client).await? else { return Ok(None) };
    let text = String::from_utf8_lossy(&head).into_owned();
    let mut words = text.split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().context("no target")?);
    let len: usize = header(&text, "content-length").map_or(Ok(0), str::parse)?;
    ensure!(header(&text, "transfer-encoding").is_none(), "a request of unknown length");
    if body.is_empty()
        && header(&text, "expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue"))
    {
        client.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let read = body.len().min(len);
    body.resize(len, 0);
    client.read_exact(&mut body[read..]).await?;
    Ok(Some(Request { method: method.to_owned(), target: target.to_owned(), head, body }))
}

/// Sends a request on a connection of its own and reads the whole answer.
pub(super) async fn forward(request: &Request, address: &str) -> Result<Answer> {
    let mut server = TcpStream::connect(address).await?;
    server.set_nodelay(true)?;
    let line_end = request.head.windows(2).position(|pair| pair == b"\r\n").context("no request line")? + 2;
    let (line, headers) = request.head.split_at(line_end);
    let bytes = [line, b"Connection: close\r\n", headers, &request.body].concat();
    server.write_all(&bytes).await?;
    let mut answer = Vec::new();
    server.read_to_end(&mut answer).await?;
    while answer.starts_with(b"HTTP/1.1 100") {
        answer.drain(..head_len(&answer).context("an interim answer without an end")?);
    }
    let body = answer.split_off(head_len(&answer).context("an answer without a head")?);
    Ok(Answer { head: answer, body })
}

impl Answer {
    /// An error as S3 words it; the answer to a HEAD has no body.
    pub(super) fn error(status: u16, code: &str, with_body: bool) -> Self {
        let body =
            format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>a test's</Message></Error>");
        let head = format!(
            "HTTP/1.1 {status} {code}\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        );
        Self { head: head.into_bytes(), body: if with_body { body.into_bytes() } else { Vec::new() } }
    }

    pub(super) fn is_missing(&self) -> bool {
        self.head.starts_with(b"HTTP/1.1 404")
    }

    pub(super) fn is_success(&self) -> bool {
        self.head.starts_with(b"HTTP/1.1 2")
    }
}

async fn read_head(client: &mut TcpStream) -> Result<Option<(Vec<u8>, Vec<u8>)>> {
    let mut bytes = Vec::new();
    loop {
        if let Some(len) = head_len(&bytes) {
            let rest = bytes.split_off(len);
            return Ok(Some((bytes, rest)));
        }
        if bytes.len() > MAX_HEAD_BYTES {
            bail!("a head without an end");
        }
        if client.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
}

fn head_len(bytes: &[u8]) -> Option<usize> {
    bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|end| end + 4)
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}
