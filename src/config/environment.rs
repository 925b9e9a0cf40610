//! The process environment, read once, in one place.
//!
//! Everything below gets an [`Environment`] handed in, so that tests own it. Its values may be secrets and
//! are not printed.

use std::{collections::BTreeMap, ffi::OsString, fmt};

/// Variables that set a key of the configuration begin with this.
pub const PREFIX: &str = "LIANDONG__";

/// A snapshot of environment variables.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<String, OsString>);

impl Environment {
    /// The variables this process was started with. Names that are not UTF-8 are not ours and left out.
    #[expect(clippy::disallowed_methods, reason = "this is the place that reads the environment")]
    pub fn of_process() -> Self {
        let ours = |(name, value): (OsString, OsString)| name.into_string().ok().map(|name| (name, value));
        Self(std::env::vars_os().filter_map(ours).collect())
    }

    /// The value of one variable; none when it is not set or not UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.to_str()
    }

    /// The variables that set configuration keys, by name; the value is none when it is not UTF-8.
    pub fn settings(&self) -> impl Iterator<Item = (&str, Option<&str>)> {
        self.0
            .iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .map(|(name, value)| (name.as_str(), value.to_str()))
    }
}

impl<N: Into<String>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_prefixed_variables_set_keys() {
        let environment: Environment =
            [("LIANDONG__HTTP__LISTEN", "[::1]:80"), ("LIANDONG_TOKEN", "x"), ("PATH", "/bin")]
                .into_iter()
                .collect();
        let set: Vec<_> = environment.settings().collect();
        assert_eq!(set, [("LIANDONG__HTTP__LISTEN", Some("[::1]:80"))]);
        assert_eq!(environment.get("PATH"), Some("/bin"));
    }

    #[test]
    fn values_are_not_printed() {
        let environment: Environment = [("LIANDONG_TOKEN", "hunter2")].into_iter().collect();
        let printed = format!("{environment:?}");
        assert!(printed.contains("LIANDONG_TOKEN") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn the_process_has_an_environment() {
        assert!(Environment::of_process().get("PATH").is_some());
    }
}
