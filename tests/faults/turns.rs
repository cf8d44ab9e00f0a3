//! App restart and purge cancel each other in the supervisor (reference 7.3): the client sends one at a time.

use std::time::{Duration, Instant};

use balena_agent::supervisor::ServiceSelector;

use crate::client;
use crate::scripted::{Scripted, Turn};

const WORK: Duration = Duration::from_millis(120);
/// Long enough that a busy machine does not make a call that waits look like one that does not.
const LONG_WORK: Duration = Duration::from_millis(900);

fn worked() -> Turn {
    Turn::text(200, "OK").after(WORK)
}

fn each_waited_for_the_one_before(server: &Scripted, count: usize) {
    let requests = server.requests();
    assert_eq!(requests.len(), count);
    for pair in requests.windows(2) {
        assert!(pair[1].at - pair[0].at >= WORK, "{} came too early", pair[1].path());
    }
}

#[tokio::test]
async fn restarts_and_purges_of_all_clones_are_sent_one_by_one() {
    let server = Scripted::new([worked(), worked(), worked(), worked()]);
    let supervisor = client(&server.url());
    let (app, other) = (supervisor.application(), supervisor.clone().application_by_id(7));
    let (a, b, c, d) = tokio::join!(
        app.restart().into_future(),
        other.purge().into_future(),
        app.restart_v1().into_future(),
        supervisor.clone().application().purge_v1().force().into_future(),
    );
    for result in [a, b, c, d] {
        result.unwrap();
    }
    each_waited_for_the_one_before(&server, 4);
    let mut paths: Vec<_> = server.requests().iter().map(|request| request.path().to_owned()).collect();
    paths.sort_unstable();
    let all = ["/v1/purge", "/v1/restart", "/v2/applications/1234567/restart", "/v2/applications/7/purge"];
    assert_eq!(paths, all);
}

#[tokio::test]
async fn a_failed_one_lets_the_next_go_on() {
    let refused = Turn::text(423, "Lockfile exists for { appId: 1234567, service: main }").after(WORK);
    let server = Scripted::new([refused, Turn::close().after(WORK), worked()]);
    let app = client(&server.url()).application();
    let (locked, unknown, done) =
        tokio::join!(app.restart().into_future(), app.purge().into_future(), app.restart_v1().into_future());
    assert!(locked.unwrap_err().is_locked());
    assert!(unknown.unwrap_err().is_unknown_outcome());
    done.unwrap();
    each_waited_for_the_one_before(&server, 3);
}

#[tokio::test]
async fn one_that_was_given_up_or_ran_out_of_time_lets_the_next_go_on() {
    let server = Scripted::new([Turn::silence(), Turn::silence(), worked()]);
    let app = client(&server.url()).application();
    let began = Instant::now();
    let (given_up, late, done) = tokio::join!(
        tokio::time::timeout(WORK, app.restart().into_future()),
        app.purge().deadline(WORK).into_future(),
        app.restart().into_future(),
    );
    assert!(given_up.is_err());
    assert!(late.unwrap_err().is_timeout());
    done.unwrap();
    let after: Vec<Duration> = server.requests().iter().map(|request| request.at - began).collect();
    assert!(after.len() == 3 && after[1] >= WORK && after[2] >= 2 * WORK, "{after:?}");
}

#[tokio::test]
async fn the_wait_for_ones_turn_does_not_count_against_the_deadline() {
    let server = Scripted::new([Turn::text(200, "OK").after(LONG_WORK), Turn::text(200, "OK")]);
    let app = client(&server.url()).application();
    let (first, second) =
        tokio::join!(app.restart().into_future(), app.restart().deadline(LONG_WORK * 2 / 3).into_future());
    first.unwrap();
    second.unwrap();
}

#[tokio::test]
async fn other_calls_do_not_wait() {
    let slow = Turn::text(200, "OK").after(LONG_WORK);
    let server = Scripted::new([slow, Turn::text(200, "OK"), Turn::text(200, "OK")]);
    let supervisor = client(&server.url());
    let app = supervisor.application();
    let (restarted, service, ping) = tokio::join!(
        app.restart().into_future(),
        app.restart_service(ServiceSelector::name("main")).unchecked().into_future(),
        supervisor.ping().into_future(),
    );
    restarted.unwrap();
    service.unwrap();
    ping.unwrap();
    let requests = server.requests();
    assert!(requests[2].at - requests[0].at < LONG_WORK, "a call waited that need not");
}
