//! A proxy between the server and PostgreSQL that understands enough of the protocol to tell what was sent, and can hold back
//! what the database answers, or be the database that is away.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// A message that passed.
#[derive(Debug, Clone)]
pub struct Passed {
    /// Which connection, counted from 0.
    pub connection: usize,
    /// The role that the connection logged in as.
    pub role: String,
    pub from_server: bool,
    /// The protocol's letter: `Q` a simple query, `B` a bound statement, `Z` ready for more.
    pub kind: char,
    /// The text of a `Q`; the transaction's state of a `Z`.
    pub text: String,
}

pub struct Proxy {
    address: SocketAddr,
    inner: Arc<Inner>,
}

struct Inner {
    target: SocketAddr,
    /// Roles whose answers are held back begin or end with it.
    held: Mutex<Option<String>>,
    released: Condvar,
    is_down: AtomicBool,
    passed: Mutex<Vec<Passed>>,
    sockets: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// Before the server that `url` names.
    pub fn before(url: &str) -> Self {
        let parsed = url::Url::parse(url).unwrap();
        let target = format!("{}:{}", parsed.host_str().unwrap(), parsed.port().unwrap()).parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            target,
            held: Mutex::new(None),
            released: Condvar::new(),
            is_down: AtomicBool::new(false),
            passed: Mutex::new(Vec::new()),
            sockets: Mutex::new(Vec::new()),
        });
        let accepting = inner.clone();
        thread::spawn(move || {
            for (connection, client) in listener.incoming().enumerate() {
                let Ok(client) = client else { return };
                if accepting.is_down.load(Ordering::SeqCst) {
                    continue;
                }
                accepting.carry(connection, client);
            }
        });
        Self { address, inner }
    }

    /// The URL with this proxy's port.
    pub fn url(&self, url: &str) -> String {
        let mut parsed = url::Url::parse(url).unwrap();
        parsed.set_port(Some(self.address.port())).unwrap();
        parsed.to_string()
    }

    /// Holds back every answer to roles whose name has `part` in it.
    pub fn hold(&self, part: &str) {
        *self.inner.held.lock().unwrap() = Some(part.to_owned());
    }

    pub fn release(&self) {
        *self.inner.held.lock().unwrap() = None;
        self.inner.released.notify_all();
    }

    /// Cuts every connection and takes no new one.
    pub fn go_down(&self) {
        self.inner.is_down.store(true, Ordering::SeqCst);
        for socket in self.inner.sockets.lock().unwrap().drain(..) {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    pub fn come_back(&self) {
        self.inner.is_down.store(false, Ordering::SeqCst);
    }

    /// Forgets what passed.
    pub fn forget(&self) {
        self.inner.passed.lock().unwrap().clear();
    }

    pub fn passed(&self) -> Vec<Passed> {
        self.inner.passed.lock().unwrap().clone()
    }

    /// Waits until something passed that `wanted` is true of.
    pub fn wait_for(&self, wanted: impl Fn(&Passed) -> bool) -> bool {
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until {
            if self.inner.passed.lock().unwrap().iter().any(&wanted) {
                return true;
            }
            thread::yield_now();
        }
        false
    }
}

impl Inner {
    fn carry(self: &Arc<Self>, connection: usize, client: TcpStream) {
        let Ok(server) = TcpStream::connect(self.target) else { return };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let mut sockets = self.sockets.lock().unwrap();
        sockets.push(client.try_clone().unwrap());
        sockets.push(server.try_clone().unwrap());
        drop(sockets);
        let role = Arc::new(Mutex::new(String::new()));
        let (there, back) = (self.clone(), self.clone());
        let (to_server, from_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let told = role.clone();
        thread::spawn(move || there.pump(connection, &told, false, from_client, to_server));
        thread::spawn(move || back.pump(connection, &role, true, server, client));
    }

    fn pump(
        &self,
        connection: usize,
        role: &Mutex<String>,
        from_server: bool,
        mut from: TcpStream,
        mut to: TcpStream,
    ) {
        let mut buffer = vec![0; 65_536];
        let mut unread = Vec::new();
        let mut is_started = from_server;
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            unread.extend_from_slice(&buffer[..count]);
            if !is_started {
                is_started = take_startup(&mut unread, role);
            }
            if is_started {
                while let Some((kind, body)) = take_message(&mut unread) {
                    let role = role.lock().unwrap().clone();
                    let text = match kind {
                        'Q' => String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned(),
                        'Z' => char::from(body[0]).to_string(),
                        _ => String::new(),
                    };
                    self.passed.lock().unwrap().push(Passed { connection, role, from_server, kind, text });
                }
            }
            if from_server {
                let mut held = self.held.lock().unwrap();
                while held.as_ref().is_some_and(|part| role.lock().unwrap().contains(part)) {
                    held = self.released.wait(held).unwrap();
                }
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}

/// The first message has no letter; the role's name stands in it.
fn take_startup(unread: &mut Vec<u8>, role: &Mutex<String>) -> bool {
    let Some(length) = unread.first_chunk::<4>().map(|four| u32::from_be_bytes(*four) as usize) else {
        return false;
    };
    if unread.len() < length {
        return false;
    }
    let message: Vec<u8> = unread.drain(..length).collect();
    let words: Vec<String> =
        message[8..].split(|b| *b == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    if let Some(at) = words.iter().position(|word| word == "user") {
        role.lock().unwrap().clone_from(&words[at + 1]);
    }
    true
}

fn take_message(unread: &mut Vec<u8>) -> Option<(char, Vec<u8>)> {
    let head = unread.first_chunk::<5>()?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if unread.len() < length + 1 {
        return None;
    }
    let message: Vec<u8> = unread.drain(..=length).collect();
    Some((char::from(message[0]), message[5..].to_vec()))
}
