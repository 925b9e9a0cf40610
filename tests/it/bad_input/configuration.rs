//! Configuration, registry, rules, adapters and tables that are wrong: told with file and line, all at once, with
//! exit code 64, before anything is opened.

use std::{fs, path::PathBuf};

use crate::{
    harness::{
        drop_box::DropBox,
        hub::Hub,
        sender::{BUREAU, Files, REGULATOR, hub_of, receives, sends},
    },
    source::root,
};

/// A hub with a registry and rules of its own to spoil.
struct Spoilt {
    hub: Hub,
}

impl Spoilt {
    fn with(adapters: &[(&str, Files)]) -> Self {
        let mut hub = hub_of(adapters);
        for folder in ["registry", "rules"] {
            let copy = hub.home().join(folder);
            fs::create_dir(&copy).unwrap();
            for entry in fs::read_dir(root().join("config").join(folder)).unwrap() {
                let path = entry.unwrap().path();
                fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
            }
            hub.set(&format!("paths.{folder}"), copy.display());
        }
        Self { hub }
    }

    fn new() -> Self {
        Self::with(&[(BUREAU, sends(BUREAU, &[BUREAU]))])
    }

    fn file(&self, name: &str) -> PathBuf {
        self.hub.home().join(name)
    }

    /// Replaces the first `old` in a file; the line it stood on.
    fn spoil(&self, name: &str, old: &str, new: &str) -> usize {
        let text = fs::read_to_string(self.file(name)).unwrap();
        let at = text.find(old).unwrap_or_else(|| panic!("no {old:?} in {name}"));
        fs::write(self.file(name), text.replacen(old, new, 1)).unwrap();
        text[..at].matches('\n').count() + 1
    }

    fn append(&self, name: &str, more: &str) -> usize {
        let text = fs::read_to_string(self.file(name)).unwrap();
        fs::write(self.file(name), format!("{text}{more}")).unwrap();
        text.lines().count() + 1
    }

    /// Neither checks nor starts: exit code 64, each of `words` is said, and nothing is opened.
    fn refused(&self, words: &[&str]) {
        for command in ["check", "serve"] {
            let output = self.hub.run(&[command]);
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(64), "{command}: {said}");
            for word in words {
                assert!(said.contains(word), "{command}: {word:?} is not in: {said}");
            }
        }
        assert!(!self.hub.data().exists(), "nothing was opened");
    }
}

#[test]
fn an_unknown_key_of_the_configuration_is_told_with_its_line() {
    let mut spoilt = Spoilt::new();
    let line = spoilt.append("hub.toml", "[retry]\nmin_mss = 5\n") + 1;
    spoilt.refused(&[&format!("hub.toml:{line}: retry.min_mss: ")]);
    fs::write(spoilt.file("hub.toml"), "[nothing]\nkey = 1\n[http]\nconcurrency = \"many\"\n").unwrap();
    spoilt.refused(&["hub.toml:1: nothing", "hub.toml:4: http.concurrency: "]);
    let mut other = Spoilt::new();
    other.hub.variable("LIANDONG__HTTP__LISTENN", "127.0.0.1:1");
    other.refused(&["LIANDONG__HTTP__LISTENN"]);
    spoilt.hub.set("retry.min_ms", 0);
}

#[test]
fn faults_of_an_adapter_are_told_with_their_lines_and_without_its_secret() {
    let more = "colour = \"red\"\n[limits]\nwindow = 0\n";
    let mut receiving = receives(REGULATOR, REGULATOR, "127.0.0.1:1", more);
    receiving[0].1 = receiving[0]
        .1
        .replace("codec =", "http.credential = { type = \"bearer\", secret = \"hunter2\" }\ncodec =");
    let spoilt = Spoilt::with(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, receiving)]);
    spoilt.refused(&["adapter.toml:", "colour"]);
    let line = spoilt.spoil(&format!("adapters/{REGULATOR}/adapter.toml"), "colour = \"red\"\n", "") + 1;
    spoilt.refused(&[&format!("adapter.toml:{line}: limits.window: "), "outbound.http.credential"]);
    let said = String::from_utf8(spoilt.hub.run(&["check"]).stderr).unwrap();
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn faults_of_mappings_and_code_tables_are_told_with_their_lines() {
    let spoilt = Spoilt::with(&[(BUREAU, sends(BUREAU, &[BUREAU])), DropBox::tables()]);
    let mapping = format!("adapters/{BUREAU}/in.toml");
    let line = spoilt
        .append(&mapping, "\"items[0].code\" = \"record.a |\"\n\"matter\" = \"record.b|code('nothing')\"\n");
    spoilt.refused(&[
        &format!("in.toml:{line}: items[0].code: not an expression"),
        &format!("in.toml:{}: matter: ", line + 1),
        "'nothing'",
    ]);
    let other = Spoilt::with(&[(BUREAU, sends(BUREAU, &[BUREAU])), DropBox::tables()]);
    other.append("adapters/tables/outcome.toml", "\"也许\" = 7\n");
    other.refused(&["outcome.toml", "line 7"]);
}

