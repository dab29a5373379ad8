use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures_util::future::BoxFuture;
use proptest::prelude::*;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};
use url::Url;

use super::{
    guard::{AnyError, Guard, Names, is_public},
    *,
};

/// Names as a test says; every look-up takes the next answer, and the last one stays.
struct Script {
    answers: Vec<&'static str>,
    asked: AtomicUsize,
}

impl Script {
    fn new(answers: &[&'static str]) -> Arc<Self> {
        Arc::new(Self { answers: answers.to_vec(), asked: AtomicUsize::new(0) })
    }
}

impl Names for Script {
    fn look_up(&self, _name: String) -> BoxFuture<'_, std::result::Result<Vec<IpAddr>, AnyError>> {
        let turn = self.asked.fetch_add(1, Ordering::SeqCst).min(self.answers.len().saturating_sub(1));
        let answer = self.answers.get(turn).copied().unwrap_or_default();
        Box::pin(async move {
            match answer {
                "" => Err(Box::new(io::Error::other("no such name")) as AnyError),
                list => Ok(list.split(' ').map(|ip| ip.parse().unwrap()).collect()),
            }
        })
    }
}

fn quick(mut settings: OutboundSettings) -> OutboundSettings {
    settings.connect_ms = 500;
    settings.timeout_ms = 700;
    settings
}

fn client(settings: OutboundSettings, names: Arc<Script>) -> Outbound {
    let settings = quick(settings);
    Outbound::build(&settings, Guard::with_names(&settings, names), |client| client).unwrap()
}

/// As in production.
fn strict(names: &[&'static str]) -> Outbound {
    client(OutboundSettings::default(), Script::new(names))
}

/// As in development: this machine may be called.
fn at_home(names: &[&'static str]) -> Outbound {
    client(OutboundSettings::on_this_machine(), Script::new(names))
}

fn get(url: &str) -> Request {
    Request::get(Url::parse(url).unwrap())
}

/// A server that reads a request's head and then writes what it was told, byte for byte; `None` hangs up at once, an empty text
/// never answers.
struct Wire {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Wire {
    async fn start(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let kept = heard.clone();
        let task = tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    let mut part = [0; 4096];
                    match stream.read(&mut part).await {
                        Ok(0) | Err(_) => break,
                        Ok(n) => head.extend_from_slice(&part[..n]),
                    }
                }
                kept.lock().unwrap().push(String::from_utf8_lossy(&head).into_owned());
                match &answer {
                    None => drop(stream),
                    Some(text) if text.is_empty() => {
                        tokio::spawn(async move {
                            let _open = stream;
                            std::future::pending::<()>().await;
                        });
                    }
                    Some(text) => drop(stream.write_all(text).await),
                }
            }
        });
        Self { address, heard, task }
    }

    async fn saying(answer: &str) -> Self {
        Self::start(Some(answer.replace('\n', "\r\n").into_bytes())).await
    }

    fn url(&self) -> String {
        format!("http://{}/secret-canary/x?key=secret-canary", self.address)
    }

    fn heard(&self) -> usize {
        self.heard.lock().unwrap().len()
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[test]
fn only_the_open_internet_is_public() {
    for ip in [
        "8.8.8.8",
        "1.1.1.1",
        "172.15.0.1",
        "172.32.0.1",
        "100.63.0.1",
        "2606:4700::1111",
        "64:ff9b::808:808",
    ] {
        assert!(is_public(ip.parse().unwrap()), "{ip} is public");
    }
    for ip in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.192",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.7",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "192.88.99.1",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1",
        "3fff::1",
        "5f00::1",
        "4000::1",
        "100::1",
    ] {
        assert!(!is_public(ip.parse().unwrap()), "{ip} is not public");
    }
}

proptest! {
    #[test]
    fn an_ipv4_address_in_ipv6_clothes_is_never_more_public(octets in any::<[u8; 4]>()) {
        let v4 = std::net::Ipv4Addr::from(octets);
        prop_assert!(!is_public(v4.to_ipv6_mapped().into()));
        let [a, b, c, d] = octets;
        let [high, low] = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
        let nat64 = std::net::Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low);
        prop_assert_eq!(is_public(nat64.into()), is_public(v4.into()));
        let six_to_four = std::net::Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1);
        prop_assert!(!is_public(six_to_four.into()));
    }
}

