//! Compiles `proto/` with a pure-Rust compiler, so that nobody installs `protoc`, and derives the
//! canonical proto JSON form of every message that has one.

use std::{error::Error, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 7] = [
    "proto/liandong/v1/message.proto",
    "proto/liandong/v1/payload.proto",
    "proto/liandong/v1/intake.proto",
    "proto/liandong/v1/query.proto",
    "proto/liandong/v1/operations.proto",
    "proto/liandong/v1/mailbox.proto",
    "proto/liandong/v1/workers.proto",
];

/// Requests whose message is kept as the bytes that came: on the wire both are the same, and a sender's
/// exact bytes are evidence.
const AS_RECEIVED: [&str; 2] = [".liandong.v1.SubmitRequest", ".liandong.v1.SubmitStreamRequest"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let bytes = descriptors.encode_to_vec();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("liandong.bin"), &bytes)?;
    let mut services = tonic_prost_build::configure().build_transport(false).bytes(".liandong.v1");
    for name in AS_RECEIVED {
        services = services.extern_path(
            name,
            format!("crate::proto::received{}", &name[".liandong.v1".len()..].replace('.', "::")),
        );
    }
    services.compile_fds(descriptors)?;
    pbjson_build::Builder::new()
        .register_descriptors(&bytes)?
        .exclude(AS_RECEIVED)
        .emit_fields()
        .build(&[".liandong.v1"])?;
    Ok(())
}
