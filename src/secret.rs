//! A parameter's value. The type shows nothing, cannot be copied or compared, and is wiped when dropped.
//! What must look inside (a JSON field, a list, base64) happens here, secret in and secret out;
//! `Secret::expose` is called where the command's environment is made (`exec`), where systemd is answered (`credential`), and
//! where values are left with systemd (`last_good`).
#![forbid(unsafe_code)]

mod json;

pub use json::JsonPath;

use std::fmt;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};
use secrecy::{ExposeSecret as _, SecretBox};
use subtle::ConstantTimeEq as _;

use crate::error::printable;

/// A decrypted value: no Clone, no PartialEq, no Serialize, and a Debug that hides it.
pub struct Secret(SecretBox<Vec<u8>>);

impl Secret {
    /// Takes the value over without copying it.
    pub fn new(value: String) -> Self {
        Self::from_bytes(value.into_bytes())
    }

    /// A copy of bytes that are elsewhere as well.
    pub fn from_slice(value: &[u8]) -> Self {
        Self::from_bytes(value.to_vec())
    }

    /// Takes the bytes over without copying them.
    pub fn from_bytes(value: Vec<u8>) -> Self {
        Secret(SecretBox::new(Box::new(value)))
    }

    /// The length in bytes.
    pub fn len(&self) -> usize {
        self.bytes().len()
    }

    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Whether both are the same. How long it takes depends on the lengths alone.
    pub fn equals(&self, other: &Secret) -> bool {
        self.bytes().ct_eq(other.bytes()).into()
    }

    /// Whether it is one byte over and over, at least four times: so a program masks a value that it has read.
    pub fn is_masked(&self) -> bool {
        let bytes = self.bytes();
        bytes.len() >= 4 && bytes.iter().all(|byte| *byte == bytes[0])
    }

    /// N, of the path `/proc/self/fd/N` that the variable of a file holds.
    pub fn descriptor(&self) -> Option<u32> {
        let digits =
            self.bytes().strip_prefix(b"/proc/self/fd/").filter(|digits| digits.iter().all(u8::is_ascii_digit))?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    }

    /// Of an environment as proc_pid_environ(5) has it: the entries between the NUL bytes. One without a `=` has no value.
    pub fn environment_entries(&self) -> Vec<(Vec<u8>, Option<Secret>)> {
        let block = self.bytes().strip_suffix(b"\0").unwrap_or(self.bytes());
        let entries = block.split(|byte| *byte == 0).map(|entry| match entry.iter().position(|byte| *byte == b'=') {
            Some(at) => (entry[..at].to_vec(), Some(Secret::from_slice(&entry[at + 1..]))),
            None => (entry.to_vec(), None),
        });
        entries.collect()
    }

    /// Whether it holds a NUL byte, which ends a string of the environment.
    pub fn has_nul(&self) -> bool {
        self.bytes().contains(&0)
    }

    /// A StringList (joined by commas, which AWS does not escape) joined by another separator.
    pub fn list_joined_by(&self, separator: &str) -> Secret {
        let parts: Vec<&[u8]> = self.bytes().split(|byte| *byte == b',').collect();
        Secret::from_bytes(parts.join(separator.as_bytes()))
    }

    /// The bytes that a base64 text stands for; white space around and between its lines is allowed.
    pub fn decode_base64(&self) -> Result<Secret, Unusable> {
        // Room for all of it, so that growing does not leave a copy behind.
        let mut compact = Vec::with_capacity(self.len());
        compact.extend(self.bytes().iter().copied().filter(|byte| !byte.is_ascii_whitespace()));
        let compact = Secret::from_bytes(compact);
        STANDARD.decode(compact.bytes()).map(Secret::from_bytes).map_err(|_| Unusable::NotBase64)
    }

