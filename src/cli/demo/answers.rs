//! What the hub answered to the parties: receipts and refusals, over HTTP and in `receipts/` folders.

use std::{fs, io, path::Path, sync::Arc};

use serde::Deserialize;
use serde_json::value::RawValue;

use super::party::{AtWork, post::Sent};
use crate::domain::{
    fault::Fault,
    id::{EndpointId, MessageId},
};

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Whose message.
    pub endpoint: EndpointId,
    /// Its file, for people.
    pub sheet: String,
    /// What the hub said.
    pub said: Said,
}

/// What the hub said to one record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// Accepted: the message and its receipt, byte for byte.
    Accepted(MessageId, Vec<u8>),
    /// Refused: the code and what is wrong.
    Refused(String, String),
}

/// Why an answer cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file of receipts.
    #[error("cannot read {0}: {1}")]
    File(String, #[source] io::Error),
    /// Its text.
    #[error("the answer to {0} cannot be read: {1}")]
    Text(String, #[source] serde_json::Error),
}

/// An answer over HTTP, one record.
#[derive(Deserialize)]
struct Entry<'a> {
    message: Option<MessageId>,
    #[serde(borrow)]
    receipt: Option<&'a RawValue>,
    problem: Option<Refusal>,
}

/// An answer in a file, one record: the receipt stands in it as text.
#[derive(Deserialize)]
struct FileEntry {
    message: Option<MessageId>,
    receipt: Option<String>,
    refused: Option<Refusal>,
}

#[derive(Deserialize)]
struct Refusal {
    code: String,
    detail: String,
    faults: Vec<Fault>,
}

impl Refusal {
    /// What is wrong, each fault with its place.
    fn text(&self) -> String {
        let faults = self.faults.iter().map(|fault| format!("; {}: {}", fault.path, fault.text));
        std::iter::once(self.detail.clone()).chain(faults).collect()
    }
}

/// Every answer to these parties.
pub fn collect(parties: &[Arc<AtWork>]) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::new();
    for party in parties {
        let endpoint = party.endpoint();
        for sent in party.book() {
            answers.extend(over_http(endpoint, &sent)?);
        }
        if let Some(folder) = party.drop_folder() {
            answers.extend(receipts(endpoint, &folder.join("receipts"))?);
            answers.extend(refused_whole(endpoint, &folder.join("failed"), &answers)?);
        }
    }
    Ok(answers)
}

fn over_http(endpoint: &EndpointId, sent: &Sent) -> Result<Vec<Answer>, Error> {
    let unreadable = |error| Error::Text(sent.name.clone(), error);
    let said: Vec<Said> = if sent.status == 200 {
        let entries: Vec<Entry<'_>> = serde_json::from_str(&sent.answer).map_err(unreadable)?;
        entries
            .into_iter()
            .filter_map(|entry| said(entry.message, entry.receipt.map(RawValue::get), entry.problem))
            .collect()
    } else {
        let refusal: Refusal = serde_json::from_str(&sent.answer).map_err(unreadable)?;
        vec![refused(refusal)]
    };
    Ok(said.into_iter().map(|said| answer(endpoint, &sent.name, said)).collect())
}

fn receipts(endpoint: &EndpointId, folder: &Path) -> Result<Vec<Answer>, Error> {
    let mut answers = Vec::new();
    for (sheet, text) in texts(folder, ".receipts.json")? {
        let entries: Vec<FileEntry> =
            serde_json::from_str(&text).map_err(|error| Error::Text(sheet.clone(), error))?;
        for entry in entries {
            let said = said(entry.message, entry.receipt.as_deref(), entry.refused);
            answers.extend(said.map(|said| answer(endpoint, &sheet, said)));
        }
    }
    Ok(answers)
}

/// Files of which no record was read: they have an explanation and no receipts.
fn refused_whole(endpoint: &EndpointId, folder: &Path, known: &[Answer]) -> Result<Vec<Answer>, Error> {
    let unknown = |sheet: &str| !known.iter().any(|it| it.endpoint == *endpoint && it.sheet == sheet);
    let texts = texts(folder, ".error.txt")?.into_iter().filter(|(sheet, _)| unknown(sheet));
    let said = |text| Said::Refused("refused_whole".to_owned(), text);
    Ok(texts.map(|(sheet, text)| answer(endpoint, &sheet, said(text))).collect())
}

/// The texts of a folder whose names end so, by the name before it.
fn texts(folder: &Path, ends: &str) -> Result<Vec<(String, String)>, Error> {
    let failed = |error| Error::File(folder.display().to_string(), error);
    let mut texts = Vec::new();
    for file in fs::read_dir(folder).map_err(failed)? {
        let path = file.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(sheet) = name.strip_suffix(ends) {
            texts.push((sheet.to_owned(), fs::read_to_string(&path).map_err(failed)?));
        }
    }
    Ok(texts)
}

fn said(message: Option<MessageId>, receipt: Option<&str>, refusal: Option<Refusal>) -> Option<Said> {
    match (message, receipt, refusal) {
        (Some(message), Some(receipt), None) => Some(Said::Accepted(message, receipt.as_bytes().to_vec())),
        (_, _, Some(refusal)) => Some(refused(refusal)),
        _ => None,
    }
}

fn refused(refusal: Refusal) -> Said {
    let text = refusal.text();
    Said::Refused(refusal.code, text)
}

fn answer(endpoint: &EndpointId, sheet: &str, said: Said) -> Answer {
    Answer { endpoint: endpoint.clone(), sheet: sheet.to_owned(), said }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "01956000-0000-7000-8000-000000000001";

    fn sent(status: u16, answer: &str) -> Sent {
        Sent { name: "a.json".to_owned(), status, answer: answer.to_owned() }
    }

    #[test]
    fn receipts_are_taken_byte_for_byte() {
        let receipt = r#"{ "statement":{"b":1, "a":2} }"#;
        let text = format!(r#"[{{"status":201,"message":"{ID}","receipt":{receipt}}}]"#);
        let answers = over_http(&"e".into(), &sent(200, &text)).unwrap();
        let expected = Said::Accepted(ID.parse().unwrap(), receipt.as_bytes().to_vec());
        assert_eq!(answers, [Answer { endpoint: "e".into(), sheet: "a.json".to_owned(), said: expected }]);
    }

    #[test]
    fn refusals_are_read_from_batches_and_from_problems() {
        let problem =
            r#"{"code":"conflict","detail":"no","title":"x","faults":[{"path":"a.b","text":"is wrong"}]}"#;
        let expected = Said::Refused("conflict".to_owned(), "no; a.b: is wrong".to_owned());
        let batch = over_http(&"e".into(), &sent(200, &format!(r#"[{{"status":409,"problem":{problem}}}]"#)));
        assert_eq!(batch.unwrap()[0].said, expected);
        assert_eq!(over_http(&"e".into(), &sent(422, problem)).unwrap()[0].said, expected);
        assert!(over_http(&"e".into(), &sent(500, "oops")).is_err());
    }
}
