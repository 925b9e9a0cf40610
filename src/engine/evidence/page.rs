//! The page for people: one evidence file in Chinese, to read and to print on A4.
//!
//! Made out of a file that was checked, and of nothing else. Whole in itself: no script, no picture, no address that a
//! browser would ask. Every value that came from outside goes through [`escaped`].

use serde_json::Value;

use super::{
    Line,
    said::{self, Tongue, time},
    story::{Happened, Planned, Story},
    verify::{Message, Proven},
};
use crate::{
    domain::{
        delivery::Outcome,
        id::OrganisationId,
        obligation::{Duty, Term},
    },
    engine::trail,
    evidence::digest::Digest,
};

const STYLE: &str = include_str!("page.css");

/// Characters of a payload that are printed; the file has all of it.
const SHOWN: usize = 8_000;

/// A part of the page.
#[derive(Default)]
struct Part(String);

impl Part {
    fn heading(&mut self, level: u8, text: &str) {
        self.put(format_args!("<h{level}>{}</h{level}>\n", escaped(text)));
    }

    fn paragraph(&mut self, text: &str) {
        self.put(format_args!("<p>{}</p>\n", escaped(text)));
    }

    /// Rows of a name and a value.
    fn pairs(&mut self, rows: &[(&str, String)]) {
        self.put(format_args!("<table>\n"));
        for (name, value) in rows {
            self.put(format_args!("<tr><th>{}</th><td>{}</td></tr>\n", escaped(name), escaped(value)));
        }
        self.put(format_args!("</table>\n"));
    }

    fn table(&mut self, heads: &[&str], rows: &[Vec<String>]) {
        if rows.is_empty() {
            self.put(format_args!("<p class=\"none\">无</p>\n"));
            return;
        }
        self.put(format_args!("<table>\n<tr>"));
        for head in heads {
            self.put(format_args!("<th>{}</th>", escaped(head)));
        }
        self.put(format_args!("</tr>\n"));
        for row in rows {
            self.put(format_args!("<tr>"));
            for cell in row {
                self.put(format_args!("<td>{}</td>", escaped(cell)));
            }
            self.put(format_args!("</tr>\n"));
        }
        self.put(format_args!("</table>\n"));
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.push_str(&text.to_string());
    }
}

/// The page of a checked file.
pub fn of(proven: &Proven) -> String {
    let mut page = Part::default();
    head(&mut page, proven);
    for message in proven.messages.iter().filter(|message| proven.about.messages.contains(&message.id)) {
        of_message(&mut page, proven, message);
    }
    others(&mut page, proven);
    entries(&mut page, proven);
    how(&mut page, proven);
    let title = "联动证据包";
    format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n{}</body>\n</html>\n",
        page.0
    )
}

/// The text with everything that has a meaning in HTML written out, and characters that no text has left out.
pub fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(character),
            // Marks that turn the reading direction make one text look like another.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' => {
                safe.push('\u{fffd}');
            }
            other if other.is_control() => safe.push('\u{fffd}'),
            other => safe.push(other),
        }
    }
    safe
}

fn head(page: &mut Part, proven: &Proven) {
    page.heading(1, "联动证据包");
    let sealed = &proven.sealed;
    page.put(format_args!(
        "<p class=\"lead\">据留痕日志 {} 截至 {}（北京时间）的检查点出具</p>\n",
        escaped(&sealed.log),
        escaped(&time(&sealed.time)),
    ));
    page.heading(2, "证明事项");
    for line in said::proven(proven, Tongue::Chinese) {
        page.paragraph(&line);
    }
}

fn of_message(page: &mut Part, proven: &Proven, message: &Message) {
    let Some(accepted) = proven.lines.iter().find(|line| line.accepts() == Some(message.id)) else { return };
    page.heading(2, "消息");
    page.pairs(&particulars(proven, message, accepted));
    for planned in Planned::of(accepted) {
        if proven.about.deliveries.contains(&planned.id) {
            of_delivery(page, proven, &planned);
        }
    }
    let Some(opened) = &message.opened else { return };
    page.heading(3, "限时办理事项（受理时确定）");
    let owed: Vec<_> = rows(&opened.decision, "obligations").map(|row| owed(proven, row)).collect();
    page.table(&["机构", "应办", "期限", "期限来源", "依据"], &owed);
    page.heading(3, "消息内容（规范形式）");
    let pretty = serde_json::to_string_pretty(&opened.content).unwrap_or_default();
    let cut: String = pretty.chars().take(SHOWN).collect();
    page.put(format_args!("<pre>{}</pre>\n", escaped(&cut)));
    if cut.len() < pretty.len() {
        page.paragraph("（内容较长，此处未印全；证据包文件中为全文）");
    }
}

