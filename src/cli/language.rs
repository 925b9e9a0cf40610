//! The language of what people read: Chinese or English, by `--lang`, else by the locale.

use clap::{ValueEnum, builder::PossibleValue};

use crate::config::environment::Environment;

/// A language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// 中文.
    Zh,
    /// English.
    En,
}

impl ValueEnum for Language {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Zh, Self::En]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.pick("zh", "en")))
    }
}

impl Language {
    /// As asked, else by the first of `LC_ALL`, `LC_MESSAGES`, `LANG` that says something.
    pub fn choose(asked: Option<Self>, environment: &Environment) -> Self {
        asked.unwrap_or_else(|| {
            let said = ["LC_ALL", "LC_MESSAGES", "LANG"].iter().filter_map(|name| environment.get(name));
            Self::of_locale(said.into_iter().find(|value| !value.is_empty()).unwrap_or_default())
        })
    }

    /// As asked for on a command line that has not been read yet: its errors too have a language.
    pub fn asked<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut words = words.into_iter().take_while(|word| *word != "--");
        while let Some(word) = words.next() {
            let value = match word.strip_prefix("--lang") {
                Some("") => words.next(),
                Some(rest) => rest.strip_prefix('='),
                None => None,
            };
            if let Some(language) = value.and_then(|value| Self::from_str(value, false).ok()) {
                return Some(language);
            }
        }
        None
    }

    /// Chinese is the language of those who run it: a locale that names no language gets it too, except one
    /// that cannot show it.
    fn of_locale(locale: &str) -> Self {
        match locale {
            "C" | "POSIX" => Self::En,
            "" => Self::Zh,
            named if named.starts_with("zh") || named.starts_with("C.") => Self::Zh,
            _ => Self::En,
        }
    }

    /// The one of two texts that is in this language.
    pub fn pick<'a>(self, chinese: &'a str, english: &'a str) -> &'a str {
        match self {
            Self::Zh => chinese,
            Self::En => english,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(variables: &[(&str, &str)]) -> Language {
        Language::choose(None, &variables.iter().copied().collect())
    }

    #[test]
    fn the_locale_chooses_in_the_order_of_posix() {
        assert_eq!(by(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "en_US.UTF-8")]), Language::En);
        assert_eq!(by(&[("LANG", "en_US.UTF-8"), ("LC_MESSAGES", "zh_CN.GB18030")]), Language::Zh);
        assert_eq!(by(&[("LC_ALL", ""), ("LANG", "en_GB")]), Language::En);
        assert_eq!(by(&[("LANG", "de_DE.UTF-8")]), Language::En);
    }

    #[test]
    fn a_locale_without_a_language_gets_chinese_where_it_can_be_shown() {
        assert_eq!(by(&[]), Language::Zh);
        assert_eq!(by(&[("LANG", "C.UTF-8")]), Language::Zh);
        assert_eq!(by(&[("LANG", "C")]), Language::En);
        assert_eq!(by(&[("LC_ALL", "POSIX"), ("LANG", "zh_CN.UTF-8")]), Language::En);
    }

    #[test]
    fn what_is_asked_for_beats_the_locale_wherever_it_stands() {
        let english: Environment = [("LANG", "en_US.UTF-8")].into_iter().collect();
        assert_eq!(Language::choose(Some(Language::Zh), &english), Language::Zh);
        assert_eq!(Language::asked(["trail", "x", "--lang", "en"]), Some(Language::En));
        assert_eq!(Language::asked(["--lang=zh", "trail"]), Some(Language::Zh));
        for none in
            [vec!["trail"], vec!["--lang", "fr"], vec!["--", "--lang", "en"], vec!["--language", "en"]]
        {
            assert_eq!(Language::asked(none.clone()), None, "{none:?}");
        }
    }
}
