//! One connection: read what is there, run every complete request, write the replies once.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsRawFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use perigee_commands::config::Param;
use perigee_commands::{Client, Engine, Flow, OwnedArgs, Preview, Session, Suspended, Worker, note_activity};
use perigee_resp::{Encoder, Limits, Parsed, Protocol, RequestParser};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

use crate::bulk::{Bulk, LARGE, TURN};
use crate::outbox::{KEPT, Link, Outbox};
use crate::placement::{Berth, Placement};
use crate::worker::Arrival;

/// What a worker's connections share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) worker: Worker,
    pub(crate) berth: Berth,
    pub(crate) outbox: Outbox,
    /// Where most requests are read and parsed; what is left of them moves to the connection.
    arena: RefCell<Box<[u8]>>,
}

const ARENA: usize = 64 << 10;
/// Replies are written before more requests run once so many bytes wait.
const WRITE_THRESHOLD: usize = 256 << 10;

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

impl Shared {
    pub(crate) fn new(engine: Arc<Engine>, worker: Worker, berth: Berth) -> Self {
        Shared {
            engine,
            worker,
            berth,
            outbox: Outbox::default(),
            arena: RefCell::new(vec![0; ARENA].into()),
        }
    }
}

/// Where a connection comes from.
pub(crate) struct Origin {
    peer: String,
    local: String,
    fd: i32,
    is_loopback: bool,
    is_unix: bool,
}

impl Origin {
    pub(crate) fn of_tcp(stream: &std::net::TcpStream, peer: SocketAddr) -> Self {
        let is_loopback = match peer.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback()),
        };
        let local = stream.local_addr().map(|local| local.to_string()).unwrap_or_default();
        Origin { peer: peer.to_string(), local, fd: stream.as_raw_fd(), is_loopback, is_unix: false }
    }

    pub(crate) fn of_unix(stream: &std::os::unix::net::UnixStream, path: String) -> Self {
        let path = format!("{path}:0");
        Origin { peer: path.clone(), local: path, fd: stream.as_raw_fd(), is_loopback: true, is_unix: true }
    }
}

/// A seed that differs for every worker and start.
pub(crate) fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

/// Sets a socket up: no delay of small packets, keep-alive probes after so many seconds (0: none).
pub(crate) fn tune(stream: &std::net::TcpStream, keepalive_s: i64) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if keepalive_s > 0 {
        let time = Duration::from_secs(keepalive_s as u64);
        let probe = socket2::TcpKeepalive::new()
            .with_time(time)
            .with_interval((time / 3).max(Duration::from_secs(1)));
        socket2::SockRef::from(stream).set_tcp_keepalive(&probe.with_retries(3))?;
    }
    Ok(())
}

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

/// A socket that can change its worker.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Unpin + Sized + 'static {
    /// Leaves this worker's runtime.
    fn detach(self) -> io::Result<Detached>;
}

/// A socket between two workers.
pub(crate) enum Detached {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

impl Socket for tokio::net::TcpStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Tcp)
    }
}

impl Socket for tokio::net::UnixStream {
    fn detach(self) -> io::Result<Detached> {
        self.into_std().map(Detached::Unix)
    }
}

/// A connection between two workers, and between two requests.
pub(crate) struct Traveller {
    socket: Detached,
    talk: Talk,
}

/// Serves a connection that has just been accepted.
pub(crate) async fn serve(mut stream: impl Socket, origin: Origin, shared: Rc<Shared>) {
    let config = &shared.engine.config;
    let refusal = if shared.engine.clients.len() as i64 >= config.number(Param::MaxClients) {
        Some(TOO_MANY)
    } else if !origin.is_loopback
        && config.is_on(Param::ProtectedMode)
        && !shared.engine.acl.default_user_needs_password()
    {
        Some(PROTECTED)
    } else {
        None
    };
    shared.engine.count_connection(refusal.is_none());
    if let Some(refusal) = refusal {
        // Whether it arrives or not, the connection ends here.
        drop(poll_fn(|context| Pin::new(&mut stream).poll_write(context, refusal)).await);
        return;
    }
    let env = shared.worker.env(&shared.engine);
    let client = shared.engine.clients.connect(origin.peer, origin.local, origin.fd, env.now_ms);
    if origin.is_unix {
        client.came_over_unix_socket();
    }
    let session = Session::new(env, client.clone());
    let talk = Talk {
        client,
        session,
        parser: RequestParser::new(),
        pending: Vec::new(),
        bulk: None,
        unrun: false,
        out: Encoder::new(Protocol::Resp2),
        spoke: 0,
    };
    converse(stream, talk, &shared).await;
}

