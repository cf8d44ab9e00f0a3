//! Whether an asked action may be sent to the supervisor, and how long its asker waits. Does no I/O.

use crate::service::locks::LeaseView;
use crate::service::scope::ActionName;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionTarget {
    pub(crate) action: ActionName,
    /// The service; `None` for the application or the device.
    pub(crate) service: Option<String>,
}

/// Whether the locks of others are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Force {
    /// Yes: scope `force`.
    Given,
    No,
}

/// How it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ActionRequest {
    /// Name or uuid of the device, for what can't be undone.
    pub(crate) confirm: Option<String>,
    pub(crate) force: Force,
    pub(crate) reason: Option<String>,
    /// The same key and request get the same answer.
    pub(crate) idempotency_key: Option<String>,
}

/// What is known when an action is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Facts<'a> {
    /// A held lease, of whatever client.
    pub(crate) lease: Option<&'a LeaseView>,
    /// Services of the agent's application; `None` before the supervisor's first answer.
    pub(crate) services: Option<&'a [String]>,
    /// The agent's own service.
    pub(crate) own_service: Option<&'a str>,
    /// What confirms an action: name and uuid of the device, as far as known.
    pub(crate) device: &'a [String],
}

/// How long the asker waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// For the end, up to a limit.
    ForTheEnd,
    /// Not at all: the action ends the agent, so there would be no answer.
    NotAtAll,
}

/// Why an action is not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// 404: the application has no such service.
    UnknownService { service: String, known: Vec<String> },
    /// 400: the name or uuid of the device has to be in `confirm`.
    ConfirmRequired { send: Vec<String> },
    /// 400: this action has no force.
    ForceNotTaken,
    /// 423: a lease is held.
    Lease(Box<LeaseView>),
    /// 409: the idempotency key was used for another request.
    KeyReused,
    /// 400: the idempotency key is too long or not visible ASCII.
    BadKey,
    /// 503: the agent stops, or has not started.
    NotRunning,
}

impl ActionTarget {
    /// Returns whether the supervisor needs the update locks of the application for it.
    pub(crate) fn needs_lock(&self) -> bool {
        match self.action {
            ActionName::Stop
            | ActionName::Restart
            | ActionName::Purge
            | ActionName::Reboot
            | ActionName::Shutdown => true,
            ActionName::Start | ActionName::Update | ActionName::Identify => false,
        }
    }

    /// Returns whether it has to be confirmed by the name of the device.
    pub(crate) fn needs_confirm(&self) -> bool {
        matches!(self.action, ActionName::Purge | ActionName::Reboot | ActionName::Shutdown)
    }

    /// Returns whether the supervisor stops the agent during it (supervisor API reference, section 7.1).
    pub(crate) fn ends_agent(&self, own_service: Option<&str>) -> bool {
        match (self.action, &self.service) {
            (ActionName::Purge | ActionName::Reboot | ActionName::Shutdown, _)
            | (ActionName::Restart, None) => true,
            (ActionName::Restart | ActionName::Stop, Some(service)) => own_service == Some(service.as_str()),
            _ => false,
        }
    }

    fn takes_force(&self) -> bool {
        self.needs_lock() || self.action == ActionName::Update
    }
}

