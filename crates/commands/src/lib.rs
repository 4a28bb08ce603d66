//! What clients can ask: one table, one gate, sessions. Usable without a socket.