/// Serves a connection that comes from another worker.
pub(crate) async fn go_on(traveller: Box<Traveller>, shared: Rc<Shared>) {
    let Traveller { socket, mut talk } = *traveller;
    talk.spoke = 0;
    let attached = match socket {
        Detached::Tcp(stream) => tokio::net::TcpStream::from_std(stream).map(Attached::Tcp),
        Detached::Unix(stream) => tokio::net::UnixStream::from_std(stream).map(Attached::Unix),
    };
    match attached {
        Ok(Attached::Tcp(stream)) => converse(stream, talk, &shared).await,
        Ok(Attached::Unix(stream)) => converse(stream, talk, &shared).await,
        Err(error) => {
            tracing::warn!("A connection could not change its worker: {error}");
            talk.session.close(shared.worker.env(&shared.engine)).await;
        }
    }
}

enum Attached {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

/// Serves a connection until it ends or moves.
async fn converse<S: Socket>(stream: S, talk: Talk, shared: &Shared) {
    let mut connection = Connection { link: Link::new(stream, talk.client.clone()), shared, talk };
    match connection.run().await {
        Ok(End::Closed) => {}
        Ok(End::Moves(worker)) => {
            let Connection { link, mut talk, .. } = connection;
            let stream = Rc::into_inner(link).expect("it is at rest").into_stream();
            match stream.detach() {
                Ok(socket) => {
                    shared.berth.crew.send(worker, Arrival::Moved(Box::new(Traveller { socket, talk })));
                }
                Err(error) => {
                    tracing::warn!("A connection could not change its worker: {error}");
                    talk.session.close(shared.worker.env(&shared.engine)).await;
                }
            }
            return;
        }
        Err(error) => tracing::trace!("A connection ended: {error}"),
    }
    let Talk { client, mut session, .. } = connection.talk;
    if client.is_slow() {
        shared.engine.count_slow_reader();
        tracing::warn!(
            "Client id={} addr={} closed for overcoming of output buffer limits.",
            client.id,
            client.address
        );
    }
    session.close(shared.worker.env(&shared.engine)).await;
}

struct Connection<'s, S> {
    link: Rc<Link<S>>,
    shared: &'s Shared,
    talk: Talk,
}

/// What moves with a connection.
struct Talk {
    client: Arc<Client>,
    session: Session,
    parser: RequestParser,
    /// Bytes that were read and not yet run.
    pending: Vec<u8>,
    /// Such a request if it is large: then nothing is pending.
    bulk: Option<Box<Bulk>>,
    /// Whether `pending` may hold a complete request.
    unrun: bool,
    out: Encoder,
    /// The interval in which it last sent a request to this worker, 0 before.
    spoke: u32,
}

/// How a conversation with this worker ended.
enum End {
    Closed,
    /// It goes on with another worker.
    Moves(usize),
}

/// How a batch of requests ended.
enum Batch<'e> {
    /// What is left is no complete request.
    Exhausted,
    /// Enough replies wait to be written.
    Full,
    /// A request waits.
    Wait(Box<Suspended<'e>>),
    /// The connection is to be closed.
    Close,
}

/// Why a wait for input ended.
enum Input {
    /// So many bytes came into the arena.
    Arena(usize),
    /// More bytes came behind those that are pending.
    Pending,
    /// A message or a kill.
    Mail,
    /// The connection goes on with another worker.
    Move(usize),
    /// The client has closed.
    End,
}

