//! The wire through the crate's public face. The ignored tests compare with a real `redis-server`:
//! `cargo test -p perigee-resp -- --ignored`.

mod numbers;
mod redis;
mod replies;
mod requests;
