//! The Lua host: sandbox, bridge, libraries, preemption.
