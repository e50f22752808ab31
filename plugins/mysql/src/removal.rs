//! The end of a user: nobody makes it any more, nobody logs in as it, its accounts are gone, and then its sessions.

use crate::error::{Error, code};
use crate::limits;
use crate::queries::{self, LOGGING_IN};
use crate::sql::{self, Values, account};
use crate::users::{Statements, Users, check_name, says_yes};

impl Users {
    /// Removes a user and its sessions, and looks whether both are gone. A user that is not there is removed.
    ///
    /// A creation of it that is still under way (the call that wanted it was cut off) is ended before anything else, so
    /// that it does not come to its end afterwards. Then the user can no longer log in, whatever becomes of the rest.
    ///
    /// # Errors
    /// What the server refused, or that something is left.
    pub fn delete(&mut self, username: &str, statements: &[String]) -> Result<(), Error> {
        check_name(username)?;
        if username == self.client.settings().user {
            return Err(Error::Invalid(format!(
                "{username:?} is the connection's own user: it is not removed"
            )));
        }
        let custom = if sql::split(statements).is_empty() {
            None
        } else {
            Some(Values::new(&[("name", username), ("username", username)])?.fill(statements))
        };
        let lock = queries::lock(username);
        self.seize(username, &lock)?;
        let removed = self.remove(username, custom.as_deref());
        self.release(&lock, custom.iter().flatten());
        removed
    }

    /// Takes the lock, and ends the session that has it.
    fn seize(&mut self, username: &str, lock: &str) -> Result<(), Error> {
        let rows = self.client.begin(&queries::try_lock(lock))?;
        if says_yes(&rows) {
            return Ok(());
        }
        let holder = rows.into_iter().flatten().nth(1).flatten();
        let number = holder.and_then(|holder| holder.parse().ok());
        let killed = number.map_or(Ok(()), |number| self.kill(number));
        if says_yes(&self.client.query(&queries::wait_for_lock(lock))?) {
            return Ok(());
        }
        let why = killed.err().map(|error| format!(": {error}"));
        Err(Error::lost(format!(
            "user {username:?} is still being made, in a session that does not end{}",
            why.unwrap_or_default()
        )))
    }

    /// With these statements, or by default.
    pub(crate) fn remove(
        &mut self,
        username: &str,
        custom: Option<&Statements>,
    ) -> Result<(), Error> {
        let hosts = self.hosts(username)?;
        let dropped = if hosts.is_empty() {
            Ok(())
        } else {
            self.drop_accounts(username, &hosts, custom)
        };
        if dropped.as_ref().is_err_and(Error::is_fatal) {
            return dropped;
        }
        // Nobody can log in any more, so this comes to an end even if the user is still there.
        self.end_sessions(username)?;
        dropped
    }

    fn drop_accounts(
        &mut self,
        username: &str,
        hosts: &[String],
        custom: Option<&Statements>,
    ) -> Result<(), Error> {
        let accounts: Vec<String> = hosts.iter().map(|host| account(username, host)).collect();
        for account in &accounts {
            // Old servers cannot: there it is dropping that keeps the user out.
            match self
                .client
                .query(&format!("ALTER USER {account} ACCOUNT LOCK"))
            {
                Err(error) if error.is_fatal() => return Err(error),
                _ => {}
            }
        }
        let dropped = match custom {
            Some(statements) => self.transaction(statements).map_err(|(_, error)| error),
            // With the user go its privileges.
            None => {
                let drop_user = format!("DROP USER {}", accounts.join(", "));
                self.client.query(&drop_user).map(drop)
            }
        };
        match dropped {
            Err(error) if error.is_fatal() => return Err(error),
            // Perhaps somebody else was faster.
            dropped if self.hosts(username)?.is_empty() => {
                return match dropped {
                    Err(error) if error.code() != code::CANNOT_USER => Err(error),
                    _ => Ok(()),
                };
            }
            Err(error) => return Err(error),
            Ok(()) => {}
        }
        Err(Error::Invalid(format!(
            "user {username:?} is still there after its revocation statements ran: they must drop it"
        )))
    }

    /// Ends every session of somebody who can no longer log in, and looks until there is none.
    ///
    /// A login that began before may still succeed afterwards: such are waited for, and at last ended too, whoever they
    /// are. They are seen before their user's name is.
    fn end_sessions(&mut self, username: &str) -> Result<(), Error> {
        self.may_watch()?;
        let mut logins: Option<Vec<u64>> = None;
        let mut refused = None;
        for round in 0..limits::SESSION_CHECKS {
            let found = self.sessions(username)?;
            let of = |user: &str| -> Vec<u64> {
                let theirs = found.iter().filter(|(_, name)| name == user);
                theirs.map(|(number, _)| *number).collect()
            };
            let (theirs, mut waiting) = (of(username), of(LOGGING_IN));
            if let Some(before) = &logins {
                waiting.retain(|number| before.contains(number));
            }
            if theirs.is_empty() && waiting.is_empty() {
                return Ok(());
            }
            let late = round >= limits::LOGIN_CHECKS;
            for number in theirs.iter().chain(waiting.iter().filter(|_| late)) {
                match self.kill(*number) {
                    Err(error) if error.is_fatal() => return Err(error),
                    Err(error) => refused = Some(error),
                    Ok(()) => {}
                }
            }
            logins = Some(waiting);
            if late && refused.is_some() {
                break;
            }
            self.client
                .query(&format!("DO SLEEP({})", limits::SESSION_WAIT))?;
        }
        let why = refused.map(|error| format!(": {error}"));
        Err(Error::lost(format!(
            "sessions of user {username:?} do not end{}",
            why.unwrap_or_default()
        )))
    }

    fn sessions(&mut self, username: &str) -> Result<Vec<(u64, String)>, Error> {
        let rows = self.client.query(&queries::sessions(username))?;
        let pairs = rows.into_iter().filter_map(|row| {
            let mut values = row.into_iter().flatten();
            Some((values.next()?.parse().ok()?, values.next()?))
        });
        Ok(pairs.collect())
    }

    /// One that has ended already is ended.
    fn kill(&mut self, session: u64) -> Result<(), Error> {
        let killed = match self.client.query(&format!("KILL CONNECTION {session}")) {
            // Amazon keeps the privilege to itself, and lends it out by a procedure.
            Err(error) if is_not_ours(&error) => {
                match self.client.query(&queries::rds_kill(session)) {
                    Err(second) if second.is_fatal() => Err(second),
                    Err(second) if second.code() == code::NO_SUCH_THREAD => Ok(()),
                    Err(_) => Err(error),
                    Ok(_) => Ok(()),
                }
            }
            other => other.map(drop),
        };
        match killed {
            Err(error) if error.code() != code::NO_SUCH_THREAD => Err(error),
            _ => Ok(()),
        }
    }
}

fn is_not_ours(error: &Error) -> bool {
    error.lacks_privilege() || error.code() == code::NOT_OWNER_OF_THREAD
}
