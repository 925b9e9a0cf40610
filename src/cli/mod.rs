//! The command line: one file a command. Exit codes: 0 done, 1 failed, 2 usage, 64 configuration.

pub mod deliveries;
pub mod demo;
pub mod language;
pub mod output;
pub mod reach;
pub mod registry;
pub mod route;
pub mod seal;
pub mod serve;
pub mod submit;
pub mod token;
pub mod trail;
pub mod worker;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use language::Language;
use output::{Format, Output};

use crate::{
    app,
    config::{
        environment::Environment,
        settings::{self, Settings},
    },
    task::Failure,
};

/// Exit code of a configuration that is not in order (`EX_USAGE` of sysexits).
const EXIT_CONFIGURATION: u8 = 64;

/// 联动：审批与监管之间的消息总线集成枢纽。 The message-bus integration hub between approval and supervision.
#[derive(Debug, Parser)]
#[command(name = "liandong", version, about, long_about = None, after_help = EXAMPLES)]
pub struct Arguments {
    /// Configuration file; without one the defaults of config/liandong.toml hold
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// JSON for programs
    #[arg(long, global = true)]
    json: bool,
    /// Language of the output; by the locale otherwise
    #[arg(long, global = true, value_enum)]
    lang: Option<Language>,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "Examples:
  liandong demo                                    run the main job on this machine
  liandong serve                                   run the hub
  liandong worker --attach amqp                    work beside a department's system
  liandong check                                   check configuration, registry, rules and adapters
  liandong token new hanbin --endpoint hanbin-spj  make a token for an endpoint
  liandong route explain result.json               whom a message would reach, and why
  liandong submit result.json --token-file t       hand in a message
  liandong trail 0197…                             what happened to a message
  liandong deliveries list --state parked          what waits for a person
  liandong seal verify                             check the sealed trail";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the main job on this machine: real messages from end to end, checked
    Demo(demo::Arguments),
    /// Run the hub until SIGTERM or Ctrl-C
    Serve,
    /// Run adapters apart from the hub, until SIGTERM or Ctrl-C
    Worker(worker::Arguments),
    /// Check configuration, registry, rules and adapters; change nothing
    Check,
    /// Hand in a message in canonical JSON through the running hub
    Submit(submit::Arguments),
    /// Show the trail of a message
    Trail(trail::Arguments),
    /// Routing questions
    Route(route::Arguments),
    /// List deliveries and operate on them
    Deliveries(deliveries::Arguments),
    /// Registry questions
    Registry(registry::Arguments),
    /// Make, list and revoke tokens
    Token(token::Arguments),
    /// Check seals
    Seal(seal::Arguments),
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Configuration is not in order.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The hub does not start.
    #[error(transparent)]
    App(#[from] app::Error),
    /// The running hub could not be asked.
    #[error(transparent)]
    Reach(#[from] reach::Error),
    /// Telemetry could not be set up.
    #[error(transparent)]
    Telemetry(#[from] app::telemetry::Error),
    /// Output could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// What was checked is not in order; it has been said.
    #[error("{0}")]
    NotInOrder(String),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] Failure),
}

impl Error {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::App(app::Error::Configuration(_)) => EXIT_CONFIGURATION,
            _ => 1,
        }
    }
}

/// What every command is given.
pub(crate) struct Call<'a> {
    pub(crate) settings: Settings,
    pub(crate) environment: Environment,
    pub(crate) output: Output<'a>,
}

/// Runs one command line.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let mut stdout = io::stdout().lock();
    match start(arguments, &mut stdout) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            // Nothing is left to tell it to when standard error is gone.
            drop(writeln!(io::stderr(), "liandong: {}", chain(&error)));
            ExitCode::from(code)
        }
    }
}

/// The error with what caused it, once each.
fn chain(error: &dyn std::error::Error) -> String {
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

fn start(arguments: Arguments, stdout: &mut dyn Write) -> Result<(), Error> {
    let environment = Environment::of_process();
    let settings = Settings::load(arguments.config.as_deref(), &environment)?;
    let language = Language::choose(arguments.lang, &environment);
    let format = if arguments.json { Format::Json } else { Format::Text };
    let output = Output { to: stdout, format, language };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let call = Call { settings, environment, output };
    runtime.block_on(dispatch(arguments.command, call))
}

async fn dispatch(command: Command, call: Call<'_>) -> Result<(), Error> {
    match command {
        Command::Demo(arguments) => demo::run(call, arguments).await,
        Command::Serve => serve::run(call).await,
        Command::Worker(arguments) => worker::run(call, arguments).await,
        Command::Check => registry::check(call),
        Command::Submit(arguments) => submit::run(call, arguments).await,
        Command::Trail(arguments) => trail::run(call, arguments).await,
        Command::Route(arguments) => route::run(call, &arguments),
        Command::Deliveries(arguments) => deliveries::run(call, arguments).await,
        Command::Registry(arguments) => registry::run(call, &arguments),
        Command::Token(arguments) => token::run(call, arguments).await,
        Command::Seal(arguments) => seal::run(call, arguments).await,
    }
}
