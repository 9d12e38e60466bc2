//! How answers are written into memory: one line of JSON, which has no value in it, and the values one after the other.

use std::rc::Rc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::answers::{Answers, Kind, LoadReply, Parameter, Reply};
use crate::secret::Secret;

/// Raised when the form changes: what another version of stepzero has left is not used.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    /// Seconds since the boot.
    made: u64,
    fingerprint: String,
    /// In the order of the plan's requests; `None` is one that AWS says does not exist.
    replies: Vec<Option<Item>>,
    /// In the order of the plan's loads.
    loads: Vec<Vec<Item>>,
}

#[derive(Serialize, Deserialize)]
struct Item {
    name: String,
    version: i64,
    /// Seconds since 1970.
    modified: Option<u64>,
    kind: Kind,
    /// Of the value, in bytes.
    length: usize,
}

/// `None` unless everything was answered.
pub fn written(answers: &Answers, fingerprint: &str, made: Duration) -> Option<Secret> {
    let replies: Vec<Option<&Parameter>> = answers.replies.iter().map(found).collect::<Option<_>>()?;
    let loads: Vec<&Vec<Parameter>> = answers.loads.iter().map(loaded).collect::<Option<_>>()?;
    let header = Header {
        format: FORMAT,
        made: made.as_secs(),
        fingerprint: fingerprint.to_owned(),
        replies: replies.iter().map(|reply| reply.map(Item::of)).collect(),
        loads: loads.iter().map(|load| load.iter().map(Item::of).collect()).collect(),
    };
    // Texts and numbers always make JSON.
    let header = serde_json::to_string(&header).ok()?;
    let parameters = replies.iter().flatten().copied().chain(loads.into_iter().flatten());
    Some(Secret::behind(&header, parameters.map(|parameter| parameter.value.as_ref())))
}

fn found(reply: &Reply) -> Option<Option<&Parameter>> {
    match reply {
        Reply::Found(parameter) => Some(Some(parameter)),
        Reply::Missing => Some(None),
        Reply::Denied(_) | Reply::NotFetched | Reply::GaveUp(_) => None,
    }
}

fn loaded(reply: &LoadReply) -> Option<&Vec<Parameter>> {
    match reply {
        LoadReply::Found(parameters) => Some(parameters),
        LoadReply::TooMany(_) | LoadReply::Denied(_) | LoadReply::NotFetched | LoadReply::GaveUp(_) => None,
    }
}

/// When they were made, and the answers; or why they are of no use.
pub fn read(content: &Secret, fingerprint: &str) -> Result<(Duration, Answers), &'static str> {
    const GARBLED: &str = "they are not as stepzero leaves them";
    let (header, values) = content.header_and_rest().ok_or(GARBLED)?;
    let format: Format = serde_json::from_str(&header).map_err(|_| GARBLED)?;
    if format.format != FORMAT {
        return Err("another version of stepzero has left them");
    }
    let header: Header = serde_json::from_str(&header).map_err(|_| GARBLED)?;
    if header.fingerprint != fingerprint {
        return Err("the spec or a setting has changed since");
    }
    let mut rest = Values { values, at: 0 };
    let mut take = |item: Item| rest.take(item).ok_or(GARBLED);
    let mut replies = Vec::with_capacity(header.replies.len());
    for reply in header.replies {
        replies.push(reply.map(&mut take).transpose()?.map_or(Reply::Missing, Reply::Found));
    }
    let mut loads = Vec::with_capacity(header.loads.len());
    for load in header.loads {
        loads.push(LoadReply::Found(load.into_iter().map(&mut take).collect::<Result<_, _>>()?));
    }
    Ok((Duration::from_secs(header.made), Answers { replies, loads }))
}

/// What every form has.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// The values, of which some are taken already.
struct Values {
    values: Secret,
    at: usize,
}

impl Values {
    fn take(&mut self, item: Item) -> Option<Parameter> {
        let value = Rc::new(self.values.part(self.at..self.at.checked_add(item.length)?)?);
        self.at += item.length;
        let modified =
            item.modified.and_then(|seconds| SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)));
        // Only a lock wants the id of a version, and that is made of what the store says now.
        let (version, version_id) = (item.version, None);
        Some(Parameter { name: item.name, version, version_id, modified, kind: item.kind, value })
    }
}

impl Item {
    fn of(parameter: &Parameter) -> Self {
        let since_1970 = |time: SystemTime| time.duration_since(SystemTime::UNIX_EPOCH).ok();
        Item {
            name: parameter.name.clone(),
            version: parameter.version,
            modified: parameter.modified.and_then(since_1970).map(|since| since.as_secs()),
            kind: parameter.kind,
            length: parameter.value.len(),
        }
    }
}
