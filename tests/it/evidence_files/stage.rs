//! Hubs whose messages have a history, and their evidence files.

use std::{fs, path::PathBuf};

use liandong::{
    engine::evidence::verify::{Failed, Proven, verify},
    evidence::{
        canonical,
        signer::{self, PublicKeys},
    },
};
use serde_json::{Value, json};

use crate::harness::{
    department::{Behaviour, Department, say, status},
    hub::{Hub, eventually},
    sender::{BUREAU, Files, REGULATOR, Sender, and_sends, hub_of, receives, result},
};

/// What the target says when it takes a delivery.
pub(crate) const ANSWER: &str = r#"{"code":0,"msg":"收到"}"#;

/// A hub, stopped, that handed one message over at the second attempt; its recipient signed.
pub(crate) struct Case {
    pub(crate) hub: Hub,
    pub(crate) message: String,
    pub(crate) delivery: String,
    /// Another message of the same sender.
    pub(crate) other: String,
    /// Bytes that the sender sent.
    pub(crate) sent: Vec<u8>,
    pub(crate) keys: PublicKeys,
}

/// The adapters of the bureau, which sends and receives, and of its regulator, which does too.
pub(crate) fn adapters(regulator: &Department, bureau: &Department) -> [(&'static str, Files); 2] {
    [
        (BUREAU, and_sends(receives(BUREAU, BUREAU, &bureau.address(), ""))),
        (REGULATOR, and_sends(receives(REGULATOR, REGULATOR, &regulator.address(), ""))),
    ]
}

/// A receipt of the regulator about a delivery.
pub(crate) fn receipt(key: &str, delivery: &str, action: &str) -> Value {
    json!({
        "organisation": REGULATOR, "businessKey": key, "decidedAt": "2026-03-06T09:30:00+08:00",
        "publicity": {"level": "PUBLICITY_LEVEL_NOT_PUBLIC", "reason": "内部流转"},
        "receipt": {"delivery": delivery, "action": action, "reason": "见附件"},
    })
}

impl Case {
    /// On the embedded store.
    pub(crate) async fn new() -> Self {
        let (regulator, bureau) = (Department::anywhere().await, Department::anywhere().await);
        let hub = hub_of(&adapters(&regulator, &bureau));
        Self::played(hub, &regulator, result("K-1", "JY1")).await
    }

    /// The history on any hub with these adapters.
    pub(crate) async fn played(mut hub: Hub, regulator: &Department, message: Value) -> Self {
        regulator.behave(|arrival| if arrival.times == 1 { status(503) } else { taken() });
        hub.set("seal.every_ms", 100);
        hub.start();
        let sealed = || hub.ask(&["seal", "verify"])["report"]["sealed"].as_u64();
        eventually("its start is sealed, so that there is an older checkpoint", || sealed() > Some(0)).await;
        let sender = Sender::at(&hub, BUREAU);
        let text = message.to_string();
        let accepted = sender.send_text("approval.result", &text).await;
        assert_eq!(accepted.status, 201, "{}", accepted.json());
        let delivery = accepted.delivery_to(REGULATOR);
        hub.until(&delivery, "delivered").await;
        let signed = receipt("R-1", &delivery, "RECEIPT_ACTION_SIGNED");
        Sender::at(&hub, REGULATOR).accepted(&signed).await;
        let other = sender.accepted(&result("K-2", "JY2")).await;
        hub.until(&other.delivery_to(REGULATOR), "delivered").await;
        assert_eq!(hub.stop(), Some(0));
        let signer = signer::load(&hub.data().join("keys/signing.pem")).unwrap();
        Self {
            message: accepted.message(),
            delivery,
            other: other.message(),
            sent: text.into_bytes(),
            keys: [signer.public_key().clone()].into_iter().collect(),
            hub,
        }
    }

    /// The evidence file of an id.
    pub(crate) fn file(&self, id: &str, more: &[&str]) -> Vec<u8> {
        exported(&self.hub, id, more)
    }

    /// The hub's public key, in a file.
    pub(crate) fn public_key(&self) -> PathBuf {
        public_key(&self.hub)
    }

    /// What the check says of bytes.
    pub(crate) fn check(&self, bytes: &[u8]) -> Result<Proven, Failed> {
        verify(bytes, &self.keys, None)
    }
}

/// Keeps the delivery and says so.
fn taken() -> Behaviour {
    say(200, ANSWER)
}

/// The evidence file that a hub's command writes.
pub(crate) fn exported(hub: &Hub, id: &str, more: &[&str]) -> Vec<u8> {
    let output = hub.run(&[&["evidence", "export", id], more].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A hub's public key, in a file.
pub(crate) fn public_key(hub: &Hub) -> PathBuf {
    let signer = signer::load(&hub.data().join("keys/signing.pem")).unwrap();
    let path = hub.home().join("hub.pub.pem");
    fs::write(&path, signer.public_key().to_pem()).unwrap();
    path
}

/// A file as JSON.
pub(crate) fn parsed(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The bytes of a file after it was changed: in good form, so that it is read.
pub(crate) fn written(file: &Value) -> Vec<u8> {
    let mut bytes = canonical::to_bytes(file).unwrap();
    bytes.push(b'\n');
    bytes
}
