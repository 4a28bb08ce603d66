//! Workers, connections, timers: the only crate that names tokio or a socket.
