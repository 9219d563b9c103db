//! An HTTP server that answers as it is told and keeps what it was asked, to see who signed what, and with which keys.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;

/// What was asked.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// With its query.
    pub path: String,
    pub host: String,
    /// Of the signature: `key/date/region/service/aws4_request`.
    pub credential: String,
    /// The temporary keys' token.
    pub token: String,
    pub body: String,
}

/// Serves until the process ends.
#[derive(Debug)]
pub struct Recorder {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Recorder {
    /// Serves on a free port of the loopback; `answer` gives status and body.
    pub fn start(answer: impl Fn(&Asked) -> (u16, String) + Send + Sync + 'static) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let (address, asked, answer) = (listener.local_addr()?, Arc::new(Mutex::default()), Arc::new(answer));
        let shared: Arc<Mutex<Vec<Asked>>> = asked.clone();
        thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (asked, answer) = (shared.clone(), answer.clone());
                // A client that hangs up is a client's right.
                thread::spawn(move || serve(socket, &asked, answer.as_ref()).ok());
            }
        });
        Ok(Self { address, asked })
    }

    /// An S3 server without a single bucket.
    pub fn empty_s3() -> Result<Self> {
        Self::start(|_| (404, "<Error><Code>NoSuchBucket</Code><Message>none</Message></Error>".to_owned()))
    }

    /// As an endpoint, by the host's number.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// As an endpoint, by the host's name.
    pub fn url_by_name(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// All that was asked since the last call.
    pub fn take(&self) -> Vec<Asked> {
        std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn serve(
    socket: TcpStream,
    asked: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked) -> (u16, String),
) -> std::io::Result<()> {
    let mut socket = BufReader::new(socket);
    loop {
        let Some(request) = read(&mut socket)? else { return Ok(()) };
        let (status, body) = answer(&request);
        let head = format!("HTTP/1.1 {status} x\r\nContent-Length: {}\r\n\r\n", body.len());
        let body = if request.method == "HEAD" { "" } else { &body };
        asked.lock().unwrap_or_else(PoisonError::into_inner).push(request);
        socket.get_mut().write_all(format!("{head}{body}").as_bytes())?;
    }
}

fn read(socket: &mut BufReader<TcpStream>) -> std::io::Result<Option<Asked>> {
    let mut line = String::new();
    if socket.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ').map(str::to_owned);
    let mut asked = Asked { method: words.next().unwrap_or_default(), ..Asked::default() };
    asked.path = words.next().unwrap_or_default();
    let mut num_bytes = 0;
    loop {
        let mut line = String::new();
        socket.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "host" => asked.host = value.to_owned(),
            "x-amz-security-token" => asked.token = value.to_owned(),
            "content-length" => num_bytes = value.parse().unwrap_or(0),
            "authorization" => {
                let signed = value.split_once("Credential=").map_or("", |(_, rest)| rest);
                asked.credential = signed.split(',').next().unwrap_or_default().to_owned();
            }
            _ => {}
        }
    }
    let mut body = vec![0; num_bytes];
    socket.read_exact(&mut body)?;
    asked.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(asked))
}