fn particulars(proven: &Proven, message: &Message, accepted: &Line) -> Vec<(&'static str, String)> {
    let receipt = message.receipt.as_ref();
    let stated = |name: &str| receipt.map_or_else(|| "—".to_owned(), |receipt| plain(&receipt[name]));
    let decided = decided(message).unwrap_or_else(|| "—".to_owned());
    vec![
        ("消息编号", message.id.to_string()),
        ("类型", said::kind(accepted.text("kind"), Tongue::Chinese)),
        (
            "业务编号、版本",
            format!("{}　第 {} 版", stated("business_key"), plain(&accepted.data["revision"])),
        ),
        ("发送机构", said::organisation(proven, accepted.text("organisation"))),
        ("作出决定的机构", said::organisation(proven, accepted.text("decided_by"))),
        ("接入系统", accepted.text("endpoint").unwrap_or("—").to_owned()),
        ("作出决定", decided),
        ("枢纽接收", time(&accepted.at.to_string())),
        ("收到字节的摘要", stated("received")),
        (
            "注册表、规则版本",
            format!("{}、{}", plain(&accepted.data["registry"]), plain(&accepted.data["rules"])),
        ),
        ("留痕序号", accepted.position.to_string()),
    ]
}

/// When it was decided, by the sender's word; none where the content is left out.
fn decided(message: &Message) -> Option<String> {
    message.opened.as_ref()?.content["decidedAt"].as_str().map(time)
}

fn of_delivery(page: &mut Part, proven: &Proven, planned: &Planned<'_>) {
    let to = said::organisation(proven, planned.organisation.as_ref().map(OrganisationId::as_str));
    page.heading(3, &format!("推送：{to}"));
    let story = Story::of(planned, &proven.lines);
    let part = planned.part.map_or("—", |part| part.chinese());
    let behalf = planned.on_behalf_of.as_ref();
    let mut pairs = vec![
        ("推送编号", planned.id.to_string()),
        ("分工", part.to_owned()),
        ("规则、依据", format!("{}　{}", planned.rule, basis(proven, planned))),
    ];
    if let Some(behalf) = behalf {
        pairs.push(("以谁名义", said::organisation(proven, Some(behalf.as_str()))));
    }
    page.pairs(&pairs);
    page.put(format_args!("<p class=\"moment\">{}</p>\n", escaped(&operative(proven, planned, &story))));
    moments(page, proven, planned, &story);
    page.paragraph("历次推送：");
    let attempts: Vec<_> = story.attempts.iter().map(|line| attempt(proven, line)).collect();
    let heads = ["次", "时间（北京时间）", "结果", "对方、状态码", "送出、答复字节的摘要", "答复"];
    page.table(&heads, &attempts);
}

fn basis(proven: &Proven, planned: &Planned<'_>) -> String {
    let stated = proven.statements.iter().filter(|it| it["delivery"] == planned.id.to_string());
    let mut stated = stated.filter(|it| it["rule"] == planned.rule.as_str());
    let basis = stated.find_map(|it| it["basis"].as_str());
    basis.or_else(|| said::basis_of(proven, planned)).unwrap_or("—").to_owned()
}

fn operative(proven: &Proven, planned: &Planned<'_>, story: &Story<'_>) -> String {
    let configured = said::moment(planned.moment, Tongue::Chinese);
    let why = &proven.configured.moment_basis;
    match story.operative(planned.moment) {
        Some(it) => format!(
            "审管界点：{}（{}；约定的线上界点为“{configured}”，依据：{why}）",
            time(&it.happened.at.to_string()),
            said::by(it.by, Tongue::Chinese)
        ),
        None => format!("审管界点：截至检查点尚未到达（约定的线上界点为“{configured}”，依据：{why}）"),
    }
}

/// The five moments, never mixed; paper beside them.
fn moments(page: &mut Part, proven: &Proven, planned: &Planned<'_>, story: &Story<'_>) {
    let message = proven.messages.iter().find(|message| message.id == planned.message);
    let decided =
        message.and_then(decided).map(|at| vec!["作出决定".to_owned(), at, "发送方所述".to_owned()]);
    let row = |name: &str, happened: Option<Happened<'_>>| {
        happened.map(|it| vec![name.to_owned(), time(&it.at.to_string()), it.line.position.to_string()])
    };
    let accepted = Happened { at: planned.accepted.at, line: planned.accepted };
    let rows = [
        decided,
        row("枢纽接收", Some(accepted)),
        row("送达系统", story.handed_over),
        row("线下送达", story.offline),
        row("签收", story.signed),
        row("退回", story.returned),
        row("反馈", story.answered),
    ];
    page.table(&["时点", "时间（北京时间）", "留痕序号"], &rows.into_iter().flatten().collect::<Vec<_>>());
}

fn attempt(proven: &Proven, line: &Line) -> Vec<String> {
    let data = &line.data;
    let outcome = serde_json::from_value::<Outcome>(data["outcome"].clone());
    let time = |name: &str| time(&plain(&data[name]));
    vec![
        plain(&data["attempt"]),
        format!("{} 至 {}", time("started_at"), time("ended_at")),
        outcome.map_or_else(|_| plain(&data["outcome"]["class"]), |outcome| outcome.chinese().to_owned()),
        format!("{} {}", plain(&data["peer"]), plain(&data["status"])),
        digests(proven, line),
        proven.said.get(&line.position).cloned().unwrap_or_default(),
    ]
}

