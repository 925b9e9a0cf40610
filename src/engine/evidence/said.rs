//! What a checked evidence file proves, in plain words.
//!
//! Chinese for officials, English for who works on the hub; times are China's. Says the operative moment of each
//! recipient, and what the file does not show.

use jiff::{Timestamp, tz::Offset};
use serde_json::Value;

use super::{
    stamp::Stamp,
    statements::{ANSWERED, DEADLINE_MISSED, HANDED_OVER, NOT_DELIVERED, RETURNED, SERVED_OFFLINE, SIGNED},
    story::{Planned, Story},
    verify::{Message, Proven},
};
use crate::domain::{
    decision::ParkReason,
    delivery::Moment,
    id::{MessageId, OrganisationId},
    kind::Kind,
    obligation::Duty,
};

/// How a service on paper is named among operations.
pub(super) const SERVE_OFFLINE: &str = "serve_offline";

/// Hours that China's time is ahead of UTC, everywhere and all year.
const CHINA_HOURS: i8 = 8;

/// In which language it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tongue {
    /// 中文.
    Chinese,
    /// English.
    English,
}

impl Tongue {
    fn pick<'t>(self, chinese: &'t str, english: &'t str) -> &'t str {
        match self {
            Self::Chinese => chinese,
            Self::English => english,
        }
    }
}

/// A time as people in China read it; what is no time stands as it is.
pub fn time(text: &str) -> String {
    let china = |at: Timestamp| Offset::constant(CHINA_HOURS).to_datetime(at).strftime("%Y-%m-%d %H:%M:%S");
    text.parse().map_or_else(|_| text.to_owned(), |at| china(at).to_string())
}

/// What is proven, a line a fact.
pub fn proven(proven: &Proven, tongue: Tongue) -> Vec<String> {
    let mut lines = vec![seal(proven, tongue)];
    lines.extend(stamped(proven, tongue));
    lines.extend(proven.messages.iter().filter_map(|message| accepted(proven, message, tongue)));
    for accepted in proven.lines.iter().filter(|line| line.accepts().is_some()) {
        for planned in Planned::of(accepted).iter().filter(|it| proven.about.deliveries.contains(&it.id)) {
            lines.extend(delivery(proven, planned, tongue));
        }
    }
    lines.push(limits(tongue));
    lines
}

fn seal(proven: &Proven, tongue: Tongue) -> String {
    let sealed = &proven.sealed;
    let (log, size, at, entries) = (&sealed.log, sealed.size, time(&sealed.time), proven.lines.len());
    let keys: Vec<_> = proven.keys.iter().map(ToString::to_string).collect();
    let keys = keys.join(", ");
    match tongue {
        Tongue::Chinese => format!(
            "留痕日志 {log} 的检查点（共 {size} 条，{at} 北京时间签名）封存了本包的 {entries} 条记录；枢纽声明：截至该检查点，有关记录全部在此。签名密钥 {keys}。"
        ),
        Tongue::English => format!(
            "the checkpoint of log {log} ({size} entries, signed at {at} +08:00) seals the {entries} entries of this file; the hub states that these are all about it up to that checkpoint. Signed by key {keys}."
        ),
    }
}

fn stamped(proven: &Proven, tongue: Tongue) -> Option<String> {
    Some(match (proven.stamp, tongue) {
        (Stamp::Absent, _) => return None,
        (Stamp::Unchecked, _) => tongue
            .pick(
                "本包附有时间戳机构对该检查点的时间戳，此次未核验：未给出该机构的证书（--authority）。",
                "the file has a time stamp of an authority over the checkpoint; it was not checked, since no certificate of an authority was given (--authority).",
            )
            .to_owned(),
        (Stamp::Holds(at), Tongue::Chinese) => {
            format!("可信时间戳机构证明：该检查点及其封存的全部记录，不晚于 {}（北京时间）已存在。", time(&at.to_string()))
        }
        (Stamp::Holds(at), Tongue::English) => {
            format!("a trusted authority vouches that this checkpoint, and all that it seals, was there by {} +08:00.", time(&at.to_string()))
        }
    })
}

