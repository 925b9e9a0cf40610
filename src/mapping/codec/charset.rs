//! The two character sets of the field: UTF-8 and GB18030 (which holds GBK and GB 2312).
//!
//! Promises: no replacement character is ever made, on the way in or out; a byte order mark is taken off.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, GB18030};
use serde::Deserialize;

use super::Error;

/// The character set of a system's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// UTF-8 (RFC 3629).
    #[default]
    Utf8,
    /// GB 18030, a superset of GBK and GB 2312.
    Gb18030,
}

impl Encoding {
    /// The name for declarations and messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB18030",
        }
    }

    /// Whether bytes labelled so can be read: GBK and GB 2312 are parts of GB 18030.
    pub(super) fn admits(self, label: &str) -> bool {
        let labels: &[&str] = match self {
            Self::Utf8 => &["utf-8", "utf8"],
            Self::Gb18030 => &["gb18030", "gbk", "gb2312"],
        };
        labels.iter().any(|known| known.eq_ignore_ascii_case(label))
    }

    /// The text of `bytes`, without a byte order mark.
    pub(super) fn decode(self, bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
        let text = match self {
            Self::Utf8 => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| error.valid_up_to()),
            Self::Gb18030 => GB18030
                .decode_without_bom_handling_and_without_replacement(bytes)
                .ok_or_else(|| first_malformed(bytes)),
        };
        let text = text.map_err(|offset| Error::WrongEncoding { encoding: self.name(), offset })?;
        Ok(match text {
            Cow::Borrowed(text) => Cow::Borrowed(text.strip_prefix('\u{feff}').unwrap_or(text)),
            Cow::Owned(mut text) => {
                if text.starts_with('\u{feff}') {
                    text.remove(0);
                }
                Cow::Owned(text)
            }
        })
    }

    /// The bytes of `text`, without a byte order mark.
    pub(super) fn encode(self, text: &str) -> Result<Vec<u8>, Error> {
        match self {
            Self::Utf8 => Ok(text.as_bytes().to_vec()),
            Self::Gb18030 => match GB18030.encode(text) {
                (bytes, _, false) => Ok(bytes.into_owned()),
                (_, _, true) => Err(self.unmappable(text)),
            },
        }
    }

    fn unmappable(self, text: &str) -> Error {
        let absent = |c: &char| GB18030.encode(c.encode_utf8(&mut [0; 4])).2;
        let code_point = text.chars().find(absent).map_or(0, u32::from);
        Error::Unmappable { encoding: self.name(), code_point }
    }
}

/// Where GB18030 decoding first fails. Only for the error: the normal way decodes without keeping count.
fn first_malformed(bytes: &[u8]) -> usize {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len()));
    match decoder.decode_to_string_without_replacement(bytes, &mut text, true) {
        (DecoderResult::Malformed(length, beyond), read) => {
            read.saturating_sub(usize::from(length) + usize::from(beyond))
        }
        (DecoderResult::InputEmpty | DecoderResult::OutputFull, read) => read,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_byte_order_mark_is_taken_off() {
        assert_eq!(Encoding::Utf8.decode(b"\xEF\xBB\xBFa").unwrap(), "a");
        assert_eq!(Encoding::Gb18030.decode(b"\x84\x31\x95\x33a").unwrap(), "a");
    }

    #[test]
    fn the_first_wrong_byte_is_named() {
        let utf8 = Encoding::Utf8.decode(b"abc\xC3\x28").unwrap_err();
        assert!(matches!(utf8, Error::WrongEncoding { encoding: "UTF-8", offset: 3 }), "{utf8}");
        let gb = Encoding::Gb18030.decode(b"ab\xB0\xB2\xFF\x30").unwrap_err();
        assert!(matches!(gb, Error::WrongEncoding { encoding: "GB18030", offset: 4 }), "{gb}");
        let cut = Encoding::Gb18030.decode(b"ab\xB0").unwrap_err();
        assert!(matches!(cut, Error::WrongEncoding { offset: 2, .. }), "{cut}");
    }

    #[test]
    fn a_character_gb18030_lacks_is_refused_by_its_number() {
        let error = Encoding::Gb18030.encode("a\u{e5e5}b").unwrap_err();
        assert_eq!(error.to_string(), "character U+E5E5 does not exist in GB18030");
    }

    #[test]
    fn labels_of_the_subsets_are_admitted() {
        assert!(Encoding::Gb18030.admits("GBK") && Encoding::Gb18030.admits("gb2312"));
        assert!(!Encoding::Gb18030.admits("utf-8") && !Encoding::Utf8.admits("gbk"));
    }

    proptest! {
        #[test]
        fn chinese_text_survives_gb18030(text in "[\u{4e00}-\u{9fa5}\u{3400}-\u{4db5}\u{20000}-\u{2a6d6}，。《》〔〕a-z0-9]{0,40}") {
            let bytes = Encoding::Gb18030.encode(&text).unwrap();
            prop_assert_eq!(Encoding::Gb18030.decode(&bytes).unwrap(), text);
        }

        #[test]
        fn no_bytes_make_a_replacement_character(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(text) = Encoding::Gb18030.decode(&bytes) {
                let again = Encoding::Gb18030.encode(&text).unwrap();
                prop_assert_eq!(Encoding::Gb18030.decode(&again).unwrap(), text);
            }
        }
    }
}