    /// A line that is no secret, and values behind it, one after the other.
    pub fn behind<'a>(line: &str, values: impl Iterator<Item = &'a Secret> + Clone) -> Secret {
        // Room for all of it, so that growing does not leave a copy behind.
        let mut whole = Vec::with_capacity(line.len() + 1 + values.clone().map(Secret::len).sum::<usize>());
        whole.extend_from_slice(line.as_bytes());
        whole.push(b'\n');
        values.for_each(|value| whole.extend_from_slice(value.bytes()));
        Secret::from_bytes(whole)
    }

    /// The line that it begins with, and what stands behind it. `None` when there is no line of text.
    pub fn header_and_rest(&self) -> Option<(String, Secret)> {
        let end = self.bytes().iter().position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&self.bytes()[..end]).ok()?.to_owned();
        Some((line, Secret::from_slice(&self.bytes()[end + 1..])))
    }

    /// These bytes of it, if it has them.
    pub fn part(&self, range: Range<usize>) -> Option<Secret> {
        self.bytes().get(range).map(Secret::from_slice)
    }

    /// The plaintext, for the strings and sealed files of the exec, for a systemd credential and for what systemd keeps, and for
    /// nothing else.
    pub(crate) fn expose(&self) -> &[u8] {
        self.bytes()
    }

    fn bytes(&self) -> &[u8] {
        self.0.expose_secret()
    }
}

/// How a value is written into a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As it is.
    None,
    /// Percent-encoded, all but the unreserved characters (RFC 3986, 2.3): safe in each part of a URL.
    Url,
    /// With padding, in one line (RFC 4648, 4).
    Base64,
    /// A JSON string, its quotes included.
    Json,
    /// One word of a POSIX shell, its quotes included.
    Shell,
}