#[tokio::test]
async fn private_addresses_are_refused_in_every_spelling() {
    let outbound = strict(&["127.0.0.1"]);
    for url in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://017700000001/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://169.254.169.254/latest",
        "https://[fd00:ec2::254]/",
        "https://0/",
        "https://localhost/",
        "https://a.localhost/",
        "https://localhost./",
        "https://metadata.test/",
        "https://10.0.0.1:8443/",
        "https://①②⑦.0.0.1/",
    ] {
        let refused = outbound.send(get(url)).await.unwrap_err();
        assert!(matches!(refused, Failure::Forbidden(_)), "{url}: {refused:?}");
    }
}

#[tokio::test]
async fn other_schemes_and_passwords_in_addresses_are_refused() {
    let outbound = at_home(&["127.0.0.1"]);
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let port = server.address.port();
    for url in [
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "gopher://8.8.8.8/",
        &format!("http://u:p@127.0.0.1:{port}/"),
    ] {
        let refused = outbound.send(get(url)).await.unwrap_err();
        assert!(matches!(refused, Failure::Forbidden(_)), "{url}: {refused:?}");
    }
    let odd = get(&format!("http://127.0.0.1:{port}/")).bearer("line\nbreak");
    assert!(matches!(outbound.send(odd).await.unwrap_err(), Failure::Forbidden(_)));
    assert_eq!(server.heard(), 0);
}

#[tokio::test]
async fn plain_http_goes_to_allowed_networks_only() {
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let port = server.address.port();
    let outbound = at_home(&["127.0.0.1"]);
    assert_eq!(outbound.send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap().status, 200);
    assert_eq!(outbound.send(get(&format!("http://gateway.test:{port}/"))).await.unwrap().status, 200);
    for (names, url) in [("8.8.8.8", "http://provider.test/"), ("8.8.8.8", "http://8.8.8.8/")] {
        let refused = at_home(&[names]).send(get(url)).await.unwrap_err();
        assert_eq!(refused, Failure::Forbidden("This address is called over https only.".into()), "{url}");
    }
    let refused = strict(&["127.0.0.1"]).send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(matches!(refused, Failure::Forbidden(_)));
    // What is allowed is this machine, not every private network.
    assert!(matches!(at_home(&["10.0.0.1"]).send(get("https://x.test/")).await, Err(Failure::Forbidden(_))));
    assert_eq!(server.heard(), 2);
}

