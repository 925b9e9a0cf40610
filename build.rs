//! Compiles `proto/` with a pure-Rust compiler, so that nobody installs `protoc`, and derives the
//! canonical proto JSON form of every message.

use std::{error::Error, path::PathBuf};

use prost::Message as _;

const FILES: [&str; 2] = ["proto/liandong/v1/message.proto", "proto/liandong/v1/payload.proto"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    let bytes = descriptors.encode_to_vec();
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("liandong.bin"), &bytes)?;
    prost_build::Config::new().compile_fds(descriptors)?;
    pbjson_build::Builder::new().register_descriptors(&bytes)?.emit_fields().build(&[".liandong.v1"])?;
    Ok(())
}
