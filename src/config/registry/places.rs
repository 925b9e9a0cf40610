//! Rows of `divisions.csv` and `zones.toml`.

use jiff::civil::Date;
use serde::Deserialize;

use crate::domain::{
    division::{Division, DivisionKind, Governs, Level},
    id::DivisionCode,
    period::Period,
};

/// A row of `divisions.csv`: `code,name,parent,level`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Row {
    code: DivisionCode,
    name: Box<str>,
    parent: Option<DivisionCode>,
    level: Level,
}

impl Row {
    pub(super) fn code(&self) -> Box<str> {
        self.code.as_str().into()
    }

    pub(super) fn into_domain(self) -> Result<Division, String> {
        let Self { code, name, parent, level } = self;
        if name.is_empty() {
            return Err("has no name".to_owned());
        }
        Ok(Division { code, name, parent, level, kind: DivisionKind::Tree })
    }
}

/// A `[[zone]]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ZoneRow {
    code: DivisionCode,
    name: Box<str>,
    parent: DivisionCode,
    level: Level,
    #[serde(default)]
    governs: Vec<GovernsRow>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GovernsRow {
    division: DivisionCode,
    from: Option<Date>,
    to: Option<Date>,
}

impl ZoneRow {
    pub(super) fn code(&self) -> Box<str> {
        self.code.as_str().into()
    }

    pub(super) fn into_domain(self) -> (Division, Vec<Governs>) {
        let Self { code, name, parent, level, governs } = self;
        let governs = governs.into_iter().map(|row| Governs {
            zone: code.clone(),
            division: row.division,
            period: Period { from: row.from, to: row.to },
        });
        let governs = governs.collect();
        (Division { code, name, parent: Some(parent), level, kind: DivisionKind::Zone }, governs)
    }
}
