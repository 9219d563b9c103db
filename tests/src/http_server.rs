//! A small HTTP server with faults on demand, which counts what it is asked and what it sends.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const PIECE_LEN: usize = 16 << 10;

/// One file and how badly it is served.
#[derive(Debug, Clone, Default)]
pub struct Served {
    pub bytes: Arc<Vec<u8>>,
    /// With its quotes. Without one, no condition is honoured.
    pub etag: Option<String>,
    /// The next so many answers are 503.
    pub num_failures: u32,
    /// The next answers end after so many bytes, one for each.
    pub cuts: Vec<usize>,
    /// Ranges are ignored.
    pub no_ranges: bool,
    /// Before each 16 KiB.
    pub pause: Duration,
    /// Instead of the file.
    pub status: Option<u16>,
}

/// What was asked of one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub requests: u32,
    /// Answers 200 and 206.
    pub downloads: u32,
    /// Answers 304.
    pub unchanged: u32,
    /// Of bodies.
    pub num_bytes: usize,
}

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Served>,
    counts: BTreeMap<String, Counts>,
}

/// The server; ends when dropped.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    acceptor: JoinHandle<()>,
}

impl HttpServer {
    /// Serves on a free port of the loopback.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, state) = (listener.local_addr()?, Arc::new(Mutex::new(State::default())));
        let shared = state.clone();
        let acceptor = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let state = shared.clone();
                // A client that hangs up is a client's right.
                tokio::spawn(async move { answer(socket, &state).await.ok() });
            }
        });
        Ok(Self { address, state, acceptor })
    }

    /// Puts a file under `/name`, in the place of an older one; gives its address.
    pub fn put(&self, name: &str, served: Served) -> String {
        let path = format!("/{name}");
        let address = format!("http://{}{path}", self.address);
        lock(&self.state).files.insert(path, served);
        address
    }

    /// What was asked of `/name`.
    pub fn counts(&self, name: &str) -> Counts {
        lock(&self.state).counts.get(&format!("/{name}")).copied().unwrap_or_default()
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Request {
    path: String,
    headers: BTreeMap<String, String>,
}

async fn read_request(socket: &mut BufReader<TcpStream>) -> Result<Request> {
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    socket.read_line(&mut line).await?;
    let path = line.split(' ').nth(1).unwrap_or_default();
    let path = path.split('?').next().unwrap_or_default().to_owned();
    loop {
        let mut line = String::new();
        socket.read_line(&mut line).await?;
        match line.trim().split_once(": ") {
            Some((name, value)) => headers.insert(name.to_ascii_lowercase(), value.to_owned()),
            None => return Ok(Request { path, headers }),
        };
    }
}

async fn answer(socket: TcpStream, state: &Mutex<State>) -> Result<()> {
    let mut socket = BufReader::new(socket);
    let request = read_request(&mut socket).await?;
    let (served, cut) = take(state, &request.path);
    let (status, from) = decide(&request, served.as_ref());
    count(state, &request.path, |counts| {
        counts.downloads += u32::from(matches!(status, 200 | 206));
        counts.unchanged += u32::from(status == 304);
    });
    let served = served.unwrap_or_default();
    let (all, whole) = (served.bytes.clone(), served.bytes.len());
    let body = if matches!(status, 200 | 206) { &all[from..] } else { &[][..] };
    let mut head = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if let Some(etag) = &served.etag {
        head += &format!("ETag: {etag}\r\n");
    }
    if status == 206 {
        head += &format!("Content-Range: bytes {from}-{}/{whole}\r\n", whole - 1);
    }
    socket.write_all(format!("{head}\r\n").as_bytes()).await?;
    for piece in body[..cut.unwrap_or(body.len()).min(body.len())].chunks(PIECE_LEN) {
        tokio::time::sleep(served.pause).await;
        socket.write_all(piece).await?;
        count(state, &request.path, |counts| counts.num_bytes += piece.len());
    }
    Ok(socket.shutdown().await?)
}

/// The file for one answer; its faults are used up.
fn take(state: &Mutex<State>, path: &str) -> (Option<Served>, Option<usize>) {
    count(state, path, |counts| counts.requests += 1);
    let mut state = lock(state);
    let Some(served) = state.files.get_mut(path) else { return (None, None) };
    let now = served.clone();
    served.num_failures = served.num_failures.saturating_sub(1);
    let cut = (now.num_failures == 0 && !served.cuts.is_empty()).then(|| served.cuts.remove(0));
    (Some(now), cut)
}

fn count(state: &Mutex<State>, path: &str, change: impl Fn(&mut Counts)) {
    change(lock(state).counts.entry(path.to_owned()).or_default());
}

/// Status, and the first byte.
fn decide(request: &Request, served: Option<&Served>) -> (u16, usize) {
    let Some(served) = served else { return (404, 0) };
    if served.num_failures > 0 {
        return (503, 0);
    }
    if let Some(status) = served.status {
        return (status, 0);
    }
    let is_ours = |name: &str| served.etag.is_some() && request.headers.get(name) == served.etag.as_ref();
    if is_ours("if-none-match") {
        return (304, 0);
    }
    let from = request
        .headers
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    match from {
        Some(from)
            if !served.no_ranges && (is_ours("if-range") || !request.headers.contains_key("if-range")) =>
        {
            if from < served.bytes.len() {
                (206, from)
            } else {
                (416, 0)
            }
        }
        _ => (200, 0),
    }
}