#[tokio::test]
async fn only_listed_hosts_and_ports_of_the_internet_are_called() {
    const UNLISTED: &str = "This host or port is not among those that are called from here.";
    let hosts = ["api.twilio.com", "*.provider.test"].map(|host| host.parse().unwrap());
    let listed = |settings: OutboundSettings| OutboundSettings { allowed_hosts: hosts.to_vec(), ..settings };
    let outbound = client(listed(OutboundSettings::default()), Script::new(&["8.8.8.8"]));
    let may = async |url: &str| outbound.may_call(&Url::parse(url).unwrap()).await;
    for url in ["https://api.twilio.com/x", "https://API.twilio.com./x", "https://sms.provider.test:8443/"] {
        assert_eq!(may(url).await, Ok(()), "{url}");
    }
    for url in [
        "https://twilio.com/",
        "https://api.twilio.com.evil.test/",
        "https://evilprovider.test/",
        "https://provider.test/",
        "https://api.twilio.com:22/",
        "https://8.8.8.8/",
        "https://[2606:4700::1]/",
    ] {
        assert_eq!(may(url).await, Err(Failure::Forbidden(UNLISTED.into())), "{url}");
        assert_eq!(outbound.send(get(url)).await.err(), Some(Failure::Forbidden(UNLISTED.into())), "{url}");
    }
    assert_eq!(outbound.addresses("mail.provider.test", 587).await.map(|found| found.len()), Ok(1));
    assert_eq!(
        outbound.addresses("mail.provider.test", 5432).await,
        Err(Failure::Forbidden(UNLISTED.into()))
    );
    // Without a list of hosts every public one is called, and at no other port either.
    assert_eq!(strict(&["8.8.8.8"]).may_call(&Url::parse("https://x.test/").unwrap()).await, Ok(()));
    assert!(strict(&["8.8.8.8"]).may_call(&Url::parse("https://x.test:6379/").unwrap()).await.is_err());
    // Networks that the operator named are called by any name, at any port.
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let home = client(listed(OutboundSettings::on_this_machine()), Script::new(&["127.0.0.1"]));
    let url = format!("http://gateway.test:{}/", server.address.port());
    assert_eq!(home.send(get(&url)).await.unwrap().status, 200);
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_caught_at_the_second_look() {
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\nConnection: close\n\n").await;
    let names = Script::new(&["127.0.0.1", "10.0.0.1"]);
    let outbound = client(OutboundSettings::on_this_machine(), names.clone());
    let url = format!("http://rebinding.test:{}/", server.address.port());
    assert_eq!(outbound.send(get(&url)).await.unwrap().status, 200);
    assert!(matches!(outbound.send(get(&url)).await.unwrap_err(), Failure::Forbidden(_)));
    assert_eq!(names.asked.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn of_a_name_with_both_kinds_only_the_good_ones_are_called() {
    let outbound = at_home(&["10.0.0.1 127.0.0.1 ::1 169.254.169.254"]);
    let found = outbound.addresses("mail.test", 25).await.unwrap();
    assert_eq!(found, ["127.0.0.1:25".parse().unwrap(), "[::1]:25".parse::<SocketAddr>().unwrap()]);
    for host in ["10.0.0.1", "[::ffff:10.0.0.1]", "192.168.1.1"] {
        assert!(matches!(outbound.addresses(host, 25).await.unwrap_err(), Failure::Forbidden(_)), "{host}");
    }
    assert!(matches!(strict(&["10.0.0.1"]).addresses("mail.test", 25).await, Err(Failure::Forbidden(_))));
    assert!(matches!(strict(&[""]).addresses("mail.test", 25).await, Err(Failure::NotSent(_))));
}

#[tokio::test]
async fn what_fails_before_the_request_was_surely_not_sent() {
    let outbound = at_home(&[""]);
    assert!(matches!(outbound.send(get("https://nowhere.test/")).await.unwrap_err(), Failure::NotSent(_)));
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port();
    drop(taken);
    let refused = outbound.send(get(&format!("http://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(matches!(refused, Failure::NotSent(_)), "{refused:?}");
    // No TLS is spoken there.
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    let no_tls = outbound.send(get(&server.url().replace("http:", "https:"))).await.unwrap_err();
    assert!(matches!(no_tls, Failure::NotSent(_)), "{no_tls:?}");
}

#[tokio::test]
async fn what_fails_after_the_request_may_have_arrived() {
    let outbound = at_home(&["127.0.0.1"]);
    for (name, answer, status) in [
        ("cut", None, None),
        ("silence", Some(""), None),
        ("garbage", Some("\u{1}\u{2}\u{3} what?\n\n"), None),
        ("cut in the body", Some("HTTP/1.1 200 OK\nContent-Length: 100\n\nhalf"), Some(200)),
        ("cut chunk", Some("HTTP/1.1 500 No\nTransfer-Encoding: chunked\n\n5\nhal"), Some(500)),
        ("huge by its length", Some("HTTP/1.1 200 OK\nContent-Length: 99999999999999999999\n\n"), None),
    ] {
        let server = Wire::start(answer.map(|text| text.replace('\n', "\r\n").into_bytes())).await;
        let failure = outbound.send(get(&server.url()).bearer("secret-canary")).await.unwrap_err();
        let Failure::Unanswered { status: seen, detail } = &failure else { panic!("{name}: {failure:?}") };
        assert_eq!(*seen, status, "{name}: {detail}");
        assert_eq!(server.heard(), 1, "{name}: sent once, never again");
    }
}

#[tokio::test]
async fn a_long_answer_is_cut_off_while_it_comes() {
    let body = "x".repeat(10 * 1024 * 1024);
    let server = Wire::saying(&format!("HTTP/1.1 200 OK\nContent-Length: {}\n\n{body}", body.len())).await;
    let failure = at_home(&["127.0.0.1"]).send(get(&server.url())).await.unwrap_err();
    assert_eq!(
        failure,
        Failure::Unanswered { status: Some(200), detail: "The answer has more than 1048576 bytes.".into() }
    );
}

#[tokio::test]
async fn a_redirect_is_an_answer() {
    let inner = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 0\n\n").await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("http://{}/latest/meta-data", inner.address);
        let server =
            Wire::saying(&format!("HTTP/1.1 {status} Moved\nLocation: {location}\nContent-Length: 0\n\n"))
                .await;
        let answer = at_home(&["127.0.0.1"]).send(get(&server.url())).await.unwrap();
        assert_eq!(answer.status, status);
    }
    assert_eq!(inner.heard(), 0);
}

#[tokio::test]
async fn nothing_shows_the_address_or_the_credential() {
    let canary = "secret-canary";
    let outbound = at_home(&[""]);
    let cut = Wire::start(None).await;
    let request = || get(&cut.url()).bearer(canary).header("x-key", canary);
    assert!(!format!("{:?}", request()).contains(canary));
    let sink = Sink::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_ansi(false).with_writer({
        let sink = sink.clone();
        move || sink.clone()
    });
    let _quiet_again = tracing::subscriber::set_default(log.finish());
    tracing::trace!("the log is on");
    let mut failures = vec![outbound.send(request()).await.unwrap_err()];
    failures
        .push(outbound.send(get("https://secret-name.test/secret-canary").bearer(canary)).await.unwrap_err());
    failures.push(
        outbound.send(get("http://127.0.0.1:1/secret-canary").basic(canary, canary)).await.unwrap_err(),
    );
    failures.push(outbound.send(get("https://10.0.0.1/secret-canary").bearer(canary)).await.unwrap_err());
    for failure in failures {
        assert!(!format!("{failure:?}").contains(canary), "{failure:?}");
        assert!(!failure.detail().is_empty());
    }
    let written = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
    assert!(written.contains("the log is on"));
    assert!(!written.contains(canary), "{written}");
}

#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<u8>>>);

impl io::Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_header_of_ours_says_more_than_it_must() {
    let server = Wire::saying("HTTP/1.1 200 OK\nContent-Length: 2\n\n{}").await;
    let url = Url::parse(&server.url()).unwrap();
    let request = Request::post(url).form([("To", "+233200000001"), ("Body", "a&b=c ü")]);
    let answer = at_home(&["127.0.0.1"]).send(request).await.unwrap();
    assert!(answer.is_success() && answer.json() == serde_json::json!({}));
    let heard = server.heard.lock().unwrap()[0].to_lowercase();
    assert!(heard.contains("content-type: application/x-www-form-urlencoded\r\n"), "{heard}");
    assert!(heard.contains("content-length: 40\r\n"), "{heard}");
    let names: Vec<&str> =
        heard.lines().skip(1).filter_map(|line| line.split_once(':')).map(|(n, _)| n).collect();
    for name in &names {
        assert!(["content-type", "content-length", "accept", "user-agent", "host"].contains(name), "{name}");
    }
}

#[test]
fn retry_after_comes_in_seconds_or_as_a_date() {
    let now: DateTime<Utc> = "2026-11-21T12:00:00Z".parse().unwrap();
    for (given, seconds) in [
        ("30", Some(30)),
        (" 0 ", Some(0)),
        ("99999999", Some(86_400)),
        ("Sat, 21 Nov 2026 12:01:00 GMT", Some(60)),
        ("Sat, 21 Nov 2026 11:00:00 GMT", Some(0)),
        ("soon", None),
        ("-5", None),
    ] {
        let headers = HeaderMap::from_iter([(reqwest::header::RETRY_AFTER, given.parse().unwrap())]);
        let answer = Answer { status: 429, headers, body: Bytes::new() };
        assert_eq!(answer.retry_after(now).map(|wait| wait.as_secs()), seconds, "{given}");
    }
}

#[test]
fn a_segment_stays_one_segment() {
    let base = Url::parse("https://api.test/v1/").unwrap();
    let url = |segments: &[&str]| Request::url_below(&base, segments).to_string();
    assert_eq!(url(&["a", "b"]), "https://api.test/v1/a/b");
    assert_eq!(url(&["bot12:AB-c", "send"]), "https://api.test/v1/bot12:AB-c/send");
    assert_eq!(url(&["../../x", "a?b#c", ".."]), "https://api.test/v1/..%2F..%2Fx/a%3Fb%23c");
}

#[tokio::test]
async fn the_certificate_must_be_of_a_known_authority() {
    let signed = rcgen::generate_simple_self_signed(["gateway.test".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![signed.cert.der().clone()], key)
            .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let mut head = [0; 2048];
                let _read = stream.read(&mut head).await;
                drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await);
            }
        }
    });
    let url = format!("https://gateway.test:{port}/");
    let stranger = at_home(&["127.0.0.1"]).send(get(&url)).await.unwrap_err();
    assert!(matches!(stranger, Failure::NotSent(_)), "{stranger:?}");
    let settings = quick(OutboundSettings::on_this_machine());
    let root = Certificate::from_der(signed.cert.der()).unwrap();
    let guard = Guard::with_names(&settings, Script::new(&["127.0.0.1"]));
    let known = Outbound::build(&settings, guard, |client| client.tls_certs_only([root.clone()])).unwrap();
    assert_eq!(known.send(get(&url)).await.unwrap().status, 200);
    let by_number = known.send(get(&format!("https://127.0.0.1:{port}/"))).await.unwrap_err();
    assert!(matches!(by_number, Failure::NotSent(_)), "{by_number:?}");
    task.abort();
}
