//! Signals at any moment, far more often than the watchdog sends them. Unsafe, since it sends them.
#![allow(unsafe_code, reason = "it sends signals to a thread")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::server::Server;

/// Calls itself for ever, in compiled code that has no loop.
const TAIL_CALLS: &str = "local n = 0 local function f(x) n = n + 1 return f(x) end f(1)";
const LOOP: &str = "local n = 0 while true do n = n + 1 end";

#[test]
fn a_signal_while_the_vm_changes_its_mode_is_not_lost_for_ever() {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let server = Server::new(&[]);
        assert_eq!(server.eval("return 1"), ":1\r\n");
        let ended = Arc::new(AtomicBool::new(false));
        // SAFETY: always valid.
        let worker = unsafe { libc::pthread_self() };
        let storm = std::thread::spawn({
            let ended = ended.clone();
            move || {
                let mut pause = 0;
                while !ended.load(Ordering::Relaxed) {
                    // SAFETY: the worker's thread waits for this one before it ends.
                    unsafe { libc::pthread_kill(worker, libc::SIGURG) };
                    // At every distance from the hook that the signal before has set.
                    pause = (pause + 37) % 101;
                    (0..pause).for_each(|_| std::hint::spin_loop());
                }
            }
        });
        for script in [TAIL_CALLS, LOOP].into_iter().cycle().take(150) {
            let client = server.connect();
            let mut endless = client.send(&["EVAL", script, "0"]);
            endless.slices(10);
            assert_eq!(server.call(&["SCRIPT", "KILL"]), "+OK\r\n");
            assert!(endless.finish().starts_with("-ERR Script killed by user"));
        }
        ended.store(true, Ordering::Relaxed);
        storm.join().expect("it only sends signals");
        tell.send(()).expect("the test waits");
    });
    told.recv_timeout(Duration::from_secs(600)).expect("a slice does not end");
}
