use super::*;

/// Asserts that the check accepts the good values and rejects the bad ones.
#[track_caller]
fn table(check: impl Fn(&str) -> Result<()>, good: &[&str], bad: &[&str]) {
    for value in good {
        assert!(check(value).is_ok(), "refused: {value:?}: {:?}", check(value));
    }
    for value in bad {
        let error = check(value).expect_err(value);
        assert!(error.is_invalid_argument() && error.to_string().contains("`x`"), "{value:?}: {error}");
        assert!(!error.to_string().contains(crate::error::is_hidden), "{error:?}");
    }
}

#[test]
fn host_names() {
    let long = "a".repeat(63);
    let longer = "a".repeat(64);
    let whole = ["a".repeat(40), "b".repeat(40)].join(".");
    table(
        |name| host_name("x", name),
        &["a", "devhost", "3com", "1234567", "a-b.c", "Sea-5", "host.local", "xn--bcher-kva", &long],
        &[
            "foo-", "-foo", "a..b", ".local", "a.", "a_b", "a b", "ü", "10.0.0.1", "fd00::1", "a\n", "a;b",
            &longer, &whole, "a.-b", "a-.b",
        ],
    );
}

#[test]
fn proxy_addresses() {
    let long = format!("{}.example", "a".repeat(64));
    table(
        |address| proxy_address("x", address),
        &["10.0.0.1", "127.0.0.1", "proxy", "proxy.example.com", "my-proxy.lan", "a_b"],
        &[
            "",
            "u:p@10.0.0.2",
            "user@host",
            "http://10.0.0.1",
            "10.0.0.1/path",
            "10.0.0.256",
            "10.0.0",
            "010.0.0.1",
            "10.0.0.1,10.0.0.2",
            "10.0.0.1 10.0.0.2",
            "fd00::1",
            "::1",
            "[fd00::1]",
            "[::1",
            "fe80::1%eth0",
            "10.0.0.1:80",
            "proxy:3128",
            "#",
            "#proxy",
            "proxy#",
            "proxy;",
            "proxy}",
            "pro\nxy",
            "\"proxy\"",
            "proxy..lan",
            "-proxy",
            "proxy-",
            ".proxy",
            "proxy?",
            "prox\u{ff}",
            "3proxy.example",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "::",
            &long,
        ],
    );
    for (address, why) in [
        ("fd00::1", "does not support IPv6"),
        ("::1", "does not support IPv6"),
        ("::ffff:10.0.0.1", "does not support IPv6"),
        ("[fd00::1]", "does not support IPv6"),
        ("fe80::1%eth0", "it contains a colon"),
        ("10.0.0.1:1080", "it contains a colon"),
        ("", "it is empty"),
        ("10.0.0.256", "an IPv4 address is four numbers"),
        ("10.0.0.1,10.0.0.2", "only one address is allowed"),
        ("224.0.0.1", "it can't belong to a host"),
    ] {
        let error = proxy_address("proxy", address).unwrap_err().to_string();
        assert!(error.contains(why), "{address}: {error}");
    }
    let error = proxy_address("proxy", "u:pa55@10.0.0.2").unwrap_err().to_string();
    assert!(!error.contains("pa55"), "{error}");
}

#[test]
fn destinations_without_a_proxy() {
    table(
        |destination| no_proxy("x", destination),
        &["10.0.0.0/8", "10.0.0.1", "192.168.1.1/32", "0.0.0.0/0", "fd00::/8", "::1"],
        &[
            "",
            "example.com",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "10.0.0.0/",
            "10.0.0.256",
            "10.0.0.1\n10.0.0.2",
            "*",
        ],
    );
    table(
        |address| resolver("x", address.parse().unwrap()),
        &["1.1.1.1:53", "10.0.0.1:5353"],
        &["[fd00::1]:53", "1.1.1.1:0", "0.0.0.0:53"],
    );
}

#[test]
fn tags_and_variables() {
    let (limit, over) = ("é".repeat(10_000), "é".repeat(10_001));
    table(
        |key| tag_key("x", key),
        &["a", "k'ey/ü&", "a.b-c:d", "io.example"],
        &["", " ", "a b", "a\t", "a\0", "\u{a0}a"],
    );
    table(|value| tag_value("x", value), &["", "väl&ue=+ %20", "two\nlines", &limit], &[&over]);
    table(
        |name| variable_name("x", name),
        &["A", "a_b", "_x", "VAR_1", "r6SV"],
        &["", "1A", "1 bad", "A-B", "A.B", "A B", "A=B", "Ä", "A\n", "A:1", "A\0"],
    );
    table(
        |name| config_name("x", name),
        &["VAR_1", "BALENA_HOST_CONFIG_gpu_mem", "BALENA_HOST_CONFIG_hdmi_cvt:1", "RESIN_OVERRIDE_LOCK"],
        &["", ":A", "1A", "A-B", "A B", "A=B"],
    );
    let (limit, over) = ("x".repeat(100_000), "x".repeat(100_001));
    table(|value| variable_value("x", value), &["", "ü=\"'\n", &limit], &[&over]);
}

#[test]
fn names_and_keys() {
    let (limit, over) = ("é".repeat(50), "é".repeat(51));
    table(|text| key_name("x", text), &["k", "key name", &limit], &[&over]);
    let (limit, over) = ("é".repeat(150), "é".repeat(151));
    table(|text| key_description("x", text), &["", "a\nb", &limit], &[&over]);
    table(
        |text| name("x", text),
        &["x", "quiet sea", "O'Brien & co", "Tëam \"1\" / é"],
        &["", " ", "bad\nname", "a\0"],
    );
    table(
        |text| public_key("x", text),
        &["ssh-ed25519 AAAA", " ssh-rsa AAAA me@host\n"],
        &["", "\n", "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA", "ssh-rsa AAAA\nssh-rsa BBBB"],
    );
}

#[test]
fn places_and_times() {
    table(
        |text| degrees("x", text, 90.0),
        &["", "0", "52.52", "-90", "90.0", "+1.5", "1e1"],
        &["90.1", "-91", "NaN", "inf", "-infinity", "52,52", "52°", " 1", "1e9", "north", "1\0"],
    );
    table(|text| degrees("x", text, 180.0), &["180", "105.831586", "-180"], &["180.0001", "nan"]);
    let now: Timestamp = "2024-06-15T12:00:00Z".parse().unwrap();
    table(
        |text| expiry_text("x", text, now),
        &[
            "2030-01-01T00:00:00Z",
            "2030-01-01T00:00:00",
            "2030-01-01",
            "2024-06-15T12:00:00.001Z",
            "Tue, 01 Jan 2030",
        ],
        &[
            "2024-06-15T12:00:00Z",
            "2020-01-01",
            "",
            " ",
            "+275760-09-13T00:00:00Z",
            "275761-01-01",
            "1893456000000",
        ],
    );
    assert!(columns(&serde_json::json!({"note": "two\nlines", "id": 5, "x": null})).is_ok());
    assert!(columns(&serde_json::json!({"note": "a\0"})).unwrap_err().to_string().contains("note"));
    assert!(body(512 * 1024).is_ok() && body(512 * 1024 + 1).unwrap_err().is_invalid_argument());
}
