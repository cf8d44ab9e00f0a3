//! Cases that no recorded call covers.

use std::sync::Arc;

use crate::resource::test_util::MockTransport;
use crate::{ApplicationId, Error, TeamId};

use super::{TeamApplicationAccessKey, Teams};

fn answering(body: &'static str) -> (Teams, Arc<MockTransport>) {
    let (balena, transport) = MockTransport::answering(body);
    (balena.team(), transport)
}

#[tokio::test]
async fn what_names_nothing_is_refused_before_anything_is_sent() {
    let (teams, transport) = answering(r#"{"d":[{"id":1}]}"#);
    let (members, accesses) = (teams.membership(), teams.application_access());
    let of = |team, application| TeamApplicationAccessKey::Of {
        team: TeamId::new(team),
        application: ApplicationId::new(application),
    };
    let errors: Vec<Option<Error>> = vec![
        teams.create("", "name").await.err(),
        teams.create(0, "name").await.err(),
        teams.create(5, " ").await.err(),
        teams.get_all_by_organization("").await.err(),
        teams.get(0).await.err(),
        teams.get(-5).await.err(),
        teams.rename(0, "name").await.err(),
        teams.rename(5, "").await.err(),
        teams.remove(0).await.err(),
        members.get(0).await.err(),
        members.get_all_by_team(0).await.err(),
        members.get_all_by_user("").await.err(),
        members.get_all_by_user(0).await.err(),
        members.create(0, "name").await.err(),
        members.create(5, "").await.err(),
        members.remove(0).await.err(),
        members.remove([5, 0]).await.err(),
        accesses.get_all_by_team(0).await.err(),
        accesses.get(0).await.err(),
        accesses.get(of(0, 5)).await.err(),
        accesses.add(0, 5, "developer").await.err(),
        accesses.add(5, "", "developer").await.err(),
        accesses.add(5, 5, "").await.err(),
        accesses.update(0, "developer").await.err(),
        accesses.update(5, " ").await.err(),
        accesses.remove(of(5, 0)).await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "{index}: {error}");
    }
    members.remove(Vec::<i64>::new()).await.unwrap();
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_name_that_is_taken_changes_nothing() {
    let taken = r#"{"d":[{"id":5,"belongs_to__organization":[{"id":7,"owns__team":[{"name":"A \"1\""}]}]}]}"#;
    let (teams, transport) = answering(taken);
    let error = teams.rename(5, "A \"1\"").await.unwrap_err();
    let text = error.to_string();
    assert!(
        error.is_conflict() && error.was_sent() && text.contains("team 5") && text.contains("team A \"1\""),
        "{text}"
    );
    assert_eq!(transport.asked.lock().unwrap().len(), 1);

    let (teams, transport) = answering(r#"{"d":[{"id":5,"belongs_to__organization":[]}]}"#);
    let error = teams.rename(5, "name").await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("organization of team 5"), "{error}");
    assert_eq!(transport.asked.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn an_access_goes_by_the_two_that_it_joins_as_well() {
    let (teams, transport) = answering(r#"{"d":[{"id":3}]}"#);
    let key = TeamApplicationAccessKey::Of { team: TeamId::new(5), application: ApplicationId::new(7) };
    assert_eq!(teams.application_access().get(key).await.unwrap().id, Some(3));
    let asked = transport.asked.lock().unwrap();
    assert!(
        asked[0].ends_with("/v6/team_application_access(team=5,grants_access_to__application=7)"),
        "{asked:?}"
    );
}