impl<'s, S: Socket> Connection<'s, S> {
    async fn run(&mut self) -> io::Result<End> {
        while !self.talk.client.is_killed() {
            if self.talk.bulk.as_mut().is_some_and(|bulk| bulk.is_turn_over()) {
                tokio::task::yield_now().await;
            }
            let batch = if self.talk.unrun {
                self.run_pending()
            } else {
                match self.input(true).await? {
                    Input::Arena(count) if self.talk.bulk.is_some() => self.run_bulk(count),
                    Input::Arena(count) => self.run_arena(count),
                    Input::Pending => self.run_pending(),
                    Input::Mail => Batch::Exhausted,
                    Input::Move(worker) => return Ok(End::Moves(worker)),
                    Input::End => return Ok(End::Closed),
                }
            };
            let out = self.talk.out.out_mut();
            self.talk.client.mailbox.drain(|message| out.extend_from_slice(&message));
            self.talk.client.count_traffic(0, out.len());
            if matches!(batch, Batch::Exhausted) && out.len() <= KEPT && !self.link.is_stalled() {
                if !out.is_empty() {
                    self.shared.outbox.post(&self.link, out);
                }
                continue;
            }
            self.flush().await?;
            match batch {
                Batch::Exhausted => {}
                Batch::Full => {}
                Batch::Close => return Ok(End::Closed),
                Batch::Wait(suspended) => {
                    if !Box::pin(self.finish(suspended)).await {
                        return Ok(End::Closed);
                    }
                    self.talk.client.count_traffic(0, self.talk.out.len());
                    self.flush().await?;
                    if self.talk.session.is_closing() {
                        return Ok(End::Closed);
                    }
                }
            }
        }
        Ok(End::Closed)
    }

