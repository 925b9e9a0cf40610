//! Help of the command line in Chinese and English, and errors of usage.
//!
//! English stands where clap wants it, on the commands and arguments themselves. Chinese stands in one table
//! ([`chinese`]), examples of both languages in another ([`examples`]); tests hold that no command or argument
//! lacks its Chinese, that no text is left over, and that every example is a command line that is understood.

mod chinese;
mod examples;
pub(super) mod usage;

use clap::{Arg, ArgAction, Command};
use unicode_width::UnicodeWidthStr as _;

use super::language::Language;

/// The command line with help in a language.
pub(super) fn dressed(command: Command, language: Language) -> Command {
    // Usage is known once clap has put the whole line together.
    let mut whole = command.clone();
    whole.build();
    dress(command, &mut whole, "", language)
}

fn dress(mut command: Command, whole: &mut Command, path: &str, language: Language) -> Command {
    let examples = examples::of(path);
    if !examples.is_empty() {
        command = command.after_help(shown(examples, language));
    }
    if language == Language::Zh {
        command = in_chinese(command, whole, path);
    }
    let names: Vec<_> = command.get_subcommands().map(|sub| sub.get_name().to_owned()).collect();
    for name in names {
        let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
        if let Some(whole) = whole.find_subcommand_mut(&name) {
            command = command.mut_subcommand(&name, |sub| dress(sub, whole, &path, language));
        }
    }
    command
}

fn shown(examples: &[examples::Example], language: Language) -> String {
    let rows: Vec<_> = examples
        .iter()
        .map(|example| (example.line.to_owned(), language.pick(example.chinese, example.english).to_owned()))
        .collect();
    list(language.pick("示例：", "Examples:"), &rows)
}

/// A titled list, its second column aligned by the room that the first one takes on a screen.
fn list(title: &str, rows: &[(String, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.width()).max().unwrap_or_default();
    let line = |(name, says): &(String, String)| {
        let blank = " ".repeat(width - name.width() + 2);
        format!("  {name}{blank}{says}")
    };
    std::iter::once(title.to_owned()).chain(rows.iter().map(line)).collect::<Vec<_>>().join("\n")
}

fn in_chinese(command: Command, whole: &mut Command, path: &str) -> Command {
    let mut command = command.mut_args(named_in_chinese).subcommand_value_name("命令");
    if let Some(text) = chinese::command(path) {
        command = command.about(text);
    }
    let usage = usage::chinese_line(&whole.render_usage().to_string());
    let lists = lists(whole, path);
    command
        .override_usage(&usage)
        .help_template(format!("{{about}}\n\n用法：{usage}\n\n{lists}{{after-help}}\n"))
}

/// What commands, arguments and options there are; clap lays them out by characters, which do not take the
/// same room on a screen.
fn lists(whole: &Command, path: &str) -> String {
    let commands = whole.get_subcommands().map(|sub| {
        let path =
            if path.is_empty() { sub.get_name().to_owned() } else { format!("{path} {}", sub.get_name()) };
        (sub.get_name().to_owned(), chinese::command(&path).unwrap_or_default().to_owned())
    });
    let row = |argument: &Arg| (spelled(argument), explained(argument, path));
    let arguments = whole.get_positionals().map(row);
    let shown = |it: &&Arg| !it.is_global_set() && !it.is_hide_set();
    let own = whole.get_opts().chain(flags(whole)).filter(shown).map(row);
    let global = whole.get_opts().chain(flags(whole)).filter(|it| it.is_global_set()).map(row);
    let all = [
        ("命令：", commands.collect::<Vec<_>>()),
        ("参数：", arguments.collect()),
        ("选项：", own.collect()),
        ("通用选项：", global.collect()),
    ];
    let said = all.iter().filter(|(_, rows)| !rows.is_empty());
    said.map(|(title, rows)| list(title, rows)).collect::<Vec<_>>().join("\n\n")
}

/// Options without a value.
fn flags(whole: &Command) -> impl Iterator<Item = &Arg> {
    whole.get_arguments().filter(|argument| !argument.is_positional() && !takes_value(argument))
}

/// An argument as it is written.
fn spelled(argument: &Arg) -> String {
    let values: Vec<_> = names_in_chinese(argument).iter().map(|name| format!("<{name}>")).collect();
    let short = argument.get_short().map(|short| format!("-{short}, "));
    let long = argument.get_long().map(|long| format!("--{long} "));
    let parts = [short.unwrap_or_default(), long.unwrap_or_default(), values.join(" ")];
    parts.concat().trim_end().to_owned()
}

fn explained(argument: &Arg, path: &str) -> String {
    let id = argument.get_id().as_str();
    let text = chinese::argument(path, id).or_else(|| chinese::argument("", id)).unwrap_or_default();
    if !takes_value(argument) {
        return text.to_owned();
    }
    let possible: Vec<_> =
        argument.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
    let default: Vec<_> =
        argument.get_default_values().iter().map(|value| value.to_string_lossy().into_owned()).collect();
    let also = |title: &str, values: Vec<String>| {
        if values.is_empty() { String::new() } else { format!("［{title}：{}］", values.join("、")) }
    };
    format!("{text}{}{}", also("可用", possible), also("默认", default))
}

/// Errors of usage name arguments with their values.
fn named_in_chinese(argument: Arg) -> Arg {
    let names = names_in_chinese(&argument);
    if names.is_empty() { argument } else { argument.value_names(names) }
}

fn names_in_chinese(argument: &Arg) -> Vec<&'static str> {
    let names = argument.get_value_names().filter(|_| takes_value(argument)).unwrap_or_default();
    names.iter().filter_map(|name| chinese::value(name)).collect()
}

