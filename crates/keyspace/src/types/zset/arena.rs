//! Nodes by number.

/// Nodes in allocations of their own, found by a number that is used again once its node is gone.
#[derive(Clone, Debug)]
pub(super) struct Arena<T> {
    nodes: Vec<Option<Box<T>>>,
    free: Vec<u32>,
}

impl<T> Default for Arena<T> {
    fn default() -> Self {
        Self { nodes: Vec::new(), free: Vec::new() }
    }
}

impl<T> Arena<T> {
    pub(super) fn insert(&mut self, node: T) -> u32 {
        let node = Some(Box::new(node));
        if let Some(id) = self.free.pop() {
            self.nodes[id as usize] = node;
            return id;
        }
        self.nodes.push(node);
        (self.nodes.len() - 1) as u32
    }

    pub(super) fn remove(&mut self, id: u32) -> Box<T> {
        self.free.push(id);
        self.take(id)
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> &T {
        self.nodes[id as usize].as_deref().expect("a node that is linked")
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> &mut T {
        self.nodes[id as usize].as_deref_mut().expect("a node that is linked")
    }

    /// Borrows a node out, until it is [`put`](Self::put) back.
    pub(super) fn take(&mut self, id: u32) -> Box<T> {
        self.nodes[id as usize].take().expect("a node that is linked")
    }

    pub(super) fn put(&mut self, id: u32, node: Box<T>) {
        self.nodes[id as usize] = Some(node);
    }

    pub(super) fn allocated_bytes(&self) -> usize {
        (self.nodes.len() - self.free.len()) * size_of::<T>()
            + self.nodes.capacity() * size_of::<Option<Box<T>>>()
            + self.free.capacity() * size_of::<u32>()
    }
}
