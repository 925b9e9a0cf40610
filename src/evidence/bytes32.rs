//! One form for every 32-byte hash: bytes inside, 64 lowercase hex digits as text.
//!
//! Promises that each kind of hash is a type of its own, and that one hash has one spelling: upper case, blanks and
//! prefixes are refused. Leaves the meaning of the hash to the type that is declared with it.

/// Text that was meant to be a 32-byte hash and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Too short or too long.
    #[error("a hash has 64 hex digits, found {found} characters; pass it whole and unshortened")]
    Length {
        /// Characters found.
        found: usize,
    },
    /// A character outside `0-9a-f`.
    #[error(
        "a hash is written with 0-9 and a-f, found {found:?} at character {at}; write it in lowercase hex"
    )]
    Digit {
        /// The character found.
        found: char,
        /// Its place, counted from 1.
        at: usize,
    },
    /// Serialised text that does not start with the name of its algorithm.
    #[error("a hash in a document starts with {expected:?}; write the algorithm before the hex digits")]
    Prefix {
        /// The prefix required.
        expected: &'static str,
    },
}

/// Reads 64 lowercase hex digits.
pub(crate) fn parse(text: &str) -> Result<[u8; 32], Malformed> {
    let alien = text.chars().enumerate().find(|(_, c)| !matches!(c, '0'..='9' | 'a'..='f'));
    if let Some((index, found)) = alien {
        return Err(Malformed::Digit { found, at: index + 1 });
    }
    let mut bytes = [0; 32];
    hex::decode_to_slice(text, &mut bytes).map_err(|_| Malformed::Length { found: text.len() })?;
    Ok(bytes)
}

/// Declares a 32-byte hash type with its text form.
macro_rules! bytes32 {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; 32]);

        impl $name {
            /// Takes bytes that already are such a hash.
            pub const fn from_bytes(bytes: [u8; 32]) -> Self {
                Self(bytes)
            }

            /// The 32 bytes.
            pub const fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&hex::encode(self.0))
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::evidence::bytes32::Malformed;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::evidence::bytes32::parse(text).map(Self)
            }
        }
    };
}

/// Gives a hash type its serialised form: a string of prefix and hex digits.
macro_rules! bytes32_serde {
    ($name:ident, $prefix:literal) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&format_args!(concat!($prefix, "{}"), self))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                use $crate::evidence::bytes32::Malformed;
                let text =
                    <std::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                text.strip_prefix($prefix)
                    .ok_or(Malformed::Prefix { expected: $prefix })
                    .and_then(str::parse)
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {bytes32, bytes32_serde};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_has_one_spelling() {
        let text = "00ff".repeat(16);
        assert_eq!(hex::encode(parse(&text).unwrap()), text);
        assert_eq!(parse(&text.to_uppercase()), Err(Malformed::Digit { found: 'F', at: 3 }));
        assert_eq!(parse(&format!(" {text}")), Err(Malformed::Digit { found: ' ', at: 1 }));
        assert_eq!(parse(&text[2..]), Err(Malformed::Length { found: 62 }));
        assert_eq!(parse(&text[1..]), Err(Malformed::Length { found: 63 }));
        assert_eq!(parse(&format!("{text}00")), Err(Malformed::Length { found: 66 }));
        assert_eq!(parse(""), Err(Malformed::Length { found: 0 }));
        assert_eq!(parse("联"), Err(Malformed::Digit { found: '联', at: 1 }));
    }
}
