//! The two state machines of a delivery (推送): transport and acknowledgement (DESIGN section 6).
//!
//! Pure: `settle` says what an outcome does to a leased delivery. The store applies it, and only under
//! the lease that the outcome carries.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{decision::ParkReason, personal::shown};

/// Transport state. The last five are final.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// A second hop that waits for its first hop or for a person's word.
    Held,
    /// May be sent as soon as it heads its lane.
    Ready,
    /// With a worker, until the lease ends.
    Leased,
    /// Waits for its next attempt.
    Scheduled,
    /// Stopped with a reason, waits for a person (待人工处理).
    Parked,
    /// The target confirmed it.
    Delivered,
    /// Served on paper (线下送达).
    ServedOffline,
    /// Left out by a person.
    Skipped,
    /// A higher revision took its place.
    Superseded,
    /// Called off by a person (取消推送).
    Withdrawn,
}

impl Transport {
    /// Whether it never changes again, so that its lane goes on.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Delivered | Self::ServedOffline | Self::Skipped | Self::Superseded | Self::Withdrawn
        )
    }

    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Scheduled => "scheduled",
            Self::Parked => "parked",
            Self::Delivered => "delivered",
            Self::ServedOffline => "served_offline",
            Self::Skipped => "skipped",
            Self::Superseded => "superseded",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::Held => "待转报",
            Self::Ready => "待推送",
            Self::Leased => "推送中",
            Self::Scheduled => "待重试",
            Self::Parked => "待人工处理",
            Self::Delivered => "已送达",
            Self::ServedOffline => "线下送达",
            Self::Skipped => "已跳过",
            Self::Superseded => "已被更正替代",
            Self::Withdrawn => "已取消推送",
        }
    }

    /// Every state.
    pub const ALL: [Self; 10] = [
        Self::Held,
        Self::Ready,
        Self::Leased,
        Self::Scheduled,
        Self::Parked,
        Self::Delivered,
        Self::ServedOffline,
        Self::Skipped,
        Self::Superseded,
        Self::Withdrawn,
    ];
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Transport {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// A word that names no state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown delivery state '{}'", shown(&self.0))]
pub struct UnknownState(pub String);

/// Acknowledgement state: what the recipient said about it, apart from transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Acknowledgement {
    /// Nothing yet.
    None,
    /// 已签收（认领）.
    Signed,
    /// 已退回.
    Returned,
    /// 已反馈.
    Answered,
}

impl Acknowledgement {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Signed => "signed",
            Self::Returned => "returned",
            Self::Answered => "answered",
        }
    }

    /// The word on a screen.
    pub fn chinese(self) -> &'static str {
        match self {
            Self::None => "未签收",
            Self::Signed => "已签收",
            Self::Returned => "已退回",
            Self::Answered => "已反馈",
        }
    }
}

impl std::str::FromStr for Acknowledgement {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Signed, Self::Returned, Self::Answered]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| UnknownState(text.to_owned()))
    }
}

/// The online operative moment (审管界点): the time that moves responsibility. Cities choose one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The target confirmed it.
    HandedOver,
    /// The recipient signed.
    Signed,
}

impl Moment {
    /// The word in data.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandedOver => "handed_over",
            Self::Signed => "signed",
        }
    }
}

/// How an attempt ended (DESIGN section 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "class", rename_all = "snake_case")]
pub enum Outcome {
    /// The target confirmed it, by the adapter's own measure of success.
    Delivered,
    /// The target or the way to it is out of order for now.
    Transient,
    /// The target asks to wait.
    Throttled {
        /// `Retry-After`, when it named one.
        wait_ms: Option<u64>,
    },
    /// The target refused it for good, in its own words.
    Permanent,
    /// Our mapping or configuration failed; nothing was sent.
    Ours,
    /// The wire broke after sending, or the lease ended: nobody knows.
    Unknown,
}

impl Outcome {
    /// The word in data and metrics.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Transient => "transient",
            Self::Throttled { .. } => "throttled",
            Self::Permanent => "permanent",
            Self::Ours => "ours",
            Self::Unknown => "unknown",
        }
    }

    /// The word on a screen.
    pub fn chinese(&self) -> &'static str {
        match self {
            Self::Delivered => "已送达",
            Self::Transient => "暂时失败",
            Self::Throttled { .. } => "对方要求稍后再试",
            Self::Permanent => "对方拒收",
            Self::Ours => "映射或配置错误",
            Self::Unknown => "结果未知",
        }
    }
}

/// What an adapter does when the outcome is unknown (DESIGN promise 7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Ask the target whether it has the delivery id.
    Ask,
    /// Send again under the same delivery id; the adapter declares where the target receives it.
    Resend,
    /// Stop for a person.
    #[default]
    Park,
}

/// What becomes of a delivery after an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Next {
    /// Final: the target has it.
    Delivered,
    /// Again at `at`.
    Scheduled {
        /// When.
        at: Timestamp,
    },
    /// For a person.
    Parked {
        /// Why.
        reason: ParkReason,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_states_are_final_and_the_words_are_distinct() {
        assert_eq!(Transport::ALL.iter().filter(|state| state.is_final()).count(), 5);
        for state in Transport::ALL {
            assert_eq!(state.as_str().parse(), Ok(state));
        }
        assert!("lost".parse::<Transport>().is_err());
    }
}
