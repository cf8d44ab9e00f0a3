//! Compares every column and navigation of every row type with the published lists of both API versions.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::resource::schema::{ColumnInfo, Resource};
use crate::settings::ApiVersion;

const V6_DOCS: &str = include_str!("../../tests/cases/columns-v6.tsv");
const V7_TYPES: &str = include_str!("../../tests/cases/columns-v7.tsv");
const SERVER_COLUMNS: &str = include_str!("../../tests/cases/columns-seen.tsv");

type Columns = &'static [ColumnInfo];

macro_rules! row_types {
    ($($row:ident)*) => {
        /// Returns the resource name and the columns of every row type.
        fn row_types() -> Vec<(&'static str, Columns)> {
            vec![$((<$row as Resource>::NAME, <$row as Resource>::COLUMNS),)*]
        }
    };
}

row_types! {
    Actor ApiKey Application ApplicationConfigVariable ApplicationDomainMapping ApplicationHostedOnApplication
    ApplicationInvite ApplicationMembership ApplicationMembershipRole ApplicationTag ApplicationType
    ApplicationVariable BuildVariable CpuArchitecture CreditBundle Delta Device DeviceConfigVariable
    DeviceDomainMapping DeviceFamily DeviceHistory DeviceManufacturer DeviceServiceVariable DeviceTag DeviceType
    DeviceTypeAlias DeviceVariable Feature IdentityProvider IdentityProviderMembership Image
    ImageEnvironmentVariable ImageInstall ImageLabel Invitee OauthApplication OauthApplicationAuthorization
    Organization OrganizationCreditNotification OrganizationInvite OrganizationMembership
    OrganizationMembershipRole OrganizationMembershipTag OrganizationPrivateDeviceTypeAccess Plan PlanAddon
    PlanFeature PlanHasDiscountCode PublicDevice PublicOrganization RecoveryTwoFactor Release ReleaseAsset
    ReleaseImage ReleaseTag SamlAccount Service ServiceInstall ServiceInstance ServiceLabel ServiceVariable
    SocialServiceAccount SshKey Subscription SubscriptionAddonDiscount SubscriptionPrepaidAddon
    SupervisorRelease SupportFeature SupportTier Team TeamApplicationAccess TeamMembership User
    UserHasDirectAccessToApplication UserProfile
}

/// A line of a list of published columns (`tests/cases/columns-*.tsv`).
#[derive(Debug, Clone, Copy)]
struct Listed {
    kind: &'static str,
    leads_to: &'static str,
    /// `=name`: alias of that navigation; `7`: version 6 lacks it.
    mark: &'static str,
}

type Lists = BTreeMap<(&'static str, &'static str), Listed>;

fn listed(text: &'static str) -> Lists {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| {
            let mut parts = line.split('\t');
            let mut next = || parts.next().unwrap_or_default();
            ((next(), next()), Listed { kind: next(), leads_to: next(), mark: next() })
        })
        .collect()
}

/// Names from the documentation of version 6 that no server knows. Row types may read them; the client never sends
/// them.
const UNKNOWN_TO_SERVERS: [(&str, &str); 3] = [
    ("device_type", "describes_device"),
    ("device_type_alias", "references__device_type"),
    ("service", "device_service_environment_variable"),
];

/// Navigations whose target resource is wrong in the documentation of version 6.
const WRONG_TARGETS: [(&str, &str); 11] = [
    // The target is the relation row, not the resource behind it.
    ("application", "is_directly_accessible_by__user"),
    ("device_type", "is_accessible_privately_by__organization"),
    ("user", "has_direct_access_to__application"),
    // The target is another resource with a similar name.
    ("application", "depends_on__application"),
    ("application", "is_depended_on_by__application"),
    ("cpu_architecture", "is_supported_by__device_type"),
    ("device", "service_install"),
    ("invitee__is_invited_to__application", "is_invited_to__application"),
    ("organization__has_private_access_to__device_type", "has_private_access_to__device_type"),
    ("public_device", "is_of__device_type"),
    // The documentation has no type for the target.
    ("credit_bundle", "is_for__feature"),
];

/// Columns that servers send and no row type has: secrets, and an id that is always null.
const OMITTED: [(&str, &str); 4] = [
    ("api_key", "key"),
    ("user", "jwt_secret"),
    ("user", "password"),
    ("user__has_direct_access_to__application", "id"),
];

/// Whether every table of the server has the column, listed or not. Also true for the token of a new invite, which is
/// not a column.
fn is_everywhere(name: &str) -> bool {
    ["created_at", "modified_at", "invitationToken"].contains(&name)
}

