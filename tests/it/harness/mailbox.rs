//! The letters that a server has written into its folder.

use std::{path::PathBuf, time::Duration};

use super::Server;

/// A letter as a mailbox would show it.
#[derive(Debug, Clone)]
pub struct Received {
    pub path: PathBuf,
    /// Header lines, each whole.
    pub headers: Vec<String>,
    pub text: String,
    pub html: String,
}

impl Received {
    /// Takes a message apart that has a plain and an HTML part.
    pub fn parse(path: PathBuf, message: &str) -> Self {
        let (head, body) = message.split_once("\r\n\r\n").unwrap();
        let headers: Vec<String> =
            head.replace("\r\n ", " ").replace("\r\n\t", " ").split("\r\n").map(str::to_owned).collect();
        let kind = headers.iter().find(|line| line.starts_with("Content-Type:")).unwrap();
        let boundary = kind.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
        let parts: Vec<&str> = body.split(&format!("--{boundary}")).collect();
        let part = |media_type: &str| {
            let part = parts.iter().find(|part| part.contains(media_type)).unwrap();
            let (head, body) = part.split_once("\r\n\r\n").unwrap();
            if head.contains("quoted-printable") { unquoted(body) } else { body.to_owned() }
        };
        Self { path, text: part("text/plain"), html: part("text/html"), headers }
    }

    pub fn header(&self, name: &str) -> &str {
        let start = format!("{name}: ");
        self.headers.iter().find_map(|line| line.strip_prefix(&start)).unwrap_or_default()
    }

    /// The link that the letter carries, whole.
    pub fn link(&self) -> String {
        let at = self.text.find("https://").unwrap_or_else(|| panic!("no link in {}", self.text));
        self.text[at..].split_whitespace().next().unwrap().to_owned()
    }

    /// The code in that link.
    pub fn code(&self) -> String {
        self.link().split("code=").nth(1).unwrap().to_owned()
    }
}

fn unquoted(text: &str) -> String {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'=' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Every letter to this address, the oldest first.
pub fn letters_to(server: &Server, email: &str) -> Vec<Received> {
    let Ok(entries) = std::fs::read_dir(server.folder.path().join("mail")) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| Received::parse(path.clone(), &std::fs::read_to_string(&path).unwrap()))
        .filter(|letter| letter.header("To") == email)
        .collect()
}

/// Waits until there are `count` letters to this address; the last of them.
pub async fn letter_to(server: &Server, email: &str, count: usize) -> Received {
    until(&format!("letter {count} to {email}"), async || {
        letters_to(server, email).into_iter().nth(count - 1)
    })
    .await
}

/// Waits until something is there.
pub async fn until<T>(what: &str, look: impl AsyncFn() -> Option<T>) -> T {
    for _ in 0..600 {
        if let Some(found) = look().await {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited in vain for {what}")
}
