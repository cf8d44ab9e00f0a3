use super::*;

fn refusal(version: ApiVersion, address: &str) -> Option<String> {
    let (path, query) = address.split_once('?').unwrap_or((address, ""));
    version.refusal(path, query)
}

const PINNED: &str =
    "`is_pinned_on__release` exists from version 7 on; under version 6 use `should_be_running__release`";

#[test]
fn a_name_of_version_7_is_found_wherever_it_stands() {
    for address in [
        "device?$select=id,is_pinned_on__release",
        "device(5)?$expand=is_pinned_on__release($select=commit)",
        "device(uuid='is_frozen')?$select=is_pinned_on__release",
        "device/$count?$filter=is_pinned_on__release%20eq%205",
        "device?$filter=not(is_pinned_on__release/commit eq 'a')",
        "device?$filter=is_pinned_on__release/any(r:r/id eq 5)",
        "device?$orderby=is_pinned_on__release%20asc",
        "device?$orderby=device_tag/$count($filter=device/is_pinned_on__release eq 1)%20asc",
        "application?$expand=owns__device($select=id;$expand=is_pinned_on__release)",
        "application?$expand=service,owns__device($filter=is_pinned_on__release eq 5)",
        "application?$expand=owns__device/$count($filter=is_pinned_on__release eq 5)",
        "application?$filter=owns__device/any(d:(d/uuid eq 'a') and (d/is_pinned_on__release eq 5))",
        "release?$filter=belongs_to__application/any(a:a/owns__device/any(d:d/is_pinned_on__release eq 5))",
        "device?$filter=startswith(uuid,'a') and is_pinned_on__release eq 5",
        "device_tag?$expand=device($expand=device_tag;$select=is_pinned_on__release)",
        "device_history?$select=is_pinned_on__release",
    ] {
        assert_eq!(refusal(ApiVersion::V6, address).as_deref(), Some(PINNED), "{address}");
        assert_eq!(refusal(ApiVersion::V7, address), None, "{address}");
    }
}

#[test]
fn a_name_is_of_its_resource() {
    for (address, in_v6, in_v7) in [
        // Both versions have it on application and device; only version 6 on the history.
        ("application?$select=should_be_running__release", true, true),
        ("device?$expand=should_be_running__release", true, true),
        ("device_history?$expand=should_be_running__release", true, false),
        ("device_type?$expand=device_history($select=should_be_running__release)", true, false),
        // Both versions have it on the history; only version 7 on the device.
        ("device_history?$select=should_be_managed_by__release", true, true),
        ("device?$select=should_be_managed_by__release", false, true),
        ("service?$expand=application", true, true),
        ("service_install?$expand=application", false, false),
        ("service_install?$expand=installs__service($expand=application)", true, true),
        ("service_install?$filter=installs__service/application eq 5", true, true),
        ("service_install?$expand=device_service_environment_variable", true, true),
        ("service?$expand=device_service_environment_variable", false, false),
        ("device_service_environment_variable?$select=id", true, true),
        ("device_type_alias?$expand=references__device_type", false, false),
        ("device_type?$expand=describes__device", true, true),
        ("device_type?$expand=describes_device", false, false),
        ("supervisor_release?$top=1", true, false),
        ("release_asset(5)/beginUpload", false, true),
        ("application?$expand=owns__release($expand=release_asset)", false, true),
        // A value is not a name, and an unknown column may be new.
        ("device?$filter=note eq 'it''s the vpn_address, (is_pinned_on__release'", true, true),
        ("device?$select=device_name,brand_new", true, true),
        ("device?$filter=is_new_navigation/any(x:x/vpn_address eq 1)", true, true),
        ("organization?$select=state", true, true),
        ("device?$filter=(", true, true),
        ("device?$filter='", true, true),
        ("device?$filter=)vpn_address", true, true),
        ("", true, true),
    ] {
        assert_eq!(refusal(ApiVersion::V6, address).is_none(), in_v6, "version 6: {address}");
        assert_eq!(refusal(ApiVersion::V7, address).is_none(), in_v7, "version 7: {address}");
    }
}

#[test]
fn every_refusal_says_what_to_do() {
    for version in [ApiVersion::V6, ApiVersion::V7] {
        for UnsupportedName { resource, name, .. } in version.names().lacks() {
            let (path, query) = if name.is_empty() { (*resource, "") } else { (*resource, *name) };
            let text = version.refusal(path, query).unwrap_or_else(|| panic!("{resource} {name}"));
            assert!(text.split_once("; ").is_some_and(|(_, instead)| instead.len() > 8), "{text}");
        }
    }
}