fn accepted(proven: &Proven, message: &Message, tongue: Tongue) -> Option<String> {
    let line = proven.lines.iter().find(|line| line.accepts() == Some(message.id))?;
    let from = organisation(proven, line.text("organisation"));
    let kind = kind(line.text("kind"), tongue);
    let at = time(&line.at.to_string());
    let (id, revision) = (message.id, &line.data["revision"]);
    let receipt = message.receipt.as_ref();
    let key = receipt.and_then(|receipt| receipt["business_key"].as_str()).unwrap_or("—");
    let digest = receipt.and_then(|receipt| receipt["received"].as_str()).unwrap_or("—");
    let content = match (&message.opened, tongue) {
        (Some(opened), Tongue::Chinese) => {
            format!("原文 {} 字节在本包内，与封存的承诺一致", opened.received.len())
        }
        (Some(opened), Tongue::English) => {
            format!("its {} bytes are in this file and are those that were sealed", opened.received.len())
        }
        (None, _) => erased(proven, message.id, tongue).unwrap_or_else(|| {
            tongue.pick("原文未放入本包", "its content is left out of this file").to_owned()
        }),
    };
    Some(match tongue {
        Tongue::Chinese => format!(
            "{at} 枢纽接收 {from} 发送的{kind}，业务编号 {key}，第 {revision} 版，消息编号 {id}；收到的字节摘要 {digest}；{content}。"
        ),
        Tongue::English => format!(
            "at {at} the hub accepted {kind} {key} revision {revision} from {from}, message {id}, bytes received {digest}; {content}."
        ),
    })
}

/// That what a message said was erased, by whom, and what can still be proven.
fn erased(proven: &Proven, message: MessageId, tongue: Tongue) -> Option<String> {
    let line = proven.lines.iter().find(|line| line.erases() == Some(message))?;
    let (at, by) = (time(&line.at.to_string()), line.text("operator").unwrap_or("—"));
    let reason = line.text("reason").unwrap_or("—");
    Some(match tongue {
        Tongue::Chinese => format!(
            "其原文、收发字节的摘要和对方答复的文字已于 {at} 由 {by} 清除（{reason}）；仍可证明有此消息、由谁发送、送往何处、何时送达，不再能证明其内容"
        ),
        Tongue::English => format!(
            "what it said, the digests of what was sent and answered and the words of the answers were erased at {at} by {by} ({reason}); that there was this message, from whom, to whom and when is still proven, what it said no longer"
        ),
    })
}

/// What was sent and answered when it was handed over.
fn exchanged(proven: &Proven, statement: &Value, tongue: Tongue) -> String {
    let opened = statement["entry"].as_u64().and_then(|entry| proven.exchanged.get(&entry));
    let (sent, answer) = match opened {
        Some(opened) => (
            opened.sent.map_or_else(|| "—".to_owned(), |digest| format!("sha256:{digest}")),
            opened.answer.map_or_else(|| "—".to_owned(), |digest| format!("sha256:{digest}")),
        ),
        // Entries of earlier versions hold the digests.
        None if statement.get("sent").is_some() => {
            let text = |name: &str| statement[name].as_str().unwrap_or("—").to_owned();
            (text("sent"), text("answer"))
        }
        None => return tongue.pick("收发字节的摘要不在本包内", "digests not in this file").to_owned(),
    };
    match tongue {
        Tongue::Chinese => format!("送出摘要 {sent}，答复摘要 {answer}"),
        Tongue::English => format!("sent {sent}, answer {answer}"),
    }
}

fn delivery(proven: &Proven, planned: &Planned<'_>, tongue: Tongue) -> Vec<String> {
    let id = planned.id.to_string();
    let to = organisation(proven, planned.organisation.as_ref().map(OrganisationId::as_str));
    let mut lines = Vec::new();
    for statement in proven.statements.iter().filter(|statement| statement["delivery"] == id.as_str()) {
        lines.push(format!(
            "{}{}",
            tongue.pick("推送 ", "delivery "),
            fact(proven, statement, (&id, &to), tongue)
        ));
    }
    if lines.is_empty() {
        lines.push(match tongue {
            Tongue::Chinese => format!("推送 {id} 至 {to}：截至检查点尚未送达，也未停止。"),
            Tongue::English => {
                format!("delivery {id} to {to}: not handed over and not stopped, as of the checkpoint.")
            }
        });
    }
    lines.push(operative(proven, planned, &to, tongue));
    lines
}

