//! Explains a rejection by an update lock: the holder, and what to do.

use crate::error::{Error, LockHolder};

/// Whether a call overrides locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Force {
    /// The call is forced.
    Given,
    /// The call could be forced.
    Offered,
    /// The endpoint has no force option.
    NotTaken,
}

/// Returns whether a failure means that a lock is held: some supervisors answer 503 with this text instead of 423.
pub(crate) fn is_lock_error(status: u16, words: &str) -> bool {
    status == 503 && words.contains("Updates are locked")
}

/// Adds the holder of the lock and the help text to the error.
pub(crate) fn explain(error: Error, force: Force) -> Error {
    let holder = lock_holder(error.body().unwrap_or_default());
    let help = match (&holder, force) {
        (Some(LockHolder::SupervisorOperation { .. }), _) => "try again when that operation has ended",
        (Some(LockHolder::HostOsUpdate), _) => "try again when the host OS update has ended",
        (_, Force::Given) => {
            "the lock remains: it is a directory that is not empty, which the supervisor can't \
             remove. Have the service that holds it remove it, or delete \
             /tmp/balena-supervisor/services/APP_ID/SERVICE/updates.lock (or resin-updates.lock) on the host"
        }
        (_, Force::Offered) => {
            "wait until the lock is released, or override it with `.force()` if you know what it protects"
        }
        (_, Force::NotTaken) => "wait until the lock is released",
    };
    error.with_lock_holder(holder).with_help(help)
}

/// Parses the holder from the messages that may be matched (§7.5 rule 3), or from the path of the lock file in the
/// text.
fn lock_holder(words: &str) -> Option<LockHolder> {
    if let Some((_, rest)) = words.split_once("Lockfile exists for { appId: ") {
        // A lock directory may have any name: the service is all text up to the last brace.
        let (app_id, service) = rest.split_once(", service: ")?;
        let (service, _) = service.rsplit_once(" }")?;
        return Some(LockHolder::Service { app_id: app_id.parse().ok()?, service: service.to_owned() });
    }
    if words.contains("held by another supervisor operation") {
        let app_id = words.split_once("app ")?.1.split(' ').next()?.parse().ok()?;
        return Some(LockHolder::SupervisorOperation { app_id });
    }
    if words.contains("Waiting for Host OS update") {
        return Some(LockHolder::HostOsUpdate);
    }
    words.match_indices("updates.lock").find_map(|(at, _)| of_path(words.get(..at)?))
}

/// Parses `…/<appId>/<service>/`, which precedes the file name `updates.lock` or `resin-updates.lock`.
fn of_path(before: &str) -> Option<LockHolder> {
    let directory = before.strip_suffix("resin-").unwrap_or(before).strip_suffix('/')?;
    let (above, service) = directory.rsplit_once('/')?;
    let (_, app_id) = above.rsplit_once('/')?;
    let app_id = app_id.parse().ok().filter(|id| *id > 0)?;
    (!service.is_empty()).then(|| LockHolder::Service { app_id, service: service.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    fn service(app_id: i64, service: &str) -> LockHolder {
        LockHolder::Service { app_id, service: service.into() }
    }

    #[test]
    fn holders_are_read_from_texts_and_paths() {
        for (words, holder) in [
            ("Lockfile exists for { appId: 1234567, service: agent }", Some(service(1_234_567, "agent"))),
            ("Lockfile exists for { appId: 7, service: a, b } c }", Some(service(7, "a, b } c"))),
            ("Updates are locked: Lockfile exists for { appId: 7, service: a }", Some(service(7, "a"))),
            (
                "Locks for app 7 are being held by another supervisor operation",
                Some(LockHolder::SupervisorOperation { app_id: 7 }),
            ),
            ("Waiting for Host OS update to finish", Some(LockHolder::HostOsUpdate)),
            (
                "Updates are locked: EEXIST: file already exists, open \
                 '/tmp/balena-supervisor/services/1234567/main/updates.lock'",
                Some(service(1_234_567, "main")),
            ),
            (
                "Updates are locked: EEXIST, open \
                 '/mnt/root/tmp/resin-supervisor/services/12/my app/resin-updates.lock'",
                Some(service(12, "my app")),
            ),
            ("/tmp/balena-supervisor/services/7/main/updates.lock exists", Some(service(7, "main"))),
            ("see updates.lock: /run/services/7/main/resin-updates.lock", Some(service(7, "main"))),
            ("Updates are locked: /tmp/balena/updates.lock", None),
            ("Updates are locked: /services/x/main/updates.lock", None),
            ("Updates are locked: /7//updates.lock", None),
            ("Updates are locked", None),
            ("Lockfile exists for { appId: x", None),
        ] {
            assert_eq!(lock_holder(words), holder, "{words}");
        }
    }

    #[test]
    fn force_is_advised_only_to_those_who_can_still_give_it() {
        let locked = |words: &str, force| {
            let error = Error::new(ErrorKind::Locked, "locked (423)").with_body(words.to_owned());
            explain(error, force).advice().unwrap_or_default().to_owned()
        };
        let held = "Lockfile exists for { appId: 7, service: main }";
        assert!(locked(held, Force::Offered).contains("`.force()`"));
        for force in [Force::Given, Force::NotTaken] {
            for words in [held, "Updates are locked", "Waiting for Host OS update to finish"] {
                assert!(!locked(words, force).contains("force"), "{words}");
            }
        }
        assert!(locked(held, Force::Given).contains("directory"));
    }
}
