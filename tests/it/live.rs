//! What happens now, told to those who watch: nobody else's, nothing lost, nothing twice.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_postgres::Client;
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest},
};
use uuid::Uuid;

use crate::harness::{Browser, Server, Settings, Tenant, sql, tenant, text};

type Socket = WebSocketStream<TcpStream>;

fn cookies(browser: &Browser) -> String {
    browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
}

/// Opens a socket with these headers; the status when it is refused.
async fn open(
    server: &Server,
    host: &str,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<Socket, u16> {
    let mut request = format!("ws://{host}{path}").into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(server.address).await.unwrap();
    match client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn watch(tenant: &Tenant, server: &Server, browser: &Browser, query: &str) -> Socket {
    let origin = format!("https://{}", tenant.host);
    let cookie = cookies(browser);
    let headers = [("origin", origin.as_str()), ("cookie", cookie.as_str())];
    open(server, &tenant.host, &format!("/ws?{query}"), &headers).await.unwrap()
}

/// The next thing told; None when it is over.
async fn told(socket: &mut Socket) -> Option<Value> {
    loop {
        let message = timeout(Duration::from_secs(20), socket.next()).await.expect("nothing was told");
        match message {
            Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            _ => return None,
        }
    }
}

fn texts(told: &Value) -> Vec<String> {
    told["items"].as_array().unwrap().iter().map(|line| text(line, "/text")).collect()
}

/// Puts a line into the bell of all who hold a permission, in the transaction that is open.
async fn notice(client: &Client, tenant: &Tenant, schema: &str, line: &str) {
    client
        .execute(
            &format!("INSERT INTO {schema}.notice (id, permission, text, href) VALUES ($1, 'areas.view', $2, '/areas')"),
            &[&Uuid::now_v7(), &line],
        )
        .await
        .unwrap();
    tell(client, tenant, "notices").await;
}

async fn tell(client: &Client, tenant: &Tenant, topic: &str) {
    let payload = format!("{} {topic}", tenant.id);
    client.execute("SELECT pg_notify('lastmile_live', $1)", &[&payload]).await.unwrap();
}

#[tokio::test]
async fn strangers_are_refused() {
    let tenant = tenant().await;
    let server = tenant.server;
    let browser = tenant.browser().await;
    let (own, cookie) = (format!("https://{}", tenant.host), cookies(&browser));
    let refused =
        async |headers: &[(&'static str, &str)]| open(server, &tenant.host, "/ws", headers).await.err();
    assert_eq!(refused(&[("origin", own.as_str())]).await, Some(401));
    assert_eq!(refused(&[("origin", "https://evil.example"), ("cookie", cookie.as_str())]).await, Some(403));
    assert_eq!(refused(&[("origin", "null"), ("cookie", cookie.as_str())]).await, Some(403));
    assert_eq!(
        refused(&[("cookie", cookie.as_str())]).await,
        Some(403),
        "a browser always says where it comes from"
    );
    assert_eq!(
        refused(&[("origin", own.as_str()), ("cookie", "__Host-lm_session=made-up")]).await,
        Some(401)
    );
    // A session of another tenant is none here.
    let other = crate::harness::tenant().await;
    let foreign = cookies(&other.browser().await);
    assert_eq!(refused(&[("origin", own.as_str()), ("cookie", foreign.as_str())]).await, Some(401));
    assert!(refused(&[("origin", own.as_str()), ("cookie", cookie.as_str())]).await.is_none());
    assert_eq!(tenant.anonymous().get("/events").await.status, 401);
    let wrong = open(
        server,
        &tenant.host,
        "/ws?topics=staff",
        &[("origin", own.as_str()), ("cookie", cookie.as_str())],
    )
    .await;
    assert_eq!(wrong.err(), Some(422));
}

#[tokio::test]
async fn each_tenant_is_told_its_own_in_every_process() {
    let (ours, theirs) = (tenant().await, tenant().await);
    let other = ours.server.sibling(Settings::default());
    let client = sql(&ours.server.database).await;
    let (our_schema, their_schema) = (ours.schema().await, theirs.schema().await);
    let (us, them) = (ours.browser().await, theirs.browser().await);
    let mut here = watch(&ours, ours.server, &us, "topics=deliveries").await;
    let mut there = watch(&ours, other, &us, "").await;
    let mut strange = watch(&theirs, other, &them, "topics=deliveries").await;
    for socket in [&mut here, &mut there, &mut strange] {
        let first = told(socket).await.unwrap();
        assert_eq!(
            (&first["type"], &first["unread"], texts(&first).len()),
            (&json!("notices"), &json!(0), 0)
        );
    }
    notice(&client, &ours, &our_schema, "Ours").await;
    for socket in [&mut here, &mut there] {
        let first = told(socket).await.unwrap();
        assert_eq!((texts(&first), &first["unread"]), (vec!["Ours".to_owned()], &json!(1)));
    }
    tell(&client, &ours, "deliveries").await;
    assert_eq!(told(&mut here).await.unwrap(), json!({"type": "changed", "topics": ["deliveries"]}));
    // The stranger hears of the first thing that is its own, and of nothing before.
    notice(&client, &theirs, &their_schema, "Theirs").await;
    assert_eq!(texts(&told(&mut strange).await.unwrap()), ["Theirs"]);
    // Topics are added on the way; other words end the connection.
    let message = Uuid::now_v7();
    there
        .send(Message::Text(
            json!({"type": "watch", "topics": [format!("message:{message}")]}).to_string().into(),
        ))
        .await
        .unwrap();
    there.send(Message::Text(json!({"type": "ping"}).to_string().into())).await.unwrap();
    let told_there = tokio::spawn(async move { told(&mut there).await });
    for _ in 0..50 {
        if told_there.is_finished() {
            break;
        }
        tell(&client, &ours, &format!("message:{message}")).await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(told_there.await.unwrap().unwrap()["topics"], json!([format!("message:{message}")]));
    here.send(Message::Text("{}".into())).await.unwrap();
    assert_eq!(told(&mut here).await, None);
    other.terminate();
}

#[tokio::test]
async fn a_lost_connection_goes_on_where_it_was() {
    let tenant = tenant().await;
    let (client, slow) = (sql(&tenant.server.database).await, sql(&tenant.server.database).await);
    let schema = tenant.schema().await;
    let browser = tenant.browser().await;
    let mut socket = watch(&tenant, tenant.server, &browser, "").await;
    let at = text(&told(&mut socket).await.unwrap(), "/at");
    drop(socket);
    // This one was written before the others and can be seen only after them.
    slow.batch_execute("BEGIN").await.unwrap();
    notice(&slow, &tenant, &schema, "Slow").await;
    for line in ["One", "Two"] {
        notice(&client, &tenant, &schema, line).await;
    }
    let mut socket = watch(&tenant, tenant.server, &browser, &format!("after={at}")).await;
    let first = told(&mut socket).await.unwrap();
    assert_eq!((texts(&first), &first["unread"]), (vec!["One".to_owned(), "Two".to_owned()], &json!(2)));
    slow.batch_execute("COMMIT").await.unwrap();
    let second = told(&mut socket).await.unwrap();
    assert_eq!((texts(&second), &second["unread"]), (vec!["Slow".to_owned()], &json!(3)));
    drop(socket);
    // Nothing twice, from wherever it goes on.
    for (after, expected) in [
        (text(&second, "/at"), vec![]),
        (text(&first, "/at"), vec!["Slow".to_owned()]),
        ("made-up".to_owned(), vec![]),
    ] {
        let mut socket = watch(&tenant, tenant.server, &browser, &format!("after={after}")).await;
        assert_eq!(texts(&told(&mut socket).await.unwrap()), expected);
    }
    // Many at once: every line arrives once.
    let mut socket = watch(&tenant, tenant.server, &browser, "").await;
    told(&mut socket).await.unwrap();
    let writers = (0..4).map(|writer| {
        let (database, tenant, schema) = (tenant.server.database.clone(), &tenant, schema.clone());
        async move {
            let client = sql(&database).await;
            for n in 0..15 {
                client.batch_execute("BEGIN").await.unwrap();
                notice(&client, tenant, &schema, &format!("w{writer}-{n}")).await;
                tokio::time::sleep(Duration::from_millis(u64::from(rand::random::<u8>() % 20))).await;
                client.batch_execute("COMMIT").await.unwrap();
            }
        }
    });
    let heard = async {
        let mut heard = Vec::new();
        while heard.len() < 60 {
            heard.extend(texts(&told(&mut socket).await.unwrap()));
        }
        heard
    };
    let (_, mut heard) = tokio::join!(futures_util::future::join_all(writers), heard);
    heard.sort();
    let mut wanted: Vec<String> = (0..4).flat_map(|w| (0..15).map(move |n| format!("w{w}-{n}"))).collect();
    wanted.sort();
    assert_eq!(heard, wanted);
}

#[tokio::test]
async fn it_ends_with_the_session() {
    let tenant = tenant().await;
    let mut browser = tenant.browser().await;
    let mut socket = watch(&tenant, tenant.server, &browser, "").await;
    told(&mut socket).await.unwrap();
    browser.get("/").await;
    browser.post("/sign-out", &[]).await.expect_status(303);
    assert_eq!(told(&mut socket).await, None);
}

#[tokio::test]
async fn it_ends_for_who_is_switched_off_in_every_process() {
    let tenant = tenant().await;
    let person = tenant.person(&["areas.view"]).await;
    let browser = tenant.browser_as(&person.email, crate::harness::PASSWORD).await;
    let second = tenant.server.second_process();
    let (mut here, mut there) =
        (watch(&tenant, tenant.server, &browser, "").await, watch(&tenant, second, &browser, "").await);
    told(&mut here).await.unwrap();
    told(&mut there).await.unwrap();
    let path = format!("/api/v1/staff/{}", person.id);
    tenant.api().await.patch(&path, json!({"is_active": false})).await.expect(200);
    assert_eq!((told(&mut here).await, told(&mut there).await), (None, None));
}

#[tokio::test]
async fn programs_come_with_a_token() {
    let tenant = tenant().await;
    let signed_in = tenant
        .anonymous()
        .post(
            "/api/v1/auth/token",
            json!({"email": tenant.owner_email, "password": crate::harness::PASSWORD}),
        )
        .await
        .expect(200);
    let token = text(&signed_in, "/access_token");
    let bearer = format!("Bearer {token}");
    let mut socket =
        open(tenant.server, &tenant.host, "/ws", &[("authorization", bearer.as_str())]).await.unwrap();
    assert_eq!(told(&mut socket).await.unwrap()["type"], "notices");
    let protocol = [("sec-websocket-protocol", "lastmile.v1")];
    let mut socket = open(tenant.server, &tenant.host, "/ws", &protocol).await.unwrap();
    let hello = json!({"type": "hello", "token": token, "topics": ["deliveries"]});
    socket.send(Message::Text(hello.to_string().into())).await.unwrap();
    assert_eq!(told(&mut socket).await.unwrap()["type"], "notices");
    let mut socket = open(tenant.server, &tenant.host, "/ws", &protocol).await.unwrap();
    let hello = json!({"type": "hello", "token": "made-up"});
    socket.send(Message::Text(hello.to_string().into())).await.unwrap();
    assert_eq!(told(&mut socket).await, None);
    // Other sites' scripts do not even begin.
    let foreign = [("sec-websocket-protocol", "lastmile.v1"), ("origin", "https://evil.example")];
    assert_eq!(open(tenant.server, &tenant.host, "/ws", &foreign).await.err(), Some(403));
}

#[tokio::test]
async fn events_are_sent_where_sockets_do_not_come_through() {
    let tenant = tenant().await;
    let client = sql(&tenant.server.database).await;
    let schema = tenant.schema().await;
    let browser = tenant.browser().await;
    let mut stream = TcpStream::connect(tenant.server.address).await.unwrap();
    let request =
        format!("GET /events HTTP/1.1\r\nHost: {}\r\nCookie: {}\r\n\r\n", tenant.host, cookies(&browser));
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut seen = String::new();
    let mut read_until = async |mark: &str| {
        let mut buffer = [0; 4096];
        while !seen.contains(mark) {
            let n = timeout(Duration::from_secs(20), stream.read(&mut buffer)).await.unwrap().unwrap();
            assert!(n > 0, "it ended: {seen}");
            seen.push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
        seen.clone()
    };
    let head = read_until("\"unread\":0").await;
    assert!(head.contains("text/event-stream") && head.contains("id: "), "{head}");
    notice(&client, &tenant, &schema, "By events").await;
    read_until("By events").await;
}