fn fact(proven: &Proven, statement: &Value, (id, to): (&str, &str), tongue: Tongue) -> String {
    let at = time(statement["at"].as_str().unwrap_or_default());
    let text = |name: &str| match &statement[name] {
        Value::Null => "—".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let said = match (statement["type"].as_str().unwrap_or_default(), tongue) {
        (HANDED_OVER, _) if statement["attempt"].is_null() => match tongue {
            Tongue::Chinese => format!("{at} 已送达，以接收方的签收或退回为凭"),
            Tongue::English => format!("arrived by {at}, as its recipient's receipt shows"),
        },
        (HANDED_OVER, Tongue::Chinese) => {
            let (attempt, status) = (text("attempt"), text("status"));
            let exchanged = exchanged(proven, statement, tongue);
            format!("{at} 送达对方系统并获确认（第 {attempt} 次推送，答复状态 {status}，{exchanged}）")
        }
        (HANDED_OVER, Tongue::English) => {
            let (attempt, status) = (text("attempt"), text("status"));
            let exchanged = exchanged(proven, statement, tongue);
            format!("handed over at {at} and confirmed (attempt {attempt}, status {status}, {exchanged})")
        }
        (SERVED_OFFLINE, _) => {
            let document = text("document");
            let what = tongue.pick("线下送达，送达回证编号", "served on paper, document");
            format!("{at} {what} {document}")
        }
        (SIGNED, _) => format!("{at} {}", tongue.pick("接收方签收", "signed by its recipient")),
        (RETURNED, _) => format!("{at} {}", tongue.pick("接收方退回", "returned by its recipient")),
        (ANSWERED, _) => format!("{at} {}", tongue.pick("接收方反馈", "answered by its recipient")),
        (NOT_DELIVERED, _) => not_delivered(statement, &at, tongue),
        (DEADLINE_MISSED, _) => missed(statement, tongue),
        (other, _) => format!("{at} {other}"),
    };
    match tongue {
        Tongue::Chinese => format!("{id} 至 {to}：{said}。"),
        Tongue::English => format!("{id} to {to}: {said}."),
    }
}

fn not_delivered(statement: &Value, at: &str, tongue: Tongue) -> String {
    let attempts = &statement["attempts"];
    let state = statement["state"].as_str().unwrap_or_default();
    let reason = serde_json::from_value::<ParkReason>(statement["reason"].clone()).ok();
    let why = match (state, reason, tongue) {
        ("parked", Some(reason), Tongue::Chinese) => format!("待人工处理：{}", reason.chinese()),
        ("parked", Some(reason), Tongue::English) => format!("parked: {reason}"),
        ("withdrawn", ..) => tongue.pick("已取消推送", "withdrawn").to_owned(),
        ("skipped", ..) => tongue.pick("已跳过", "skipped").to_owned(),
        ("superseded", ..) => tongue.pick("已被更正替代", "superseded by a higher revision").to_owned(),
        (other, ..) => other.to_owned(),
    };
    match tongue {
        Tongue::Chinese => format!("截至检查点未送达；推送 {attempts} 次后，于 {at} {why}"),
        Tongue::English => {
            format!("not delivered as of the checkpoint; after {attempts} attempts, at {at}: {why}")
        }
    }
}

fn missed(statement: &Value, tongue: Tongue) -> String {
    let due = statement["due"].as_str().unwrap_or_default();
    let duty = serde_json::from_value::<Duty>(statement["duty"].clone()).ok();
    let noticed = time(statement["at"].as_str().unwrap_or_default());
    match tongue {
        Tongue::Chinese => {
            let duty = duty.map_or("应办事项", Duty::chinese);
            format!("应于 {due} 前（含当日）{duty}，{noticed} 查明逾期未办")
        }
        Tongue::English => {
            let duty = duty.map_or("answer", Duty::as_str);
            format!("owed {duty} by {due} and had not done it, as was found at {noticed}")
        }
    }
}

fn operative(proven: &Proven, planned: &Planned<'_>, to: &str, tongue: Tongue) -> String {
    let (configured, why) = (moment(planned.moment, tongue), &proven.configured.moment_basis);
    let data = &planned.accepted.data;
    let stated = proven.statements.iter().filter(|it| it["delivery"] == planned.id.to_string());
    let basis = stated.filter(|it| it["rule"] == planned.rule.as_str()).find_map(|it| it["basis"].as_str());
    let basis = basis.or_else(|| basis_of(proven, planned)).unwrap_or("—");
    let (rule, registry, rules) = (&planned.rule, &data["registry"], &data["rules"]);
    let story = Story::of(planned, &proven.lines);
    let which = match (story.operative(planned.moment), tongue) {
        (Some(it), Tongue::Chinese) => {
            format!("审管界点 {}（{}）", time(&it.happened.at.to_string()), by(it.by, tongue))
        }
        (Some(it), Tongue::English) => {
            format!("the operative moment is {} ({})", time(&it.happened.at.to_string()), by(it.by, tongue))
        }
        (None, _) => tongue.pick("审管界点尚未到达", "the operative moment is not reached").to_owned(),
    };
    match tongue {
        Tongue::Chinese => format!(
            "对 {to}：{which}；约定的线上界点为“{configured}”（{why}）；规则 {rule}，依据 {basis}；注册表版本 {registry}，规则版本 {rules}。"
        ),
        Tongue::English => format!(
            "for {to} {which}; the configured online moment is {configured} ({why}); rule {rule}, basis {basis}; registry version {registry}, rules version {rules}."
        ),
    }
}

/// The basis of a delivery's rule, where its message's decision is opened.
pub(super) fn basis_of<'p>(proven: &'p Proven, planned: &Planned<'_>) -> Option<&'p str> {
    let message = proven.messages.iter().find(|message| message.id == planned.message)?;
    let why = message.opened.as_ref()?.decision["why"].as_array()?;
    why.iter().find(|reason| reason["rule"] == planned.rule.as_str())?["basis"].as_str()
}

pub(super) fn moment(moment: Option<Moment>, tongue: Tongue) -> &'static str {
    match moment {
        Some(Moment::HandedOver) => tongue.pick("送达系统", "handed over"),
        Some(Moment::Signed) => tongue.pick("签收", "signed"),
        None => "—",
    }
}

