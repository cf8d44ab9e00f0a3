//! Cases that no recorded call covers: templates compared with Handlebars, and malformed contracts.

use serde_json::{Value, json};

use super::contract::{self, ContractError};
use super::template::{WorkBudget, fill_in};
use super::{InstallMethod, Instructions};
use crate::Error;
use crate::resource::test_util::MockTransport;

fn filled_in(template: &str) -> Result<String, String> {
    let context = json!({
        "name": "R&D <x>",
        "quotes": "\"'`=",
        "list": ["a<b", null, ["c", 1.5, 2.0, false], {}],
        "rows": [{ "name": "one", "rows": ["x", "y"] }, { "name": "two" }],
        "media": ["sdcard", "usb_mass_storage", "nvme"],
        "text": "sdcard",
        "zero": 0,
        "no": false,
        "nothing": [],
        "table": {},
    });
    fill_in(template, &context, &mut WorkBudget(10_000)).map_err(|fault| fault.0)
}

#[test]
fn templates_are_filled_in_as_handlebars_does() {
    for (template, text) in [
        ("", ""),
        ("{ name } } }} {", "{ name } } }} {"),
        ("{{name}}|{{{name}}}|{{ name }}", "R&amp;D &lt;x&gt;|R&D <x>|R&amp;D &lt;x&gt;"),
        ("{{quotes}}", "&quot;&#x27;&#x60;&#x3D;"),
        ("{{list}}", "a&lt;b,,c,1.5,2,false,[object Object]"),
        ("{{zero}}{{no}}{{nothing}}{{missing}}{{missing.name}}{{name.name}}", "0false"),
        ("{{list.[0]}} {{list.[9]}}{{list.[x]}} {{rows.[1].name}}", "a&lt;b  two"),
        ("{{#each rows}}{{name}}:{{#each rows}}{{{this}}},{{/each}} {{/each}}", "one:x,y, two: "),
        ("{{#each rows}}{{this.name}}{{media}}{{/each}}", "onetwo"),
        ("{{#each name}}x{{/each}}{{#each missing}}x{{/each}}{{#each nothing}}x{{/each}}", ""),
        ("{{#if name}}a{{/if}}{{#if list}}b{{/if}}{{#if table}}c{{/if}}", "abc"),
        ("{{#if zero}}a{{/if}}{{#if no}}b{{/if}}{{#if nothing}}c{{/if}}{{#if missing}}d{{/if}}", ""),
        ("{{resolveContractAlias text}} {{resolveContractAlias media.[1]}}", "SD card USB key"),
        ("{{#each media}}{{resolveContractAlias this}};{{/each}}", "SD card;USB key;nvme;"),
        ("{{resolveContractAlias missing}}{{{resolveContractAlias name}}}", "R&D <x>"),
        ("{{text.[0]}}", "sdcard"),
    ] {
        assert_eq!(filled_in(template), Ok(text.to_owned()), "{template}");
    }
}

#[test]
fn what_is_no_template_is_refused() {
    for template in [
        "{{name",
        "{{",
        "{{}}",
        "{{ }}",
        "{{{name}}",
        "{{name}}}",
        "{{{name}}}}",
        "{{{{name}}}}",
        "\\{{name}}",
        "{{.}}",
        "{{..}}",
        "{{../name}}",
        "{{name.}}",
        "{{name.this}}",
        "{{list.0}}",
        "{{list[0]}}",
        "{{true}}",
        "{{5}}",
        "{{'name'}}",
        "{{!name}}",
        "{{&name}}",
        "{{> name}}",
        "{{~name}}",
        "{{@index}}",
        "{{name name}}",
        "{{name a=b}}",
        "{{else}}",
        "{{each}}",
        "{{resolveContractAlias}}",
        "{{resolveContractAlias name name}}",
        "{{#each}}x{{/each}}",
        "{{#each list as |item|}}x{{/each}}",
        "{{#unless name}}x{{/unless}}",
        "{{#name}}x{{/name}}",
        "{{#if name}}x",
        "{{#if name}}x{{/each}}",
        "{{#if name}}x{{else}}y{{/if}}",
        "x{{/if}}",
    ] {
        assert!(filled_in(template).is_err(), "{template}");
    }
}

#[test]
fn nothing_grows_without_bound() {
    let nested = |depth: usize| "{{#if name}}".repeat(depth) + "x" + &"{{/if}}".repeat(depth);
    assert_eq!(filled_in(&nested(16)), Ok("x".to_owned()));
    assert!(filled_in(&nested(17)).is_err());
    assert!(filled_in(&"{{name}}".repeat(2_000)).is_err(), "as long as its budget allows");
    assert!(filled_in(&"{{#each rows}}{{/each}}".repeat(20_000)).is_err(), "and no more steps than that");

    let deep = (0..40).fold(json!("x"), |inner, _| json!([inner]));
    let error = contract::interpolated(json!({ "deep": deep, "partials": { "a": ["{{deep}}"] } }));
    assert!(matches!(error, Err(ContractError::Odd(..))), "{error:?}");
    let deep = (0..40).fold(json!(["x"]), |inner, _| json!({ "a": inner }));
    let error = contract::interpolated(json!({ "partials": deep }));
    assert!(matches!(error, Err(ContractError::Odd(..))), "{error:?}");

    // Each text is twice as long as the previous one.
    let mut partials = serde_json::Map::from_iter([("p10".to_owned(), json!(["xxxxxxxxxxxxxxxx"]))]);
    for number in 11..60 {
        let before = format!("{{{{{{partials.p{}}}}}}}", number - 1);
        partials.insert(format!("p{number}"), json!([format!("{before}{before}")]));
    }
    let error = contract::interpolated(json!({ "partials": partials }));
    assert!(matches!(error, Err(ContractError::Odd(..))), "{error:?}");
}

