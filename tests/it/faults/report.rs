//! What a scenario saw, as a row of the soak's log.

use std::{fs::OpenOptions, io::Write as _};

use liandong::config::environment::Environment;

use super::books::Repeats;
use crate::harness::load::Load;

/// The row of one scenario.
#[derive(Debug)]
pub(crate) struct Report {
    name: &'static str,
    messages: usize,
    deliveries: usize,
    /// How many were accepted, and how much had arrived, when it struck.
    pub(crate) struck: [usize; 2],
    seconds: f64,
    /// How long it took to hold all of it against receipts, store and seals.
    pub(crate) checking: f64,
    /// What came again at the targets, under its id.
    pub(crate) repeats: Repeats,
    /// Attempts of which nobody could say whether the target has it.
    pub(crate) unknown: i64,
    /// Attempts told when their delivery had ended.
    pub(crate) late: i64,
    /// Requests that were told to try later.
    pub(crate) told_later: usize,
    /// Requests that nobody answered.
    pub(crate) unanswered: usize,
}

impl Report {
    /// Of a load that has been delivered in so many seconds.
    pub(crate) fn new(name: &'static str, load: &Load, seconds: f64) -> Self {
        Self {
            name,
            messages: load.messages(),
            deliveries: load.messages() + load.penalties(),
            struck: [0; 2],
            seconds,
            checking: 0.0,
            repeats: Repeats::default(),
            unknown: 0,
            late: 0,
            told_later: load.later(),
            unanswered: load.unanswered(),
        }
    }

    /// Adds what a target saw.
    pub(crate) fn seen(&mut self, repeats: Repeats) {
        self.repeats.all += repeats.all;
        self.repeats.behind += repeats.behind;
    }

    /// Adds it to the log, where `LIANDONG_TEST_SOAK_LOG` names one.
    pub(crate) fn write(&self) {
        let environment = Environment::of_process();
        let Some(path) = environment.get("LIANDONG_TEST_SOAK_LOG") else { return };
        let mut log = OpenOptions::new().create(true).append(true).open(path).unwrap();
        let Self { name, messages, deliveries, struck: [accepted, arrived], seconds, checking, .. } = self;
        let Self { repeats, unknown, late, told_later, unanswered, .. } = self;
        let row = format!(
            "| {name} | {messages} | {deliveries} | {accepted} | {arrived} | {seconds:.1} | {checking:.1} | {} | {} | {unknown} | {late} | \
             {told_later} | {unanswered} |\n",
            repeats.all, repeats.behind
        );
        log.write_all(row.as_bytes()).unwrap();
    }
}
