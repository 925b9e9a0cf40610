//! Why a command failed: its exit code, and its text in Chinese or English.
//!
//! What people do with a hub is said in their language. Faults of configuration files and of messages keep the
//! English of their field paths and keys, under a Chinese heading; they are for those who write the files.

use std::io;

use serde_json::{Value, json};

use super::{language::Language, reach};
use crate::{
    app,
    config::settings,
    port::store,
    task::{self, Failure},
};

/// Exit code of a configuration that is not in order (`EX_USAGE` of sysexits).
const EXIT_CONFIGURATION: u8 = 64;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Configuration is not in order.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The hub does not start.
    #[error(transparent)]
    App(#[from] app::Error),
    /// The hub could not be asked, or refused.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// Telemetry could not be set up.
    #[error(transparent)]
    Telemetry(#[from] app::telemetry::Error),
    /// Output could not be written.
    #[error("cannot write the output")]
    Output(#[from] io::Error),
    /// A file that was named cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// What is wrong, in both languages.
    #[error("{english}")]
    Said {
        /// In Chinese.
        chinese: String,
        /// In English.
        english: String,
    },
    /// What was checked is not in order; it has been said.
    #[error("{0}")]
    NotInOrder(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Failure),
}

impl Error {
    /// What is wrong, in both languages.
    pub(super) fn said(chinese: impl Into<String>, english: impl Into<String>) -> Self {
        Self::Said { chinese: chinese.into(), english: english.into() }
    }

    /// The exit code of the process.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::App(app::Error::Configuration(_)) => EXIT_CONFIGURATION,
            // Whoever read the output has read enough.
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// Whether somebody is to be told.
    pub(super) fn is_worth_telling(&self) -> bool {
        self.exit_code() != 0
    }

    /// The text for people.
    pub(super) fn text(&self, language: Language) -> String {
        match language {
            Language::En => match self {
                Self::Reach(error) => error.english(),
                other => chain(other),
            },
            Language::Zh => self.chinese(),
        }
    }

    /// The text for programs, with the hub's own answer where it gave one.
    pub(super) fn value(&self) -> Value {
        let mut value = json!({ "error": chain(self), "exit_code": self.exit_code() });
        if let Self::Reach(reach::Error::Refused { body, .. }) = self {
            value["problem"] = body.clone();
        }
        value
    }

    fn chinese(&self) -> String {
        match self {
            Self::Settings(settings::Error::Unreadable { path, source }) => {
                format!("配置文件 {} 无法读取：{}", path.display(), io_chinese(source))
            }
            Self::Settings(settings::Error::Faulty(faults)) => {
                format!("配置有误，共 {} 处：\n{faults}", faults.0.len())
            }
            Self::App(error) => app_chinese(error),
            Self::Reach(error) => error.chinese(),
            Self::Telemetry(error) => format!("日志或指标无法启用：{}", chain(error)),
            Self::Output(error) => format!("无法输出：{}", io_chinese(error)),
            Self::Unreadable { path, source } => format!("无法读取 {path}：{}", io_chinese(source)),
            Self::Said { chinese, .. } => chinese.clone(),
            Self::NotInOrder(_) | Self::Other(_) => chain(self),
        }
    }
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::App(error.into())
    }
}

impl From<task::Error> for Error {
    fn from(error: task::Error) -> Self {
        Self::Other(error.into())
    }
}

fn app_chinese(error: &app::Error) -> String {
    match error {
        app::Error::Configuration(faults) => format!("配置有误：\n{faults}"),
        app::Error::Store(error) => store_chinese(error),
        app::Error::Bind { address, source } => format!(
            "无法监听 {address}：{}；请停止占用它的程序，或改用其他地址（http.listen、admin.listen）",
            io_chinese(source)
        ),
        app::Error::Setup { what, source } => format!("{}：{}", setup_chinese(what), chain(source.as_ref())),
    }
}

/// What could not be set up; each word stands where [`app`] says it.
fn setup_chinese(what: &str) -> &str {
    match what {
        "signing key" | "folder of the signing key" => "签名密钥无法使用",
        "registry folder" => "注册表目录无法读取",
        "rules folder" => "规则目录无法读取",
        "content key" => "内容摘要密钥无法使用",
        "drop folder" => "收件文件夹无法使用",
        other => other,
    }
}

/// What is wrong with a store, for a screen.
pub(super) fn store_chinese(error: &store::Error) -> String {
    match error {
        store::Error::DiskFull(text) => format!("磁盘已满：{text}"),
        store::Error::Unavailable(text) => format!("数据暂不可用，请稍后再试：{text}"),
        store::Error::InUse(path) => {
            format!("数据目录 {path} 正被另一个 liandong 进程使用；先停止它，或用 --config 指明其他配置")
        }
        store::Error::Absent(path) => {
            format!("数据目录 {path} 中还没有数据；先运行 liandong serve，或用 --config 指明枢纽所用的配置")
        }
        store::Error::Damaged(text) => format!("数据有损，需人工处理：{text}"),
        store::Error::Backend { .. } => format!("数据库出错：{}", chain(error)),
    }
}

/// What the system said of a file, a socket or a pipe, for a screen.
pub(super) fn io_chinese(error: &io::Error) -> String {
    let known = match error.kind() {
        io::ErrorKind::NotFound => "文件或目录不存在",
        io::ErrorKind::PermissionDenied => "没有权限",
        io::ErrorKind::IsADirectory => "这是目录，不是文件",
        io::ErrorKind::NotADirectory => "路径中有一段不是目录",
        io::ErrorKind::AddrInUse => "地址已被占用",
        io::ErrorKind::AddrNotAvailable => "本机没有这个地址",
        io::ErrorKind::InvalidData => "内容不是 UTF-8 文本",
        io::ErrorKind::StorageFull => "磁盘已满",
        _ => return error.to_string(),
    };
    known.to_owned()
}

/// The error with what caused it, once each.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_port_in_use_is_said_in_both_languages_and_is_no_fault_of_configuration() {
        let address = SocketAddr::from(([127, 0, 0, 1], 80));
        let source = io::Error::from(io::ErrorKind::AddrInUse);
        let error = Error::App(app::Error::Bind { address, source });
        assert!(error.text(Language::Zh).contains("地址已被占用"), "{}", error.text(Language::Zh));
        assert!(error.text(Language::En).contains("127.0.0.1:80"), "{}", error.text(Language::En));
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn a_faulty_configuration_has_an_exit_code_of_its_own() {
        let error = Error::App(app::Error::Configuration("a.toml:1: b: c".into()));
        assert_eq!(error.exit_code(), 64);
        assert!(error.text(Language::Zh).starts_with("配置有误"));
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let error = Error::Output(io::ErrorKind::BrokenPipe.into());
        assert!(!error.is_worth_telling());
        assert_eq!(error.exit_code(), 0);
        assert_eq!(Error::Output(io::ErrorKind::StorageFull.into()).exit_code(), 1);
    }

    #[test]
    fn causes_are_said_once() {
        let source = io::Error::from(io::ErrorKind::NotFound);
        let error = Error::Unreadable { path: "x.json".into(), source };
        assert_eq!(error.text(Language::En), "cannot read x.json: entity not found");
        assert_eq!(error.text(Language::Zh), "无法读取 x.json：文件或目录不存在");
        assert_eq!(error.value()["exit_code"], 1);
    }
}
