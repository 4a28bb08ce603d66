//! A node whose worker runs scripts.

use std::ops::Deref;

use perigee_commands::scripts::ScriptHost;
use perigee_scripting::LuaHost;
use perigee_testkit::Node;

pub(crate) struct Server {
    node: Node,
    host: LuaHost,
}

impl Server {
    /// A server with these parameters.
    pub(crate) fn new(parameters: &[(&str, &str)]) -> Self {
        let mut host = None;
        let node = Node::new(parameters, |engine| Some(Box::new(host.insert(LuaHost::new(engine)).clone())));
        Server { node, host: host.expect("a node makes its host") }
    }

    /// Bytes that the worker's VM uses.
    pub(crate) fn used_bytes(&self) -> usize {
        self.host.used_bytes()
    }

    /// A step of giving memory back; whether there is more to do.
    pub(crate) fn tidy(&self) -> bool {
        self.host.tidy()
    }

    pub(crate) fn eval(&self, script: &str) -> String {
        self.call(&["EVAL", script, "0"])
    }
}

/// Tries again as long as the test gives `None`: a script was to be suspended, but has come to its end. What ends a slice is a
/// thread, which may get no processor for a while.
#[track_caller]
pub(crate) fn in_time(test: impl Fn() -> Option<()>) {
    assert!((0..TRIES).any(|_| test().is_some()), "no slice ends");
}

const TRIES: u32 = 20;

impl Deref for Server {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}
