//! Places of handlers, which several connections may share.

/// Which places of handlers are taken, and by how many.
#[derive(Debug, Default)]
pub(crate) struct Places {
    users: Vec<usize>,
    free: Vec<usize>,
}

impl Places {
    /// A free one, with one user.
    pub(crate) fn take(&mut self) -> usize {
        let index = self.free.pop().unwrap_or_else(|| {
            self.users.push(0);
            self.users.len() - 1
        });
        self.join(index);
        index
    }

    pub(crate) fn join(&mut self, index: usize) {
        if let Some(users) = self.users.get_mut(index) {
            *users += 1;
        }
    }

    /// True when the last user left, so that the handler can go.
    pub(crate) fn leave(&mut self, index: usize) -> bool {
        let Some(users) = self.users.get_mut(index) else { return false };
        *users = users.saturating_sub(1);
        let last = *users == 0;
        if last {
            self.free.push(index);
        }
        last
    }

    pub(crate) fn users(&self, index: usize) -> usize {
        self.users.get(index).copied().unwrap_or(0)
    }
}
