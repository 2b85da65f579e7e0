use proptest::prelude::*;
use serde_json::value::RawValue;

use super::{Slices, fields, has_controls, plain};
use crate::json::Object;

/// What is read, or `None`.
fn read(text: &str) -> Option<Vec<(&str, &str)>> {
    let mut read = Vec::new();
    fields(text, |name, value| read.push((name, value)))?;
    Some(read)
}

/// What `serde_json` reads.
fn by_serde(text: &str) -> Option<Vec<(String, String)>> {
    let object: Object<'_> = serde_json::from_str(text).ok()?;
    let field = |(name, raw): (&str, &RawValue)| (name.to_owned(), raw.get().to_owned());
    Some(object.iter().map(field).collect())
}

fn owned(read: Vec<(&str, &str)>) -> Vec<(String, String)> {
    read.into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[test]
fn fields_are_handed_out_as_written() {
    let text = r#" { "a" : [1, {"b":"]}\""}, []] ,"é":-0.5e+7,"":{},"n":null } "#;
    let expected = [
        ("a", r#"[1, {"b":"]}\""}, []]"#),
        ("é", "-0.5e+7"),
        ("", "{}"),
        ("n", "null"),
    ];
    assert_eq!(read(text).unwrap(), expected);
    assert_eq!(read("{}").unwrap(), []);
}

#[test]
fn the_last_of_two_counts_and_null_is_absent() {
    let slices = Slices::read(r#"{"a":1,"b":null,"a":2}"#).unwrap();
    assert_eq!((slices.get("a"), slices.get("b")), (Some("2"), None));
}

#[test]
fn what_is_no_json_is_not_taken() {
    for text in [
        "",
        "{",
        "}",
        "[]",
        "1",
        "{}{}",
        "{} x",
        r#"{"a"}"#,
        r#"{"a":}"#,
        r#"{"a":1,}"#,
        r#"{,"a":1}"#,
        r#"{"a":1 "b":2}"#,
        r#"{a:1}"#,
        r#"{"a":01}"#,
        r#"{"a":1.}"#,
        r#"{"a":.5}"#,
        r#"{"a":-}"#,
        r#"{"a":+1}"#,
        r#"{"a":1e}"#,
        r#"{"a":tru}"#,
        r#"{"a":nulll}"#,
        r#"{"a":[1,]}"#,
        r#"{"a":[1}}"#,
        r#"{"a":{"b":1]}"#,
        r#"{"a":"\x"}"#,
        r#"{"a":"\u12g4"}"#,
        r#"{"a":"\u12"}"#,
        r#"{"a":"b}"#,
        "{\"a\":\"\n\"}",
        "{\"a\":\"\u{0}\"}",
        r#"{"a":[{"b"}]}"#,
        r#"{"a":NaN}"#,
        r#"{"a":"b"c}"#,
        "\u{feff}{}",
    ] {
        assert_eq!(read(text), None, "{text}");
        assert_eq!(by_serde(text), None, "{text}");
    }
}

#[test]
fn what_is_nested_deeper_than_there_are_bits_is_left_to_serde() {
    let nested = |depth| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    assert!(read(&nested(128)).is_some());
    assert!(
        read(&nested(129)).is_some(),
        "the innermost is empty and needs no bit"
    );
    assert!(read(&nested(130)).is_none());
    assert!(by_serde(&nested(130)).is_some());
}

#[test]
fn a_name_with_escapes_is_left_to_serde_and_one_within_a_value_is_not() {
    assert_eq!(read(r#"{"mod\u0065l":1}"#), None);
    assert!(read(r#"{"a":{"mod\u0065l":1}}"#).is_some());
}

/// Texts that are JSON, or nearly.
fn nearly_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|value| value.to_string()),
        any::<f64>().prop_map(|value| serde_json::Value::from(value).to_string()),
        any::<i64>().prop_map(|value| value.to_string()),
        any::<String>().prop_map(|value| serde_json::Value::from(value).to_string()),
        "[ -~]{0,80}".prop_map(|value| serde_json::Value::from(value).to_string()),
    ];
    let value = leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|items| format!("[{}]", items.join(" , "))),
            prop::collection::vec(("[a-z\\\\u\"]{0,3}", inner), 0..4).prop_map(object),
        ]
    });
    let fields = prop::collection::vec(("[a-zé]{0,20}", value), 0..6).prop_map(object);
    (
        fields,
        prop::option::of((
            any::<prop::sample::Index>(),
            "[\\\\\"{}\\[\\],:0-9eE+. \u{1}tun-]{0,2}",
        )),
    )
        .prop_map(|(text, change)| match change {
            None => text,
            // One character is replaced by up to two others.
            Some((at, with)) => {
                let chars: Vec<char> = text.chars().collect();
                let at = at.index(chars.len());
                let (before, after) = chars.split_at(at);
                before
                    .iter()
                    .copied()
                    .chain(with.chars())
                    .chain(after.iter().skip(1).copied())
                    .collect()
            }
        })
}

fn object(fields: Vec<(String, String)>) -> String {
    let fields: Vec<String> = fields
        .into_iter()
        .map(|(name, value)| format!("{}:{value}", serde_json::Value::from(name)))
        .collect();
    format!("{{{}}}", fields.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn it_takes_what_serde_takes_and_reads_the_same(text in nearly_json()) {
        let (read, by_serde) = (read(&text).map(owned), by_serde(&text));
        // A name with escapes is the one thing that only `serde_json` takes here.
        if read.is_some() || !text.contains('\\') {
            prop_assert_eq!(read, by_serde);
        }
    }

    #[test]
    fn a_string_s_plain_part_ends_where_it_ends(
        text in "[a-z é\u{0}\u{7f}\u{80}\u{ff}]{0,100}",
        end in prop::option::of(prop_oneof![Just('"'), Just('\\')]),
        after in "[a-z\"\\\\\u{0}]{0,40}",
    ) {
        let whole = match end {
            Some(end) => format!("{text}{end}{after}"),
            None => text,
        };
        let is_special = |byte| byte == b'"' || byte == b'\\';
        let expected = whole.bytes().position(is_special).unwrap_or(whole.len());
        prop_assert_eq!(plain(whole.as_bytes()), expected);
    }

    #[test]
    fn a_control_character_is_found_wherever_it_stands(
        text in "[a-z é\u{7f}]{0,200}",
        control in 0u8..0x20,
        at in any::<prop::sample::Index>(),
    ) {
        prop_assert!(!has_controls(&text));
        let mut chars: Vec<char> = text.chars().collect();
        chars.insert(at.index(chars.len() + 1), char::from(control));
        prop_assert!(has_controls(&chars.into_iter().collect::<String>()));
    }
}
