//! `hpo doctor`.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::CliError;
use super::machines::Machines;
use super::study::{Studies, print, print_json};
use super::version::trainer_says;
use crate::devices::SlotSettings;
use crate::disk::room;
use crate::executor::{Machine, Own};
use crate::memory;
use crate::view::doctor;

/// The arguments of `hpo doctor`.
#[derive(Debug, clap::Args)]
pub(super) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How often a sync is timed.
const SYNCS: usize = 15;

/// How much is written to time the disk, and for how long at most.
const WRITTEN: usize = 64 << 20;
const WITHIN: Duration = Duration::from_secs(2);

impl Doctor {
    pub(super) fn run(&self, studies: &Studies) -> Result<(), CliError> {
        let this = Machine::this();
        let slots = Machines::assumed(&SlotSettings::default()).slots(None)?;
        let trainer = Own::Embedding.command().and_then(|command| command.into_iter().next());
        let says = trainer.as_deref().map_or(Ok(Vec::new()), trainer_says);
        let (nofile, online) = (
            rustix::process::getrlimit(rustix::process::Resource::Nofile),
            all_cores(),
        );
        let machine = doctor::Machine {
            hpo: env!("CARGO_PKG_VERSION").to_owned(),
            trainer_says: says.clone().unwrap_or_default(),
            trainer_error: says.err(),
            trainer,
            gpus: this.gpus.iter().map(|gpu| gpu.name.clone()).collect(),
            gpu_complaints: this.complaints,
            cores: this.cores,
            all_cores: online,
            slots: slots.len(),
            threads: slots.first().map_or(1, |slot| slot.threads),
            memory: memory::available(),
            open_files: nofile.current,
            disk: disk(studies.0.as_deref().unwrap_or(Path::new("studies"))),
        };
        if self.json {
            print_json(&serde_json::json!({ "machine": machine, "advice": doctor::advice(&machine) }))?;
        } else {
            print(&doctor::text(&machine))?;
        }
        match doctor::advice(&machine).iter().any(|advice| advice.serious) {
            true => Err(CliError::Unfit),
            false => Ok(()),
        }
    }
}

/// The cores of the machine, whether or not this process may use them.
fn all_cores() -> Option<usize> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    Some(text.lines().filter(|line| line.starts_with("processor")).count()).filter(|count| *count > 0)
}

/// Measures the disk of a directory, which need not exist yet.
fn disk(directory: &Path) -> doctor::Disk {
    let directory = std::path::absolute(directory).unwrap_or_else(|_| directory.to_owned());
    let there = directory.ancestors().find(|place| place.is_dir()).map(Path::to_owned);
    let place = there.unwrap_or_else(|| PathBuf::from("/"));
    let measured = measure(&place);
    doctor::Disk {
        free: room(&place),
        network: is_on_the_network(&place),
        directory,
        sync_ms: (measured.as_ref().ok()).map(|(sync, _)| 1000.0 * sync.as_secs_f64()),
        write: measured.as_ref().ok().map(|(_, write)| *write),
        error: measured.err().map(|error| error.to_string()),
    }
}

/// How long it takes to make a record durable, and how many bytes a second can be written and made durable.
fn measure(place: &Path) -> io::Result<(Duration, f64)> {
    let path = place.join(format!(".hpo-doctor-{}", std::process::id()));
    let file = File::options().write(true).create_new(true).open(&path)?;
    // Nothing is left of it, however this ends.
    fs::remove_file(&path)?;
    let mut syncs = Vec::new();
    for number in 0..SYNCS {
        file.write_all_at(&[b'x'; 512], 512 * number as u64)?;
        let began = Instant::now();
        file.sync_data()?;
        syncs.push(began.elapsed());
    }
    syncs.sort_unstable();
    let (block, began, mut written) = (vec![0x5a; 1 << 20], Instant::now(), 0);
    let mut writer = &file;
    while written < WRITTEN && began.elapsed() < WITHIN {
        writer.write_all(&block)?;
        written += block.len();
    }
    file.sync_data()?;
    Ok((syncs[SYNCS / 2], written as f64 / began.elapsed().as_secs_f64()))
}

/// Whether a place is on a file system of another machine, as far as the system says.
fn is_on_the_network(place: &Path) -> bool {
    // NFS, SMB, CIFS, Ceph, Lustre, BeeGFS, GPFS.
    const KINDS: [u64; 7] = [
        0x6969,
        0xfe53_4d42,
        0xff53_4d42,
        0x00c3_6400,
        0x0bd0_0bd0,
        0x1983_0326,
        0x4750_4653,
    ];
    #[cfg(target_os = "linux")]
    return rustix::fs::statfs(place).is_ok_and(|found| KINDS.contains(&(found.f_type as u64 & 0xffff_ffff)));
    #[cfg(not(target_os = "linux"))]
    return false;
}
