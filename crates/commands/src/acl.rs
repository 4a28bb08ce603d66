//! Access control: users, what they may do, and the log of what was refused.
//!
//! A [`User`] is a name whose [`Rights`] are replaced as a whole; a session keeps those that it has seen, with the
//! generation in which it saw them. One comparison with [`Acl::generation`] tells a session whose user may do everything
//! that this is still so.

mod check;
mod commands;
mod databases;
mod file;
mod identity;
mod inspect;
mod log;
mod manage;
mod password;
mod rights;
mod rule;
mod selector;

pub(crate) use check::Denied;
pub(crate) use commands::COMMANDS;
pub(crate) use databases::known as known_database;
pub use file::ConfiguredUsers;
pub(crate) use identity::{Barred, Identity};
pub(crate) use log::{Log, Reason, note, note_wrong_password};

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::{Mutex, RwLock};

use self::check::KeyNeeds;
use self::rights::Rights;
use crate::table::CommandTable;

/// The user that connections begin as.
pub(crate) const DEFAULT: &[u8] = b"default";

/// Every user, and the log.
pub struct Acl {
    users: RwLock<Users>,
    default: Arc<User>,
    /// Whether the default user is on and needs no password.
    open: AtomicBool,
    /// Counts changes of any user, from 1.
    generation: AtomicU64,
    /// What each command's keys need, by its number.
    needs: Box<[KeyNeeds]>,
    /// How many databases there are.
    databases: u16,
    pub(crate) log: Mutex<Log>,
}

type Users = BTreeMap<Box<[u8]>, Arc<User>>;

/// A name, and what it stands for at present.
pub(crate) struct User {
    pub(crate) name: Box<[u8]>,
    rights: RwLock<Arc<Rights>>,
    /// It was deleted; another one may have its name.
    gone: AtomicBool,
}

impl User {
    fn new(name: &[u8], rights: Rights) -> Arc<Self> {
        Arc::new(User {
            name: name.into(),
            rights: RwLock::new(Arc::new(rights)),
            gone: AtomicBool::new(false),
        })
    }

    pub(crate) fn rights(&self) -> Arc<Rights> {
        self.rights.read().clone()
    }

    fn is_gone(&self) -> bool {
        self.gone.load(Ordering::Acquire)
    }
}

impl Acl {
    /// The default user alone, who may do everything without a password.
    pub(crate) fn new(table: &CommandTable, databases: u16) -> Self {
        let default = User::new(DEFAULT, Rights::everything(table));
        Acl {
            users: RwLock::new(Users::from([(DEFAULT.into(), default.clone())])),
            default,
            open: AtomicBool::new(true),
            generation: AtomicU64::new(1),
            needs: KeyNeeds::of_all(table),
            databases,
            log: Mutex::default(),
        }
    }

    /// Whether those who have just connected may go on without a password.
    pub fn is_open(&self) -> bool {
        self.open.load(Ordering::Acquire)
    }

    /// Whether the default user has a password: others than local clients may connect.
    pub fn default_user_needs_password(&self) -> bool {
        !self.default.rights().needs_no_password()
    }

    /// Changes whenever a user does.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    pub(crate) fn default_user(&self) -> &Arc<User> {
        &self.default
    }

    pub(crate) fn find(&self, name: &[u8]) -> Option<Arc<User>> {
        self.users.read().get(name).cloned()
    }

    /// All users, by name.
    pub(crate) fn all(&self) -> Vec<Arc<User>> {
        self.users.read().values().cloned().collect()
    }

    /// The user, if the password is one of its own and it is on.
    pub(crate) fn authenticate(&self, name: &[u8], password: &[u8]) -> Option<Arc<User>> {
        self.find(name).filter(|user| user.rights().admits(password))
    }

    /// `requirepass`: the default user's only password; an empty one stands for none.
    pub(crate) fn require_password(&self, password: &[u8]) {
        let _users = self.users.write();
        let mut rights = Rights::clone(&self.default.rights());
        rights.require_password(password);
        self.replace(&self.default, rights);
    }

    /// Replaces a user's rights. The caller holds `users`, so that no other change is lost.
    fn replace(&self, user: &User, rights: Rights) {
        if user.name == self.default.name {
            self.open.store(rights.is_open(), Ordering::Release);
        }
        *user.rights.write() = Arc::new(rights);
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a user out; sessions that act for it may do nothing any more.
    fn remove(&self, users: &mut Users, name: &[u8]) -> Option<Arc<User>> {
        let user = users.remove(name)?;
        user.gone.store(true, Ordering::Release);
        self.generation.fetch_add(1, Ordering::AcqRel);
        Some(user)
    }
}