    fn run_arena(&mut self, count: usize) -> Batch<'s> {
        let arena = self.shared.arena.borrow();
        let (batch, consumed) = self.batch(&arena[..count]);
        self.talk.pending.extend_from_slice(&arena[consumed..count]);
        self.note_unrun(&batch);
        batch
    }

    /// Goes on with a large request.
    fn run_bulk(&mut self, count: usize) -> Batch<'s> {
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

    fn run_pending(&mut self) -> Batch<'s> {
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
        let (mut at, mut requests) = (0, 0);
        let batch = 'batch: loop {
            let mut words = SmallVec::<[&[u8]; 4 * AHEAD]>::new();
            let mut ahead = SmallVec::<[Ahead; AHEAD]>::new();
            let mut end = at;
            while ahead.len() < AHEAD && end < data.len() {
                let first = words.len();
                let Some(length) = self.talk.parser.whole(&data[end..], &limits, |word| words.push(word))
                else {
                    words.truncate(first);
                    break;
                };
                end += length;
                let preview = Preview::of(env, &words[first..]);
                preview.fetch(env);
                ahead.push(Ahead { preview, words: words.len(), end });
            }
            if ahead.is_empty() {
                if at == data.len() {
                    break Batch::Exhausted;
                }
                match self.talk.parser.parse(&data[at..], &limits) {
                    Ok(Parsed::Incomplete) => break Batch::Exhausted,
                    Ok(Parsed::Request { consumed }) => {
                        words.extend(self.talk.parser.args(&data[at..]));
                        at += consumed;
                        if words.is_empty() {
                            continue;
                        }
                        let preview = Preview::of(env, &words);
                        ahead.push(Ahead { preview, words: words.len(), end: at });
                    }
                    Err(error) => {
                        error.reply_to(&mut self.talk.out);
                        break Batch::Close;
                    }
                }
            }
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
            self.shared.berth.note_active(&mut self.talk.spoke);
        }
        self.shared.worker.count_traffic(at, self.talk.out.len());
        self.talk.client.count_traffic(at, 0);
        (batch, at)
    }

    /// Waits for input. `may_move`: whether the connection may change its worker instead.
    async fn input(&mut self, may_move: bool) -> io::Result<Input> {
        let (have, capacity, largest) = match &self.talk.bulk {
            Some(bulk) => {
                let have = bulk.text().len();
                let wanted = self.talk.parser.bytes_wanted(have);
                (have, bulk.capacity(), if wanted > have { (wanted - have).min(ARENA) } else { ARENA })
            }
            None => (self.talk.pending.len(), self.talk.pending.capacity(), ARENA),
        };
        let limit = self.shared.engine.config.number(Param::ClientQueryBufferLimit) as usize;
        if have > limit {
            tracing::warn!(
                "Closing client that reached max query buffer length: {}",
                self.talk.client.address
            );
            self.shared.engine.count_overlong_request();
            return Ok(Input::End);
        }
        self.talk.client.note_unread(capacity);
        let have = if self.talk.bulk.is_some() { 0 } else { have };
        if have > 0 {
            let wanted = self.talk.parser.bytes_wanted(have).saturating_sub(have);
            self.talk.pending.reserve(wanted.clamp(KEPT, 1 << 20));
        }
        poll_fn(|context| {
            self.talk.client.mailbox.register(context);
            if !self.talk.client.mailbox.is_empty() || self.talk.client.is_killed() || self.link.is_stalled()
            {
                return Poll::Ready(Ok(Input::Mail));
            }
            if may_move
                && self.talk.spoke != 0
                && self.link.is_at_rest()
                && let Some(worker) = self.shared.berth.destination(Placement::of(&self.shared.engine.config))
            {
                return Poll::Ready(Ok(Input::Move(worker)));
            }
            let mut stream = self.link.stream.borrow_mut();
            let stream = Pin::new(&mut *stream);
            if have > 0 {
                return poll_read_buf(stream, context, &mut self.talk.pending)
                    .map_ok(|count| if count == 0 { Input::End } else { Input::Pending });
            }
            let mut arena = self.shared.arena.borrow_mut();
            // What comes behind a large argument is not copied again.
            let mut buffer = ReadBuf::new(&mut arena[..largest]);
            stream.poll_read(context, &mut buffer).map_ok(|()| match buffer.filled().len() {
                0 => Input::End,
                count => Input::Arena(count),
            })
        })
        .await
    }

    /// Writes all replies. What a slow reader leaves is counted against `client-output-buffer-limit`.
    async fn flush(&mut self) -> io::Result<()> {
        let mut posted = self.link.take_posted();
        if !posted.is_empty() {
            posted.append(self.talk.out.out_mut());
            *self.talk.out.out_mut() = posted;
        }
        let (mut written, mut noted) = (0, self.talk.out.len() > KEPT);
        if noted {
            self.talk.client.note_unwritten(self.talk.out.len());
        }
        while written < self.talk.out.len() {
            written += poll_fn(|context| {
                self.talk.client.mailbox.register(context);
                if self.talk.client.is_killed() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                let waiting = &self.talk.out.out()[written..];
                let mut stream = self.link.stream.borrow_mut();
                let part = &waiting[..waiting.len().min(TURN)];
                let progress = Pin::new(&mut *stream).poll_write(context, part);
                if progress.is_pending() {
                    noted = true;
                    self.talk.client.note_unwritten(waiting.len());
                }
                progress
            })
            .await?;
            if written < self.talk.out.len() {
                tokio::task::yield_now().await;
            }
        }
        if noted {
            self.talk.client.note_unwritten(0);
        }
        let out = self.talk.out.take();
        if out.capacity() >= LARGE {
            self.shared.engine.keyspace.drop_elsewhere(out);
        } else {
            self.shared.outbox.recycle(out);
        }
        Ok(())
    }

    /// Completes a request that waits. `false` if its client has left meanwhile.
    async fn finish(&mut self, suspended: Box<Suspended<'s>>) -> bool {
        let env = self.shared.worker.env(&self.shared.engine);
        if !suspended.is_blocked() {
            let _long = suspended.is_script().then(|| self.shared.berth.long_script());
            // A script goes on to its end even if its client has sent it and gone, unless the client debugs it.
            return match self.talk.session.finish(env, suspended, &mut self.talk.out).await {
                Some(asking) => self.debug(asking).await,
                None => true,
            };
        }
        let mut mail = Outgoing::default();
        let served = {
            let mut finish = pin!(self.talk.session.finish(env, suspended, &mut self.talk.out));
            poll_fn(|context| {
                if finish.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                self.talk.client.mailbox.register(context);
                if self.talk.client.is_killed() {
                    return Poll::Ready(false);
                }
                self.talk.client.mailbox.drain(|message| mail.bytes.extend_from_slice(&message));
                let mut stream = self.link.stream.borrow_mut();
                if mail.poll_write(Pin::new(&mut *stream), context).is_err() {
                    return Poll::Ready(false);
                }
                self.talk.client.note_unwritten(mail.waiting().len());
                // Read on, to see the client leave; what it sends meanwhile is run afterwards.
                while self.talk.pending.len() < WRITE_THRESHOLD {
                    self.talk.pending.reserve(KEPT);
                    match poll_read_buf(Pin::new(&mut *stream), context, &mut self.talk.pending) {
                        Poll::Ready(Ok(1..)) => self.talk.unrun = true,
                        Poll::Ready(_) => return Poll::Ready(false),
                        Poll::Pending => break,
                    }
                }
                Poll::Pending
            })
            .await
        };
        if !mail.waiting().is_empty() {
            // What was being written goes first.
            let reply = self.talk.out.take();
            self.talk.out.out_mut().extend_from_slice(mail.waiting());
            self.talk.out.out_mut().extend_from_slice(&reply);
            self.talk.client.note_unwritten(0);
        }
        served
    }
}

