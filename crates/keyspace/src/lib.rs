//! The data: sharded, locked, transactional, with an undo journal.
