//! Configuration: the environment, secrets by reference, and the hub's settings.
//!
//! The only room that reads environment variables. It opens configuration files and the files that
//! secrets are referred to in, and nothing else; what is loaded is checked whole before anything starts.

pub mod environment;
pub mod secret;
pub mod settings;
