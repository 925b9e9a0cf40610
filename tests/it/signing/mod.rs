//! Signatures as others check them: with `openssl` and the steps of `docs/evidence.md`, whatever the key is.

mod device;
mod openssl;
mod rotation;
mod timestamps;

use std::{
    path::Path,
    process::{Command, Output},
};

/// Runs a tool in a folder.
fn tool(folder: &Path, name: &str, arguments: &[&str]) -> Output {
    let run = Command::new(name).args(arguments).current_dir(folder).output();
    run.unwrap_or_else(|error| panic!("{name} is needed, deploy/services/run installs it: {error}"))
}

/// The same; it must succeed.
fn done(folder: &Path, name: &str, arguments: &[&str]) -> String {
    let output = tool(folder, name, arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name} {arguments:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}

/// The public key of a key file, as `hub.pub.pem` beside what it is to check.
fn export_key(folder: &Path, key: &Path) {
    done(folder, "openssl", &["pkey", "-in", key.to_str().unwrap(), "-pubout", "-out", "hub.pub.pem"]);
}

/// Whether `openssl` finds that `signature` is that of `signed.txt`, by the command that `docs/evidence.md` gives.
fn verifies(folder: &Path, algorithm: &str) -> bool {
    let of_algorithm: &[&str] = match algorithm {
        "sm2" => &["-digest", "sm3", "-pkeyopt", "distid:1234567812345678"],
        _ => &[],
    };
    let common = ["pkeyutl", "-verify", "-pubin", "-inkey", "hub.pub.pem", "-rawin"];
    let files = ["-in", "signed.txt", "-sigfile", "signature"];
    tool(folder, "openssl", &[&common[..], of_algorithm, &files].concat()).status.success()
}
