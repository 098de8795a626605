// SPDX-License-Identifier: MPL-2.0
//! A line that delays and loses frames: two TAP devices and a thread between them, since not every kernel can do it itself.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tun_rs::{AsyncDevice, DeviceBuilder, Layer};

use super::Namespace;

/// Longest frame, in bytes.
const MAX_FRAME_LEN: usize = 2048;

/// Frames on the way in one direction; more are lost, as in a full queue.
const QUEUE_LEN: usize = 4096;

/// How a line treats frames, the same in both directions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    pub(crate) delay: Duration,
    /// Most that is added to the delay of a frame. Frames stay in order.
    pub(crate) jitter: Duration,
    /// Frames lost of a thousand.
    pub(crate) lost_per_mille: u64,
}

impl Quality {
    /// A line that delays and loses nothing.
    pub(crate) const PERFECT: Self = Self {
        delay: Duration::ZERO,
        jitter: Duration::ZERO,
        lost_per_mille: 0,
    };

    pub(super) fn is_perfect(&self) -> bool {
        self.delay.is_zero() && self.jitter.is_zero() && self.lost_per_mille == 0
    }
}

/// A running line. Dropping it takes its two devices away.
#[derive(Debug)]
pub(super) struct Splice {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Splice {
    /// Makes an interface in each of two namespaces, and moves frames between them.
    pub(super) fn start(ends: [(&Namespace, &str); 2], quality: Quality) -> Self {
        let (stop, stopped) = oneshot::channel::<()>();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        // A device belongs to the namespace in which it is made, wherever it is read later.
        let devices = ends.map(|(namespace, interface)| {
            let make = || {
                namespace.enter();
                let _context = runtime.enter();
                device(interface)
            };
            std::thread::scope(|scope| scope.spawn(make).join().expect("a TAP device"))
        });
        let thread = std::thread::spawn(move || {
            let [one, other] = devices.map(Arc::new);
            runtime.block_on(async {
                tokio::select! {
                    () = carry(&one, &other, quality) => {}
                    () = carry(&other, &one, quality) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Splice {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

fn device(interface: &str) -> AsyncDevice {
    let builder = DeviceBuilder::new().name(interface).layer(Layer::L2);
    builder.enable(false).build_async().expect("a TAP device")
}

/// Moves frames one way until a device is gone.
async fn carry(from: &AsyncDevice, to: &AsyncDevice, quality: Quality) {
    let (queue, mut queued) = mpsc::channel::<(Instant, Vec<u8>)>(QUEUE_LEN);
    let receive = async {
        let dice = RandomState::new();
        let mut last_due = Instant::now();
        let mut frame = vec![0; MAX_FRAME_LEN];
        for throw in 0_u64.. {
            let Ok(len) = from.recv(&mut frame).await else {
                return;
            };
            if dice.hash_one((throw, "loss")) % 1000 < quality.lost_per_mille {
                continue;
            }
            let share = dice.hash_one((throw, "jitter")) % 1000;
            let jitter = quality.jitter * u32::try_from(share).expect("below 1000") / 1000;
            last_due = last_due.max(Instant::now() + quality.delay + jitter);
            let _full = queue.try_send((last_due, frame[..len].to_vec()));
        }
    };
    let send = async {
        while let Some((due, frame)) = queued.recv().await {
            tokio::time::sleep_until(due).await;
            // A device whose other side is down refuses frames; so does a pulled cable.
            let _lost = to.send(&frame).await;
        }
    };
    tokio::select! {
        () = receive => {}
        () = send => {}
    }
}