/// By SHA-256: as the file opens the entry, or as an entry of an earlier version holds them.
fn digests(proven: &Proven, line: &Line) -> String {
    let Some(opened) = proven.exchanged.get(&line.position) else {
        let old = ["sent", "answer"].map(|name| line.text(name).unwrap_or("—"));
        return if line.data.get("sent").is_some() { old.join(" ") } else { "不在本包内".to_owned() };
    };
    let text = |digest: Option<Digest>| digest.map_or_else(|| "—".to_owned(), |digest| digest.to_string());
    format!("{} {}", text(opened.sent), text(opened.answer))
}

fn owed(proven: &Proven, row: &Value) -> Vec<String> {
    let duty = serde_json::from_value::<Duty>(row["duty"].clone());
    let term = match serde_json::from_value::<Term>(row["term"].clone()) {
        Ok(Term::Stated) => "依据所载",
        Ok(Term::Assumed) => "本枢纽设定",
        Err(_) => "—",
    };
    vec![
        said::organisation(proven, row["organisation"].as_str()),
        duty.map_or_else(|_| plain(&row["duty"]), |duty| duty.chinese().to_owned()),
        plain(&row["due"]),
        term.to_owned(),
        plain(&row["basis"]),
    ]
}

/// Messages that speak of this one: receipts, answers, corrections.
fn others(page: &mut Part, proven: &Proven) {
    let others = proven.messages.iter().filter(|message| !proven.about.messages.contains(&message.id));
    let cells = |message: &Message| {
        let line = proven.lines.iter().find(|line| line.accepts() == Some(message.id))?;
        Some(vec![
            time(&line.at.to_string()),
            said::kind(line.text("kind"), Tongue::Chinese),
            said::organisation(proven, line.text("organisation")),
            message.id.to_string(),
            line.position.to_string(),
        ])
    };
    let rows: Vec<_> = others.filter_map(cells).collect();
    if rows.is_empty() {
        return;
    }
    page.heading(2, "有关的其他消息");
    page.table(&["接收时间", "类型", "发送机构", "消息编号", "留痕序号"], &rows);
}

fn entries(page: &mut Part, proven: &Proven) {
    page.heading(2, "留痕记录");
    let row = |line: &Line| {
        vec![
            line.position.to_string(),
            time(&line.at.to_string()),
            trail::chinese(&line.event).unwrap_or(&line.event).to_owned(),
            line.delivery.map(|delivery| delivery.to_string()).unwrap_or_default(),
            plain(&line.data["operator"]),
            plain(&line.data["reason"]),
        ]
    };
    let rows: Vec<_> = proven.lines.iter().map(row).collect();
    page.table(&["序号", "时间（北京时间）", "事件", "推送编号", "经办", "原因"], &rows);
}

fn how(page: &mut Part, proven: &Proven) {
    page.heading(2, "如何核验");
    page.paragraph(
        "本页由证据包文件生成，供阅读；证明力在证据包文件及其签名，不在本页。核验不需要枢纽的存储，也不需要网络：",
    );
    page.put(format_args!("<pre>liandong evidence verify 证据包文件 --key 公钥文件</pre>\n"));
    page.paragraph("公钥应从可信途径另行取得，不得取自证据包。不用本软件时，可按 docs/evidence-file.zh-CN.md 用 openssl 逐步核验。");
    let keys: Vec<_> = proven.keys.iter().map(ToString::to_string).collect();
    let sealed = &proven.sealed;
    page.pairs(&[
        ("日志", sealed.log.clone()),
        ("检查点", format!("{} 条，{}（北京时间）", sealed.size, time(&sealed.time))),
        ("检查点根", sealed.root.to_string()),
        ("签名密钥", keys.join("、")),
    ]);
    page.put(format_args!(
        "<footer>{}</footer>\n",
        escaped("持有本证据包者可读到其中的消息内容，请按个人信息和政务数据的规定保管。")
    ));
}

fn rows<'v>(value: &'v Value, field: &str) -> impl Iterator<Item = &'v Value> {
    value[field].as_array().into_iter().flatten()
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_came_from_outside_is_markup() {
        let hostile = "<script>alert('x')</script>\" onload=\"&lt;\u{202e}\u{7}\u{1b}";
        let safe = escaped(hostile);
        assert!(!safe.contains(['<', '>', '"', '\'', '\u{202e}', '\u{7}', '\u{1b}']), "{safe}");
        assert!(safe.contains("&amp;lt;"), "what was escaped already is shown as it came");
    }

    #[test]
    fn cells_and_headings_are_escaped() {
        let mut page = Part::default();
        page.heading(3, "<b>");
        page.paragraph("<b>");
        page.pairs(&[("<b>", "<b>".to_owned())]);
        page.table(&["<b>"], &[vec!["<b>".to_owned()]]);
        assert!(!page.0.contains("<b>"), "{}", page.0);
        assert_eq!(page.0.matches("&lt;b&gt;").count(), 6);
    }
}