pub(super) fn by(word: &str, tongue: Tongue) -> &'static str {
    match word {
        HANDED_OVER => tongue.pick("线上送达", "handed over online"),
        SIGNED => tongue.pick("签收", "signed"),
        _ => tongue.pick("线下送达", "served on paper"),
    }
}

pub(super) fn kind(word: Option<&str>, tongue: Tongue) -> String {
    let word = word.unwrap_or("—");
    match (word.parse::<Kind>(), tongue) {
        (Ok(kind), Tongue::Chinese) => kind.row().chinese.to_owned(),
        _ => word.to_owned(),
    }
}

/// Name and id of an organisation.
pub(super) fn organisation(proven: &Proven, id: Option<&str>) -> String {
    let Some(id) = id else { return "—".to_owned() };
    proven.configured.names.get(id).map_or_else(|| id.to_owned(), |name| format!("{name}（{id}）"))
}

fn limits(tongue: Tongue) -> String {
    tongue
        .pick(
            "以上不说明检查点之后发生的事；推送时间出自承办推送的机器，其余时间出自枢纽的时钟；机构名称以枢纽登记的为准。",
            "this says nothing of what happened after the checkpoint; times of attempts are by the clock of the worker, all others by the hub's; names of organisations are those the hub knows.",
        )
        .to_owned()
}
