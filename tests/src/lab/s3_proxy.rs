//! The way to an S3 server, which a test can disturb. Clients sign for the proxy's own address, and every signed byte
//! is passed on as it came, so the server still checks each signature.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::http::{self, Answer, Request};
use super::random::Random;

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum S3Fault {
    /// 503 SlowDown; the server hears nothing.
    SlowDown,
    /// 500; the server hears nothing.
    InternalError,
    /// 409, as when two writers meet; the server hears nothing.
    Conflict,
    /// 412 though nothing is there; the server hears nothing.
    FalsePrecondition,
    /// The connection is reset before anything arrives.
    Reset,
    /// The server obeys, the answer is lost.
    ReplyLost,
    /// The server obeys, and is said to have failed with 500.
    FalseFailure,
    /// One bit of the body that was sent is another one.
    FlippedUpload,
    /// One bit of the body that is received is another one.
    FlippedDownload,
    /// The answer ends in the middle.
    Truncated,
    /// The answer takes this many ms longer.
    Slow(u64),
    /// Nothing arrives and nothing is answered: the connection ends after this many ms.
    Silent(u64),
    /// 403; the server hears nothing.
    Denied,
    /// 403 instead of 404, as where the bucket may not be listed.
    Hidden,
}

/// Which requests suffer what.
#[derive(Debug, Clone)]
pub struct S3Rule {
    /// Of which method; empty: of any.
    pub method: &'static str,
    /// What the target has in it.
    pub target: String,
    /// None of those about keys that begin with this, as `/bucket/prefix/`.
    pub outside: Option<String>,
    pub fault: S3Fault,
    /// How likely.
    pub probability: f64,
    /// How often at most.
    pub times: u64,
}

impl S3Rule {
    /// A fault of every request of a method.
    pub fn always(method: &'static str, fault: S3Fault) -> Self {
        Self { method, target: String::new(), outside: None, fault, probability: 1.0, times: u64::MAX }
    }

    #[must_use]
    pub fn on(mut self, target: &str) -> Self {
        self.target = target.to_owned();
        self
    }

    #[must_use]
    pub fn outside(mut self, place: String) -> Self {
        self.outside = Some(place);
        self
    }

    fn is_about(&self, request: &Request) -> bool {
        (self.method.is_empty() || self.method == request.method)
            && request.target.contains(&self.target)
            && self.outside.as_ref().is_none_or(|place| !lies_in(place, &request.target))
    }

    #[must_use]
    pub fn likely(mut self, probability: f64) -> Self {
        self.probability = probability;
        self
    }

    #[must_use]
    pub fn at_most(mut self, times: u64) -> Self {
        self.times = times;
        self
    }
}

#[derive(Debug)]
struct State {
    rules: Vec<S3Rule>,
    random: Random,
    injected: BTreeMap<S3Fault, u64>,
}

/// Listens on a port of its own.
#[derive(Debug)]
pub struct S3Proxy {
    port: u16,
    state: Arc<Mutex<State>>,
    acceptor: JoinHandle<()>,
}

impl S3Proxy {
    /// A way to the server at `endpoint`; `seed` decides what chance decides.
    pub async fn start(endpoint: &str, seed: u64) -> Result<Self> {
        let address = endpoint.strip_prefix("http://").context("an endpoint of another kind")?.to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let state = State { rules: Vec::new(), random: Random::new(seed), injected: BTreeMap::new() };
        let state = Arc::new(Mutex::new(state));
        let acceptor = tokio::spawn(accept(listener, address, state.clone()));
        Ok(Self { port, state, acceptor })
    }

    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// From now on requests suffer these, the first rule that applies.
    pub fn set(&self, rules: Vec<S3Rule>) {
        lock(&self.state).rules = rules;
    }

    /// One rule more, before those that there are.
    pub fn add(&self, rule: S3Rule) {
        lock(&self.state).rules.insert(0, rule);
    }

    /// Takes the rules of a fault away.
    pub fn lift(&self, fault: S3Fault) {
        lock(&self.state).rules.retain(|rule| rule.fault != fault);
    }

