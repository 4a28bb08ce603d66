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
use perigee_commands::{Client, Engine, Flow, OwnedArgs, Session, Suspended, Worker, note_activity};
use perigee_resp::{Encoder, Limits, Parsed, Protocol, RequestParser};
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::io::poll_read_buf;

/// What a worker's connections share.
pub(crate) struct Shared {
    pub(crate) engine: Arc<Engine>,
    pub(crate) worker: Worker,
    /// Where most requests are read and parsed; what is left of them moves to the connection.
    arena: RefCell<Box<[u8]>>,
}

const ARENA: usize = 64 << 10;
/// Replies are written before more requests run once so many bytes wait.
const WRITE_THRESHOLD: usize = 256 << 10;
/// An idle connection keeps buffers up to this size.
const KEPT: usize = 16 << 10;

impl Shared {
    pub(crate) fn new(engine: Arc<Engine>, worker: Worker) -> Self {
        Shared { engine, worker, arena: RefCell::new(vec![0; ARENA].into()) }
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

/// Serves a connection to its end.
pub(crate) async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    origin: Origin,
    shared: Rc<Shared>,
) {
    let config = &shared.engine.config;
    let refusal = if shared.engine.clients.len() as i64 >= config.number(Param::MaxClients) {
        Some(TOO_MANY)
    } else if !origin.is_loopback
        && config.is_on(Param::ProtectedMode)
        && config.text(Param::RequirePass).is_empty()
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
    let mut connection = Connection {
        stream,
        client,
        shared: &shared,
        session,
        parser: RequestParser::new(),
        pending: Vec::new(),
        unrun: false,
        out: Encoder::new(Protocol::Resp2),
    };
    if let Err(error) = connection.run().await {
        tracing::trace!("A connection ended: {error}");
    }
    if connection.client.is_slow() {
        tracing::warn!(
            "Client id={} addr={} closed for overcoming of output buffer limits.",
            connection.client.id,
            connection.client.address
        );
    }
    connection.session.close(shared.worker.env(&shared.engine)).await;
}

struct Connection<'s, S> {
    stream: S,
    client: Arc<Client>,
    shared: &'s Shared,
    session: Session,
    parser: RequestParser,
    /// Bytes that were read and not yet run.
    pending: Vec<u8>,
    /// Whether `pending` may hold a complete request.
    unrun: bool,
    out: Encoder,
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
    /// The client has closed.
    End,
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Connection<'s, S> {
    async fn run(&mut self) -> io::Result<()> {
        while !self.client.is_killed() {
            let batch = if self.unrun {
                self.run_pending()
            } else {
                match self.input().await? {
                    Input::Arena(count) => self.run_arena(count),
                    Input::Pending => self.run_pending(),
                    Input::Mail => Batch::Exhausted,
                    Input::End => return Ok(()),
                }
            };
            let out = self.out.out_mut();
            self.client.mailbox.drain(|message| out.extend_from_slice(&message));
            self.flush().await?;
            match batch {
                Batch::Exhausted | Batch::Full => {}
                Batch::Close => return Ok(()),
                Batch::Wait(suspended) => {
                    if !Box::pin(self.finish(suspended)).await {
                        return Ok(());
                    }
                    self.flush().await?;
                    if self.session.is_closing() {
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    fn run_arena(&mut self, count: usize) -> Batch<'s> {
        let arena = self.shared.arena.borrow();
        let (batch, consumed) = self.batch(&arena[..count]);
        self.pending.extend_from_slice(&arena[consumed..count]);
        self.unrun = !self.pending.is_empty() && !matches!(batch, Batch::Exhausted);
        batch
    }

    fn run_pending(&mut self) -> Batch<'s> {
        let mut pending = std::mem::take(&mut self.pending);
        let (batch, consumed) = self.batch(&pending);
        if consumed == pending.len() && pending.capacity() > KEPT {
            pending = Vec::new();
        } else {
            pending.drain(..consumed);
        }
        self.pending = pending;
        self.unrun = !self.pending.is_empty() && !matches!(batch, Batch::Exhausted);
        batch
    }

    /// Runs every complete request, and tells how many bytes that took.
    fn batch(&mut self, data: &[u8]) -> (Batch<'s>, usize) {
        let env = self.shared.worker.env(&self.shared.engine);
        let mut limits = Limits {
            max_bulk_len: self.shared.engine.config.number(Param::ProtoMaxBulkLen) as usize,
            authenticated: self.session.is_authenticated(),
        };
        let (mut at, mut requests) = (0, 0);
        let batch = loop {
            match self.parser.parse(&data[at..], &limits) {
                Ok(Parsed::Incomplete) => break Batch::Exhausted,
                Ok(Parsed::Request { consumed }) => {
                    let args: SmallVec<[&[u8]; 8]> = self.parser.args(&data[at..]).collect();
                    at += consumed;
                    if args.is_empty() {
                        continue;
                    }
                    requests += 1;
                    if let Flow::Wait(suspended) = self.session.dispatch(env, &args, &mut self.out) {
                        break Batch::Wait(suspended);
                    }
                    if self.session.is_closing() {
                        break Batch::Close;
                    }
                    limits.authenticated = self.session.is_authenticated();
                    if self.out.len() > WRITE_THRESHOLD {
                        break Batch::Full;
                    }
                }
                Err(error) => {
                    error.reply_to(&mut self.out);
                    break Batch::Close;
                }
            }
        };
        if requests > 0 {
            note_activity(env, &self.session, requests);
        }
        self.shared.worker.count_traffic(at, self.out.len());
        (batch, at)
    }

    async fn input(&mut self) -> io::Result<Input> {
        let have = self.pending.len();
        let limit = self.shared.engine.config.number(Param::ClientQueryBufferLimit) as usize;
        if have > limit {
            tracing::warn!("Closing client that reached max query buffer length: {}", self.client.address);
            return Ok(Input::End);
        }
        if have > 0 {
            let wanted = self.parser.bytes_wanted(have).saturating_sub(have);
            self.pending.reserve(wanted.clamp(KEPT, 1 << 20));
        }
        poll_fn(|context| {
            self.client.mailbox.register(context);
            if !self.client.mailbox.is_empty() || self.client.is_killed() {
                return Poll::Ready(Ok(Input::Mail));
            }
            let stream = Pin::new(&mut self.stream);
            if have > 0 {
                return poll_read_buf(stream, context, &mut self.pending)
                    .map_ok(|count| if count == 0 { Input::End } else { Input::Pending });
            }
            let mut arena = self.shared.arena.borrow_mut();
            let mut buffer = ReadBuf::new(&mut arena);
            stream.poll_read(context, &mut buffer).map_ok(|()| match buffer.filled().len() {
                0 => Input::End,
                count => Input::Arena(count),
            })
        })
        .await
    }

    /// Writes all replies. What a slow reader leaves is counted against `client-output-buffer-limit`.
    async fn flush(&mut self) -> io::Result<()> {
        let (mut written, mut noted) = (0, self.out.len() > KEPT);
        if noted {
            self.client.note_unwritten(self.out.len());
        }
        while written < self.out.len() {
            written += poll_fn(|context| {
                self.client.mailbox.register(context);
                if self.client.is_killed() {
                    return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
                }
                let waiting = &self.out.out()[written..];
                let progress = Pin::new(&mut self.stream).poll_write(context, waiting);
                if progress.is_pending() {
                    noted = true;
                    self.client.note_unwritten(waiting.len());
                }
                progress
            })
            .await?;
        }
        if noted {
            self.client.note_unwritten(0);
        }
        if self.out.len() > KEPT {
            self.out.take();
        } else {
            self.out.clear();
        }
        Ok(())
    }

    /// Completes a request that waits. `false` if its client has left meanwhile.
    async fn finish(&mut self, suspended: Box<Suspended<'s>>) -> bool {
        let env = self.shared.worker.env(&self.shared.engine);
        if !suspended.is_blocked() {
            // A script goes on to its end even if its client has sent it and gone, unless the client debugs it.
            return match self.session.finish(env, suspended, &mut self.out).await {
                Some(asking) => self.converse(asking).await,
                None => true,
            };
        }
        let mut mail = Outgoing::default();
        let served = {
            let mut finish = pin!(self.session.finish(env, suspended, &mut self.out));
            poll_fn(|context| {
                if finish.as_mut().poll(context).is_ready() {
                    return Poll::Ready(true);
                }
                self.client.mailbox.register(context);
                if self.client.is_killed() {
                    return Poll::Ready(false);
                }
                self.client.mailbox.drain(|message| mail.bytes.extend_from_slice(&message));
                if mail.poll_write(Pin::new(&mut self.stream), context).is_err() {
                    return Poll::Ready(false);
                }
                self.client.note_unwritten(mail.waiting().len());
                // Read on, to see the client leave; what it sends meanwhile is run afterwards.
                while self.pending.len() < WRITE_THRESHOLD {
                    self.pending.reserve(KEPT);
                    match poll_read_buf(Pin::new(&mut self.stream), context, &mut self.pending) {
                        Poll::Ready(Ok(1..)) => self.unrun = true,
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
            let reply = self.out.take();
            self.out.out_mut().extend_from_slice(mail.waiting());
            self.out.out_mut().extend_from_slice(&reply);
            self.client.note_unwritten(0);
        }
        served
    }
}

impl<'s, S: AsyncRead + AsyncWrite + Unpin> Connection<'s, S> {
    /// Hands what the client sends to a request that asks for it, until that is complete. `false` if the client has left.
    async fn converse(&mut self, mut asking: Box<Suspended<'s>>) -> bool {
        loop {
            let words = match self.flush().await {
                Ok(()) => self.words(&asking).await,
                Err(_) => None,
            };
            let Some(words) = words else {
                self.session.abandon(asking);
                return false;
            };
            let env = self.shared.worker.env(&self.shared.engine);
            match self.session.tell(env, asking, &words.slices(), &mut self.out) {
                Flow::Done => return true,
                Flow::Wait(suspended) => match self.session.finish(env, suspended, &mut self.out).await {
                    Some(again) => asking = again,
                    None => return true,
                },
            }
        }
    }

    /// The client's next request, or one without words if something else has happened. `None` if it has left.
    async fn words(&mut self, asking: &Suspended<'_>) -> Option<OwnedArgs> {
        let limits = Limits {
            max_bulk_len: self.shared.engine.config.number(Param::ProtoMaxBulkLen) as usize,
            authenticated: self.session.is_authenticated(),
        };
        loop {
            if let Parsed::Request { consumed } = self.parser.parse(&self.pending, &limits).ok()? {
                let words = OwnedArgs::new(&self.parser.args(&self.pending).collect::<Vec<_>>());
                self.pending.drain(..consumed);
                self.unrun = !self.pending.is_empty();
                if words.slices().is_empty() {
                    continue;
                }
                return Some(words);
            }
            let input = {
                let mut input = pin!(self.input());
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
                Input::Arena(count) => self.pending.extend_from_slice(&self.shared.arena.borrow()[..count]),
                Input::Pending => {}
                Input::Mail if self.client.is_killed() => return None,
                Input::Mail => {
                    let out = self.out.out_mut();
                    self.client.mailbox.drain(|message| out.extend_from_slice(&message));
                    return Some(OwnedArgs::default());
                }
                Input::End => return None,
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
