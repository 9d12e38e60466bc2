//! What `changed` prints: names, versions and times.

use std::time::SystemTime;

use serde_json::{Value as Json, json};

use super::table::Stdout;
use super::{FORMAT, pretty};
use crate::changed::{Comparison, Source};
use crate::error::{count, escaped};
use crate::name::EnvName;
use crate::setting::Format;

const OTHER_VALUE: &str = "the process has another value";

pub fn changed(comparison: &Comparison, format: Format) -> String {
    match format {
        Format::Text => text(comparison),
        Format::Json => pretty(&json(comparison)),
    }
}

fn text(comparison: &Comparison) -> String {
    let Comparison { changed, waiting, unchanged, unknown } = comparison;
    let changed = changed.iter().map(|(name, source)| format!("{name}: {}, {OTHER_VALUE}", described(source)));
    let waiting = waiting.iter().map(|(name, source, due)| {
        format!("{name}: {}, {OTHER_VALUE}: reported from {} on", described(source), time(*due))
    });
    let unknown = unknown.iter().map(|(name, why)| format!("{name}: cannot be told: {why}"));
    let lines: Vec<String> = changed.chain(waiting).chain(unknown).collect();
    if lines.is_empty() {
        return format!("nothing changed: {}\n", count(unchanged.len(), "variable"));
    }
    let stdout = Stdout::new();
    lines.iter().map(|line| stdout.folded(&escaped(line), 0)).collect()
}

fn described(source: &Source) -> String {
    let since = source.modified.map(|modified| format!(" since {}", time(modified))).unwrap_or_default();
    let version = source.version_id.clone().unwrap_or_else(|| source.version.to_string());
    format!("{} version {version}{since}", source.parameter)
}

/// In UTC, to the second (RFC 3339).
fn time(time: SystemTime) -> String {
    humantime::format_rfc3339_seconds(time).to_string()
}

fn json(comparison: &Comparison) -> Json {
    let source = |(name, source): (&EnvName, &Source)| {
        let version = source.version_id.clone().map_or_else(|| source.version.into(), Json::from);
        json!({
            "variable": name.as_str(), "parameter": source.parameter, "version": version,
            "since": source.modified.map(time), "why": OTHER_VALUE,
        })
    };
    let changed: Vec<Json> = comparison.changed.iter().map(|(name, from)| source((name, from))).collect();
    let waiting = comparison.waiting.iter().map(|(name, from, due)| {
        let mut json = source((name, from));
        json["from"] = time(*due).into();
        json
    });
    let unchanged: Vec<&str> = comparison.unchanged.iter().map(EnvName::as_str).collect();
    let unknown: Vec<Json> =
        comparison.unknown.iter().map(|(name, why)| json!({ "variable": name.as_str(), "why": why })).collect();
    json!({
        "format": FORMAT, "changed": changed, "waiting": waiting.collect::<Vec<_>>(), "unchanged": unchanged, "unknown": unknown,
    })
}
