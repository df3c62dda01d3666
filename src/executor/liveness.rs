//! Signs of life: when a worker has last sent something.

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, ReadBuf};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// So many bytes of a worker's output are read as they come. Whoever prints more has to wait, and nobody else does.
const AT_ONCE: f64 = 32e6;

/// So many more are read each second.
const PER_SECOND: f64 = 4e6;

/// A line takes as much work as so many bytes, however short it is.
const LINE: usize = 256;

/// When a worker has last given a sign of life. Clones are about the same worker.
#[derive(Debug, Clone)]
pub(super) struct Liveness(Arc<Mutex<LastSign>>);

#[derive(Debug)]
struct LastSign {
    at: Instant,
    /// Whether it prints without end since.
    floods: bool,
}

impl Liveness {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(LastSign {
            at: Instant::now(),
            floods: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, LastSign> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a sign of life now.
    pub(super) fn renew(&self) {
        *self.lock() = LastSign {
            at: Instant::now(),
            floods: false,
        };
    }

    /// Something has come, but faster than it is read, which is no sign of life.
    fn flood(&self) {
        self.lock().floods = true;
    }

    /// Returns once there has been no sign of life for so long; never without a limit.
    pub(super) async fn silent_for(&self, limit: Option<Duration>) -> Silence {
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        loop {
            let last = self.lock().at;
            // A limit beyond the end of time is none.
            let Some(due) = last.checked_add(limit) else {
                return std::future::pending().await;
            };
            if Instant::now() >= due {
                let floods = self.lock().floods;
                return Silence { limit, floods };
            }
            sleep_until(due).await;
        }
    }
}

/// A worker that has been silent for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) struct Silence {
    limit: Duration,
    /// Whether it has printed without end meanwhile.
    floods: bool,
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.limit.as_secs_f64() / 60.0;
        let (minutes, s) = ((minutes * 100.0).round() / 100.0, if minutes == 1.0 { "" } else { "s" });
        let what = match self.floods {
            true => "printed without end and sent no message",
            false => "gave no sign of life",
        };
        write!(
            f,
            "the worker {what} for {minutes} minute{s}; how long it may be silent is `silence_minutes` under [slots]"
        )
    }
}

/// A stream from a worker: what comes through it is a sign of life, unless it comes without end.
pub(super) struct Monitored<R> {
    stream: R,
    liveness: Liveness,
    /// How many bytes may be read as they come, and since when.
    left: (f64, Instant),
    rest: Option<Pin<Box<Sleep>>>,
}

impl<R> Monitored<R> {
    pub(super) fn new(stream: R, liveness: Liveness) -> Self {
        Self {
            stream,
            liveness,
            left: (AT_ONCE, Instant::now()),
            rest: None,
        }
    }

    /// Counts what was read, after which there may have to be a rest.
    fn count(&mut self, read: &[u8]) {
        let lines = read.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
        let (left, since) = self.left;
        let gained = since.elapsed().as_secs_f64() * PER_SECOND;
        let left = (left + gained).min(AT_ONCE) - (read.len() + lines * LINE) as f64;
        self.left = (left, Instant::now());
        if left < 0.0 {
            self.rest = Some(Box::pin(sleep(Duration::from_secs_f64(-left / PER_SECOND))));
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Monitored<R> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rested = self.rest.is_some();
        if let Some(rest) = &mut self.rest {
            ready!(rest.as_mut().poll(context));
            self.rest = None;
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            match rested {
                true => self.liveness.flood(),
                false => self.liveness.renew(),
            }
            self.count(read);
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::AsyncReadExt;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn silence_lasts_from_the_last_byte() {
        let (liveness, began) = (Liveness::new(), Instant::now());
        let sign = async {
            tokio::time::sleep(MINUTE / 2).await;
            Monitored::new(&b"."[..], liveness.clone()).read_u8().await.unwrap();
        };
        let ((), silence) = tokio::join!(sign, liveness.silent_for(Some(MINUTE)));
        assert_eq!((began.elapsed(), silence.floods), (MINUTE * 3 / 2, false));
        let forever = tokio::time::timeout(MINUTE * 1_000_000, liveness.silent_for(None));
        assert!(forever.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_prints_without_end_is_slowed_down_and_gives_no_sign_of_life() {
        for (byte, weight) in [(b'x', 1), (b'\n', 1 + LINE)] {
            let (liveness, began) = (Liveness::new(), Instant::now());
            let mut pipe = Monitored::new(tokio::io::repeat(byte), liveness.clone());
            let mut read = 0;
            let flood = async {
                let mut buffer = [0; 8192];
                loop {
                    read += pipe.read(&mut buffer).await.unwrap();
                }
            };
            tokio::select! {
                () = flood => {}
                silence = liveness.silent_for(Some(MINUTE)) => assert!(silence.floods),
            }
            assert!(began.elapsed() < MINUTE * 2);
            let counted = (read * weight) as f64;
            let allowed = AT_ONCE + PER_SECOND * began.elapsed().as_secs_f64();
            assert!(counted <= allowed + (8192 * weight) as f64, "{counted} of {allowed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_prints_much_but_leaves_off_gives_signs_of_life_again() {
        let liveness = Liveness::new();
        let (mut worker, pipe) = tokio::io::duplex(1 << 20);
        let mut pipe = Monitored::new(pipe, liveness.clone());
        let chatter = async {
            for _ in 0..50 {
                tokio::io::AsyncWriteExt::write_all(&mut worker, &[b'x'; 1 << 20])
                    .await
                    .unwrap();
            }
            for _ in 0..10 {
                tokio::time::sleep(MINUTE / 2).await;
                tokio::io::AsyncWriteExt::write_all(&mut worker, b"epoch\n")
                    .await
                    .unwrap();
            }
        };
        let reading = async {
            let mut buffer = [0; 8192];
            while pipe.read(&mut buffer).await.unwrap() > 0 {}
        };
        tokio::select! {
            () = chatter => {}
            () = reading => unreachable!("the pipe stays open"),
            _ = liveness.silent_for(Some(MINUTE)) => panic!("there was a sign every half minute"),
        }
    }
}
