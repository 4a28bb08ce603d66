//! What is done without anybody's asking for it.

use std::thread::sleep;
use std::time::Duration;

use crate::server::{Server, ask, wait_until};

#[test]
fn expired_keys_go_by_themselves_unless_periodic_work_is_paused() {
    let server = Server::start_with(&["--hz", "500", "--enable-debug-command", "yes"]);
    let mut client = server.client();
    ask::<()>(&mut client, "DEBUG PAUSE-CRON 1");
    ask::<()>(&mut client, "SET key value PX 1");
    // Long enough for fifty turns of what is paused.
    sleep(Duration::from_millis(100));
    assert_eq!(ask::<usize>(&mut client, "DBSIZE"), 1);
    ask::<()>(&mut client, "DEBUG PAUSE-CRON 0");
    wait_until("it is gone", || ask::<usize>(&mut client, "DBSIZE") == 0);
}
