//! The binary: sets up cryptography for TLS and hands over to the command line.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // A second call in one process would fail; this is the only one, and the provider stays whichever came first.
    drop(rustls::crypto::ring::default_provider().install_default());
    liandong::cli::run()
}
