//! File systems of a test's own. They need root and the right to mount.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system; unmounted when dropped.
pub struct Mount {
    pub path: PathBuf,
}

impl Mount {
    /// A file system in memory of so many KiB at `path`; none, with the reason printed, if that can't be had here.
    pub fn memory(path: PathBuf, kib: u32) -> Option<Self> {
        std::fs::create_dir(&path).unwrap();
        let size = format!("size={kib}k");
        Self::new(path, &["-t", "tmpfs", "-o", &size, "tmpfs"])
    }

    /// A new ext4 in a file of so many MiB, by way of a loop device.
    pub fn image(path: PathBuf, image: &Path, mib: u64) -> Option<Self> {
        std::fs::File::create(image).unwrap().set_len(mib << 20).unwrap();
        let made = run("mkfs.ext4", &["-q", "-F", image.to_str().unwrap()]);
        if let Err(reason) = made {
            eprintln!("skipped: {reason}");
            return None;
        }
        std::fs::create_dir(&path).unwrap();
        Self::of_image(path, image)
    }

    /// The ext4 in a file, at a directory that exists.
    pub fn of_image(path: PathBuf, image: &Path) -> Option<Self> {
        Self::new(path, &["-o", "loop", image.to_str().unwrap()])
    }

    fn new(path: PathBuf, arguments: &[&str]) -> Option<Self> {
        let all = [arguments, &[path.to_str().unwrap()]].concat();
        match run("mount", &all) {
            Ok(()) => Some(Self { path }),
            Err(reason) => {
                eprintln!("skipped: a file system is needed for this: {reason}");
                None
            }
        }
    }

    /// Makes it read-only.
    pub fn read_only(&self) {
        run("mount", &["-o", "remount,ro", self.path.to_str().unwrap()]).unwrap();
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // Nothing else is to be done about it in the middle of a panic.
        let _ = run("umount", &["-l", self.path.to_str().unwrap()]);
    }
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    output
        .status
        .success()
        .then_some(())
        .ok_or(format!("{program}: {stderr}"))
}