#[test]
fn odd_contracts_are_told_from_good_ones() {
    let odd = |contract: Value| match contract::interpolated(contract) {
        Err(ContractError::Odd(place, _)) => place,
        other => panic!("{other:?}"),
    };
    assert_eq!(odd(json!({ "partials": "text" })), "partials");
    assert_eq!(odd(json!({ "partials": { "a": null } })), "partials.a");
    assert_eq!(odd(json!({ "partials": { "a": ["x", 5] } })), "partials.a[1]");
    assert_eq!(odd(json!({ "partials": { "a": { "b": ["{{x"] } } })), "partials.a.b[0]");
    for same in [json!({}), json!({ "partials": null }), json!({ "partials": { "a": 5, "b": {} } })] {
        assert_eq!(contract::interpolated(same.clone()), Ok(same));
    }
    let lines = json!({ "name": "N", "partials": { "a": " {{name}}\n\n b ", "c": ["", "d\n e"] } });
    let expected = json!({ "name": "N", "partials": { "a": ["N", "b"], "c": ["d", "e"] } });
    assert_eq!(contract::interpolated(lines), Ok(expected));
}

#[test]
fn the_contract_tells_the_method() {
    let method = |data: Value| contract::install_method(&json!({ "data": data }));
    assert_eq!(method(json!({ "flashProtocol": "RPIBOOT" })), Ok(InstallMethod::InternalFlash));
    assert_eq!(method(json!({ "flashProtocol": "new" })), Ok(InstallMethod::from("new")));
    assert_eq!(method(json!({ "flashProtocol": "", "media": {} })), Err(ContractError::NoMethod));
    assert_eq!(method(json!({ "media": { "defaultBoot": "image" } })), Ok(InstallMethod::Image));
    assert_eq!(method(json!({ "media": { "defaultBoot": "nvme" } })), Ok(InstallMethod::ExternalBoot));
    assert_eq!(method(json!("text")), Err(ContractError::NoMethod));
    assert!(matches!(method(json!({ "flashProtocol": 5 })), Err(ContractError::Odd(..))));
    let unknown = json!({ "data": { "flashProtocol": "new" }, "partials": { "a": ["x"] } });
    assert_eq!(contract::instructions(unknown), Ok(None));
}

#[tokio::test]
async fn a_contract_at_hand_needs_no_request() {
    let (balena, transport) = MockTransport::answering(r#"{"d":[]}"#);
    let types = balena.device_type();
    let contract = json!({ "name": "N", "slug": "n", "data": { "flashProtocol": "jetsonFlash" } });
    let Some(Instructions::Steps(steps)) = types.get_instructions(contract).await.unwrap() else {
        panic!("steps")
    };
    assert!(steps[0].contains("docs/n.md"), "{steps:?}");
    let errors: Vec<Option<Error>> = vec![
        types.get_instructions(Value::Null).await.err(),
        types.get_instructions(json!([])).await.err(),
        types.get_instructions(json!({})).await.err(),
        types.get_instructions(json!({ "data": { "flashProtocol": "x" }, "partials": 5 })).await.err(),
        types.get_instructions(" ").await.err(),
        types.get_install_method("").await.err(),
        types.get_interpolated_partials("").await.err(),
    ];
    for (index, error) in errors.into_iter().enumerate() {
        let error = error.unwrap_or_else(|| panic!("number {index} went through"));
        assert!(error.is_invalid_argument() && !error.was_sent(), "{error}");
    }
    assert_eq!(*transport.asked.lock().unwrap(), [""; 0]);
}

#[tokio::test]
async fn errors_say_which_device_type_and_what_is_wrong_with_it() {
    let none = MockTransport::answering(r#"{"d":[{"contract":null}]}"#).0.device_type();
    assert_eq!(none.get_install_method("x").await.unwrap(), None);
    let error = none.get_instructions("my-type").await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().contains("instructions of device type my-type"),
        "{error}"
    );
    let error = none.get_interpolated_partials("my-type").await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("contract of device type my-type"), "{error}");

    let empty =
        MockTransport::answering(r#"{"d":[{"contract":{"partials":{"a":["{{x"]}}}]}"#).0.device_type();
    let error = empty.get_install_method("my-type").await.unwrap_err();
    assert!(error.is_unsupported() && error.to_string().contains("my-type"), "{error}");
    let error = empty.get_interpolated_partials("my-type").await.unwrap_err();
    assert!(error.is_decode() && error.to_string().contains("at partials.a[0]: "), "{error}");
}