    /// How often each fault came.
    pub fn injected(&self) -> BTreeMap<S3Fault, u64> {
        lock(&self.state).injected.clone()
    }
}

impl Drop for S3Proxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn draw(&mut self, request: &Request) -> Option<(S3Fault, u64)> {
        let Self { rules, random, injected } = self;
        let rule = rules
            .iter_mut()
            .find(|rule| rule.is_about(request) && rule.times > 0 && random.chance(rule.probability))?;
        rule.times -= 1;
        *injected.entry(rule.fault).or_default() += 1;
        Some((rule.fault, random.next_u64()))
    }
}

async fn accept(listener: TcpListener, address: String, state: Arc<Mutex<State>>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).ok();
        connections.spawn(serve(client, address.clone(), state.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// One request, one answer: every answer closes its connection.
async fn serve(mut client: TcpStream, address: String, state: Arc<Mutex<State>>) -> Result<()> {
    let Some(request) = http::read_request(&mut client).await? else { return Ok(()) };
    let drawn = lock(&state).draw(&request);
    let Some(answer) = suffer(request, drawn, &address).await? else {
        // Dropping a socket with linger 0 is a reset.
        client.set_zero_linger()?;
        return Ok(());
    };
    client.write_all(&answer.head).await?;
    client.write_all(&answer.body).await?;
    client.shutdown().await?;
    Ok(())
}

/// The answer that the client gets; none when the connection just ends.
async fn suffer(
    mut request: Request,
    drawn: Option<(S3Fault, u64)>,
    address: &str,
) -> Result<Option<Answer>> {
    let Some((fault, random)) = drawn else { return http::forward(&request, address).await.map(Some) };
    let with_body = request.method != "HEAD";
    let error = |status, code| Ok(Some(Answer::error(status, code, with_body)));
    match fault {
        S3Fault::SlowDown => error(503, "SlowDown"),
        S3Fault::InternalError => error(500, "InternalError"),
        S3Fault::Conflict => error(409, "ConditionalRequestConflict"),
        S3Fault::FalsePrecondition => error(412, "PreconditionFailed"),
        S3Fault::Reset => Ok(None),
        S3Fault::ReplyLost => http::forward(&request, address).await.map(|_| None),
        S3Fault::FalseFailure => {
            http::forward(&request, address).await?;
            error(500, "InternalError")
        }
        S3Fault::FlippedUpload => {
            flip(&mut request.body, random);
            http::forward(&request, address).await.map(Some)
        }
        S3Fault::FlippedDownload => {
            let mut answer = http::forward(&request, address).await?;
            if answer.is_success() {
                flip(&mut answer.body, random);
            }
            Ok(Some(answer))
        }
        S3Fault::Truncated => {
            let mut answer = http::forward(&request, address).await?;
            answer.body.truncate(answer.body.len() / 2);
            Ok(Some(answer))
        }
        S3Fault::Denied => error(403, "AccessDenied"),
        S3Fault::Hidden => {
            let answer = http::forward(&request, address).await?;
            if answer.is_missing() { error(403, "AccessDenied") } else { Ok(Some(answer)) }
        }
        S3Fault::Slow(ms) => {
            let answer = http::forward(&request, address).await?;
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(Some(answer))
        }
        S3Fault::Silent(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            Ok(None)
        }
    }
}

/// Whether a request is about keys that begin with `/bucket/prefix/`: by its path, or as a listing by its query.
fn lies_in(place: &str, target: &str) -> bool {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let lists = || {
        let (bucket, prefix) = place[1..].split_once('/')?;
        let listed = query.split('&').find_map(|pair| pair.strip_prefix("prefix="))?;
        Some(path.trim_matches('/') == bucket && listed.replace("%2F", "/").starts_with(prefix))
    };
    path.starts_with(place) || lists().unwrap_or(false)
}

fn flip(bytes: &mut [u8], random: u64) {
    let num_bits = 8 * bytes.len() as u64;
    if num_bits > 0 {
        let bit = random % num_bits;
        bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
    }
}
