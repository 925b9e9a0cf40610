//! The language of what people read: Chinese or English, by `--lang`, else by the locale.

use clap::ValueEnum;

use crate::config::environment::Environment;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// 中文.
    Zh,
    /// English.
    En,
}

impl Language {
    /// As asked, else by `LC_ALL`, `LC_MESSAGES`, `LANG`; Chinese when none says English.
    pub fn choose(asked: Option<Self>, environment: &Environment) -> Self {
        asked.unwrap_or_else(|| {
            let locale = ["LC_ALL", "LC_MESSAGES", "LANG"]
                .iter()
                .filter_map(|name| environment.get(name))
                .find(|value| !value.is_empty());
            match locale {
                Some(locale) if locale.starts_with("en") => Self::En,
                _ => Self::Zh,
            }
        })
    }

    /// The one of two texts that is in this language.
    pub fn pick<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Zh => chinese,
            Self::En => english,
        }
    }
}
