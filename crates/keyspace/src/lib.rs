//! The data: sharded, locked, transactional, with an undo journal.

pub mod log;
pub mod table;
pub mod types;
