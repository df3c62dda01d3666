//! Points at which a test can have this process killed, as a power cut or `kill -9` might. Release builds have none.

/// Ends the process with SIGKILL if `HPO_KILL_AT` is `point:n` and this is the `n`-th time that it comes here, from 1.
#[cfg(debug_assertions)]
pub(crate) fn point(point: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static CHOSEN: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
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
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    }
}

/// Does nothing.
#[cfg(not(debug_assertions))]
pub(crate) fn point(_: &str) {}
