//! The messages of the benchmark: of exactly 1 KiB, each about a licence of its own, so that lanes do not
//! wait for each other.

/// Bytes of one message.
pub(super) const MESSAGE_BYTES: usize = 1024;

/// Events in the one batch request of a sender that has many.
pub(super) const BATCH_EVENTS: usize = 250;

/// To how many systems a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FanOut {
    /// Progress of an approval, to the one supervisor of its item.
    One,
    /// A public result, to two supervisors, the credit platform and the portal.
    Four,
}

impl FanOut {
    /// Both.
    pub(super) const ALL: [Self; 2] = [Self::One, Self::Four];

    /// Deliveries of one message.
    pub(super) fn deliveries(self) -> usize {
        match self {
            Self::One => 1,
            Self::Four => 4,
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::One => "approval.progress",
            Self::Four => "approval.result",
        }
    }

    fn item(self) -> &'static str {
        match self {
            Self::One => r#""items":[{"family":"ITEM_FAMILY_APPROVAL","code":"000131016000"}]"#,
            Self::Four => {
                r#""entrustedBody":"610000-yjglt","items":[{"family":"ITEM_FAMILY_APPROVAL","code":"000125020000"}]"#
            }
        }
    }

    /// The payload up to the text that fills the message.
    fn payload(self, key: &str) -> String {
        match self {
            Self::One => {
                format!(r#""approvalProgress":{{"caseNo":"{key}","stage":"现场核查","state":"受理","note":""#)
            }
            Self::Four => format!(
                r#""approvalResult":{{"caseNo":"{key}","handling":"HANDLING_TYPE_NEW","outcome":"OUTCOME_GRANTED","procedure":"PROCEDURE_ORDINARY","content":""#
            ),
        }
    }
}

/// Writes the messages of one series: keys of one series never meet those of another.
#[derive(Clone, Copy, Debug)]
pub(super) struct Series {
    fan_out: FanOut,
    letter: char,
}

impl Series {
    /// A series named by a letter.
    pub(super) fn new(fan_out: FanOut, letter: char) -> Self {
        Self { fan_out, letter }
    }

    /// Message number `number` in canonical proto JSON.
    pub(super) fn message(self, number: usize) -> String {
        let key = self.key(number);
        let (item, payload) = (self.fan_out.item(), self.fan_out.payload(&key));
        let mut text = format!(
            r#"{{"businessKey":"{key}","decidedAt":"2026-03-05T09:30:00+08:00",{item},"subject":{{"type":"SUBJECT_TYPE_LEGAL_PERSON","name":"汉滨某商贸有限公司","identifiers":[{{"type":"IDENTIFIER_TYPE_USCC","number":"91610902MA70T3X14T"}}]}},"licences":[{{"type":"许可证","number":"{key}","decidedBy":"610900-xzspj"}}],"publicity":{{"level":"PUBLICITY_LEVEL_PUBLIC"}},{payload}"#
        );
        let end = r#""}}"#;
        let room = MESSAGE_BYTES.saturating_sub(text.len() + end.len());
        text.extend(std::iter::repeat_n('可', room / '可'.len_utf8()));
        text.extend(std::iter::repeat_n('.', room % '可'.len_utf8()));
        text.push_str(end);
        text
    }

    /// The same as an event of CloudEvents in structured mode.
    pub(super) fn event(self, number: usize) -> String {
        let (key, kind, message) = (self.key(number), self.fan_out.kind(), self.message(number));
        format!(
            r#"{{"specversion":"1.0","id":"{key}","source":"bench","type":"liandong.{kind}","data":{message}}}"#
        )
    }

    /// Events `from..to` as a CloudEvents batch.
    pub(super) fn batch(self, from: usize, to: usize) -> String {
        let events: Vec<_> = (from..to).map(|number| self.event(number)).collect();
        format!("[{}]", events.join(","))
    }

    fn key(self, number: usize) -> String {
        format!("{}{number:09}", self.letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_is_json_of_one_kibibyte() {
        for fan_out in FanOut::ALL {
            let text = Series::new(fan_out, 'A').message(123_456);
            assert_eq!(text.len(), MESSAGE_BYTES);
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["businessKey"], "A000123456");
        }
    }

    #[test]
    fn a_batch_holds_its_events() {
        let batch: Vec<serde_json::Value> =
            serde_json::from_str(&Series::new(FanOut::One, 'B').batch(3, 5)).unwrap();
        assert_eq!(batch.len(), 2);
        assert_eq!(batch[1]["data"]["businessKey"], "B000000004");
    }
}
