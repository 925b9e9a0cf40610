//! The command line: one file a command. Exit codes: 0 done, 1 failed, 2 usage, 64 configuration.

pub mod adapter;
pub mod bench;
pub mod deliveries;
pub mod demo;
mod erase;
pub mod error;
mod evidence;
pub mod help;
mod key;
pub mod language;
pub mod output;
mod parse;
mod progress;
pub mod reach;
mod reconcile;
pub mod refused;
mod registry;
mod retention;
pub mod route;
pub mod seal;
pub mod serve;
pub mod submit;
pub mod table;
pub mod token;
pub mod trail;
mod who;
mod words;
pub mod worker;

use std::{
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, error::ErrorKind};
pub use error::Error;
use language::Language;
use output::{Format, Output};

use crate::config::{environment::Environment, settings::Settings};

/// Exit code of a command line that is not understood.
const EXIT_USAGE: u8 = 2;

/// The message-bus integration hub between administrative approval and supervision
#[derive(Debug, Parser)]
#[command(name = "liandong", version, arg_required_else_help = true)]
#[command(disable_help_flag = true, disable_version_flag = true, disable_help_subcommand = true)]
pub struct Arguments {
    /// Configuration file; without one the defaults of config/liandong.toml hold
    #[arg(long, global = true, value_name = "FILE", display_order = 1_000)]
    config: Option<PathBuf>,
    /// JSON for programs
    #[arg(long, global = true, display_order = 1_001)]
    json: bool,
    /// Language of what is printed; by the locale otherwise
    #[arg(long, global = true, value_enum, value_name = "LANGUAGE", display_order = 1_002)]
    lang: Option<Language>,
    /// Show this help
    #[arg(short, long, global = true, action = ArgAction::Help, display_order = 1_003)]
    help: Option<bool>,
    /// Show the version
    #[arg(short = 'V', long, action = ArgAction::Version, display_order = 1_004)]
    version: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the main job on this machine: real messages from end to end, checked
    Demo(demo::Arguments),
    /// Run the hub until SIGTERM or Ctrl-C
    Serve(serve::Arguments),
    /// Run adapters apart from the hub, until SIGTERM or Ctrl-C
    Worker(worker::Arguments),
    /// Check configuration, registry, rules and adapters; change nothing
    Check,
    /// Hand in a message in canonical JSON through the running hub
    Submit(submit::Arguments),
    /// Show what happened to a message
    Trail(trail::Arguments),
    /// Routing questions
    #[command(arg_required_else_help = true)]
    Route(route::Arguments),
    /// List deliveries and operate on them
    #[command(arg_required_else_help = true)]
    Deliveries(deliveries::Arguments),
    /// Check and test adapters
    #[command(arg_required_else_help = true)]
    Adapter(adapter::Arguments),
    /// Registry questions
    #[command(arg_required_else_help = true)]
    Registry(registry::Arguments),
    /// Make, list and revoke tokens
    #[command(arg_required_else_help = true)]
    Token(token::Arguments),
    /// The keys that sign, and their change
    #[command(arg_required_else_help = true)]
    Key(key::Arguments),
    /// Check seals
    #[command(arg_required_else_help = true)]
    Seal(seal::Arguments),
    /// Evidence files for third parties
    #[command(arg_required_else_help = true)]
    Evidence(evidence::Arguments),
    /// Archive what is beyond its term, and verify archives
    #[command(arg_required_else_help = true)]
    Retention(retention::Arguments),
    /// Reconcile a day with a counterpart (对账): counts and digests, differences, what to send again
    Reconcile(reconcile::Arguments),
    /// Measure this machine and the hub on it
    Bench(bench::Arguments),
}

/// What every command is given.
pub(crate) struct Call<'a> {
    pub(crate) settings: Settings,
    pub(crate) environment: Environment,
    pub(crate) output: Output<'a>,
}

/// Runs one command line.
pub fn run() -> ExitCode {
    let environment = Environment::of_process();
    let words: Vec<OsString> = std::env::args_os().collect();
    let asked = Language::asked(words.iter().skip(1).filter_map(|word| word.to_str()));
    let language = Language::choose(asked, &environment);
    let arguments = match read(words, language) {
        Ok(arguments) => arguments,
        Err(error) => return misread(&error, language),
    };
    let format = if arguments.json { Format::Json } else { Format::Text };
    let mut stdout = io::stdout().lock();
    let output = Output { to: &mut stdout, format, language };
    match start(arguments, environment, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            if error.is_worth_telling() {
                tell(&error, format, language);
            }
            ExitCode::from(error.exit_code())
        }
    }
}

fn read(words: Vec<OsString>, language: Language) -> Result<Arguments, clap::Error> {
    let matches = help::dressed(Arguments::command(), language).try_get_matches_from(words)?;
    Arguments::from_arg_matches(&matches)
}

/// Help and version were asked for, or the line is not understood.
fn misread(error: &clap::Error, language: Language) -> ExitCode {
    let asked_for = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let is_help = asked_for || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    // Nothing is left to tell it to when the stream is gone.
    if is_help || language == Language::En {
        drop(error.print());
    } else {
        drop(write!(io::stderr(), "{}", help::usage::chinese(error)));
    }
    if asked_for { ExitCode::SUCCESS } else { ExitCode::from(EXIT_USAGE) }
}

fn tell(error: &Error, format: Format, language: Language) {
    let text = match format {
        Format::Json => error.value().to_string(),
        Format::Text => format!("liandong: {}", error.text(language)),
    };
    // Nothing is left to tell it to when standard error is gone.
    drop(writeln!(io::stderr(), "{text}"));
}

fn start(arguments: Arguments, environment: Environment, output: Output<'_>) -> Result<(), Error> {
    let settings = Settings::load(arguments.config.as_deref(), &environment)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let call = Call { settings, environment, output };
    runtime.block_on(dispatch(arguments.command, call))
}

async fn dispatch(command: Command, call: Call<'_>) -> Result<(), Error> {
    match command {
        Command::Demo(arguments) => Box::pin(demo::run(call, arguments)).await,
        Command::Serve(arguments) => serve::run(call, arguments).await,
        Command::Worker(arguments) => worker::run(call, arguments).await,
        Command::Check => registry::check(call),
        Command::Submit(arguments) => submit::run(call, arguments).await,
        Command::Trail(arguments) => trail::run(call, arguments).await,
        Command::Route(arguments) => route::run(call, &arguments),
        Command::Deliveries(arguments) => deliveries::run(call, arguments).await,
        Command::Adapter(arguments) => adapter::run(call, &arguments),
        Command::Registry(arguments) => registry::run(call, &arguments),
        Command::Token(arguments) => token::run(call, arguments).await,
        Command::Key(arguments) => key::run(call, arguments).await,
        Command::Seal(arguments) => seal::run(call, arguments).await,
        Command::Evidence(arguments) => evidence::run(call, arguments).await,
        Command::Retention(arguments) => retention::run(call, arguments).await,
        Command::Reconcile(arguments) => reconcile::run(call, arguments).await,
        Command::Bench(arguments) => bench::run(call, arguments).await,
    }
}