impl<'s, S: Socket> Connection<'s, S> {
    /// Hands what the client sends to a request that asks for it, until that is complete. `false` if the client has left.
    async fn debug(&mut self, mut asking: Box<Suspended<'s>>) -> bool {
        loop {
            let words = match self.flush().await {
                Ok(()) => self.words(&asking).await,
                Err(_) => None,
            };
            let Some(words) = words else {
                self.talk.session.abandon(asking);
                return false;
            };
            let env = self.shared.worker.env(&self.shared.engine);
            match self.talk.session.tell(env, asking, &words.slices(), &mut self.talk.out) {
                Flow::Done => return true,
                Flow::Wait(suspended) => {
                    match self.talk.session.finish(env, suspended, &mut self.talk.out).await {
                        Some(again) => asking = again,
                        None => return true,
                    }
                }
            }
        }
    }

    /// The client's next request, or one without words if something else has happened. `None` if it has left.
    async fn words(&mut self, asking: &Suspended<'_>) -> Option<OwnedArgs> {
        let limits = Limits {
            max_bulk_len: self.shared.engine.config.number(Param::ProtoMaxBulkLen) as usize,
            authenticated: self.talk.session.is_authenticated(&self.shared.engine),
        };
        loop {
            if let Parsed::Request { consumed } = self.talk.parser.parse(&self.talk.pending, &limits).ok()? {
                let words = OwnedArgs::new(&self.talk.parser.args(&self.talk.pending).collect::<Vec<_>>());
                self.talk.pending.drain(..consumed);
                self.talk.unrun = !self.talk.pending.is_empty();
                if words.slices().is_empty() {
                    continue;
                }
                return Some(words);
            }
            let input = {
                let mut input = pin!(self.input(false));
                poll_fn(|context| {
                    if asking.is_killed() {
                        Poll::Ready(Ok(Input::Mail))
                    } else {
                        input.as_mut().poll(context)
                    }
                })
                .await
            };
            match input.ok()? {
                Input::Arena(count) => {
                    self.talk.pending.extend_from_slice(&self.shared.arena.borrow()[..count])
                }
                Input::Pending => {}
                Input::Mail if self.talk.client.is_killed() => return None,
                Input::Mail => {
                    let out = self.talk.out.out_mut();
                    self.talk.client.mailbox.drain(|message| out.extend_from_slice(&message));
                    return Some(OwnedArgs::default());
                }
                Input::End | Input::Move(_) => return None,
            }
        }
    }
}

/// Messages for a client whose request waits.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    written: usize,
}

impl Outgoing {
    fn waiting(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    /// Writes as much as the socket takes.
    fn poll_write(
        &mut self,
        mut stream: Pin<&mut impl AsyncWrite>,
        context: &mut Context<'_>,
    ) -> io::Result<()> {
        while self.written < self.bytes.len() {
            match stream.as_mut().poll_write(context, &self.bytes[self.written..])? {
                Poll::Ready(count) => self.written += count,
                Poll::Pending => return Ok(()),
            }
        }
        self.bytes.clear();
        self.written = 0;
        Ok(())
    }
}
