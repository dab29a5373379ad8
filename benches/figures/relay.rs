//! Stands between a server and PostgreSQL: holds every reply back for a while, and hears which statements are sent.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// A relay that runs until its process ends.
pub struct Relay {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub async fn open(postgres: SocketAddr, delay: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let heard = Arc::new(Mutex::new(Vec::new()));
        let all = heard.clone();
        tokio::spawn(async move {
            while let Ok((front, _)) = listener.accept().await {
                let Ok(back) = TcpStream::connect(postgres).await else { continue };
                let _ = (front.set_nodelay(true), back.set_nodelay(true));
                let (front_read, front_write) = front.into_split();
                let (back_read, back_write) = back.into_split();
                tokio::spawn(forward(front_read, back_write, all.clone()));
                tokio::spawn(hold_back(back_read, front_write, delay));
            }
        });
        Self { address, heard }
    }

    /// The texts of all statements so far: those that were prepared, and those sent as plain text.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().expect("nobody panics with it").clone()
    }
}

async fn forward(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, heard: Arc<Mutex<Vec<String>>>) {
    let mut unread = Vec::new();
    let mut started = false;
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut chunk).await {
        unread.extend_from_slice(&chunk[..size]);
        while let Some(message) = take_message(&mut unread, started) {
            started = true;
            heard.lock().expect("nobody panics with it").extend(text_of(&message));
        }
        if to.write_all(&chunk[..size]).await.is_err() {
            return;
        }
    }
    let _ = to.shutdown().await;
}

/// The first whole message, if there is one. The first of a connection has no type byte before its length.
fn take_message(unread: &mut Vec<u8>, started: bool) -> Option<Vec<u8>> {
    let begins = usize::from(started);
    let length = unread.get(begins..begins + 4)?;
    let length = u32::from_be_bytes(length.try_into().ok()?) as usize + begins;
    if unread.len() < length {
        return None;
    }
    let rest = unread.split_off(length);
    Some(std::mem::replace(unread, rest))
}

/// The SQL of `Parse` (behind the statement's name) and of `Query`.
fn text_of(message: &[u8]) -> Option<String> {
    let body = message.get(5..)?;
    let mut texts = body.split(|byte| *byte == 0);
    let sql = match message.first()? {
        b'P' => texts.nth(1)?,
        b'Q' => texts.next()?,
        _ => return None,
    };
    Some(String::from_utf8_lossy(sql).into_owned())
}

async fn hold_back(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    tokio::spawn(async move {
        while let Some((due, bytes)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        let _ = to.shutdown().await;
    });
    let mut chunk = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut chunk).await {
        if sender.send((Instant::now() + delay, chunk[..size].to_vec())).is_err() {
            return;
        }
    }
}
