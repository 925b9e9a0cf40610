//! Wrong encoding: bytes that are not what the adapter, or the interface, is told to read.

use super::{CANONICAL, Form, Hall, record, ways};
use crate::harness::sender::result;

/// "汉滨" in GBK.
const HANBIN_GBK: &[u8] = &[0xBA, 0xBA, 0xB1, 0xF5];
/// A lead byte without its trail byte.
const NO_GB18030: &[u8] = &[0xBA, 0xFF];

fn spoiled(text: &str, bytes: &[u8]) -> Vec<u8> {
    let (before, after) = text.split_once("汉滨示例餐饮有限公司").unwrap();
    [before.as_bytes(), bytes, after.as_bytes()].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_no_utf_8_are_refused() {
    let mut hall = Hall::open(|_| {});
    let message = spoiled(&result("K", "L").to_string(), HANBIN_GBK);
    for way in CANONICAL {
        hall.refused(way, &message, "malformed", &[]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_another_encoding_are_refused_with_the_byte() {
    let mut hall = Hall::open(|_| {});
    for form in [Form::Json, Form::Xml, Form::Csv] {
        let text = form.write(&record(&[]));
        for way in ways(form) {
            hall.refused(way, &spoiled(&text, HANBIN_GBK), "malformed", &["byte", "is not UTF-8"]).await;
        }
    }
    for form in [Form::XmlGb18030, Form::CsvGb18030] {
        // All but the name is plain enough to be read in either encoding.
        let text = form.write(&record(&[("outcome", "1")]));
        for way in ways(form) {
            hall.refused(way, &spoiled(&text, NO_GB18030), "malformed", &["byte", "is not GB18030"]).await;
        }
    }
    for way in ways(Form::Pairs) {
        hall.refused(way, b"no=1&name=%BA%FF", "malformed", &["UTF-8"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_declares_another_encoding_is_refused() {
    let mut hall = Hall::open(|_| {});
    let declared = |label: &str| {
        format!(
            "<?xml version=\"1.0\" encoding=\"{label}\"?>\n{}",
            Form::Xml.write(&record(&[("name", "x")]))
        )
    };
    for way in ways(Form::Xml) {
        let words = ["declares encoding GBK", "UTF-8"];
        hall.refused(way, declared("GBK").as_bytes(), "malformed", &words).await;
    }
    for way in ways(Form::XmlGb18030) {
        let words = ["declares encoding UTF-16", "GB18030"];
        hall.refused(way, declared("UTF-16").as_bytes(), "malformed", &words).await;
    }
}
