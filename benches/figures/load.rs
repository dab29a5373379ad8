//! A closed-loop client of HTTP/1.1: so many connections, each with one request under way, for so long.
//!
//! It knows as much of HTTP as the servers measured here speak. What it costs itself is not counted: only the servers and
//! their PostgreSQL are looked at.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::StdRng};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

/// Writes the next request.
pub trait Requests: Send + Sync + 'static {
    fn write(&self, rng: &mut StdRng, to: &mut Vec<u8>);

    /// Whether an answer with this status is the one that is measured.
    fn is_good(&self, status: u16) -> bool {
        (200..300).contains(&status)
    }
}

impl<F: Fn(&mut StdRng, &mut Vec<u8>) + Send + Sync + 'static> Requests for F {
    fn write(&self, rng: &mut StdRng, to: &mut Vec<u8>) {
        self(rng, to);
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Outcome {
    pub requests: u64,
    /// Answers other than what is measured, and one of them.
    pub failures: u64,
    pub failure: Option<String>,
    /// Sorted.
    pub latencies: Vec<Duration>,
    pub lasted: Duration,
}

impl Outcome {
    pub fn percentile(&self, part: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place in a list of measurements"
        )]
        let place = (last as f64 * part) as usize;
        self.latencies.get(place).copied().unwrap_or_default()
    }

    pub fn rate(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "far fewer requests than 2^52")]
        let requests = self.requests as f64;
        requests / self.lasted.as_secs_f64()
    }
}

/// Sends requests for a while. Panics when an answer is not good: a figure of other answers is no figure.
pub async fn run(
    address: SocketAddr,
    connections: usize,
    lasts: Duration,
    requests: std::sync::Arc<impl Requests>,
) -> Outcome {
    let began = Instant::now();
    let ends = began + lasts;
    let mut running = JoinSet::new();
    for seed in 0..connections {
        let requests = requests.clone();
        running.spawn(one(address, seed as u64, ends, requests));
    }
    let mut sum = Outcome::default();
    while let Some(done) = running.join_next().await {
        let done = done.expect("the client does not panic");
        sum.requests += done.requests;
        sum.failures += done.failures;
        sum.failure = sum.failure.or(done.failure);
        sum.latencies.extend(done.latencies);
    }
    sum.lasted = began.elapsed();
    sum.latencies.sort_unstable();
    assert!(
        sum.failures == 0,
        "{} of {} answers were no good: {}",
        sum.failures,
        sum.requests,
        sum.failure.unwrap_or_default()
    );
    sum
}

async fn one(
    address: SocketAddr,
    seed: u64,
    ends: Instant,
    requests: std::sync::Arc<impl Requests>,
) -> Outcome {
    let mut rng = StdRng::seed_from_u64(seed ^ u64::from(std::process::id()) << 8);
    let mut outcome = Outcome::default();
    let mut connection = None;
    let mut request = Vec::new();
    while Instant::now() < ends {
        request.clear();
        requests.write(&mut rng, &mut request);
        let sent = Instant::now();
        let mut stream = match connection.take() {
            Some(stream) => stream,
            None => connect(address).await,
        };
        let answer = match exchange(&mut stream, &request).await {
            Ok(answer) => answer,
            Err(error) => Answer { status: 0, text: error.to_string(), keeps_open: false },
        };
        outcome.latencies.push(sent.elapsed());
        outcome.requests += 1;
        if !requests.is_good(answer.status) {
            outcome.failures += 1;
            outcome.failure.get_or_insert(answer.text);
        }
        if answer.keeps_open {
            connection = Some(stream);
        }
    }
    outcome
}

async fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("a socket has this option");
    stream
}

struct Answer {
    status: u16,
    /// Only of a failure.
    text: String,
    keeps_open: bool,
}

async fn exchange(stream: &mut TcpStream, request: &[u8]) -> std::io::Result<Answer> {
    stream.write_all(request).await?;
    let mut read = Vec::with_capacity(16 * 1024);
    let head = loop {
        if let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break end + 4;
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    };
    let text = String::from_utf8_lossy(&read[..head]).to_ascii_lowercase();
    let header =
        |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let length: Option<usize> = header("content-length").and_then(|length| length.parse().ok());
    let keeps_open = header("connection") != Some("close") && length.is_some();
    loop {
        if length.is_some_and(|length| read.len() >= head + length) {
            break;
        }
        if stream.read_buf(&mut read).await? == 0 {
            if length.is_some() {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            break;
        }
    }
    let text =
        if (200..300).contains(&status) { String::new() } else { String::from_utf8_lossy(&read).into() };
    Ok(Answer { status, text, keeps_open })
}
