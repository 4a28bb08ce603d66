//! One connection: read what is there, run every complete request, write the replies once.

mod batch;
mod debugging;
mod input;
mod output;
mod socket;
mod waiting;

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use perigee_commands::config::Param;
use perigee_commands::{Client, Engine, Session, Worker};
use perigee_resp::{Encoder, Protocol, RequestParser};

use self::batch::Batch;
use self::input::Input;
use self::socket::{Attached, Detached};
use crate::bulk::Bulk;
use crate::outbox::{KEPT, Link, Outbox};
use crate::placement::{Berth, Standing};
use crate::worker::Arrival;

pub(crate) use self::socket::{Origin, Socket, tune};

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

const TOO_MANY: &[u8] = b"-ERR max number of clients reached\r\n";
const PROTECTED: &[u8] = b"-DENIED Redis is running in protected mode because protected mode is enabled and no password is set for the default user. In this mode connections are only accepted from the loopback interface. If you want to connect from external computers to Redis you may adopt one of the following solutions: 1) Just disable protected mode sending the command 'CONFIG SET protected-mode no' from the loopback interface by connecting to Redis from the same host the server is running, however MAKE SURE Redis is not publicly accessible from internet if you do so. Use CONFIG REWRITE to make this change permanent. 2) Alternatively you can just disable the protected mode by editing the Redis configuration file, and setting the protected mode option to 'no', and then restarting the server. 3) If you started the server manually just for testing, restart it with the '--protected-mode no' option. 4) Setup a an authentication password for the default user. NOTE: You only need to do one of the above things in order for the server to start accepting connections from the outside.\r\n";

/// A connection between two workers, and between two requests.
pub(crate) struct Traveller {
    socket: Detached,
    talk: Talk,
}

/// Serves a connection that has just been accepted.
pub(crate) async fn serve(stream: impl Socket, origin: Origin, shared: Rc<Shared>) {
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
        drop(poll_fn(|context| stream.poll_send(context, refusal)).await);
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
        out: Encoder::sharing(Protocol::Resp2),
        standing: Standing::default(),
    };
    converse(stream, talk, &shared).await;
}

/// Serves a connection that comes from another worker.
pub(crate) async fn go_on(traveller: Box<Traveller>, shared: Rc<Shared>) {
    let Traveller { socket, mut talk } = *traveller;
    talk.standing.note_arrival();
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
    standing: Standing,
}

/// How a conversation with this worker ended.
enum End {
    Closed,
    /// It goes on with another worker.
    Moves(usize),
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
                    Input::Pending(_) => self.run_pending(),
                    Input::Mail => Batch::Exhausted,
                    Input::Move(worker) => return Ok(End::Moves(worker)),
                    Input::End => return Ok(End::Closed),
                }
            };
            let out = self.talk.out.out_mut();
            self.talk.client.mailbox.drain(|message| out.extend_from_slice(&message));
            let length = self.talk.out.len();
            self.talk.client.count_traffic(0, length);
            if matches!(batch, Batch::Exhausted) && length <= KEPT && !self.link.is_stalled() {
                if length > 0 {
                    self.shared.outbox.post(&self.link, self.talk.out.out_mut());
                }
                continue;
            }
            self.flush().await?;
            match batch {
                Batch::Exhausted => {}
                Batch::Full => {}
                Batch::Close => {
                    if self.shared.engine.shutdown.is_requested() {
                        self.shared.engine.shutdown.wait_until_shut().await;
                    }
                    return Ok(End::Closed);
                }
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
}
