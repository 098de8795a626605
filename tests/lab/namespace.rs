// SPDX-License-Identifier: MPL-2.0
//! A network namespace with a name, and the thread in it on which its sockets and programs are made.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use super::tools::{ip, told_by};

/// How the names of all our namespaces begin; the number of the process and of the namespace follow.
const PREFIX: &str = "a2al-nat-";

/// A network namespace. Dropping it deletes it.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    room: OnceLock<Room>,
}

impl Namespace {
    /// A new namespace with nothing in it but loopback.
    pub(super) fn create(label: &str) -> Self {
        let name = Self::unique(label);
        ip(&format!("netns add {name}"));
        ip(&format!("-n {name} link set lo up"));
        let namespace = Self {
            name,
            room: OnceLock::new(),
        };
        // Nobody else has our addresses, and looking for such a neighbour takes a second.
        namespace.set(&[
            "ipv6/conf/all/accept_dad=0",
            "ipv6/conf/default/accept_dad=0",
        ]);
        namespace
    }

    /// A name that nobody else has.
    pub(super) fn unique(label: &str) -> String {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        format!("{PREFIX}{}-{number}-{label}", std::process::id())
    }

    /// The name by which `ip` knows it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Moves the calling thread here. Meant for threads that do nothing else.
    pub(super) fn enter(&self) {
        let file = File::open(format!("/run/netns/{}", self.name)).expect("the namespace exists");
        move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
            .expect("root may enter a namespace");
    }

    /// Writes settings below `/proc/sys/net`, each as `path=value`.
    pub(super) fn set(&self, settings: &[&str]) {
        let write = || {
            self.enter();
            for setting in settings {
                let (path, value) = setting.split_once('=').expect("path=value");
                std::fs::write(format!("/proc/sys/net/{path}"), value)
                    .unwrap_or_else(|error| panic!("{setting}: {error}"));
            }
        };
        std::thread::scope(|scope| scope.spawn(write).join().expect("settings are known"));
    }

    /// Keeps the rules for routed packets away from frames that only cross a bridge here, where the kernel would mix them.
    pub(super) fn leave_bridged_frames_alone(&self) {
        if std::path::Path::new("/proc/sys/net/bridge").exists() {
            self.set(&[
                "bridge/bridge-nf-call-iptables=0",
                "bridge/bridge-nf-call-ip6tables=0",
                "bridge/bridge-nf-call-arptables=0",
            ]);
        }
    }

    /// Runs `work` on the thread of this namespace: sockets and processes that it makes belong here.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> T {
        let room = self.room.get_or_init(|| Room::open(self));
        match room.handle.spawn(work).await {
            Ok(value) => value,
            Err(error) => std::panic::resume_unwind(error.into_panic()),
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.room.take());
        // Dropping may be part of a failing test, which has said enough.
        let _deleted = told_by("ip", &["netns", "del", &self.name], "");
    }
}

/// Deletes what test runs left behind that could not clean up, with the programs still running there.
pub(super) fn sweep() {
    let listed = told_by("ip", &["netns", "list"], "").unwrap_or_default();
    let names = listed
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| is_left_behind(name)) {
        let inside = told_by("ip", &["netns", "pids", name], "").unwrap_or_default();
        for pid in inside.split_whitespace() {
            let _ended_already = told_by("kill", &["-s", "KILL", pid], "");
        }
        let _swept_by_another = told_by("ip", &["netns", "del", name], "");
    }
}

fn is_left_behind(name: &str) -> bool {
    let owner = name.strip_prefix(PREFIX).and_then(|rest| {
        let (pid, _) = rest.split_once('-')?;
        pid.parse::<u32>().ok()
    });
    owner.is_some_and(|pid| !std::path::Path::new(&format!("/proc/{pid}")).exists())
}

/// A thread inside a namespace that runs whatever it is handed.
#[derive(Debug)]
struct Room {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Room {
    fn open(namespace: &Namespace) -> Self {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let file = File::open(format!("/run/netns/{}", namespace.name));
        let file = file.expect("the namespace exists");
        let thread = std::thread::spawn(move || {
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .expect("root may enter a namespace");
            drop(file);
            // A dropped sender stops the thread as well.
            let _stopped = runtime.block_on(stopped);
        });
        Self {
            handle,
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}
