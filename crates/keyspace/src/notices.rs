//! Keys that were created or looked for in vain, noted for those who want to be told.

use crate::txn::{DbKey, Txn};

/// What happened to a key, for those who want to be told; see [`Txn::take_notices`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// It was added to its database.
    Created(DbKey),
    /// It was looked for in vain.
    Missed(DbKey),
}

impl Txn<'_> {
    /// From now on it is noted which keys are created and missed.
    pub fn keep_notices(&mut self) {
        self.notes = true;
    }

    /// Notes that a command has looked for the key in vain.
    #[inline]
    pub fn note_missed(&self, db: u16, key: &[u8]) {
        if self.notes {
            self.note_missed_key(db, key);
        }
    }

    #[cold]
    fn note_missed_key(&self, db: u16, key: &[u8]) {
        let mut news = self.news.borrow_mut();
        news.get_or_insert_default().notices.push(Notice::Missed((db, key.into())));
    }

    /// What was noted since the last time.
    pub fn take_notices(&mut self) -> Vec<Notice> {
        self.news.get_mut().as_mut().map(|news| std::mem::take(&mut news.notices)).unwrap_or_default()
    }

    /// Whether [`keep_notices`](Self::keep_notices) was called.
    #[inline]
    pub fn keeps_notices(&self) -> bool {
        self.notes
    }

    #[inline]
    pub(crate) fn note_created(&mut self, db: u16, key: &[u8]) {
        if self.notes {
            self.news().notices.push(Notice::Created((db, key.into())));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Str;
    use crate::{Deadline, Footprint, Keyspace, Value};

    #[test]
    fn created_and_missed_keys_are_noted_in_order_and_forgotten_with_the_rest() {
        let keyspace = Keyspace::new(2, 4);
        let mut txn = keyspace.try_begin(&Footprint::All, 1).expect("nobody holds a lock");
        let set = |txn: &mut Txn<'_>, key: &[u8]| {
            txn.insert(0, key, Value::Str(Str::from_text(b"x")), Deadline::Never);
        };
        set(&mut txn, b"before");
        txn.keep_notices();
        txn.open_journal();
        txn.note_missed(0, b"none");
        set(&mut txn, b"a");
        set(&mut txn, b"a");
        txn.rename((0, b"a"), (1, b"b"));
        let at = |db, key: &[u8]| (db, Box::from(key));
        let noted =
            [Notice::Missed(at(0, b"none")), Notice::Created(at(0, b"a")), Notice::Created(at(1, b"b"))];
        assert_eq!(txn.take_notices(), noted);
        assert_eq!(txn.take_notices(), []);
        set(&mut txn, b"c");
        txn.rollback();
        assert_eq!(txn.take_notices(), []);
    }
}
