//! A disk that a test may fill: a small file system of its own, where the machine lets the tests make one.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{PermissionsExt as _, chown},
    path::PathBuf,
    process::{Command, Stdio},
};

use tempfile::TempDir;

/// A file system of a few megabytes, unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Makes one with a folder for an account; none where the tests may not mount.
    pub(crate) fn mount(megabytes: u32, account: u32) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let size = format!("size={megabytes}m,mode=755");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &size, "tmpfs"])
            .arg(folder.path())
            .stderr(Stdio::null())
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            return None;
        }
        let disk = Self { folder };
        fs::create_dir(disk.place()).unwrap();
        chown(disk.place(), Some(account), None).unwrap();
        Some(disk)
    }

    /// The account's folder on it.
    pub(crate) fn place(&self) -> PathBuf {
        self.folder.path().join("place")
    }

    /// Fills it to the last byte.
    pub(crate) fn fill(&self) {
        let mut file = File::create(self.folder.path().join("filler")).unwrap();
        let full = loop {
            if let Err(error) = file.write_all(&[0; 4096]) {
                break error;
            }
        };
        assert_eq!(full.kind(), io::ErrorKind::StorageFull);
    }

    /// Gives back what [`SmallDisk::fill`] took.
    pub(crate) fn free(&self) {
        fs::remove_file(self.folder.path().join("filler")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: a server that still has files open on it ends later.
        drop(Command::new("umount").arg("-l").arg(self.folder.path()).status());
    }
}
