//! Who operates: the machine's account, and the name that whoever uses it gives.
//!
//! The credential of commands on this machine is the account's; several people may share that. So the trail keeps the
//! account as the system knows it, and the name that is said with `--by`, each as what it is.

use std::{fs, os::unix::fs::MetadataExt as _};

use clap::Args;

use super::{parse, reach::LOCAL};
use crate::{
    config::environment::Environment,
    port::operations::{By, Said},
};

/// Who operates.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct Who {
    /// Who does it, by name; the trail keeps it beside this machine's account. Say it where people share one
    #[arg(long, value_name = "NAME", value_parser = parse::not_blank)]
    by: Option<String>,
}

impl Who {
    /// What is said to a hub.
    pub(super) fn said(&self, environment: &Environment) -> Said {
        Said { name: self.by.clone(), account: Some(account(environment)) }
    }

    /// For what a command does itself.
    pub(super) fn by(&self, environment: &Environment, reason: String) -> By {
        By { operator: LOCAL.to_owned(), said: self.said(environment), reason }
    }
}

/// The account that this process runs as; behind sudo, also who asked for it.
fn account(environment: &Environment) -> String {
    let own =
        fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |process| named(process.uid()));
    match environment.get("SUDO_USER") {
        Some(asked) if !asked.is_empty() && asked != own => format!("{own} (sudo: {asked})"),
        _ => own,
    }
}

/// The name of an account; its number where the machine's own list has none.
fn named(uid: u32) -> String {
    let list = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = list.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, number) = (fields.next()?, fields.nth(1)?);
        (number.parse() == Ok(uid)).then(|| name.to_owned())
    });
    name.unwrap_or_else(|| format!("uid {uid}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_has_a_name_or_a_number_and_whoever_asked_for_it_is_said() {
        assert_eq!(named(0), "root");
        assert_eq!(named(4_000_000_000), "uid 4000000000");
        let plain = account(&Environment::default());
        let asked = account(&[("SUDO_USER", "zhangsan")].into_iter().collect());
        assert_eq!(asked, format!("{plain} (sudo: zhangsan)"));
    }
}