fn takes_value(argument: &Arg) -> bool {
    matches!(argument.get_action(), ArgAction::Set | ArgAction::Append)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory as _;

    use super::*;
    use crate::cli::Arguments;

    /// Every command with its path, the whole line first.
    fn commands(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
        found.push((path.to_owned(), command.clone()));
        for sub in command.get_subcommands() {
            let path = if path.is_empty() {
                sub.get_name().to_owned()
            } else {
                format!("{path} {}", sub.get_name())
            };
            commands(sub, &path, found);
        }
    }

    fn all() -> Vec<(String, Command)> {
        let mut found = Vec::new();
        commands(&Arguments::command(), "", &mut found);
        found
    }

    #[test]
    fn every_command_and_argument_has_a_chinese_text_and_no_text_is_left_over() {
        let mut wanted = BTreeSet::new();
        for (path, command) in all() {
            wanted.insert((path.clone(), None));
            for argument in command.get_arguments() {
                wanted.insert((path.clone(), Some(argument.get_id().to_string())));
            }
        }
        let said: BTreeSet<_> =
            chinese::keys().map(|(path, id)| (path.to_owned(), id.map(str::to_owned))).collect();
        let missing: Vec<_> = wanted.difference(&said).collect();
        let left: Vec<_> = said.difference(&wanted).collect();
        assert!(missing.is_empty() && left.is_empty(), "without Chinese: {missing:?}\nleft over: {left:?}");
    }

    #[test]
    fn every_value_name_has_a_chinese_word() {
        for (path, command) in all() {
            let valued = command.get_arguments().filter(|argument| takes_value(argument));
            for name in valued.filter_map(Arg::get_value_names).flatten() {
                assert!(chinese::value(name).is_some(), "<{name}> of '{path}'");
            }
        }
    }

    #[test]
    fn every_command_has_an_english_text_and_every_leaf_an_example() {
        for (path, command) in all() {
            assert!(command.get_about().is_some(), "'{path}' says nothing");
            let silent = command.get_arguments().filter(|argument| argument.get_help().is_none());
            assert_eq!(silent.map(|it| it.get_id().as_str()).collect::<Vec<_>>(), [""; 0], "'{path}'");
            if !command.has_subcommands() {
                assert!(!examples::of(&path).is_empty(), "'{path}' has no example");
            }
        }
        for path in examples::paths() {
            assert!(
                all().iter().any(|(known, _)| known == path),
                "examples of '{path}', which is no command"
            );
        }
    }

    #[test]
    fn every_example_is_understood_and_is_of_its_command() {
        for path in examples::paths() {
            for example in examples::of(path) {
                let line = example.line.split(" | ").next().unwrap_or_default();
                let words = line.split_whitespace().skip_while(|word| word.contains('='));
                let words: Vec<_> = words.map(|word| word.trim_matches('"')).collect();
                assert_eq!(words.first(), Some(&"liandong"), "{}", example.line);
                let read = Arguments::command().try_get_matches_from(&words);
                assert!(read.is_ok(), "{}: {}", example.line, read.unwrap_err());
                let called: Vec<_> = words.iter().skip(1).filter(|word| !word.starts_with('-')).collect();
                let first = path.split(' ').next().filter(|first| !first.is_empty());
                assert!(
                    first.is_none_or(|first| called.contains(&&first)),
                    "{} under '{path}'",
                    example.line
                );
            }
        }
    }

    #[test]
    fn help_is_whole_in_either_language() {
        for language in [Language::Zh, Language::En] {
            let mut command = dressed(Arguments::command(), language);
            command.build();
            let mut found = Vec::new();
            commands(&command, "", &mut found);
            for (path, mut command) in found {
                let help = command.render_long_help().to_string();
                let words = language.pick("用法：", "Usage:");
                assert!(help.contains(words) && help.contains("--lang"), "'{path}':\n{help}");
                let english =
                    ["Usage:", "Options:", "Commands:", "Arguments:", "[default", "Print help", "[OPTIONS]"];
                let mixed = english.iter().find(|word| help.contains(**word));
                assert!(language == Language::En || mixed.is_none(), "'{path}' says {mixed:?}:\n{help}");
            }
        }
    }
}
