//! Identifiers as types, so that an endpoint is never handed where an organisation is meant.
//!
//! Text ids are ours and opaque (nothing is parsed out of them); message and delivery ids are UUID
//! version 7, made by intake from the store's clock.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Takes any text as the id.
            pub fn new(text: impl Into<Box<str>>) -> Self {
                Self(text.into())
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.into())
            }
        }

        impl From<String> for $name {
            fn from(text: String) -> Self {
                Self(text.into())
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id!(
    /// An organisation (机构), by our own stable id: a USCC is not unique and changes.
    OrganisationId
);
text_id!(
    /// A division (行政区划) code: GB/T 2260 where there is one, our own for a zone.
    DivisionCode
);
text_id!(
    /// An item (事项) of either family, opaque.
    ItemCode
);
text_id!(
    /// An endpoint (接入系统).
    EndpointId
);
text_id!(
    /// A routing rule (路由规则).
    RuleId
);
text_id!(
    /// A line (条线) of business: 市场监管, 应急管理, 卫生健康 …
    Line
);
text_id!(
    /// The business entity whose deliveries stay in order: a licence, else subject and item, else the matter.
    OrderKey
);
text_id!(
    /// A linked matter (联动件).
    MatterId
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.hyphenated().fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    };
}

uuid_id!(
    /// A message (消息), as the hub named it.
    MessageId
);
uuid_id!(
    /// A delivery (推送): the id under which a target may see the same delivery again.
    DeliveryId
);