/// A piece of a rendered template.
pub enum Rendered<'a> {
    Text(&'a str),
    Value(&'a Secret, Encoding),
}

impl Secret {
    /// The pieces one after the other.
    pub fn render(pieces: &[Rendered<'_>]) -> Result<Secret, Unusable> {
        let mut encoded = Vec::with_capacity(pieces.len());
        for piece in pieces {
            encoded.push(match piece {
                Rendered::Text(text) => Secret::new((*text).to_owned()),
                Rendered::Value(secret, encoding) => secret.encode(*encoding)?,
            });
        }
        // Room for all of it, so that growing does not leave a copy behind.
        let mut whole = Vec::with_capacity(encoded.iter().map(Secret::len).sum());
        encoded.iter().for_each(|piece| whole.extend_from_slice(piece.bytes()));
        Ok(Secret::from_bytes(whole))
    }

    /// Each with room for the longest result, for the same reason.
    fn encode(&self, encoding: Encoding) -> Result<Secret, Unusable> {
        const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
        let bytes = self.bytes();
        let mut encoded = Vec::new();
        match encoding {
            Encoding::None => encoded = bytes.to_vec(),
            Encoding::Base64 => encoded = STANDARD.encode(bytes).into_bytes(),
            Encoding::Url => {
                encoded.reserve_exact(3 * bytes.len());
                percent_encode(bytes, UNRESERVED).for_each(|piece| encoded.extend_from_slice(piece.as_bytes()));
            }
            Encoding::Json => {
                // The longest escape of a byte is \u00XX.
                encoded.reserve_exact(6 * bytes.len() + 2);
                let text = std::str::from_utf8(bytes).map_err(|_| Unusable::NotText)?;
                serde_json::to_writer(&mut encoded, text).map_err(|_| Unusable::NotText)?;
            }
            Encoding::Shell => {
                encoded.reserve_exact(4 * bytes.len() + 2);
                encoded.push(b'\'');
                for byte in bytes {
                    // A quote cannot stand between quotes: these are closed, and opened again behind it.
                    encoded.extend_from_slice(if *byte == b'\'' { b"'\\''" } else { std::slice::from_ref(byte) });
                }
                encoded.push(b'\'');
            }
        }
        Ok(Secret::from_bytes(encoded))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Why a value cannot be used. It names places, never content.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    NotJson,
    NoField(String),
    Null(String),
    NotBase64,
    /// It is JSON, but no object.
    NoObject,
    /// This field is an object or a list.
    Nested(String),
    /// `list` was said, and the parameter is of this type.
    NoList(&'static str),
    /// For JSON.
    NotText,
    /// For the environment.
    Nul,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::NotJson => f.write_str("the value is not JSON"),
            Unusable::NoField(path) => write!(f, "the JSON value has no field \"{}\"", printable(path)),
            Unusable::Null(path) => write!(f, "the JSON field \"{}\" is null", printable(path)),
            Unusable::NoObject => f.write_str("the value is no JSON object"),
            Unusable::Nested(name) => {
                write!(
                    f,
                    "the JSON field \"{}\" is an object or a list; say `json = true` for its JSON text",
                    printable(name)
                )
            }
            Unusable::NotBase64 => f.write_str("the value is not base64"),
            Unusable::NoList(kind) => write!(f, "`list` is for a StringList, and this is a {kind}"),
            Unusable::NotText => f.write_str("a value of it is not UTF-8 text, which JSON needs"),
            Unusable::Nul => f.write_str("it has a NUL byte, which no variable can hold; [files] can"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(json: &str, path: &str) -> Result<String, Unusable> {
        let path = JsonPath::parse(path).expect("the tests write good paths");
        let secret = Secret::new(json.to_owned()).json_field(&path)?;
        Ok(String::from_utf8(secret.expose().to_vec()).expect("JSON text is UTF-8"))
    }

    #[test]
    fn a_json_field_comes_byte_for_byte() {
        let json = r#"{"host":"db\u002e1","port":5432,"big":12345678901234567890.10,"on":true,"deep":{"list":[{"a":1 ,"b": 2}]},"none":null}"#;
        for (path, want) in [
            ("host", "db.1"),
            ("port", "5432"),
            ("big", "12345678901234567890.10"),
            ("on", "true"),
            ("deep.list.0", r#"{"a":1 ,"b": 2}"#),
            ("deep.list.0.b", "2"),
        ] {
            assert_eq!(field(json, path).as_deref(), Ok(want), "{path}");
        }
        assert_eq!(field(json, "deep.list.1"), Err(Unusable::NoField("deep.list.1".into())));
        assert_eq!(field(json, "deep.nope.x"), Err(Unusable::NoField("deep.nope".into())));
        assert_eq!(field(json, "host.x"), Err(Unusable::NoField("host.x".into())));
        let dotted = r#"{"a.b":"whole","a":{"b":"deep","c.d":"array"}}"#;
        assert_eq!(field(dotted, "a.b").as_deref(), Ok("whole"), "a field of the very name goes first");
        let steps = JsonPath::from_steps(vec!["a".into(), "c.d".into()]).expect("two steps");
        assert_eq!(Secret::new(dotted.into()).json_field(&steps).expect("it is there").expose(), b"array");
        let deep = JsonPath::from_steps(vec!["a".into(), "b".into()]).expect("two steps");
        assert_eq!(Secret::new(dotted.into()).json_field(&deep).expect("it is there").expose(), b"deep");
        assert_eq!(field(json, "none"), Err(Unusable::Null("none".into())));
        assert_eq!(field("\u{feff}{\"a\":1}", "a").as_deref(), Ok("1"), "behind a byte order mark");
        assert_eq!(field("not json", "a"), Err(Unusable::NotJson));
    }

    #[test]
    fn lists_and_base64() {
        assert_eq!(Secret::new("a,b,,c".into()).list_joined_by(" ").expose(), b"a b  c");
        assert_eq!(Secret::new("AAEC\n/w==\n".into()).decode_base64().expect("base64").expose(), [0, 1, 2, 255]);
        assert_eq!(Secret::new("a-b".into()).decode_base64().map(|_| ()), Err(Unusable::NotBase64));
    }

    #[test]
    fn encodings() {
        let hostile = "a b'\"\\/?#{A}%\u{1}\n é";
        for (encoding, want) in [
            (Encoding::None, hostile),
            (Encoding::Url, "a%20b%27%22%5C%2F%3F%23%7BA%7D%25%01%0A%20%C3%A9"),
            (Encoding::Base64, "YSBiJyJcLz8je0F9JQEKIMOp"),
            (Encoding::Json, r#""a b'\"\\/?#{A}%\u0001\n é""#),
            (Encoding::Shell, "'a b'\\''\"\\/?#{A}%\u{1}\n é'"),
        ] {
            let rendered =
                Secret::render(&[Rendered::Text("<"), Rendered::Value(&Secret::new(hostile.into()), encoding)]);
            let rendered = rendered.expect("it is text");
            assert_eq!(String::from_utf8_lossy(rendered.expose()), format!("<{want}"), "{encoding:?}");
        }
        let binary = Secret::new("/w==".into()).decode_base64().expect("base64");
        assert_eq!(binary.encode(Encoding::Json).map(|_| ()), Err(Unusable::NotText));
        assert_eq!(binary.encode(Encoding::Url).expect("any bytes").expose(), b"%FF");
    }

    #[test]
    fn debug_hides_it() {
        assert_eq!(format!("{:?}", Secret::new("hunter2".into())), "Secret");
    }
}
