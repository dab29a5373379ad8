//! A browser without scripts: keeps cookies, sends its Origin, and copies form tokens from the pages that it saw.

use std::{collections::BTreeMap, net::SocketAddr};

use reqwest::Method;

use super::{Answer, Api};

pub struct Browser {
    api: Api,
    pub origin: String,
    pub cookies: BTreeMap<String, String>,
    /// The form token of the page seen last.
    pub csrf: String,
}

impl Browser {
    pub fn new(address: SocketAddr, host: &str) -> Self {
        Self {
            api: Api::new(address, host),
            origin: format!("https://{host}"),
            cookies: BTreeMap::new(),
            csrf: String::new(),
        }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let answer = self.with_cookies().get(path).await;
        self.learn(&answer);
        answer
    }

    /// Sends a form as the page's own form would, with the token of the page seen last.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let csrf = self.csrf.clone();
        let mut all = vec![("_csrf", csrf.as_str())];
        all.extend_from_slice(fields);
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(all).finish();
        self.send_form(path, "application/x-www-form-urlencoded", body.into_bytes()).await
    }

    /// Sends a form with a file.
    pub async fn upload(&mut self, path: &str, fields: &[(&str, &str)], file: (&str, &str, &[u8])) -> Answer {
        let boundary = "----a-boundary-of-the-tests";
        let mut body = Vec::new();
        let csrf = self.csrf.clone();
        for (name, value) in fields.iter().chain([&("_csrf", csrf.as_str())]) {
            body.extend_from_slice(
                format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
                    .as_bytes(),
            );
        }
        let (name, file_name, content) = file;
        body.extend_from_slice(
            format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"; filename=\"{file_name}\"\r\n\
                 Content-Type: application/octet-stream\r\n\r\n"
            )
            .as_bytes(),
        );
        body.extend_from_slice(content);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        self.send_form(path, &format!("multipart/form-data; boundary={boundary}"), body).await
    }

    async fn send_form(&mut self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let api = self.with_cookies().header("origin", &self.origin);
        let answer = api.send(Method::POST, path, Some(content_type), body).await;
        self.learn(&answer);
        answer
    }

    /// The same browser's requests with a header more, such as `hx-request`.
    pub fn with_cookies(&self) -> Api {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if cookies.is_empty() { self.api.clone() } else { self.api.header("cookie", &cookies.join("; ")) }
    }

    fn learn(&mut self, answer: &Answer) {
        for line in answer.headers.get_all("set-cookie") {
            let line = line.to_str().unwrap();
            is_kept_to_its_host(line);
            let pair = line.split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if line.to_ascii_lowercase().contains("max-age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        if let Some(token) = between(&answer.text(), "<meta name=\"csrf\" content=\"", "\"") {
            self.csrf = token;
        }
    }
}

/// Every cookie that any test is ever given: of one host alone, over TLS alone, unseen by scripts, and not sent along by other sites.
fn is_kept_to_its_host(line: &str) {
    let parts: Vec<&str> = line.split(';').map(str::trim).collect();
    assert!(line.starts_with("__Host-"), "{line}");
    for part in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
        assert!(parts.contains(&part), "{line} is without {part}");
    }
    assert!(!line.to_ascii_lowercase().contains("domain="), "{line}");
}

/// The text between two marks.
pub fn between(text: &str, before: &str, after: &str) -> Option<String> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0.to_owned())
}
