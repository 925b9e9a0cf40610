//! What the tests share: a clock they set, samples of what is stored, short words for what is done to a
//! store, the hub as a process, and the systems around it: one that sends, and departments that misbehave.

pub(crate) mod apart;
pub(crate) mod authority;
pub(crate) mod books;
pub(crate) mod broker;
pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod database;
pub(crate) mod department;
pub(crate) mod disk;
pub(crate) mod drop_box;
pub(crate) mod dump;
pub(crate) mod fetcher;
pub(crate) mod front;
pub(crate) mod hub;
pub(crate) mod line;
pub(crate) mod load;
pub(crate) mod publisher;
pub(crate) mod rpc;
pub(crate) mod sample;
pub(crate) mod sender;
pub(crate) mod stand;
pub(crate) mod steps;
pub(crate) mod stream;
pub(crate) mod wire;
pub(crate) mod worker;