#[test]
fn a_dangling_reference_and_a_cycle_in_the_registry_are_told_with_their_lines() {
    let spoilt = Spoilt::new();
    let name = "registry/organisations.toml";
    spoilt.spoil(
        name,
        "{ line = \"应急管理\", organisation = \"610000-yjglt\" }",
        "{ line = \"应急管理\", organisation = \"610902-yjglj\" }",
    );
    let line = spoilt.append(
        name,
        "\n[[organisation]]\nid = \"610902-lost\"\nname = \"某局\"\ndivision = \"619999\"\nform = \"department\"\nroles = [\"supervisor\"]\nlines = [\"体育\"]\n",
    );
    spoilt.refused(&[
        "610900-yjglj -> 610902-yjglj -> 610900-yjglj",
        &format!("organisations.toml:{}: organisation '610902-lost': division refers to", line + 1),
        "'619999', which is not in the registry",
    ]);
}

#[test]
fn malformed_files_of_the_registry_are_told_with_their_lines() {
    let spoilt = Spoilt::new();
    let divisions =
        spoilt.spoil("registry/divisions.csv", "610981,旬阳市,610900,county", "610981,旬阳市,610900");
    let zones = spoilt.spoil("registry/zones.toml", "parent = \"610900\"", "parent = ");
    let organisation = spoilt.append(
        "registry/organisations.toml",
        "\n[[organisation]]\nid = \"x\"\nname = \"某局\"\ncolour = \"red\"\n",
    );
    spoilt.refused(&[
        &format!("divisions.csv:{divisions}: "),
        &format!("zones.toml:{zones}: "),
        &format!("organisations.toml:{}: ", organisation + 4),
        "colour",
    ]);
}

#[test]
fn faults_of_rules_are_told_with_their_lines() {
    let spoilt = Spoilt::new();
    let line = spoilt.append(
        "rules/risk.toml",
        "\n[[rule]]\nid = \"risk.more\"\nkind = \"risk.warnings\"\nbasis = \"任务18\"\naudience = \"supervisors\"\n",
    );
    spoilt.refused(&[&format!("risk.toml:{}: ", line + 3), "risk.warnings"]);
    let other = Spoilt::new();
    other.append(
        "rules/risk.toml",
        "\n[[rule]]\nid = \"risk.more\"\nkind = \"risk.warning\"\nwhenn = { publicity = [\"public\"] }\n",
    );
    other.refused(&["risk.toml:", "whenn"]);
}

/// What lint says of the rules that ship with one more: exit code and findings.
fn linted(rule: &str) -> (Option<i32>, String) {
    let spoilt = Spoilt::new();
    let head = "\n[[rule]]\nid = \"result.never\"\nkind = \"approval.result\"\nbasis = \"任务6\"\n";
    let tail = "part = \"informed\"\nmay_cross = [\"platform\"]\n";
    spoilt.append("rules/approval.toml", &format!("{head}{rule}\n{tail}"));
    let output = spoilt.hub.run(&["registry", "lint"]);
    assert!(!spoilt.hub.data().exists(), "lint opens nothing");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_rule_that_can_never_match_is_found_by_lint() {
    let (code, said) = linted("audience = { nearest = { role = \"portal\" } }");
    assert!(!said.contains("result.never"), "{said}");
    assert_eq!(code, Some(1), "the gaps that are kept on purpose");
    for (rule, code, why) in [
        ("audience = { nearest = { role = \"expert_pool\" } }", 1, "no organisation holds"),
        (
            "when = { penalty_event = [\"decided\"] }\naudience = { nearest = { role = \"portal\" } }",
            64,
            "can never match",
        ),
        (
            "when = { publicity = [\"not_public\"] }\naudience = { nearest = { role = \"industry_credit\" } }",
            64,
            "takes what is public only",
        ),
    ] {
        let (found, said) = linted(rule);
        assert_eq!(found, Some(code), "{said}");
        assert!(said.contains("result.never") && said.contains(why), "{said}");
    }
}

#[test]
fn a_calendar_that_is_wrong_is_told_with_its_line() {
    let mut spoilt = Spoilt::new();
    let calendar = spoilt.file("holidays.csv");
    fs::write(&calendar, "date,kind,name\n2026-02-30,holiday,春节\n").unwrap();
    spoilt.hub.set("paths.calendar", calendar.display());
    spoilt.refused(&["holidays.csv", "line 2: date is"]);
}

#[test]
fn a_secret_that_is_nowhere_is_told_before_anything_is_opened() {
    let mut receiving = receives(REGULATOR, REGULATOR, "127.0.0.1:1", "");
    receiving[0].1 = receiving[0].1.replace(
        "codec =",
        "http.credential = { type = \"bearer\", secret = \"env:NOBODY_SAYS_IT\" }\ncodec =",
    );
    let spoilt = Spoilt::with(&[(BUREAU, sends(BUREAU, &[BUREAU])), (REGULATOR, receiving)]);
    let output = spoilt.hub.run(&["serve"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains(REGULATOR) && said.contains("NOBODY_SAYS_IT"), "{said}");
    assert!(!spoilt.hub.data().exists(), "nothing was opened");
}
