//! Entity bombs, external entities and other input that costs its sender nothing: refused before it costs the hub.

use std::time::Duration;

use super::{CANONICAL, Form, Hall, Way, ways};

/// No refusal takes more of the processor, whatever the input asks for.
const SOON: Duration = Duration::from_secs(5);

async fn soon(hall: &mut Hall, way: Way, text: &str, code: &str, words: &[&str]) {
    let before = hall.hub.cpu();
    hall.refused(way, text.as_bytes(), code, words).await;
    let took = hall.hub.cpu().saturating_sub(before);
    assert!(took < SOON, "{way:?} took {took:?}");
}

/// Each entity ten times the one before: a thousand million of the last.
fn laughs() -> String {
    let entity = |number: usize| {
        let before = format!("&e{};", number - 1).repeat(10);
        format!("<!ENTITY e{number} \"{before}\">")
    };
    let entities = (1..10).map(entity).collect::<Vec<_>>().join("\n");
    format!(
        "<?xml version=\"1.0\"?>\n<!DOCTYPE rows [\n<!ENTITY e0 \"ha\">\n{entities}]>\n\
         <rows><row><no>&e9;</no></row></rows>"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_neither_grow_nor_read_files() {
    let mut hall = Hall::open(|_| {});
    let external = |subset: &str| format!("<!DOCTYPE rows [{subset}]>\n<rows><row><no>&x;</no></row></rows>");
    let cases = [
        laughs(),
        external(r#"<!ENTITY x SYSTEM "file:///etc/passwd">"#),
        external(r#"<!ENTITY % p SYSTEM "http://127.0.0.1:1/evil.dtd"> %p;"#),
        r#"<!DOCTYPE rows SYSTEM "http://127.0.0.1:1/evil.dtd"><rows/>"#.to_owned(),
        "<!DOCTYPE rows>\n<rows/>".to_owned(),
    ];
    for way in [ways(Form::Xml), ways(Form::XmlGb18030)].concat() {
        for text in &cases {
            soon(&mut hall, way, text, "malformed", &["line", "DOCTYPE"]).await;
        }
        let undeclared = "<rows>\n<row><no>&x;</no></row></rows>";
        soon(&mut hall, way, undeclared, "malformed", &["line 2: unknown entity '&x;'"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn depth_and_numbers_of_things_are_bounded() {
    let mut hall = Hall::open(|_| {});
    let attributes = (0..100).map(|number| format!("a{number}='x'")).collect::<Vec<_>>().join(" ");
    let nested = format!("{}{}", "<a>".repeat(20_000), "</a>".repeat(20_000));
    for way in ways(Form::Xml) {
        soon(&mut hall, way, &nested, "malformed", &["deeper than the limit"]).await;
        soon(
            &mut hall,
            way,
            &format!("<rows>\n<row {attributes}/></rows>"),
            "malformed",
            &["line 2", "attributes"],
        )
        .await;
        let many = format!("<rows>{}</rows>", "<a/>".repeat(150_000));
        soon(&mut hall, way, &many, "malformed", &["more values than the limit"]).await;
    }
    let numbers = format!("[{}]", vec!["1"; 200_000].join(","));
    for way in ways(Form::Json) {
        soon(&mut hall, way, &numbers, "malformed", &["more values than the limit"]).await;
        let objects = format!("[{}]", vec!["{}"; 600].join(","));
        soon(&mut hall, way, &objects, "too_large", &["600 records, the limit is 500"]).await;
    }
    for way in CANONICAL {
        let message = format!(r#"{{"items": {numbers}}}"#);
        soon(&mut hall, way, &message, "malformed", &["more values than the limit"]).await;
    }
    for way in ways(Form::Pairs) {
        let fields = vec!["a=1"; 150_000].join("&");
        soon(&mut hall, way, &fields, "malformed", &["more values than the limit"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn oversize_input_is_refused_whatever_its_way() {
    let mut hall = Hall::open(|hub| {
        hub.set("http.body_limit_bytes", 60_000);
        hub.set("http.batch_limit_bytes", 1_200_000);
    });
    let large = format!(r#"{{"businessKey": "{}"}}"#, "x".repeat(70_000));
    for way in [Way::Structured, Way::Binary, Way::Batch] {
        soon(&mut hall, way, &large, "too_large", &["bytes", "the limit is 60000"]).await;
    }
    let huge = "x".repeat(1_100_000);
    for way in Form::ALL.into_iter().flat_map(ways) {
        soon(&mut hall, way, &huge, "too_large", &["bytes", "the limit is 1048576"]).await;
    }
}