fn fits(kind: &str, holds: &str) -> bool {
    let is_id = holds.ends_with("Id");
    match kind {
        "int" => is_id || ["i64", "f64"].contains(&holds),
        "float" => holds == "f64",
        "bool" => holds == "bool",
        "time" => holds == "Timestamp" || holds == "String",
        "file" => holds == "WebResource",
        "any" => ["Value", "OverallStatus"].contains(&holds),
        "str" | "word" => !is_id && !["i64", "f64", "bool", "Value", "WebResource"].contains(&holds),
        other => panic!("no such kind: {other}"),
    }
}

#[test]
fn every_column_is_what_is_published_of_its_version() {
    let (page, types, seen) = (listed(V6_DOCS), listed(V7_TYPES), listed(SERVER_COLUMNS));
    let mut faults = Vec::new();
    let mut ours = BTreeMap::new();
    for (resource, columns) in row_types() {
        for column in columns {
            assert!(
                ours.insert((resource, column.name), *column).is_none(),
                "{resource}.{} twice",
                column.name
            );
        }
    }
    let mut fault =
        |(resource, name): (&str, &str), what: &str| faults.push(format!("{resource}.{name}: {what}"));

    // Missing columns, and columns of another type.
    for (version, list) in [("6", &page), ("7", &types)] {
        for (&key, entry) in list {
            match (ours.get(&key), entry.mark.strip_prefix('=')) {
                (Some(_), Some(_)) => fault(key, "has a field, but is an alias"),
                (None, Some(other)) if !ours.contains_key(&(key.0, other)) => {
                    fault(key, "is an alias of a missing name");
                }
                (None, Some(_)) => {}
                (Some(_), None) if entry.kind.ends_with('?') => {
                    fault(key, "has a field, but is experimental");
                }
                (None, None) if entry.kind.ends_with('?') || UNKNOWN_TO_SERVERS.contains(&key) => {}
                (None, None) => fault(key, &format!("is missing, version {version} has it")),
                (Some(column), None) => match column.leads_to {
                    Some(_) if entry.kind == "any" && WRONG_TARGETS.contains(&key) => {}
                    Some(to) if entry.kind == "rows" => {
                        let differs = !entry.leads_to.is_empty() && entry.leads_to != to;
                        if differs != (version == "6" && WRONG_TARGETS.contains(&key)) {
                            fault(key, &format!("leads to {to}, in version {version} to {}", entry.leads_to));
                        }
                    }
                    None if entry.kind != "rows" && fits(entry.kind, column.holds) => {}
                    _ => fault(key, &format!("holds {}, in version {version} {}", column.holds, entry.kind)),
                },
            }
        }
    }
    for &key in seen.keys() {
        if ours.contains_key(&key) == OMITTED.contains(&key) {
            fault(key, "is sent by servers: has no field, or has one and must not");
        }
    }

    // Unpublished columns, and columns that a version must accept or refuse.
    for &key in ours.keys() {
        let seen_in = |version: char| seen.get(&key).is_some_and(|seen| seen.kind.contains(version));
        let (in_page, in_types) = (page.contains_key(&key), types.get(&key));
        let known = in_page || in_types.is_some() || seen.contains_key(&key);
        if !known && !is_everywhere(key.1) {
            fault(key, "is neither published nor sent by a server");
        }
        let has_6 = in_types.is_none_or(|listed| listed.mark != "7") && !UNKNOWN_TO_SERVERS.contains(&key);
        let only_6 =
            in_types.is_none() && !seen_in('7') && (in_page || seen_in('6')) && !is_everywhere(key.1);
        // Version 7 refuses a resource that it lacks by the resource's name, not by its columns.
        let has_7 = !only_6 || key.0 == "supervisor_release" || key == ("device_type_alias", "device_type");
        for (version, has) in [(ApiVersion::V6, has_6), (ApiVersion::V7, has_7)] {
            let refused = version.names().lacking(key.0, key.1).is_some();
            // Columns of a resource that version 6 lacks count as accepted: version 6 refuses the resource's name.
            if refused == has {
                let what = if has { "has it" } else { "does not have it" };
                fault(key, &format!("refused: {refused}, but {version:?} {what}"));
            }
        }
    }
    faults.sort();
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
}

#[test]
fn every_resource_has_its_row_type() {
    let ours: BTreeSet<_> = row_types().into_iter().map(|(resource, _)| resource).collect();
    let published: BTreeSet<_> = [V6_DOCS, V7_TYPES, SERVER_COLUMNS]
        .iter()
        .flat_map(|text| listed(text).into_keys())
        .map(|(resource, _)| resource)
        .collect();
    assert_eq!(ours, published);
    // `row_types!` above lists every `resource!` call.
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rows");
    let sources =
        std::fs::read_dir(folder).unwrap().map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
    let calls: usize = sources.map(|text| text.lines().filter(|line| *line == "resource! {").count()).sum();
    assert_eq!(calls, row_types().len());
}

