//! Points at which a test can kill this process, as a power cut or `kill -9` might. Release builds have none.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::{Signal, getpid, kill_process};

static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
static PASSED: AtomicU64 = AtomicU64::new(0);

/// Ends the process with SIGKILL if `HPO_KILL_AT` is `point:n` and this is the `n`-th time that it passes this point, from 1.
pub(crate) fn point(point: &str) {
    // Not an attribute, so that lints check this in release builds too.
    if !cfg!(debug_assertions) {
        return;
    }
    let chosen = CHOSEN.get_or_init(|| {
        let at = std::env::var("HPO_KILL_AT").ok()?;
        let (point, number) = at.rsplit_once(':')?;
        Some((point.to_owned(), number.parse().ok()?))
    });
    if let Some((name, number)) = chosen
        && name == point
        && PASSED.fetch_add(1, Ordering::Relaxed) + 1 == *number
    {
        // It does not return.
        let _ = kill_process(getpid(), Signal::KILL);
    }
}
