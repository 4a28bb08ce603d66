//! Random calls for who has nothing to compare them with.

use super::grammar;
use super::newer;
use super::pair::Request;
use super::peer::Peer;
use super::scripts;
use super::shapes::Dice;
use super::table::SHAPES;

/// A client's seeded chance, and what it may say.
pub(crate) struct Caller {
    dice: Dice,
    table: Vec<(String, String)>,
}

impl Caller {
    pub(crate) fn new(seed: u64) -> Self {
        let mut table: Vec<(String, String)> =
            SHAPES.iter().map(|(name, shape)| owned(name, shape)).collect();
        for peer in [Peer::Redis, Peer::Valkey] {
            table.extend(newer::names(peer).filter_map(|name| Some(owned(name, newer::shape(peer, name)?))));
        }
        Self { dice: Dice::new(seed), table }
    }

    /// A number below the limit.
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.dice.below(limit)
    }

    pub(crate) fn one_in(&mut self, chances: usize) -> bool {
        self.dice.one_in(chances)
    }

    /// A request of a command that is written in the tables.
    pub(crate) fn request(&mut self) -> Request {
        let (name, shape) = self.dice.pick(&self.table);
        grammar::request(&mut self.dice, name, shape)
    }

    /// A request of this shape, in the notation of `grammar`.
    pub(crate) fn written(&mut self, shape: &str) -> Request {
        grammar::written(&mut self.dice, shape)
    }

    /// Several that are sent one after the other: a transaction, a script, or whatever comes.
    pub(crate) fn series(&mut self) -> Vec<Request> {
        match self.dice.below(4) {
            0 => scripts::series(&mut self.dice, &self.table),
            1 => vec![grammar::many(&mut self.dice)],
            2 => {
                let count = 1 + self.dice.below(8);
                let queued: Vec<Request> = (0..count).map(|_| self.request()).collect();
                let begin = [self.written("WATCH < key >+"), self.written("MULTI")];
                begin.into_iter().chain(queued).chain([self.written("< EXEC | EXEC | DISCARD >")]).collect()
            }
            _ => (0..1 + self.dice.below(30)).map(|_| self.request()).collect(),
        }
    }
}

fn owned(name: &str, shape: &str) -> (String, String) {
    (name.to_owned(), shape.to_owned())
}
