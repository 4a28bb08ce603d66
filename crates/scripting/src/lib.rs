//! The Lua host: sandbox, bridge, libraries, preemption.
#![deny(unsafe_code)]

use std::sync::Arc;

use perigee_commands::Engine;
use perigee_commands::scripts::ScriptHost;

/// A worker's Lua machine.
pub struct LuaHost;

impl LuaHost {
    /// For now there is none.
    pub fn boxed(_: &Arc<Engine>, _: usize) -> Option<Box<dyn ScriptHost>> {
        None
    }
}
