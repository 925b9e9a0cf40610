//! The client against real sockets that misbehave.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use jiff::SignedDuration;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use uuid::Uuid;

use super::*;
use crate::{domain::id::DeliveryId, port::clock::SystemClock};

const OK: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

/// What the target does with each request it has read whole, in order; then it closes.
#[derive(Clone, Copy)]
enum Act {
    Say(&'static str),
    SayAndClose(&'static str),
    Close,
    NeverAnswer,
}

#[derive(Debug, Default)]
struct Target {
    requests: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

async fn target(acts: &'static [Act]) -> (String, Arc<Target>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/receive?key=k1", listener.local_addr().unwrap());
    let seen = Arc::new(Target::default());
    let target = Arc::clone(&seen);
    let serving = async move {
        let mut acts = acts.iter().copied();
        while let Ok((mut stream, _)) = listener.accept().await {
            target.connections.fetch_add(1, Ordering::SeqCst);
            while let Some(request) = read_request(&mut stream).await {
                target.requests.lock().unwrap().push(request);
                match acts.next() {
                    Some(Act::Say(text)) => stream.write_all(text.as_bytes()).await.unwrap(),
                    Some(Act::SayAndClose(text)) => {
                        stream.write_all(text.as_bytes()).await.unwrap();
                        break;
                    }
                    Some(Act::NeverAnswer) => std::future::pending().await,
                    Some(Act::Close) | None => break,
                }
            }
        }
    };
    #[expect(clippy::disallowed_methods, reason = "a test target outside the hub")]
    (url, seen, tokio::spawn(serving))
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        let count = stream.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        text.extend_from_slice(&buffer[..count]);
        let so_far = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").map(|text| text.trim().parse::<usize>().unwrap())
            });
            if body.len() >= length.unwrap_or(0) {
                return Some(so_far);
            }
        }
    }
}

fn settings(url: &str) -> Settings {
    Settings {
        url: url.to_owned(),
        verb: Verb::Post,
        headers: vec![("X-App".into(), "liandong".into())],
        delivery_header: Some("X-Delivery-Id".into()),
        credential: Some(Credential::Bearer(Secret::new("s3cret"))),
        ca_pem: None,
        connect_timeout_ms: 1_000,
        idle_ms: 5_000,
        max_answer_bytes: 1_024,
    }
}

fn client(settings: &Settings) -> HttpClient {
    // Another test of this process may have installed it already.
    rustls::crypto::ring::default_provider().install_default().ok();
    HttpClient::new(settings, Arc::new(SystemClock)).unwrap()
}

fn parcel(left_ms: i64) -> Parcel {
    Parcel {
        delivery: DeliveryId(Uuid::from_u128(7)),
        body: Bytes::from_static(b"{\"a\":1}"),
        content_type: "application/json".into(),
        name: "a".into(),
        not_after: SystemClock.now() + SignedDuration::from_millis(left_ms),
        envelope: None,
    }
}

async fn answer_to(text: &'static [Act]) -> Result<Answer, Error> {
    let (url, _, serving) = target(text).await;
    let answer = client(&settings(&url)).send(parcel(5_000)).await;
    serving.abort();
    answer
}

fn is_not_sent(result: &Result<Answer, Error>) -> bool {
    matches!(result, Err(Error::NotSent(_)))
}

fn is_unknown(result: &Result<Answer, Error>) -> bool {
    matches!(result, Err(Error::Unknown(_)))
}

#[tokio::test]
async fn the_parcel_arrives_whole_with_its_headers_and_length() {
    let (url, seen, _serving) = target(&[Act::Say(OK)]).await;
    let client = client(&settings(&url));
    let answer = client.send(parcel(5_000)).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (Some(200), &b"{}"[..]));
    let request = seen.requests.lock().unwrap()[0].to_lowercase();
    for part in [
        "post /receive?key=k1 http/1.1",
        "content-type: application/json",
        "content-length: 7",
        "authorization: bearer s3cret",
        "x-app: liandong",
        "x-delivery-id: 00000000-0000-0000-0000-000000000007",
        "\r\n\r\n{\"a\":1}",
    ] {
        assert!(request.contains(part), "{part} is not in {request}");
    }
    assert!(!client.peer().contains("k1") && client.peer().ends_with("/receive"), "{}", client.peer());
}

#[tokio::test]
async fn a_get_carries_the_parcel_as_its_query() {
    let (url, seen, _serving) = target(&[Act::Say(OK)]).await;
    let client = client(&Settings { verb: Verb::Get, ..settings(&url) });
    client.send(Parcel { body: Bytes::from_static(b"id=7"), ..parcel(5_000) }).await.unwrap();
    let request = seen.requests.lock().unwrap()[0].clone();
    assert!(request.starts_with("GET /receive?id=7 HTTP/1.1"), "{request}");
}

#[tokio::test]
async fn a_refused_connection_an_unknown_host_and_a_failed_handshake_are_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    assert!(is_not_sent(&client(&settings(&closed)).send(parcel(5_000)).await));

    // A label of more than 63 letters is no name, so that no name server is asked.
    let nobody = client(&settings(&format!("http://{}.invalid/", "a".repeat(64))));
    assert!(is_not_sent(&nobody.send(parcel(5_000)).await));

    let (url, seen, _serving) = target(&[Act::Close]).await;
    let plain = client(&settings(&url.replace("http://", "https://")));
    let result = plain.send(parcel(2_000)).await;
    assert!(is_not_sent(&result), "{result:?}");
    assert!(seen.requests.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_target_that_accepts_and_never_speaks_tls_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap());
    let result = client(&settings(&url)).send(parcel(300)).await;
    assert!(is_not_sent(&result), "{result:?}");
}

