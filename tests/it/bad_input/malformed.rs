//! Malformed JSON, XML, CSV and forms: refused with the line, whoever sends them and however.

use super::{CANONICAL, Form, Hall, Way, record, ways};
use crate::harness::sender::{BUREAU, result};

/// What is no JSON in the same way everywhere, and what the error says.
const NO_JSON: [(&str, &[&str]); 4] = [
    ("{\"businessKey\": }", &["line 1", "column"]),
    ("{\"businessKey\": \"A\"", &["line 1"]),
    ("{\"a\": 1} {\"b\": 2}", &["line 1"]),
    ("nothing of the kind", &["line 1"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn malformed_json_is_refused_with_its_line() {
    let mut hall = Hall::open(|_| {});
    let twice = r#"{"businessKey": "A", "businessKey": "B"}"#;
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    for way in CANONICAL.into_iter().chain(ways(Form::Json)) {
        for (text, words) in NO_JSON {
            hall.refused(way, text.as_bytes(), "malformed", words).await;
        }
        hall.refused(way, twice.as_bytes(), "malformed", &["line 1", "'businessKey' is given twice"]).await;
        hall.refused(way, deep.as_bytes(), "malformed", &["line 1"]).await;
    }
    for way in CANONICAL {
        hall.refused(way, b"[]", "invalid", &["not in the canonical form"]).await;
        hall.refused(way, b"\"text\"", "invalid", &["not in the canonical form"]).await;
    }
    for way in ways(Form::Json) {
        hall.refused(way, b"[{}, 7]", "malformed", &["record 2 is not an object"]).await;
        hall.refused(way, b"[]", "malformed", &["holds no record"]).await;
        hall.refused(way, b"", "malformed", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_envelope_that_is_none_is_refused_with_what_it_lacks() {
    let hall = &mut Hall::open(|_| {});
    let bureau = hall.sender(BUREAU).await;
    let message = result("K", "L");
    let structured = "application/cloudevents+json";
    let cases = [
        (structured, format!(r#"{{"data": {message}}}"#), "malformed", "lacks an attribute"),
        (structured, event("1.0", "liandong.approval.result", "1", None), "invalid", "data"),
        (structured, event("0.3", "liandong.approval.result", "1", Some("{}")), "invalid", "takes 1.0"),
        (structured, event("1.0", "approval.result", "1", Some("{}")), "invalid", "begins with 'liandong.'"),
        (structured, event("1.0", "liandong.approval.results", "1", Some("{}")), "invalid", "known are: "),
        (structured, event("1.0", "liandong.approval.result", "", Some("{}")), "invalid", "not empty"),
        ("application/json", message.to_string(), "invalid", "ce-id"),
        ("text/plain", message.to_string(), "malformed", "content type 'text/plain' is not taken"),
        ("application/cloudevents-batch+json", message.to_string(), "malformed", "line 1"),
    ];
    let before = hall.books.counts();
    for (number, (media, body, code, word)) in cases.iter().enumerate() {
        let answer = bureau.post("/v1/messages", media, body.clone()).await;
        let text = answer.json().to_string();
        assert_eq!(answer.code(), *code, "{body}: {text}");
        assert!(text.contains(word), "{body}: {text}");
        assert_eq!(hall.books.refusals().len(), number + 1, "{body}");
    }
    assert_eq!(hall.books.counts(), before);
}

fn event(version: &str, kind: &str, id: &str, data: Option<&str>) -> String {
    let data = data.map(|data| format!(r#", "data": {data}"#)).unwrap_or_default();
    format!(r#"{{"specversion": "{version}", "type": "{kind}", "id": "{id}", "source": "test"{data}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_xml_is_refused_with_its_line() {
    let mut hall = Hall::open(|_| {});
    let cases: [(&str, &[&str]); 8] = [
        ("<rows>\n<row><no>A</no></row>", &["line 2"]),
        ("<rows>\n<row><no>A</row></rows>", &["line 2"]),
        ("<rows/>\n<rows/>", &["line 2"]),
        ("<rows>\n<row a='1' a='2'/></rows>", &["line 2", "duplicated attribute"]),
        ("<rows>\n<row><no>A & B</no></row></rows>", &["line 2"]),
        ("<list>\n<row/></list>", &["no element 'rows'"]),
        ("text alone", &["line 1"]),
        ("", &["line 1"]),
    ];
    for way in [ways(Form::Xml), ways(Form::XmlGb18030)].concat() {
        for (text, words) in cases {
            hall.refused(way, text.as_bytes(), "malformed", words).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_csv_and_forms_are_refused_with_their_line() {
    let mut hall = Hall::open(|_| {});
    let good = Form::Csv.write(&record(&[]));
    let cases: [(String, &[&str]); 6] = [
        (format!("{good}A-2,2026-03-05\n"), &["line 3: 2 cells, the header has 6"]),
        ("no,no\n1,2\n".to_owned(), &["line 1: 'no' is given twice"]),
        ("no,,name\n1,2,3\n".to_owned(), &["column 2"]),
        ("no,name\n\"1,2\n".to_owned(), &["line"]),
        ("no,name\n".to_owned(), &["holds no record"]),
        (String::new(), &["no header row"]),
    ];
    for way in [ways(Form::Csv), ways(Form::CsvGb18030)].concat() {
        for (text, words) in &cases {
            hall.refused(way, text.as_bytes(), "malformed", words).await;
        }
    }
    for way in ways(Form::Pairs) {
        hall.refused(way, b"no=%G1&name=x", "malformed", &["line 1"]).await;
        hall.refused(way, b"no=1&name=%E6%B", "malformed", &["line 1"]).await;
        let twice = Form::Pairs.write(&record(&[])) + "&no=A-2";
        hall.refused(way, twice.as_bytes(), "invalid", &["businessKey: "]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_of_several_records_is_taken_whole_or_not_at_all() {
    let mut hall = Hall::open(|_| {});
    let good = Form::Json.write(&record(&[("no", "A-1")]));
    let bad = Form::Json.write(&record(&[("no", "A-2"), ("time", "yesterday")]));
    let both = format!("[{good}, {bad}]");
    for way in ways(Form::Json) {
        let words = ["1 of 2 records", "record 2: decidedAt", "in line 4"];
        hall.refused(way, both.as_bytes(), "unmapped", &words[..2]).await;
    }
    let row = |no| Form::Csv.write(&record(&[("no", no)])).lines().last().unwrap().to_owned();
    let csv = Form::Csv.write(&record(&[("no", "A-3"), ("outcome", "也许")])) + &row("A-4") + "\n";
    for way in ways(Form::Csv) {
        hall.refused(way, csv.as_bytes(), "unmapped", &["1 of 2 records", "record 1 (line 2)"]).await;
    }
    assert_eq!(hall.books.counts().messages, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_good_record_of_these_tests_is_accepted_in_every_format() {
    let mut hall = Hall::open(|_| {});
    for (number, form) in [Form::Json, Form::Xml, Form::Csv, Form::Pairs].into_iter().enumerate() {
        let endpoint = Hall::endpoint(Way::Own(form));
        let key: &'static str = ["J", "X", "C", "F"][number];
        let body = form.write(&record(&[("no", key)]));
        let answer =
            hall.sender(&endpoint).await.post(&format!("/v1/adapters/{endpoint}"), "text/plain", body).await;
        assert_eq!(answer.json()[0]["status"], 201, "{form:?}: {}", answer.json());
        assert_eq!(hall.books.counts().messages, number as u64 + 1);
    }
}
