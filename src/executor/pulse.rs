//! Signs of life: when a worker was last heard of.

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

/// When something was last heard of a worker. Clones tell of the same worker.
#[derive(Debug, Clone)]
pub(super) struct Pulse(Arc<Mutex<Heard>>);

#[derive(Debug)]
struct Heard {
    last: Instant,
    /// Whether it prints without end since.
    floods: bool,
}

impl Pulse {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Heard {
            last: Instant::now(),
            floods: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to wait anew.
    pub(super) fn beat(&self) {
        *self.lock() = Heard {
            last: Instant::now(),
            floods: false,
        };
    }

    /// Something has come, but faster than it can be heard: a worker that has lost its way does that too.
    fn flood(&self) {
        self.lock().floods = true;
    }

    /// Returns once nothing has been heard for so long; never without a limit. Whether it has printed without end meanwhile.
    pub(super) async fn silent_for(&self, limit: Option<Duration>) -> bool {
        let Some(limit) = limit else {
            return std::future::pending().await;
        };
        loop {
            let last = self.lock().last;
            // A limit beyond the end of time is none.
            let Some(due) = last.checked_add(limit) else {
                return std::future::pending().await;
            };
            if Instant::now() >= due {
                return self.lock().floods;
            }
            sleep_until(due).await;
        }
    }
}

/// A pipe from a worker: what comes through it is a sign of life, unless it comes without end.
pub(super) struct Listened<R> {
    pipe: R,
    pulse: Pulse,
    /// How many bytes may be read as they come, and since when.
    left: (f64, Instant),
    rest: Option<Pin<Box<Sleep>>>,
}

impl<R> Listened<R> {
    pub(super) fn new(pipe: R, pulse: Pulse) -> Self {
        Self {
            pipe,
            pulse,
            left: (AT_ONCE, Instant::now()),
            rest: None,
        }
    }

    /// Counts what was read, after which there may have to be a rest.
    fn count(&mut self, read: &[u8]) {
        let lines = read.iter().filter(|byte| **byte == b'\n').count();
        let (left, since) = self.left;
        let gained = since.elapsed().as_secs_f64() * PER_SECOND;
        let left = (left + gained).min(AT_ONCE) - (read.len() + lines * LINE) as f64;
        self.left = (left, Instant::now());
        if left < 0.0 {
            self.rest = Some(Box::pin(sleep(Duration::from_secs_f64(-left / PER_SECOND))));
        }
    }
}

impl<R: AsyncRead + Unpin> AsyncRead for Listened<R> {
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
        let polled = Pin::new(&mut self.pipe).poll_read(context, buffer);
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            match rested {
                true => self.pulse.flood(),
                false => self.pulse.beat(),
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
        let (pulse, began) = (Pulse::new(), Instant::now());
        let heard = async {
            tokio::time::sleep(MINUTE / 2).await;
            Listened::new(&b"."[..], pulse.clone()).read_u8().await.unwrap();
        };
        let ((), floods) = tokio::join!(heard, pulse.silent_for(Some(MINUTE)));
        assert_eq!((began.elapsed(), floods), (MINUTE * 3 / 2, false));
        let forever = tokio::time::timeout(MINUTE * 1_000_000, pulse.silent_for(None));
        assert!(forever.await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn who_prints_without_end_is_slowed_down_and_gives_no_sign_of_life() {
        for (byte, weight) in [(b'x', 1), (b'\n', 1 + LINE)] {
            let (pulse, began) = (Pulse::new(), Instant::now());
            let mut pipe = Listened::new(tokio::io::repeat(byte), pulse.clone());
            let mut read = 0;
            let flood = async {
                let mut buffer = [0; 8192];
                loop {
                    read += pipe.read(&mut buffer).await.unwrap();
                }
            };
            tokio::select! {
                () = flood => {}
                floods = pulse.silent_for(Some(MINUTE)) => assert!(floods),
            }
            assert!(began.elapsed() < MINUTE * 2);
            let heard = (read * weight) as f64;
            let allowed = AT_ONCE + PER_SECOND * began.elapsed().as_secs_f64();
            assert!(heard <= allowed + (8192 * weight) as f64, "{heard} of {allowed}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_prints_much_but_leaves_off_gives_signs_of_life_again() {
        let pulse = Pulse::new();
        let (mut worker, pipe) = tokio::io::duplex(1 << 20);
        let mut pipe = Listened::new(pipe, pulse.clone());
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
        let hear = async {
            let mut buffer = [0; 8192];
            while pipe.read(&mut buffer).await.unwrap() > 0 {}
        };
        tokio::select! {
            () = chatter => {}
            () = hear => unreachable!("the pipe stays open"),
            _ = pulse.silent_for(Some(MINUTE)) => panic!("it was heard of every half minute"),
        }
    }
}
