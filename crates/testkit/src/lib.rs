//! Helpers for tests: transcripts and the faces that run them.
