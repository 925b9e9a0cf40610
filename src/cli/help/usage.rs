//! Errors of usage in Chinese; in English they are clap's own.

use std::{error::Error as _, fmt};

use clap::{
    Error,
    error::{ContextKind, ContextValue, ErrorKind},
};

use super::chinese::VALUES;

/// What is wrong with the value of an argument, in both languages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// In Chinese.
    pub(crate) chinese: String,
    /// In English.
    pub(crate) english: String,
}

impl Wrong {
    pub(crate) fn new(chinese: impl Into<String>, english: impl Into<String>) -> Self {
        Self { chinese: chinese.into(), english: english.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.english)
    }
}

impl std::error::Error for Wrong {}

/// The error as it is shown to a reader of Chinese.
pub(crate) fn chinese(error: &Error) -> String {
    let hints = [
        (ContextKind::ValidValue, "可用的值："),
        (ContextKind::SuggestedValue, "是否想写："),
        (ContextKind::ValidSubcommand, "可用的命令："),
        (ContextKind::SuggestedSubcommand, "是否想写："),
        (ContextKind::SuggestedArg, "是否想写："),
    ];
    let hints = hints.iter().filter_map(|(kind, begins)| Some(format!("  {begins}{}", list(error, *kind)?)));
    let usage = list(error, ContextKind::Usage).map(|usage| format!("\n用法：{}", chinese_line(&usage)));
    let lines: Vec<_> = std::iter::once(format!("错误：{}", said(error)))
        .chain(hints)
        .chain(usage)
        .chain(["\n加 --help 查看说明。\n".to_owned()])
        .collect();
    lines.join("\n")
}

/// A line of usage as clap makes it, with its words in Chinese.
pub(super) fn chinese_line(usage: &str) -> String {
    let mut line = usage.trim_start_matches("Usage:").trim().replace("[OPTIONS]", "[选项]");
    for (english, word) in [("COMMAND", "命令")].iter().chain(VALUES) {
        line = line.replace(&format!("<{english}>"), &format!("<{word}>"));
        line = line.replace(&format!("[{english}]"), &format!("[{word}]"));
    }
    line
}

fn said(error: &Error) -> String {
    let context = |kind| list(error, kind).unwrap_or_default();
    let argument = context(ContextKind::InvalidArg);
    let value = context(ContextKind::InvalidValue);
    match error.kind() {
        ErrorKind::InvalidValue if value.is_empty() => format!("{argument} 后面要有值"),
        ErrorKind::InvalidValue => format!("{argument} 不能是“{value}”"),
        ErrorKind::ValueValidation => {
            let wrong = error.source().and_then(|source| source.downcast_ref::<Wrong>());
            let because = match (wrong, error.source()) {
                (Some(wrong), _) => wrong.chinese.clone(),
                (None, Some(source)) => source.to_string(),
                (None, None) => "格式不对".to_owned(),
            };
            format!("{argument} 的值“{value}”不对：{because}")
        }
        ErrorKind::UnknownArgument => format!("没有“{argument}”这个选项或参数"),
        ErrorKind::InvalidSubcommand => format!("没有“{}”这个命令", context(ContextKind::InvalidSubcommand)),
        ErrorKind::MissingRequiredArgument => format!("缺少：{argument}"),
        ErrorKind::MissingSubcommand => "缺少下一级命令".to_owned(),
        ErrorKind::ArgumentConflict => {
            format!("{argument} 不能与 {} 同用", context(ContextKind::PriorArg))
        }
        ErrorKind::TooManyValues => format!("{argument} 不能再有值“{value}”"),
        ErrorKind::TooFewValues | ErrorKind::WrongNumberOfValues => format!("{argument} 的值的个数不对"),
        ErrorKind::InvalidUtf8 => "命令行中有不是 UTF-8 的文字".to_owned(),
        _ => error.to_string(),
    }
}

fn list(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::None => None,
        ContextValue::Strings(texts) if texts.is_empty() => None,
        ContextValue::Strings(texts) => Some(texts.join("、")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::{Arguments, help::dressed, language::Language};

    fn of(words: &[&str]) -> String {
        let line = ["liandong"].into_iter().chain(words.iter().copied());
        chinese(&dressed(Arguments::command(), Language::Zh).try_get_matches_from(line).unwrap_err())
    }

    #[test]
    fn errors_of_usage_say_what_is_wrong_and_what_would_do() {
        let id = "0192f0a4-7c1e-7d3a-9b56-1f2e3d4c5b6a";
        for (words, says) in [
            (vec!["trial"], vec!["没有“trial”这个命令", "trail"]),
            (vec!["deliveries", "park", id], vec!["缺少：--reason <原因>", "用法：liandong deliveries park"]),
            (vec!["deliveries", "park", id, "--reason", " "], vec!["--reason <原因>", "不能空白"]),
            (vec!["deliveries", "list", "--state", "lost"], vec!["不能是“lost”", "parked"]),
            (vec!["deliveries", "list", "--sate", "parked"], vec!["没有“--sate”", "--state"]),
            (vec!["deliveries", "retry", "17"], vec!["推送编号", "“17”"]),
            (vec!["deliveries", "list", "--limit"], vec!["后面要有值"]),
        ] {
            let text = of(&words);
            for part in says {
                assert!(text.contains(part), "{words:?} does not say {part}:\n{text}");
            }
        }
    }
}
