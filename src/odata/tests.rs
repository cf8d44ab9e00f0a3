//! Typed queries of the forms that the API's functions use.

use jiff::Timestamp;

use super::{Column, Filter, Key, Literal, Navigation, Query, Value};
use crate::ids::ReleaseId;

struct Device;
struct Application;
struct Release;
struct Tag;

#[derive(Clone, Copy)]
enum Status {
    Success,
}

impl Literal for Status {
    fn to_value(&self) -> Value {
        Value::from(match self {
            Self::Success => "success",
        })
    }
}

impl Device {
    const ID: Column<Self, i64> = Column::new("id");
    const UUID: Column<Self, String> = Column::new("uuid");
    const NAME: Column<Self, String> = Column::new("device_name");
    const IS_ONLINE: Column<Self, bool> = Column::new("is_online");
    const CPU_TEMP: Column<Self, f64> = Column::new("cpu_temp");
    const SEEN: Column<Self, Timestamp> = Column::new("last_connectivity_event");
    const APPLICATION: Navigation<Self, Application> = Navigation::new("belongs_to__application");
    const RELEASE: Navigation<Self, Release> = Navigation::new("is_running__release");
    const TAGS: Navigation<Self, Tag> = Navigation::new("device_tag");
}

impl Application {
    const SLUG: Column<Self, String> = Column::new("slug");
    const ORGANIZATION: Column<Self, i64> = Column::new("organization");
    const DEVICES: Navigation<Self, Device> = Navigation::new("owns__device");
    const RELEASES: Navigation<Self, Release> = Navigation::new("owns__release");
    const USERS: Navigation<Self, ()> = Navigation::new("is_directly_accessible_by__user").with_alias("dau");
}

impl Release {
    const ID: Column<Self, ReleaseId> = Column::new("id");
    const STATUS: Column<Self, Status> = Column::new("status");
    const CREATED: Column<Self, Timestamp> = Column::new("created_at");
    const TAGS: Navigation<Self, Tag> = Navigation::new("release_tag");
}

impl Tag {
    const KEY: Column<Self, String> = Column::new("tag_key");
    const VALUE: Column<Self, String> = Column::new("value");
}

fn filter<R>(filter: Filter<R>) -> String {
    let text = Query::new().filter(filter).render().unwrap();
    text.strip_prefix("$filter=").unwrap().replace("%20", " ")
}

#[test]
fn columns_compare_with_what_they_hold() {
    assert_eq!(filter(Device::UUID.starts_with("8deb")), "startswith(uuid,'8deb')");
    assert_eq!(filter(Device::NAME.ends_with("x")), "endswith(device_name,'x')");
    assert_eq!(filter(Device::NAME.contains("it's")), "contains(device_name,'it''s')");
    assert_eq!(filter(Device::ID.is_in([1, 2, 3])), "id in (1, 2, 3)");
    assert_eq!(filter(Device::UUID.is_in(["a", "b"])), "uuid in ('a', 'b')");
    assert_eq!(filter(Device::NAME.eq(String::from("x"))), "device_name eq 'x'");
    assert_eq!(filter(Device::NAME.ne(None::<String>)), "device_name ne null");
    assert_eq!(filter(Device::NAME.is_null()), "device_name eq null");
    assert_eq!(filter(Device::CPU_TEMP.gt(80.5)), "cpu_temp gt 80.5");
    assert_eq!(filter(Release::STATUS.eq(Status::Success)), "status eq 'success'");
    assert_eq!(filter(Release::ID.le(ReleaseId::new(7))), "id le 7");
    assert_eq!(filter(Release::ID.eq(7)), "id eq 7");
    let since: Timestamp = "2024-06-01T08:30:15.005Z".parse().unwrap();
    assert_eq!(
        filter(Device::SEEN.ge(since)),
        "last_connectivity_event ge datetime'2024-06-01T08:30:15.005Z'"
    );
}

#[test]
fn conditions_combine_and_stay_flat() {
    let (a, b, c) = (Device::ID.gt(1), Device::ID.lt(9), Device::IS_ONLINE.eq(true));
    let all = a.clone().and(b.clone()).and(c.clone());
    assert_eq!(filter(all.clone()), "(id gt 1) and (id lt 9) and (is_online eq true)");
    assert_eq!(
        filter(a.or(b).and(c).or(all.not())),
        "(((id gt 1) or (id lt 9)) and (is_online eq true)) or not((id gt 1) and (id lt 9) and (is_online eq true))"
    );
    assert_eq!(filter(Filter::<Device>::raw("id eq 5 or id eq 6")), "(id eq 5 or id eq 6)");
}

