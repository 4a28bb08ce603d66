//! Who a session acts for.

use std::sync::Arc;

use super::rights::Rights;
use super::{Acl, Denied, User};
use crate::spec::Flags;
use crate::table::Entry;

/// The user that a session acts for, and what it may do as far as the session knows.
#[derive(Clone, Default)]
pub(crate) struct Identity {
    /// `None` may do everything.
    user: Option<Arc<User>>,
    /// It has given a password, or needed none when it connected.
    authenticated: bool,
    /// The generation in which the user might do everything; 0 if it may not.
    free: u64,
    /// The generation in which `rights` were looked up.
    seen: u64,
    rights: Option<Arc<Rights>>,
}

/// Why a request may not run.
pub(crate) enum Barred {
    /// Its client has to authenticate first.
    NoAuth,
    /// Its user may not.
    Denied(Denied),
}

impl Identity {
    /// That of a client that has just connected.
    pub(crate) fn newcomer(acl: &Acl) -> Self {
        let user = acl.default_user().clone();
        Identity { authenticated: acl.is_open(), user: Some(user), ..Identity::default() }
    }

    /// That of a client that has given this user's password.
    pub(crate) fn of(user: Arc<User>) -> Self {
        Identity { user: Some(user), authenticated: true, ..Identity::default() }
    }

    /// Acts for whom another one acts.
    #[inline]
    pub(crate) fn follow(&mut self, other: &Identity) {
        let same = |a: &Option<Arc<User>>, b: &Option<Arc<User>>| {
            a.as_ref().map(Arc::as_ptr) == b.as_ref().map(Arc::as_ptr)
        };
        if same(&self.user, &other.user) && self.seen == other.seen {
            self.free = other.free;
            self.authenticated = other.authenticated;
        } else {
            self.clone_from(other);
        }
    }

    pub(crate) fn user(&self) -> Option<&Arc<User>> {
        self.user.as_ref()
    }

    /// Whether the client has authenticated, or needs not.
    #[inline]
    pub(crate) fn is_authenticated(&self, acl: &Acl) -> bool {
        self.authenticated || acl.is_open()
    }

    /// Whether it may do everything, as is known without looking.
    #[inline]
    pub(crate) fn is_free(&self, acl: &Acl) -> bool {
        self.free == acl.generation()
    }

    /// Whether the request may run in a database; looks at the user again if users have changed.
    #[cold]
    pub(crate) fn check(&mut self, acl: &Acl, db: u16, entry: Entry, args: &[&[u8]]) -> Result<(), Barred> {
        self.refresh(acl);
        let gone = self.user.as_ref().is_some_and(|user| user.is_gone());
        if gone || !self.is_authenticated(acl) {
            return if entry.command.has(Flags::NO_AUTH) { Ok(()) } else { Err(Barred::NoAuth) };
        }
        match &self.rights {
            Some(rights) if !rights.unrestricted => {
                acl.check(rights, db, entry, args).map_err(Barred::Denied)
            }
            _ => Ok(()),
        }
    }

    /// Whether the request may run, for those who only ask.
    pub(crate) fn allows(&mut self, acl: &Acl, db: u16, entry: Entry, args: &[&[u8]]) -> bool {
        self.is_free(acl) || self.check(acl, db, entry, args).is_ok()
    }

    /// Whether the request, which may run, may read keys beyond those that it names.
    pub(crate) fn reads_every_key(&self, acl: &Acl, db: u16, entry: Entry, args: &[&[u8]]) -> bool {
        match &self.rights {
            Some(rights) if !self.is_free(acl) => acl.reads_every_key(rights, db, entry, args),
            _ => true,
        }
    }

    fn refresh(&mut self, acl: &Acl) {
        let generation = acl.generation();
        if self.seen == generation {
            return;
        }
        self.seen = generation;
        self.rights = self.user.as_ref().map(|user| user.rights());
        let unrestricted = self.rights.as_ref().is_none_or(|rights| rights.unrestricted);
        let present = self.user.as_ref().is_none_or(|user| !user.is_gone());
        let free = unrestricted && present && (self.user.is_none() || self.is_authenticated(acl));
        self.free = if free { generation } else { 0 };
    }
}