/// Decides whether the action is sent.
///
/// # Errors
/// The reason why not. Nothing has happened then.
pub(crate) fn decide(
    target: &ActionTarget,
    request: &ActionRequest,
    facts: Facts<'_>,
) -> Result<Wait, Refused> {
    if let (Some(service), Some(known)) = (&target.service, facts.services)
        && !known.contains(service)
    {
        // In an application with one service the supervisor would act on that one, whatever the name.
        return Err(Refused::UnknownService { service: service.clone(), known: known.to_vec() });
    }
    if request.force == Force::Given && !target.takes_force() {
        return Err(Refused::ForceNotTaken);
    }
    let is_confirmed = request.confirm.as_ref().is_some_and(|confirm| facts.device.contains(confirm));
    if target.needs_confirm() && !is_confirmed {
        return Err(Refused::ConfirmRequired { send: facts.device.to_vec() });
    }
    if let Some(lease) = facts.lease
        && target.needs_lock()
        && request.force == Force::No
    {
        return Err(Refused::Lease(Box::new(lease.clone())));
    }
    Ok(if target.ends_agent(facts.own_service) { Wait::NotAtAll } else { Wait::ForTheEnd })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::locks::LeaseState;

    fn lease() -> LeaseView {
        LeaseView {
            name: "flash".into(),
            client: "modem".into(),
            state: LeaseState::Held,
            id: None,
            reason: None,
            ttl: Some(60),
            keep: false,
            since: None,
            seconds_left: Some(30),
            expires_at: None,
            renew_after: Some(10),
            not_after: None,
            not_after_observed: None,
            revoked_in: None,
            ended: None,
        }
    }

    fn target(action: ActionName, service: Option<&str>) -> ActionTarget {
        ActionTarget { action, service: service.map(str::to_owned) }
    }

    fn asked(target: &ActionTarget, lease: Option<&LeaseView>, force: Force) -> Result<Wait, Refused> {
        let (services, device) = (["main".to_owned(), "agent".to_owned()], ["bold-tree".to_owned()]);
        let facts = Facts { lease, services: Some(&services), own_service: Some("agent"), device: &device };
        let confirm = target.needs_confirm().then(|| "bold-tree".to_owned());
        decide(target, &ActionRequest { confirm, force, reason: None, idempotency_key: None }, facts)
    }

    const NEED_LOCK: [(ActionName, Option<&str>); 6] = [
        (ActionName::Stop, Some("main")),
        (ActionName::Restart, Some("main")),
        (ActionName::Restart, None),
        (ActionName::Purge, None),
        (ActionName::Reboot, None),
        (ActionName::Shutdown, None),
    ];

    #[test]
    fn asked_start_identify_update_with_a_lease_are_done() {
        for (action, service) in
            [(ActionName::Start, Some("main")), (ActionName::Identify, None), (ActionName::Update, None)]
        {
            let target = target(action, service);
            assert_eq!(asked(&target, Some(&lease()), Force::No), Ok(Wait::ForTheEnd), "{action}");
        }
    }

    #[test]
    fn asked_action_that_needs_the_lock_is_refused_while_a_lease_lives() {
        for (action, service) in NEED_LOCK {
            let target = target(action, service);
            let refused = asked(&target, Some(&lease()), Force::No);
            assert!(matches!(&refused, Err(Refused::Lease(lease)) if lease.name == "flash"), "{action}");
            assert!(asked(&target, None, Force::No).is_ok(), "{action}");
        }
    }

    #[test]
    fn force_passes_a_lease_where_there_is_a_lock_and_is_refused_elsewhere() {
        for (action, service) in NEED_LOCK {
            assert!(asked(&target(action, service), Some(&lease()), Force::Given).is_ok(), "{action}");
        }
        for (action, service) in [(ActionName::Start, Some("main")), (ActionName::Identify, None)] {
            assert_eq!(asked(&target(action, service), None, Force::Given), Err(Refused::ForceNotTaken));
        }
    }

    #[test]
    fn what_ends_the_agent_is_answered_at_once() {
        for (action, service, wait) in [
            (ActionName::Restart, Some("main"), Wait::ForTheEnd),
            (ActionName::Stop, Some("main"), Wait::ForTheEnd),
            (ActionName::Restart, Some("agent"), Wait::NotAtAll),
            (ActionName::Stop, Some("agent"), Wait::NotAtAll),
            (ActionName::Start, Some("agent"), Wait::ForTheEnd),
            (ActionName::Restart, None, Wait::NotAtAll),
            (ActionName::Purge, None, Wait::NotAtAll),
            (ActionName::Reboot, None, Wait::NotAtAll),
            (ActionName::Shutdown, None, Wait::NotAtAll),
        ] {
            assert_eq!(asked(&target(action, service), None, Force::No), Ok(wait), "{action} {service:?}");
        }
    }

    #[test]
    fn the_name_of_the_device_confirms_and_a_service_has_to_exist() {
        let device = ["bold-tree".to_owned(), "8deb12a5".to_owned()];
        let services = ["main".to_owned()];
        let facts = Facts { lease: None, services: Some(&services), own_service: None, device: &device };
        for action in [ActionName::Purge, ActionName::Reboot, ActionName::Shutdown] {
            for (confirm, ok) in
                [(None, false), (Some("yes"), false), (Some("bold-tree"), true), (Some("8deb12a5"), true)]
            {
                let confirm = confirm.map(str::to_owned);
                let request =
                    ActionRequest { confirm, force: Force::No, reason: None, idempotency_key: None };
                let decided = decide(&target(action, None), &request, facts);
                let refused = Err(Refused::ConfirmRequired { send: device.to_vec() });
                assert_eq!(decided, if ok { Ok(Wait::NotAtAll) } else { refused });
            }
        }
        let request = ActionRequest { confirm: None, force: Force::No, reason: None, idempotency_key: None };
        let unknown = target(ActionName::Restart, Some("mian"));
        assert!(matches!(decide(&unknown, &request, facts), Err(Refused::UnknownService { .. })));
        let before_the_first_answer = Facts { services: None, ..facts };
        assert!(
            decide(&unknown, &request, before_the_first_answer).is_ok(),
            "the call itself checks it then"
        );
    }
}
