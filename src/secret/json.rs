//! JSON inside a value: fields, whose text stays as it was written, byte for byte.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{Secret, Unusable};

impl Secret {
    /// One field of a JSON value. A string comes as it is; a number, boolean, array or object as its JSON text, byte for byte.
    pub fn json_field(&self, path: &JsonPath) -> Result<Secret, Unusable> {
        let root: &RawValue = serde_json::from_str(self.json()?).map_err(|_| Unusable::NotJson)?;
        scalar(path.find(root)?).ok_or_else(|| Unusable::Null(path.to_string()))
    }

    /// The fields of a JSON object in their order: strings as they are, numbers and booleans as their JSON text, byte for
    /// byte, and so objects and lists where `nested` permits them. Each field has a result of its own, because it may not
    /// be wanted.
    pub fn json_fields(&self, nested: bool) -> Result<Vec<(String, Result<Secret, Unusable>)>, Unusable> {
        let Fields(fields) = serde_json::from_str(self.json()?).map_err(|error| match error.is_data() {
            true => Unusable::NoObject,
            false => Unusable::NotJson,
        })?;
        let value = |name: &str, value: &RawValue| match value.get().as_bytes().first() {
            Some(b'{' | b'[') if !nested => Err(Unusable::Nested(name.to_owned())),
            _ => scalar(value).ok_or_else(|| Unusable::Null(name.to_owned())),
        };
        let fields = fields.into_iter().map(|(name, raw)| {
            let value = value(&name, raw);
            (name, value)
        });
        Ok(fields.collect())
    }

    /// Where this is a whole secret of Secrets Manager, as Parameter Store shows it: the id of its version. AWS's pages have
    /// the name of the field in both cases.
    pub fn version_id(&self) -> Option<String> {
        #[derive(serde::Deserialize)]
        struct Whole {
            #[serde(alias = "VersionId", rename = "versionId")]
            version_id: Option<String>,
        }
        serde_json::from_str::<Whole>(self.json().ok()?).ok()?.version_id
    }

    /// The text as a JSON parser takes it.
    fn json(&self) -> Result<&str, Unusable> {
        let text = std::str::from_utf8(self.bytes()).map_err(|_| Unusable::NotJson)?;
        // Editors of Windows begin a text with a byte order mark, which JSON does not know.
        Ok(text.strip_prefix('\u{feff}').unwrap_or(text))
    }
}

/// A string as it is, all else as its JSON text; `None` for null.
fn scalar(value: &RawValue) -> Option<Secret> {
    match value.get().as_bytes().first() {
        // It was read as JSON before, so a string is one.
        Some(b'"') => serde_json::from_str(value.get()).ok().map(Secret::new),
        Some(b'n') => None,
        _ => Some(Secret::new(value.get().to_owned())),
    }
}

fn descend<'a>(value: &'a RawValue, step: &str) -> Option<&'a RawValue> {
    if value.get().starts_with('[') {
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
        // `parse` would take "+1" too.
        let index = step.bytes().all(|byte| byte.is_ascii_digit()).then(|| step.parse::<usize>().ok())??;
        return items.get(index).copied();
    }
    let fields: std::collections::HashMap<std::borrow::Cow<'a, str>, &RawValue> =
        serde_json::from_str(value.get()).ok()?;
    fields.get(step).copied()
}

/// The fields of an object in their order, also those of one name.
struct Fields<'a>(Vec<(String, &'a RawValue)>);

impl<'de> Deserialize<'de> for Fields<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let fields = std::iter::from_fn(|| map.next_entry().transpose());
                fields.collect::<Result<_, _>>().map(Fields)
            }
        }
        from.deserialize_map(Object)
    }
}

/// Where in a JSON value: names of fields and indices of lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath {
    steps: Vec<String>,
    /// The path as one text, where it was written as such: a field of that very name goes before a deeper one.
    text: Option<String>,
}

impl JsonPath {
    /// Names between dots. `None` for an empty path or an empty step.
    pub fn parse(text: &str) -> Option<Self> {
        let path = Self::from_steps(text.split('.').map(str::to_owned).collect())?;
        Some(JsonPath { text: Some(text.to_owned()), ..path })
    }

    /// Names that can contain dots themselves. `None` for an empty path or an empty step.
    pub fn from_steps(steps: Vec<String>) -> Option<Self> {
        let is_good = !steps.is_empty() && !steps.iter().any(String::is_empty);
        is_good.then_some(JsonPath { steps, text: None })
    }

    /// As one text, where it was written as such.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The names one by one.
    pub fn steps(&self) -> &[String] {
        &self.steps
    }

    fn find<'a>(&self, root: &'a RawValue) -> Result<&'a RawValue, Unusable> {
        if let Some(field) = self.text.as_ref().and_then(|text| descend(root, text)) {
            return Ok(field);
        }
        let mut here = root;
        for (depth, step) in self.steps.iter().enumerate() {
            here = descend(here, step).ok_or_else(|| Unusable::NoField(self.steps[..=depth].join(".")))?;
        }
        Ok(here)
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.steps.join("."))
    }
}
