// SPDX-License-Identifier: MPL-2.0
//! A TCP service that sends, swallows or echoes, as the first byte of a connection says, and its client.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::peer::Peer;

/// Bytes of one write.
const CHUNK_LEN: usize = 64 * 1024;

/// Bytes of one message that is echoed.
const MESSAGE_LEN: usize = 64;

/// The service sends for as long as somebody reads.
const DOWN: u8 = b'd';

/// The service reads to the end and then says how much that was.
const UP: u8 = b'u';

/// The service answers with what it gets.
const ECHO: u8 = b'e';

/// Serves until the process ends.
pub(crate) async fn serve() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    Peer::announce(&listener.local_addr().expect("a bound socket").to_string());
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move {
            // A client that leaves in the middle ends the measurement, not the service.
            let _left = answer(stream).await;
        });
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut chunk = vec![7; CHUNK_LEN];
    match stream.read_u8().await? {
        DOWN => loop {
            stream.write_all(&chunk).await?;
        },
        UP => {
            let mut total = 0;
            loop {
                match stream.read(&mut chunk).await? {
                    0 => return stream.write_u64(total).await,
                    len => total += len as u64,
                }
            }
        }
        _ => loop {
            match stream.read(&mut chunk).await? {
                0 => return Ok(()),
                len => stream.write_all(&chunk[..len]).await?,
            }
        },
    }
}

/// A connection on which the service sends.
#[derive(Debug)]
pub(crate) struct Reader {
    stream: TcpStream,
    chunk: Vec<u8>,
    total: u64,
}

impl Reader {
    pub(crate) async fn open(address: &str) -> Self {
        Self {
            stream: connect(address, DOWN).await,
            chunk: vec![0; CHUNK_LEN],
            total: 0,
        }
    }

    /// Reads at least `len` bytes.
    pub(crate) async fn read(&mut self, len: u64) {
        let until = self.total + len;
        while self.total < until {
            let read = self.stream.read(&mut self.chunk).await;
            let read = read.expect("the service sends");
            assert!(read > 0, "the service ended");
            self.total += read as u64;
        }
    }

    /// Bytes read so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }
}

/// Bytes that arrive within `window` on a connection to `address`.
pub(crate) async fn download(address: String, window: Duration) -> u64 {
    let mut reader = Reader::open(&address).await;
    let started = Instant::now();
    while started.elapsed() < window {
        reader.read(1).await;
    }
    reader.total()
}

/// Bytes that the service has read, of what was sent within `window`.
pub(crate) async fn upload(address: String, window: Duration) -> u64 {
    let mut stream = connect(&address, UP).await;
    let chunk = vec![7; CHUNK_LEN];
    let started = Instant::now();
    while started.elapsed() < window {
        stream.write_all(&chunk).await.expect("the service reads");
    }
    stream.shutdown().await.expect("the service reads");
    stream.read_u64().await.expect("the service counts")
}

/// Times of `count` messages and their echoes, one after the other on one connection.
pub(crate) async fn echoes(address: &str, count: usize) -> Vec<Duration> {
    let mut stream = connect(address, ECHO).await;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let started = Instant::now();
        echo(&mut stream).await;
        times.push(started.elapsed());
    }
    times
}

/// A connection of its own for one message and its echo.
pub(crate) async fn connect_and_echo(address: &str) -> Duration {
    let started = Instant::now();
    let mut stream = connect(address, ECHO).await;
    echo(&mut stream).await;
    started.elapsed()
}

async fn connect(address: &str, what: u8) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.expect("somebody listens");
    stream.set_nodelay(true).expect("a TCP socket");
    stream.write_all(&[what]).await.expect("somebody reads");
    stream
}

async fn echo(stream: &mut TcpStream) {
    let mut message = [7; MESSAGE_LEN];
    stream.write_all(&message).await.expect("somebody reads");
    stream.read_exact(&mut message).await.expect("an echo");
}
