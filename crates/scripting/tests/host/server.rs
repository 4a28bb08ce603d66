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

impl Deref for Server {
    type Target = Node;

    fn deref(&self) -> &Node {
        &self.node
    }
}