#[test]
fn navigations_are_filtered_through() {
    assert_eq!(filter(Device::APPLICATION.id().eq(5)), "belongs_to__application eq 5");
    assert_eq!(
        filter(Device::APPLICATION.field(&Application::SLUG).eq("a/b")),
        "belongs_to__application/slug eq 'a%2Fb'"
    );
    assert_eq!(
        filter(Device::APPLICATION.any(Application::ORGANIZATION.eq(26474))),
        "belongs_to__application/any(bta:bta/organization eq 26474)"
    );
    assert_eq!(
        filter(Device::TAGS.all(Tag::KEY.eq("a").or(Tag::VALUE.is_null()))),
        "device_tag/all(dt:(dt/tag_key eq 'a') or (dt/value eq null))"
    );
    assert_eq!(filter(Application::USERS.exists()), "is_directly_accessible_by__user/any(dau:1 eq 1)");
    assert_eq!(
        filter(Device::APPLICATION.then(&Application::RELEASES).field(&Release::ID).eq(1)),
        "belongs_to__application/owns__release/id eq 1"
    );
}

#[test]
fn every_variable_has_a_name_of_its_own() {
    let of_sibling = Application::DEVICES.any(Device::APPLICATION.any(Application::SLUG.eq("x")));
    assert_eq!(
        filter(Device::APPLICATION.any(of_sibling.and(Application::ORGANIZATION.eq(1)))),
        "belongs_to__application/any(bta:\
         (bta/owns__device/any(od:od/belongs_to__application/any(bta1:bta1/slug eq 'x'))) and (bta/organization eq 1))"
    );
    // The initials of this name are an operator.
    assert_eq!(filter(Application::RELEASES.any(Release::ID.eq(1))), "owns__release/any(or1:or1/id eq 1)");
}

#[test]
fn counts_compare_order_and_expand() {
    assert_eq!(filter(Device::TAGS.count().eq(0)), "device_tag/$count eq 0");
    assert_eq!(
        filter(Device::TAGS.count().filter(Tag::KEY.eq("a")).ge(2)),
        "device_tag/$count($filter=tag_key eq 'a') ge 2"
    );
    // In a lambda, the path starts with the variable, but the filter of the count does not.
    assert_eq!(
        filter(Device::APPLICATION.any(Application::DEVICES.count().filter(Device::ID.gt(3)).lt(9))),
        "belongs_to__application/any(bta:bta/owns__device/$count($filter=id gt 3) lt 9)"
    );
    let query = Query::new()
        .order_by(Device::TAGS.count().desc())
        .order_by(Device::ID.asc())
        .expand(Device::TAGS.count().filter(Tag::KEY.eq("a")));
    assert_eq!(
        query.render().unwrap(),
        "$expand=device_tag/$count($filter=tag_key%20eq%20'a')&$orderby=device_tag/$count%20desc,id%20asc"
    );
}

#[test]
fn expands_nest_with_options_of_their_own() {
    let releases = Application::RELEASES
        .select(["id"])
        .filter(Release::STATUS.eq(Status::Success))
        .expand(Release::TAGS.select([Tag::KEY.name(), Tag::VALUE.name()]))
        .order_by(Release::CREATED.desc())
        .top(1)
        .skip(2);
    let query = Query::new()
        .select(["uuid", "id", "uuid"])
        .expand(Device::APPLICATION.expand(releases))
        .expand(Device::RELEASE)
        .top(5)
        .skip(10);
    assert_eq!(
        query.render().unwrap(),
        "$select=uuid,id&$expand=belongs_to__application($expand=owns__release($select=id;\
         $expand=release_tag($select=tag_key,value);$filter=status%20eq%20'success';$orderby=created_at%20desc;\
         $top=1;$skip=2)),is_running__release&$top=5&$skip=10"
    );
}

#[test]
fn counting_goes_into_the_path() {
    let counted = Query::new().count().filter(Device::IS_ONLINE.eq(true));
    assert_eq!(
        counted.address("device", None).unwrap().to_string(),
        "device/$count?$filter=is_online%20eq%20true"
    );
    for refused in [
        counted.address("device", Some(&Key::id(1))),
        counted.clone().order_by(Device::ID.asc()).address("device", None),
        counted.clone().top(1).address("device", None),
        Query::new().expand(Device::TAGS.with(counted.clone().select(["id"]))).address("device", None),
    ] {
        assert!(refused.unwrap_err().to_string().contains("`$count`"));
    }
}

#[test]
fn faults_surface_with_the_option_and_the_place() {
    let refused = |query: Query| {
        let error = query.render().unwrap_err();
        assert!(error.is_invalid_argument() && !error.was_sent());
        error.to_string()
    };
    let nan = Device::APPLICATION.expand(Application::DEVICES.filter(Device::CPU_TEMP.gt(f64::NAN)));
    assert_eq!(
        refused(Query::new().expand(nan)),
        "invalid argument `$filter`: in the expand of `belongs_to__application`: in the expand of `owns__device`: \
         NaN is not a number that can be sent"
    );
    assert!(refused(Query::new().filter(Device::NAME.eq("a\0b"))).contains("`$filter`"));
    assert!(refused(Query::new().filter(Device::ID.is_in::<i64>([]))).contains("`$filter`"));
    assert!(refused(Query::new().filter(Filter::<Device>::raw("id eq 1) or (1 eq 1"))).contains("`$filter`"));
    assert!(refused(Query::new().filter(Filter::<Device>::raw(""))).contains("`$filter`"));
    assert!(refused(Query::new().select(["id&$top=1"])).contains("`$select`"));
    assert!(refused(Query::new().select(["a\0"])).contains("`$select`"));
}