#[tokio::test]
async fn a_target_that_closes_after_the_request_or_never_answers_leaves_it_unknown() {
    assert!(is_unknown(&answer_to(&[Act::Close]).await));
    let (url, _, _serving) = target(&[Act::NeverAnswer]).await;
    let result = client(&settings(&url)).send(parcel(300)).await;
    assert!(is_unknown(&result), "{result:?}");
}

#[tokio::test]
async fn a_kept_connection_that_dies_under_the_request_is_unknown_and_nothing_is_sent_again() {
    let (url, seen, _serving) = target(&[Act::Say(OK), Act::Close, Act::Say(OK)]).await;
    let client = client(&settings(&url));
    client.send(parcel(5_000)).await.unwrap();
    let result = client.send(parcel(5_000)).await;
    assert!(is_unknown(&result), "{result:?}");
    assert_eq!(seen.requests.lock().unwrap().len(), 2, "the second request was read once");
    assert_eq!(seen.connections.load(Ordering::SeqCst), 1, "the second request came on the kept connection");
}

#[tokio::test]
async fn when_the_target_closes_kept_connections_each_result_says_what_the_target_saw() {
    const ROUNDS: usize = 40;
    let (url, seen, _serving) = target(&[Act::SayAndClose(OK); ROUNDS]).await;
    let client = client(&settings(&url));
    for _ in 0..ROUNDS {
        let before = seen.requests.lock().unwrap().len();
        let result = client.send(parcel(5_000)).await;
        let read = seen.requests.lock().unwrap().len() - before;
        match result {
            Ok(_) => assert_eq!(read, 1),
            Err(Error::NotSent(why)) => assert_eq!(read, 0, "{why}"),
            Err(Error::Later) => panic!("nothing is handed out"),
            Err(Error::Unknown(why)) => assert!(read <= 1, "{why}"),
        }
    }
}

#[tokio::test]
async fn an_answer_beyond_the_limit_is_cut() {
    const LONG: &str = "HTTP/1.1 500 Oops\r\ntransfer-encoding: chunked\r\n\r\n\
        4\r\n0123\r\n4\r\n4567\r\n0\r\n\r\n";
    let (url, _, _serving) = target(&[Act::Say(LONG)]).await;
    let client = client(&Settings { max_answer_bytes: 6, ..settings(&url) });
    let answer = client.send(parcel(5_000)).await.unwrap();
    assert_eq!((answer.status, &answer.body[..]), (Some(500), &b"012345"[..]));
}

#[tokio::test]
async fn a_success_that_breaks_off_is_unknown_and_a_failure_that_breaks_off_is_a_failure() {
    const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{\"code\":";
    const BUSY: &str = "HTTP/1.1 503 Busy\r\ncontent-length: 50\r\n\r\n{\"code\":";
    assert!(is_unknown(&answer_to(&[Act::SayAndClose(TAKEN)]).await));
    let answer = answer_to(&[Act::SayAndClose(BUSY)]).await.unwrap();
    assert_eq!(answer.status, Some(503));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    const MOVED: &str = "HTTP/1.1 307 T\r\nlocation: /other\r\ncontent-length: 0\r\n\r\n";
    let (url, seen, _serving) = target(&[Act::Say(MOVED), Act::Say(OK)]).await;
    let answer = client(&settings(&url)).send(parcel(5_000)).await.unwrap();
    assert_eq!((answer.status, seen.requests.lock().unwrap().len()), (Some(307), 1));
}

#[tokio::test]
async fn retry_after_is_read_in_both_forms() {
    const SECONDS: &str = "HTTP/1.1 429 Slow\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n";
    let answer = answer_to(&[Act::Say(SECONDS)]).await.unwrap();
    assert_eq!(answer.retry_after_ms, Some(7_000));

    let mut headers = HeaderMap::new();
    headers.insert(RETRY_AFTER, HeaderValue::from_static("Sun, 06 Nov 1994 08:49:37 GMT"));
    let now: Timestamp = "1994-11-06T08:49:30Z".parse().unwrap();
    assert_eq!(retry_after_ms(&headers, now), Some(7_000));
    assert_eq!(retry_after_ms(&headers, now + SignedDuration::from_secs(60)), Some(0));
}

#[tokio::test]
async fn no_time_left_is_not_sent() {
    let (url, seen, _serving) = target(&[Act::Say(OK)]).await;
    assert!(is_not_sent(&client(&settings(&url)).send(parcel(0)).await));
    assert_eq!(seen.connections.load(Ordering::SeqCst), 0);
}

#[test]
fn settings_that_http_cannot_carry_are_refused_without_showing_values() {
    rustls::crypto::ring::default_provider().install_default().ok();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let bad = Settings { credential: Some(Credential::Bearer(Secret::new("a\nb"))), ..settings("http://a/") };
    let error = HttpClient::new(&bad, Arc::clone(&clock)).unwrap_err();
    assert!(matches!(&error, BuildError::Header(name) if name == "authorization"), "{error}");
    let error = HttpClient::new(&settings("ftp://a/"), clock).unwrap_err();
    assert!(matches!(error, BuildError::Url), "{error}");
}