/// The check for refused names derives the target resource of a navigation from its name.
#[test]
fn the_name_of_a_navigation_says_where_it_leads_wherever_a_version_lacks_something() {
    let lacks = |resource: &str| {
        let versions = [ApiVersion::V6, ApiVersion::V7].into_iter();
        versions
            .flat_map(|version| version.names().lacks())
            .any(|it| it.resource == resource && !it.name.is_empty())
    };
    let mut misled = Vec::new();
    for (resource, columns) in row_types() {
        for ColumnInfo { name, leads_to, .. } in columns {
            let (Some(truly), by_name) = (leads_to, crate::version_names::leads_to(name)) else { continue };
            if by_name != *truly && (lacks(truly) || lacks(by_name)) {
                misled.push(format!("{resource}.{name}"));
            }
        }
    }
    // The targets are relation rows. No version lacks a column of these, and a column of the resource behind one needs
    // a further navigation.
    let between = [
        "application_membership_role.is_of__team__grants_access_to__application",
        "application_membership_role.is_of__invitee__is_invited_to__application",
        "application_membership_role.is_of__user__is_member_of__application",
        "application.invitee__is_invited_to__application",
        "application__can_use__application_as_host.can_use__application_as_host",
        "invitee.is_invited_to__application",
        "organization.organization__has_private_access_to__device_type",
        "user.creates__invitee__is_invited_to__application",
        "user.has_direct_access_to__application",
    ];
    let between: BTreeSet<String> = between.into_iter().map(str::to_owned).collect();
    assert_eq!(misled.into_iter().collect::<BTreeSet<_>>(), between);
}

#[test]
fn every_refused_name_is_of_a_row_or_was_looked_into() {
    let ours: BTreeSet<_> = row_types()
        .into_iter()
        .flat_map(|(resource, columns)| columns.iter().map(move |column| (resource, column.name)))
        .collect();
    let no_field = [
        ("device", "gateway_download"),
        ("device_type", "describes_device"),
        ("my_application", ""),
        ("release_asset", ""),
        ("service", "device_service_environment_variable"),
        ("service_install", "application"),
        ("supervisor_release", ""),
    ];
    for version in [ApiVersion::V6, ApiVersion::V7] {
        for lacking in version.names().lacks() {
            let key = (lacking.resource, lacking.name);
            assert_ne!(ours.contains(&key), no_field.contains(&key), "{version:?} {key:?}");
        }
    }
}

#[test]
fn a_secret_of_a_row_is_not_shown() {
    let text = r#"{"api_secret":"s3cret"}"#;
    let device: Device = serde_json::from_str(text).unwrap();
    let invites = r#"{"invitationToken":"s3cret"}"#;
    let to_application: ApplicationInvite = serde_json::from_str(invites).unwrap();
    let to_organization: OrganizationInvite = serde_json::from_str(invites).unwrap();
    for shown in [format!("{device:?}"), format!("{to_application:#?}"), format!("{to_organization:?}")] {
        assert!(shown.contains("[REDACTED]") && !shown.contains("s3cret"), "{shown}");
    }
    assert_eq!(device.api_secret.as_ref().unwrap().expose_secret(), "s3cret");
    assert_eq!(serde_json::to_string(&device).unwrap(), text);
    // A column is of type `SecretText` exactly if its name suggests a secret.
    for (resource, columns) in row_types() {
        for column in columns.iter().filter(|column| column.leads_to.is_none()) {
            let is_one =
                ["secret", "password", "token"].iter().any(|word| column.name.to_lowercase().contains(word))
                    && column.holds != "bool";
            assert_eq!(column.holds == "SecretText", is_one, "{resource}.{}", column.name);
        }
    }
}

#[test]
fn both_names_of_the_devices_of_a_type_are_read_and_the_servers_is_sent() {
    for name in ["describes_device", "describes__device"] {
        let row: DeviceType = serde_json::from_str(&format!(r#"{{"{name}":[{{"id":5}}]}}"#)).unwrap();
        assert_eq!(row.describes_device.rows().len(), 1, "{name}");
    }
    assert_eq!(DeviceType::DESCRIBES_DEVICE.name(), "describes__device");
}

#[test]
fn who_has_direct_access_is_told() {
    let row = r#"{"is_directly_accessible_by__user":[
        {"id":null,"user":{"__id":2},"has_direct_access_to__application":{"__id":1}}]}"#;
    let application: Application = serde_json::from_str(row).unwrap();
    let access = application.is_directly_accessible_by_user.get().unwrap();
    assert_eq!((access.user.id(), access.has_direct_access_to_application.id()), (Some(2), Some(1)));
}
