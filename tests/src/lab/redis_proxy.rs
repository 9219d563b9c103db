//! The way to a Redis server, which a test can disturb. Each worker may have one of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, tcp::OwnedReadHalf, tcp::OwnedWriteHalf};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::resp;

/// What the way is like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Undisturbed.
    Open,
    /// Every packet of an answer waits.
    Slow(Duration),
    /// Connections end at once, new ones too.
    Cut,
    /// Connections stay, nothing passes; what was sent meanwhile arrives late.
    HalfOpen,
    /// Scripts arrive and are obeyed, their answers are lost with the connection.
    LostReplies,
    /// Every command is answered with this error, and does not arrive.
    Refusing(&'static str),
}

/// Listens on a port of its own.
#[derive(Debug)]
pub struct RedisProxy {
    port: u16,
    upstream: Arc<Mutex<String>>,
    link: watch::Sender<Link>,
    acceptor: JoinHandle<()>,
}

impl RedisProxy {
    /// A way to the server at `upstream`.
    pub async fn start(upstream: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let upstream = Arc::new(Mutex::new(upstream.to_owned()));
        let (link, _) = watch::channel(Link::Open);
        let acceptor = tokio::spawn(accept(listener, upstream.clone(), link.clone()));
        Ok(Self { port, upstream, link, acceptor })
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Changes the way, also under the connections there are.
    pub fn set(&self, link: Link) {
        self.link.send_replace(link);
    }

    /// Where new connections go; those that there are stay where they are.
    pub fn redirect(&self, upstream: &str) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream.to_owned();
    }
}

impl Drop for RedisProxy {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

async fn accept(listener: TcpListener, upstream: Arc<Mutex<String>>, link: watch::Sender<Link>) {
    // Ends, and its connections with it, when the proxy is dropped.
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        client.set_nodelay(true).ok();
        let address = upstream.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connections.spawn(serve(client, address, link.subscribe()));
        while connections.try_join_next().is_some() {}
    }
}

async fn serve(client: TcpStream, address: String, link: watch::Receiver<Link>) {
    let mut cut = link.clone();
    if *cut.borrow() == Link::Cut {
        return;
    }
    let Ok(server) = TcpStream::connect(address).await else { return };
    server.set_nodelay(true).ok();
    let ((client_in, client_out), (server_in, server_out)) = (client.into_split(), server.into_split());
    let (client_out, script) =
        (Arc::new(tokio::sync::Mutex::new(client_out)), Arc::new(AtomicBool::new(false)));
    select! {
        _ = requests(client_in, server_out, client_out.clone(), (link.clone(), script.clone())) => {}
        _ = answers(server_in, client_out, (link, script)) => {}
        _ = cut.wait_for(|link| *link == Link::Cut) => {}
    }
}

async fn requests(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    back: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    (mut link, script): (watch::Receiver<Link>, Arc<AtomicBool>),
) -> Option<()> {
    let (mut buffer, mut commands) = (vec![0; 65536], resp::Counter::default());
    loop {
        let len = from.read(&mut buffer).await.ok().filter(|&len| len > 0)?;
        link.wait_for(|link| *link != Link::HalfOpen).await.ok()?;
        let refusal = if let Link::Refusing(error) = &*link.borrow() { Some(*error) } else { None };
        let num_commands = commands.count(&buffer[..len]);
        match refusal {
            Some(error) => {
                let answer = format!("-{error}\r\n").repeat(num_commands);
                back.lock().await.write_all(answer.as_bytes()).await.ok()?;
            }
            None => {
                let is_script = buffer[..len].windows(4).any(|word| word == b"EVAL");
                script.store(is_script, Ordering::Relaxed);
                to.write_all(&buffer[..len]).await.ok()?;
            }
        }
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    to: Arc<tokio::sync::Mutex<OwnedWriteHalf>>,
    (mut link, script): (watch::Receiver<Link>, Arc<AtomicBool>),
) -> Option<()> {
    let mut buffer = vec![0; 65536];
    loop {
        let len = from.read(&mut buffer).await.ok().filter(|&len| len > 0)?;
        link.wait_for(|link| *link != Link::HalfOpen).await.ok()?;
        let now = link.borrow().clone();
        match now {
            Link::LostReplies if script.load(Ordering::Relaxed) => return None,
            Link::Slow(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        to.lock().await.write_all(&buffer[..len]).await.ok()?;
    }
}
