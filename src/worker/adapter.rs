//! An adapter compiled: codecs, mappings and conditions read and checked, so that what can be wrong with
//! the files is found when they are loaded, not when a delivery is due.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    cases::Way,
    inbound::Inbound,
    outbound::Outbound,
    program::{Program, Programs},
};
use crate::{
    config::{
        adapter::{self as config, FILE, InboundConnector, InboundFolder, Limits},
        fault::{Fault, Faults},
    },
    domain::{id::EndpointId, kind::Kind},
    evidence::digest::Digest,
    mapping::{codec::Codec, condition::Condition},
};

/// A compiled adapter. Pure: it reads no clock, file or socket once it is made.
#[derive(Debug)]
pub struct Adapter {
    pub(super) config: config::Adapter,
    pub(super) inbound: Option<Inbound>,
    pub(super) outbound: Option<Outbound>,
    version: Box<str>,
}

/// Why an adapter cannot be compiled: everything that is wrong with its files.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub Faults);

impl Adapter {
    /// Compiles a checked configuration; `programs` loads its mappings.
    pub fn compile(config: config::Adapter, programs: &dyn Programs) -> Result<Self, Error> {
        let mut compiler = Compiler { folder: config.folder.clone(), programs, faults: Vec::new() };
        let version = compiler.version(&config);
        let inbound = config.inbound.as_ref().map(|inbound| Inbound::compile(inbound, &mut compiler));
        let outbound = config.outbound.as_ref().map(|outbound| Outbound::compile(outbound, &mut compiler));
        if !compiler.faults.is_empty() {
            return Err(Error(Faults(compiler.faults)));
        }
        Ok(Self { inbound: inbound.flatten(), outbound: outbound.flatten(), version: version.into(), config })
    }

    /// The endpoint it is for.
    pub fn endpoint(&self) -> &EndpointId {
        &self.config.endpoint
    }

    /// Its checked configuration.
    pub fn config(&self) -> &config::Adapter {
        &self.config
    }

    /// Its bounds.
    pub fn limits(&self) -> Limits {
        self.config.limits
    }

    /// How it reads what the system sends.
    pub(super) fn codec_in(&self) -> Option<&Codec> {
        self.inbound.as_ref().map(|inbound| &inbound.codec)
    }

    /// How it writes what the system gets.
    pub(super) fn codec_out(&self) -> Option<&Codec> {
        self.outbound.as_ref().map(|outbound| &outbound.codec)
    }

    /// Whether it has a mapping for messages of a kind that go one way.
    pub(super) fn maps(&self, way: Way, kind: Kind) -> bool {
        let (inbound, outbound) = (&self.config.inbound, &self.config.outbound);
        match way {
            Way::In => inbound.as_ref().is_some_and(|inbound| inbound.mappings.contains_key(&kind)),
            Way::Out => outbound.as_ref().is_some_and(|outbound| {
                outbound.mappings.kinds.contains_key(&kind) || outbound.mappings.other.is_some()
            }),
        }
    }

    /// Version of its files: changes when one of them does.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Whether systems may post to it.
    pub fn takes_http(&self) -> bool {
        self.config.inbound.as_ref().is_some_and(|inbound| inbound.connector == InboundConnector::Http)
    }

    /// The folder it picks files up from, if it does.
    pub fn folder(&self) -> Option<&InboundFolder> {
        match &self.config.inbound.as_ref()?.connector {
            InboundConnector::File(folder) => Some(folder),
            InboundConnector::Http => None,
        }
    }
}

/// Reads the parts of an adapter and collects what is wrong with them.
pub(super) struct Compiler<'p> {
    folder: PathBuf,
    programs: &'p dyn Programs,
    faults: Vec<Fault>,
}

impl Compiler<'_> {
    pub(super) fn fault(&mut self, key: impl Into<String>, text: impl Into<String>) {
        let file = self.folder.join(FILE);
        self.faults.push(Fault { file, line: None, key: key.into(), text: text.into() });
    }

    pub(super) fn codec(&mut self, key: &str, table: &toml::Table) -> Option<Codec> {
        let codec = table.clone().try_into::<Codec>();
        codec.map_err(|error| self.fault(key, error.message())).ok()
    }

    pub(super) fn mappings(&mut self, files: &BTreeMap<Kind, PathBuf>) -> BTreeMap<Kind, Arc<dyn Program>> {
        files.iter().filter_map(|(kind, file)| Some((*kind, self.mapping(file)?))).collect()
    }

    pub(super) fn mapping(&mut self, file: &Path) -> Option<Arc<dyn Program>> {
        match self.programs.load(&self.folder.join(file)) {
            Ok(program) => Some(program),
            Err(faults) => {
                self.faults.extend(faults.0);
                None
            }
        }
    }

    pub(super) fn condition(&mut self, key: &str, source: &str, variables: &[&str]) -> Option<Condition> {
        Condition::compile(source, variables).map_err(|error| self.fault(key, error.to_string())).ok()
    }

    /// Digest over the adapter's own file and its mappings, each with its name.
    fn version(&mut self, config: &config::Adapter) -> String {
        let inbound = config.inbound.iter().flat_map(|inbound| inbound.mappings.values());
        let outbound = config
            .outbound
            .iter()
            .flat_map(|outbound| outbound.mappings.kinds.values().chain(outbound.mappings.other.as_ref()));
        let own = PathBuf::from(FILE);
        let files: BTreeSet<&PathBuf> = inbound.chain(outbound).chain([&own]).collect();
        let mut all = Vec::new();
        for file in files {
            match std::fs::read(self.folder.join(file)) {
                Ok(bytes) => {
                    all.extend_from_slice(file.to_string_lossy().as_bytes());
                    all.extend_from_slice(Digest::of(&bytes).as_bytes());
                }
                Err(error) => self.fault("", format!("{} cannot be read: {error}", file.display())),
            }
        }
        format!("sha256:{}", &hex::encode(Digest::of(&all).as_bytes())[..16])
    }
}
