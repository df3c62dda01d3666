//! Other storages of Optuna, which Optuna itself copies into the file of a journal storage.

use std::process::{Command, Stdio};

/// Prints the journal of a storage, or of one study of it.
const COPY: &str = r#"
import os, sys, tempfile
try:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend
except ImportError as error:
    sys.exit(f"python3 has no Optuna to read it with ({error})")
storage, *named = sys.argv[1:]
optuna.logging.set_verbosity(optuna.logging.ERROR)
if storage.startswith("sqlite:///") and not os.path.exists(storage[10:]):
    sys.exit("there is no such file")
names = optuna.get_all_study_names(storage)
wanted = named or names
if len(wanted) != 1 or wanted[0] not in names:
    has = f"has no study `{named[0]}`" if named else f"has {len(names)} studies"
    sys.exit(f"{has}: name one with --study: {', '.join(names)}")
with tempfile.TemporaryDirectory() as place:
    path = os.path.join(place, "journal")
    journal = JournalStorage(JournalFileBackend(path))
    optuna.copy_study(from_study_name=wanted[0], from_storage=storage, to_storage=journal)
    with open(path, "rb") as file:
        sys.stdout.buffer.write(file.read())
"#;

/// The journal of the storage at an address, of the study that is `named` or else the only one, as the `python3` on the `PATH` writes it.
///
/// # Errors
/// Why it can't, for the user.
pub(super) fn journal(address: &str, named: Option<&str>) -> Result<Vec<u8>, String> {
    let mut command = Command::new("python3");
    command.args(["-c", COPY, address]).args(named).stdin(Stdio::null());
    let output = command
        .output()
        .map_err(|error| format!("can't be read without python3 and Optuna ({error})"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    Err(last.map_or_else(|| output.status.to_string(), str::to_owned))
}
