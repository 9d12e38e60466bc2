//! A value that is recognised wherever it turns up: raw, escaped, encoded, as a list of numbers.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// Survives every escaping as it is, because it is letters and digits only.
pub const CORE: &str = "cAnArY7Q3zKp9Xw2VbN4";

/// As a parameter's value: what the escapings differ in stands around the core.
pub const VALUE: &str = "p\"1\\/ é+&<cAnArY7Q3zKp9Xw2VbN4>%\t$'end";

/// Of a length at which every group of three bytes of base64 is full, whatever stands before it.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for skipped in 0..3 {
        let part = &bytes[skipped..];
        let whole = &part[..part.len() / 3 * 3];
        forms.push(STANDARD_NO_PAD.encode(whole));
        forms.push(URL_SAFE_NO_PAD.encode(whole));
    }
    forms
}

fn joined(bytes: &[u8], separator: &str, form: impl Fn(&u8) -> String) -> String {
    bytes.iter().map(form).collect::<Vec<_>>().join(separator)
}

/// Every way in which the core of the canary can be written.
pub fn forms() -> Vec<String> {
    let bytes = CORE.as_bytes();
    let mut forms = vec![
        CORE.to_owned(),
        // A half is a leak as well.
        CORE[..10].to_owned(),
        CORE[10..].to_owned(),
        CORE.to_lowercase(),
        CORE.to_uppercase(),
        CORE.chars().rev().collect(),
        joined(bytes, "", |byte| format!("{byte:02x}")),
        joined(bytes, "", |byte| format!("{byte:02X}")),
        joined(bytes, " ", |byte| format!("{byte:02x}")),
        joined(bytes, ", ", u8::to_string),
        joined(bytes, "", |byte| format!("%{byte:02X}")),
        joined(bytes, "", |byte| format!("\\x{byte:02x}")),
        joined(bytes, "", |byte| format!("\\u{byte:04x}")),
        joined(bytes, "", |byte| format!("\\u{{{byte:x}}}")),
    ];
    forms.extend(base64_forms(bytes));
    forms
}

/// The first form of the canary in a text, if there is one.
pub fn found(haystack: &[u8]) -> Option<String> {
    forms().into_iter().find(|form| contains(haystack, form.as_bytes()))
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[test]
fn a_canary_is_found_in_every_disguise() {
    let base64 = base64::engine::general_purpose::STANDARD;
    let json = serde_json::Value::from(VALUE).to_string();
    for text in [
        VALUE.to_owned(),
        format!("{VALUE:?}"),
        json.clone(),
        serde_json::Value::from(json.clone()).to_string(),
        base64.encode(VALUE),
        base64.encode(format!("x{VALUE}")),
        base64.encode(format!("xy{VALUE}")),
        format!("{:?}", VALUE.as_bytes()),
        format!("{:02x?}", VALUE.as_bytes()).replace(", ", ""),
        VALUE.bytes().map(|byte| format!("%{byte:02X}")).collect(),
        VALUE.to_uppercase(),
    ] {
        assert!(found(text.as_bytes()).is_some(), "{text}");
    }
    assert_eq!(found(b"nothing to be seen here, cAnArY"), None);
}
