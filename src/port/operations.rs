//! What people do to a running hub: operations on deliveries and tokens, each with who and why.

use std::fmt;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::Serialize;

use super::store::{self, NotPossible, Obligation, Operated, Operation, Redo, Scope, Way};
use crate::domain::{delivery::Transport, id::DeliveryId};

/// Operates the hub. Every operation that is done is in the trail with its operator and reason.
#[async_trait]
pub trait Operations: fmt::Debug + Send + Sync {
    /// Does `operation` to one delivery.
    async fn operate(&self, delivery: DeliveryId, operation: Operation, by: By) -> Result<Operated, Error>;

    /// What `operation` would do to one delivery now; changes nothing. Of a retry or a confirmation the store
    /// alone knows whether it is possible.
    async fn rehearse(
        &self,
        delivery: DeliveryId,
        operation: &Operation,
        by: &By,
    ) -> Result<Rehearsal, Error>;

    /// Carries out a replay plan whole or not at all, or only tries it out.
    async fn replay(&self, plan: Replay, way: Way, by: By) -> Result<(), Error>;

    /// Makes a token and returns it: the only time it is seen.
    async fn add_token(&self, name: &str, scope: Scope, by: By) -> Result<String, Error>;

    /// Revokes a token by name.
    async fn revoke_token(&self, name: &str, by: By) -> Result<(), Error>;

    /// The keys that sign, in turn.
    async fn keys(&self) -> Result<Vec<KeyState>, Error>;

    /// What a change to the next key would be now; changes nothing.
    async fn rehearse_rotation(&self) -> Result<Rotation, Error>;

    /// Lets the next key sign, from a moment on that every hub has heard of before.
    async fn rotate_keys(&self, by: By) -> Result<Rotation, Error>;
}

/// What a replay plan asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replay {
    /// SHA-256 of the plan, as whoever carries it out says: it leads from the trail to the file.
    pub plan: String,
    /// Its deliveries, with their states when it was made.
    pub steps: Vec<(DeliveryId, Transport, Redo)>,
}

/// A key that signs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KeyState {
    /// Its id.
    pub key: String,
    /// Its algorithm.
    pub algorithm: &'static str,
    /// In SPKI PEM form.
    pub public: String,
    /// From when on it signs; none of the first.
    pub from: Option<Timestamp>,
    /// When another takes its place; none of the last.
    pub until: Option<Timestamp>,
    /// Whether the hub that was asked can sign with it.
    pub held: bool,
}

/// A change of keys.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Id of the key of before.
    pub old: String,
    /// Its algorithm.
    pub old_algorithm: &'static str,
    /// Id of the key of afterwards.
    pub new: String,
    /// Its algorithm.
    pub new_algorithm: &'static str,
    /// From when on the new one signs, and the old one no more.
    pub from: Timestamp,
}

/// Why keys are not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// There is none to change to.
    #[error("there is no next key on this hub; make one with 'liandong key new'")]
    NoNext,
    /// A change was made known and has not taken effect.
    #[error("a change of keys is under way, the last takes effect at {from}; wait for it")]
    UnderWay {
        /// When it takes effect.
        from: Timestamp,
    },
    /// The hub cannot vouch for the next one.
    #[error("this hub does not hold key {key} that signs now, and cannot vouch for the next one")]
    NotHeld {
        /// Which.
        key: String,
    },
    /// Another was quicker.
    #[error("keys were changed by another hub meanwhile; look at 'liandong key list'")]
    Raced,
    /// Keys or history cannot be read.
    #[error("the keys cannot be read: {0}")]
    Unreadable(String),
    /// A key did not sign.
    #[error("the change could not be signed: {0}")]
    Unsigned(String),
}

impl KeyFault {
    fn chinese(&self) -> String {
        match self {
            Self::NoNext => "本枢纽没有下一个密钥；请先执行 liandong key new".to_owned(),
            Self::UnderWay { from } => format!("密钥正在更换，{from} 生效；请等它生效后再换"),
            Self::NotHeld { key } => format!("本枢纽没有现用密钥 {key}，不能为下一个密钥作保"),
            Self::Raced => "密钥刚由另一枢纽更换；请查看 liandong key list".to_owned(),
            Self::Unreadable(text) => format!("密钥无法读取：{text}"),
            Self::Unsigned(text) => format!("密钥更换声明无法签名：{text}"),
        }
    }
}

/// Who operates, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Name of the operator, as the credential says.
    pub operator: String,
    /// What whoever holds the credential says of himself.
    pub said: Said,
    /// Reason, in words; may be empty where none is asked for.
    pub reason: String,
}

impl By {
    /// Somebody who says nothing of himself.
    pub fn new(operator: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { operator: operator.into(), said: Said::default(), reason: reason.into() }
    }
}

/// What an operator says of himself, beside his credential: the trail keeps it as his word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// His name.
    pub name: Option<String>,
    /// The account of the machine that he works under.
    pub account: Option<String>,
}

/// What an operation would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rehearsal {
    /// The state now.
    pub from: Transport,
    /// The state it would lead to.
    pub to: Transport,
    /// What is owed about the delivery now.
    pub duties: Vec<Obligation>,
    /// Second hops that wait for it.
    pub second_hops: Vec<DeliveryId>,
}

/// Why an operation was not done. Nothing changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The delivery does not allow it.
    #[error(transparent)]
    NotPossible(#[from] NotPossible),
    /// Deliveries of a plan do not allow it.
    #[error("the plan does not fit the store any more, in {} of its rows; nothing was done", .0.len())]
    NotFitting(Vec<NotPossible>),
    /// A live token has this name.
    #[error("a token named '{0}' exists; revoke it first or choose another name")]
    NameTaken(String),
    /// There is no live token of this name.
    #[error("there is no live token named '{0}'")]
    NoToken(String),
    /// The endpoint is not configured.
    #[error("endpoint '{0}' is not configured; its adapter folder is missing")]
    UnknownEndpoint(String),
    /// A reason is needed.
    #[error("say why: this operation needs a reason")]
    NoReason,
    /// No randomness for a token.
    #[error("the machine gives no randomness: {0}")]
    Randomness(String),
    /// Keys are not changed.
    #[error(transparent)]
    Key(#[from] KeyFault),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Error {
    /// The same for a screen; none where the store says why.
    pub fn chinese(&self) -> Option<String> {
        Some(match self {
            Self::NotPossible(not_possible) => not_possible.chinese(),
            Self::NotFitting(rows) => format!(
                "方案与现状不符，未作任何处理：\n{}",
                rows.iter().map(NotPossible::chinese).collect::<Vec<_>>().join("\n")
            ),
            Self::NameTaken(name) => format!("已有名为“{name}”的令牌；请先吊销，或换一个名称"),
            Self::NoToken(name) => format!("没有名为“{name}”的有效令牌"),
            Self::UnknownEndpoint(endpoint) => format!("接入系统“{endpoint}”未配置：没有它的适配器目录"),
            Self::NoReason => "该操作须写明原因".to_owned(),
            Self::Randomness(text) => format!("本机取不到随机数：{text}"),
            Self::Key(fault) => fault.chinese(),
            Self::Store(_) => return None,
        })
    }
}
