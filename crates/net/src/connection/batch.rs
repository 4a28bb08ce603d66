//! Running the requests that are there.

use arrayvec::ArrayVec;
use perigee_commands::config::Param;
use perigee_commands::{Flow, Preview, Suspended, lost_to_contention_us, note_activity};
use perigee_resp::{Limits, Parsed};

use super::socket::Socket;
use super::{Connection, Talk};
use crate::bulk::Bulk;
use crate::outbox::KEPT;

/// How a batch of requests ended.
pub(super) enum Batch<'e> {
    /// What is left is no complete request.
    Exhausted,
    /// Enough replies wait to be written.
    Full,
    /// A request waits.
    Wait(Box<Suspended<'e>>),
    /// The connection is to be closed.
    Close,
}

/// Replies are written before more requests run once so many bytes wait.
pub(super) const WRITE_THRESHOLD: usize = 256 << 10;

impl<'s, S: Socket> Connection<'s, S> {
    pub(super) fn run_arena(&mut self, count: usize) -> Batch<'s> {
        let arena = self.shared.arena.borrow();
        let (batch, consumed) = self.batch(&arena[..count]);
        self.talk.pending.extend_from_slice(&arena[consumed..count]);
        self.note_unrun(&batch);
        batch
    }

    /// Goes on with a large request.
    pub(super) fn run_bulk(&mut self, count: usize) -> Batch<'s> {
        let Some(mut bulk) = self.talk.bulk.take() else { return Batch::Exhausted };
        bulk.push(&self.shared.arena.borrow()[..count], &self.talk.parser);
        if self.talk.parser.bytes_wanted(bulk.text().len()) > 0 {
            self.talk.bulk = Some(bulk);
            return Batch::Exhausted;
        }
        let (batch, consumed) = bulk.run(|text| self.batch(text));
        if consumed == 0 && matches!(batch, Batch::Exhausted) {
            bulk.go_on(&self.talk.parser);
            self.talk.bulk = Some(bulk);
            return batch;
        }
        self.talk.pending.extend_from_slice(&bulk.text()[consumed..]);
        self.shared.engine.keyspace.drop_elsewhere(bulk);
        self.note_unrun(&batch);
        batch
    }

    fn note_unrun(&mut self, batch: &Batch<'_>) {
        let is_exhausted = matches!(batch, Batch::Exhausted);
        self.talk.unrun = !self.talk.pending.is_empty() && !is_exhausted;
        if is_exhausted {
            let Talk { pending, parser, bulk, .. } = &mut self.talk;
            *bulk = Bulk::begin(pending, parser, &self.shared.engine);
        }
    }

    pub(super) fn run_pending(&mut self) -> Batch<'s> {
        let mut pending = std::mem::take(&mut self.talk.pending);
        let (batch, consumed) = self.batch(&pending);
        if consumed == pending.len() && pending.capacity() > KEPT {
            pending = Vec::new();
        } else {
            pending.drain(..consumed);
        }
        self.talk.pending = pending;
        self.note_unrun(&batch);
        batch
    }

    /// Runs every complete request, and tells how many bytes that took.
    fn batch(&mut self, data: &[u8]) -> (Batch<'s>, usize) {
        let env = self.shared.worker.env(&self.shared.engine);
        if self.talk.out.out_mut().capacity() == 0 {
            *self.talk.out.out_mut() = self.shared.outbox.buffer();
        }
        let mut limits = Limits {
            max_bulk_len: self.shared.engine.config.number(Param::ProtoMaxBulkLen) as usize,
            authenticated: self.talk.session.is_authenticated(&self.shared.engine),
        };
        let lost = lost_to_contention_us();
        let (mut at, mut requests) = (0, 0);
        let batch = 'batch: loop {
            let mut words = ArrayVec::<&[u8], { 4 * AHEAD }>::new();
            let mut ahead = ArrayVec::<Ahead, AHEAD>::new();
            let mut end = at;
            while ahead.len() < AHEAD && end < data.len() {
                let first = words.len();
                let mut fits = true;
                let length = self
                    .talk
                    .parser
                    .whole(&data[end..], &limits, |word| fits &= words.try_push(word).is_ok());
                let Some(length) = length.filter(|_| fits) else {
                    words.truncate(first);
                    break;
                };
                end += length;
                let preview = Preview::of(env, &words[first..]);
                preview.fetch(env);
                ahead.push(Ahead { preview, words: words.len(), end });
            }
            // The words of one request: it is not whole, or quoted, or there are too many of them.
            let mut apart = Vec::new();
            if ahead.is_empty() {
                if at == data.len() {
                    break Batch::Exhausted;
                }
                match self.talk.parser.parse(&data[at..], &limits) {
                    Ok(Parsed::Incomplete) => break Batch::Exhausted,
                    Ok(Parsed::Request { consumed }) => {
                        apart.extend(self.talk.parser.args(&data[at..]));
                        at += consumed;
                        if apart.is_empty() {
                            continue;
                        }
                        let preview = Preview::of(env, &apart);
                        ahead.push(Ahead { preview, words: apart.len(), end: at });
                    }
                    Err(error) => {
                        error.reply_to(&mut self.talk.out);
                        break Batch::Close;
                    }
                }
            }
            let words = if apart.is_empty() { &words[..] } else { &apart[..] };
            let mut first = 0;
            for Ahead { preview, words: last, end } in ahead {
                let args = &words[std::mem::replace(&mut first, last)..last];
                (at, requests) = (end, requests + 1);
                let flow = self.talk.session.dispatch_previewed(env, preview, args, &mut self.talk.out);
                if let Flow::Wait(suspended) = flow {
                    break 'batch Batch::Wait(suspended);
                }
                if self.talk.session.is_closing() {
                    break 'batch Batch::Close;
                }
                if self.talk.out.len() > WRITE_THRESHOLD {
                    break 'batch Batch::Full;
                }
                let authenticated = self.talk.session.is_authenticated(&self.shared.engine);
                if authenticated != std::mem::replace(&mut limits.authenticated, authenticated) {
                    // Those ahead were read under other limits.
                    break;
                }
            }
        };
        if requests > 0 {
            note_activity(env, &self.talk.session, requests);
            let fought = lost_to_contention_us() != lost;
            self.shared.berth.note_active(&mut self.talk.standing, fought);
        }
        self.shared.worker.count_traffic(at, self.talk.out.len());
        self.talk.client.count_traffic(at, 0);
        (batch, at)
    }
}

/// A request of the batch whose turn has not come.
struct Ahead {
    preview: Preview,
    /// Where its words end among those of all that are ahead.
    words: usize,
    /// Where it ends in the buffer.
    end: usize,
}

/// So many requests are looked at before the first of them is run: what they need comes into the cache meanwhile.
const AHEAD: usize = 16;
