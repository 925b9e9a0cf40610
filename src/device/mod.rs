//! Devices that sign: the private key never leaves them.

pub mod pkcs11;
mod session;
